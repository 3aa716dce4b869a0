"""The command line: Hydra's own for experiments and sweeps, and a few commands beside it."""

import os
import signal
import sys
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from traceback import walk_tb
from types import FrameType

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString
from hydra.errors import (
    CompactHydraException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from cnn_sweeps.errors import CnnSweepsError, ConfigError
from cnn_sweeps.runs import validate
from cnn_sweeps.text import terminal
from cnn_sweeps.text.format import first_line

ENDED_BY = {
    signal.SIGINT: "interrupted.",
    signal.SIGTERM: "terminated.",
    signal.SIGHUP: "the terminal was closed.",
}
"""The signals after which a run is ended in order, and what is said."""
DRY_RUN = "--dry-run"
"""With -m: say what the sweep would do, and do nothing."""
FULL_ERROR = "HYDRA_FULL_ERROR"
"""Hydra's own variable for tracebacks; unset, it would report and exit by itself."""


COMMANDS = {
    "show": "cnn_sweeps.cli.show",
    "reproduce": "cnn_sweeps.cli.reproduce",
    "diff": "cnn_sweeps.cli.diff",
    "export": "cnn_sweeps.cli.export",
    "figures": "cnn_sweeps.cli.figures",
    "promote": "cnn_sweeps.cli.promote",
    "compare": "cnn_sweeps.cli.compare",
    "cache": "cnn_sweeps.cli.cache",
    "report": "cnn_sweeps.cli.report",
    "ui": "cnn_sweeps.cli.ui",
    "doctor": "cnn_sweeps.cli.doctor",
}
"""The module of each command; its `main` takes the arguments and returns the exit code."""


def main() -> None:
    """Carry out the command line, and exit with 0, 1 (a run failed) or 2 (it cannot be done)."""
    terminal.open_streams()
    _end_in_order()
    code = _guarded(sys.argv[1:])
    if (lost := terminal.close_streams()) is not None:
        code = code or _refuse(f"standard output cannot be written: {lost.strerror}.", 1)
    sys.exit(code)


def app(composed: DictConfig) -> dict[str, float]:
    """Train the composed experiment; this is what Hydra calls.

    Returns:
        The run's metrics by name, for a sweeper that optimises one of them.
    """
    config = validate.make_config(validate.plain(composed))

    # After the check, because these import MLflow and TensorFlow; a store that refuses does
    # so before the latter, which takes the longest.
    from cnn_sweeps.cli import output  # noqa: PLC0415
    from cnn_sweeps.tracking import Store  # noqa: PLC0415
    from cnn_sweeps.training import backend  # noqa: PLC0415

    store = Store.open(config.tracking)
    with backend.quiet_stderr():
        from cnn_sweeps.runs.run import run  # noqa: PLC0415

    result = run(config, store)
    output.run_ended(result, store)
    return dict(result.metrics)


def _end_in_order() -> None:
    """Let a scheduler's SIGTERM and a closed terminal end a run as Ctrl-C does.

    Without it the run would stay RUNNING in MLflow. What `nohup` ignores stays ignored.
    """
    for number in ENDED_BY:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


def _guarded(arguments: list[str]) -> int:
    wants_traceback = os.environ.get(FULL_ERROR) == "1"
    try:
        return _dispatch(arguments)
    except CnnSweepsError as error:
        return _refuse(str(error), error.exit_code)
    except (HydraException, OmegaConfBaseException) as error:
        if wants_traceback:
            raise
        return _refuse(_several_values(arguments) or _explain(error), ConfigError.exit_code)
    except ValueError as error:
        if wants_traceback or not _raised_by_hydra(error):
            raise
        return _refuse(_explain_value(arguments, error), ConfigError.exit_code)
    except KeyboardInterrupt as interrupt:
        number = signal.Signals(interrupt.args[0] if interrupt.args else signal.SIGINT)
        return _refuse(ENDED_BY[number], 128 + number)  # as shells have it


def _dispatch(arguments: list[str]) -> int:
    if arguments and arguments[0] in COMMANDS:
        command = import_module(COMMANDS[arguments[0]])  # late, since it imports MLflow
        return int(command.main(arguments[1:]))
    if arguments == ["--version"]:
        print(f"cnn-sweeps {version('cnn-sweeps')}")
        return 0
    if DRY_RUN in arguments:
        # In its place: an option between two overrides would part them.
        sys.argv[1:] = ["hydra.sweeper.dry_run=true" if a == DRY_RUN else a for a in arguments]
    os.environ[FULL_ERROR] = "1"
    if "--cfg" in arguments or "-c" in arguments:
        _check_composed(arguments)
    hydra.main(
        version_base=validate.HYDRA_VERSION,
        config_path=validate.config_dir(),
        config_name=validate.CONFIG_NAME,
    )(_job)()
    return 0


def _job(composed: DictConfig) -> dict[str, float]:
    """Run the app; what it refuses is said here, before Hydra would wrap it."""
    try:
        sweeper = HydraConfig.get().sweeper
        if worker := sweeper.get("worker"):
            from cnn_sweeps.sweeps.workers.launcher import (  # noqa: PLC0415 -- imports optuna
                work_as_job,
            )

            work_as_job(worker)
            return {}
        return app(composed)
    except CnnSweepsError as error:
        raise SystemExit(_refuse(str(error), error.exit_code)) from None


def _check_composed(arguments: list[str]) -> None:
    """Refuse with `--cfg` what a run would refuse."""
    from hydra._internal.utils import get_args_parser  # noqa: PLC0415 -- Hydra has no public one

    parsed = get_args_parser().parse_args(arguments)
    if parsed.cfg == "hydra" or parsed.package is not None or parsed.multirun:
        return
    folder = parsed.config_path or validate.config_dir()
    overrides = list(parsed.overrides)
    if parsed.config_dir is not None:
        overrides.append(f"hydra.searchpath=[file://{os.path.abspath(parsed.config_dir)}]")
    composed = validate.compose(
        overrides, name=parsed.config_name or validate.CONFIG_NAME, folder=folder
    )
    validate.make_config(validate.plain(composed))


def _refuse(message: str, code: int) -> int:
    terminal.refuse(message)
    return code


def _explain(error: Exception) -> str:
    """Say in plain words what Hydra refused, what is possible and what to type."""
    cause = error.__cause__
    if isinstance(error, OverrideParseException):
        return _explain_override(error.override)
    if isinstance(error, MissingConfigException):
        return _explain_option(error)
    if isinstance(cause, OmegaConfBaseException):
        return validate.explain(cause)
    if isinstance(error, OmegaConfBaseException):
        return validate.explain(error)
    first = str(error).strip()
    return first if isinstance(error, CompactHydraException) else first_line(first)


def _several_values(arguments: list[str]) -> str | None:
    """The refusal of a sweep that is typed without -m; None when there is none."""
    if {"-m", "--multirun", "hydra.mode=MULTIRUN"} & set(arguments):
        return None
    for text in (a for a in arguments if "=" in a and not a.startswith("-")):
        with suppress(HydraException):
            override = OverridesParser.create().parse_override(text)
            if override.is_sweep_override():
                key, value = text.split("=", 1)
                listed = f", or {key}=[{value}] for a list" if _is_typed_list(override) else ""
                return (
                    f"{text} is more than one value.\n  Type cnn-sweeps -m {text} to sweep over "
                    f"them{listed}."
                )
    return None


def _is_typed_list(override: Override) -> bool:
    """Whether the sweep is plain values with commas between them, as in a list."""
    value = override.value()
    return isinstance(value, ChoiceSweep) and value.simple_form


def _raised_by_hydra(error: Exception) -> bool:
    """Whether Hydra itself raised an error that is none of its own types."""
    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    return bool(modules) and modules[-1].startswith("hydra.")


def _explain_value(arguments: list[str], error: ValueError) -> str:
    """Say which group was given something that is no name of an option."""
    for text in arguments:
        key, equals, _ = text.lstrip("+").partition("=")
        if equals and not key:
            return _explain_override(text)
        options = sorted(file.stem for file in Path(validate.config_dir(), key).glob("*.yaml"))
        with suppress(HydraException):
            value = OverridesParser.create().parse_override(text).value()
            if equals and options and not isinstance(value, str | list | QuotedString):
                return (
                    f"{text} is not possible: {key} takes the name of an option.\n"
                    f"  {key} can be {', '.join(options)}"
                )
    return first_line(error)


def _explain_override(text: str) -> str:
    if text.find("=") > 0:
        return (
            f"{text!r} cannot be read. A value with spaces, commas, brackets or = in it needs "
            f"quotes.\n  Type KEY='VALUE', for example 'tracking.experiment=\"my runs\"'"
        )
    near = get_close_matches(text, COMMANDS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return (
        f"{text!r} is neither a command ({', '.join(COMMANDS)}) nor KEY=VALUE.{hint}\n"
        f"  Type, for example, cnn-sweeps model.filters=32, or cnn-sweeps --help"
    )


def _explain_option(error: MissingConfigException) -> str:
    if not error.missing_cfg_file or not error.options:
        return first_line(error)
    group, _, option = error.missing_cfg_file.rpartition("/")
    near = get_close_matches(option, error.options, n=1)
    hint = f" Did you mean {group}={near[0]}?" if near else ""
    return (
        f"{group}={option} is not possible: there is no such option.{hint}\n"
        f"  {group} can be {', '.join(error.options)}"
    )
