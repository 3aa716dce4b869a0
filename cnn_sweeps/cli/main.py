"""The command line: Hydra's own for experiments and sweeps, and a few commands beside it."""

import errno
import faulthandler
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from types import FrameType

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from cnn_sweeps.api import config_of, run_in
from cnn_sweeps.errors import CnnSweepsError, ConfigError
from cnn_sweeps.runs.composition import validate, yaml_errors
from cnn_sweeps.runs.composition.hydra_errors import refusal_of
from cnn_sweeps.text import terminal
from cnn_sweeps.text.argument_names import on_command_line

ENDED_BY = {
    signal.SIGINT: "interrupted.",
    signal.SIGTERM: "terminated.",
    signal.SIGHUP: "the terminal was closed.",
    signal.SIGUSR1: "asked to stop by USR1.",
    signal.SIGUSR2: "asked to stop by USR2.",
}
"""The signals after which a run is ended in order, and what is said."""
FLAGS = {
    "--dry-run": "hydra.sweeper.dry_run=true",
    "--no-workers": "hydra.sweeper.n_jobs=none",
}
"""Say what would be done, and do nothing; with -m: leave the trials to `cnn-sweeps worker`."""
STDERR = 2
"""Standard error by its number, which a handler of a crash can write to."""
NOT_OURS = "Ask its owner for the permission, or name another folder."
NO_ROOM = "Free some space, or name another folder."
DENIED = {
    errno.EACCES: NOT_OURS,
    errno.EPERM: NOT_OURS,
    errno.EROFS: "Name another folder.",
    errno.ENOSPC: NO_ROOM,
    errno.EDQUOT: NO_ROOM,
}
"""What to do where the system denies a file, which is no mistake in the program."""
FULL_ERROR = "HYDRA_FULL_ERROR"
"""Hydra's own variable for tracebacks; unset, it would report and exit by itself."""


COMMANDS = {
    "show": "cnn_sweeps.cli.show",
    "reproduce": "cnn_sweeps.cli.reproduce",
    "fork": "cnn_sweeps.cli.fork",
    "diff": "cnn_sweeps.cli.diff",
    "export": "cnn_sweeps.cli.export",
    "figures": "cnn_sweeps.cli.figures",
    "predict": "cnn_sweeps.cli.predict",
    "evaluate": "cnn_sweeps.cli.evaluate",
    "what-if": "cnn_sweeps.cli.what_if",
    "promote": "cnn_sweeps.cli.promote",
    "compare": "cnn_sweeps.cli.compare",
    "cache": "cnn_sweeps.cli.cache",
    "data": "cnn_sweeps.cli.data",
    "report": "cnn_sweeps.cli.report",
    "ui": "cnn_sweeps.cli.ui",
    "worker": "cnn_sweeps.cli.worker",
    "doctor": "cnn_sweeps.cli.doctor",
}
"""The module of each command; its `main` takes the arguments and returns the exit code."""


def main() -> None:
    """Carry out the command line, and exit with 0, 1 (a run failed) or 2 (it cannot be done)."""
    terminal.open_streams()
    _trace_crashes()
    _end_in_order()
    with on_command_line():
        code = _guarded(sys.argv[1:])
    if (lost := terminal.close_streams()) is not None:
        code = code or _refuse(f"standard output cannot be written: {lost.strerror}.", 1)
    sys.exit(code)


def _trace_crashes() -> None:
    """Let a crash in native code print the Python line that called it, and not end without a word.

    Where somebody has decided on that (`PYTHONFAULTHANDLER`) it stays as it is.
    """
    if not faulthandler.is_enabled():
        faulthandler.enable(STDERR, all_threads=False)


def app(composed: DictConfig) -> dict[str, float]:
    """Train the composed experiment; this is what Hydra calls.

    Returns:
        The run's metrics by name, for a sweeper that optimises one of them.
    """
    config = config_of(composed, HydraConfig.get().overrides.task)

    # After the check, because these import MLflow and TensorFlow; a store that refuses does
    # so before the latter, which takes the longest.
    from cnn_sweeps.cli import output  # noqa: PLC0415
    from cnn_sweeps.tracking import Store  # noqa: PLC0415

    output.warn_of_little_memory(workers=False)
    store = Store.open(config.tracking)
    try:
        result = run_in(store, config)
    except KeyboardInterrupt:
        output.run_interrupted(config)
        raise
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
        return _refuse(_with_notes(error), error.exit_code)
    except Exception as error:
        if wants_traceback:
            raise
        refusal = refusal_of(error, arguments, COMMANDS) or _outage(error) or _denied(error)
        if refusal is None:
            raise
        return _refuse(refusal, ConfigError.exit_code)
    except KeyboardInterrupt as interrupt:
        number = signal.Signals(interrupt.args[0] if interrupt.args else signal.SIGINT)
        told = _with_notes(interrupt, ENDED_BY[number])
        return _refuse(told, 128 + number)  # as shells have it


def _with_notes(error: BaseException, said: str | None = None) -> str:
    """What an error says, or what is said in its place, and what was noted on its way."""
    return "\n  ".join([said or str(error), *getattr(error, "__notes__", ())])


def _outage(error: Exception) -> str | None:
    """That a database or server went away in the middle of what a command did; None for others."""
    if "sqlalchemy" not in sys.modules and "requests" not in sys.modules:  # there is none
        return None
    from cnn_sweeps.text.redact import hidden_in  # noqa: PLC0415
    from cnn_sweeps.tracking.errors import absence, said_by  # noqa: PLC0415 -- imports MLflow

    if (cause := absence(error)) is None:
        return None
    return (
        f"a database or server went away: {hidden_in(said_by(cause))}\n"
        "  Run the same command again once it is back."
    )


def _denied(error: Exception) -> str | None:
    """Which file or folder the system does not give, and why; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in DENIED or not error.filename:
        return None
    return f"{error.filename} cannot be used: {error.strerror}.\n  {DENIED[error.errno]}"


def _dispatch(arguments: list[str]) -> int:
    if arguments and arguments[0] in COMMANDS:
        command = import_module(COMMANDS[arguments[0]])  # late, since it imports MLflow
        return int(command.main(arguments[1:]))
    if arguments == ["--version"]:
        terminal.say(f"cnn-sweeps {version('cnn-sweeps')}")
        return 0
    arguments = [FLAGS.get(argument, argument) for argument in arguments]
    sys.argv[1:] = arguments = validate.typed_for_hydra(options_first(arguments))
    os.environ[FULL_ERROR] = "1"
    if ("--cfg" in arguments or "-c" in arguments) and _show_composed(arguments):
        return 0
    with _composed_once(arguments):
        hydra.main(
            version_base=validate.HYDRA_VERSION,
            config_path=validate.config_dir(),
            config_name=validate.CONFIG_NAME,
        )(_job)()
    return 0


@contextmanager
def _composed_once(arguments: list[str]) -> Iterator[None]:
    """Keep Hydra from composing all of the config just to look for `hydra.mode`.

    The shipped config sets none. What is typed may, and so may a folder or config of the user's.
    """
    from hydra._internal.hydra import Hydra  # noqa: PLC0415 -- Hydra has no public one

    look = Hydra.get_mode
    if not any("hydra.mode" in a or a.startswith(("-c", "--config")) for a in arguments):
        Hydra.get_mode = lambda *_, **__: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = look  # type: ignore[method-assign]


def options_first(arguments: Sequence[str]) -> list[str]:
    """What was typed, options before overrides: Hydra's parser knows no other order."""
    from hydra._internal.utils import get_args_parser  # noqa: PLC0415 -- Hydra has no public one

    known = {name: each for each in get_args_parser()._actions for name in each.option_strings}
    options, overrides, left = [], [], list(arguments)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            overrides.append(word)
            continue
        options.append(word)
        action = known.get(word)
        if action and left and (action.nargs is None or left[0] in (action.choices or ())):
            options.append(left.pop(0))
    return [*options, *overrides]


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
        yaml_errors.check(HydraConfig.get())
        if sweeper.get("dry_run"):
            return _dry_run(composed)
        return app(composed)
    except CnnSweepsError as error:
        raise SystemExit(_refuse(_with_notes(error), error.exit_code)) from None


def _dry_run(composed: DictConfig) -> dict[str, float]:
    """Say what a single run would be, and train nothing."""
    from cnn_sweeps.cli import output  # noqa: PLC0415 -- after the check, as in `app`
    from cnn_sweeps.runs.dry_run import describe  # noqa: PLC0415

    config = config_of(composed, HydraConfig.get().overrides.task)
    output.show_facts(describe(config), output.console())
    return {}


def _show_composed(arguments: list[str]) -> bool:
    """Refuse with `--cfg` what a run would refuse, and show the config if no other option is typed.

    Returns:
        Whether it is shown; if not, Hydra composes it once more for its options.
    """
    from hydra._internal.utils import get_args_parser  # noqa: PLC0415 -- Hydra has no public one

    parser = get_args_parser()
    parsed = parser.parse_args(arguments)
    if parsed.cfg == "hydra" or parsed.package is not None or parsed.multirun:
        return False
    folder = parsed.config_path or validate.config_dir()
    overrides = list(parsed.overrides)
    if parsed.config_dir is not None:
        overrides.append(f"hydra.searchpath=[file://{os.path.abspath(parsed.config_dir)}]")
    composed = validate.compose(
        overrides, name=parsed.config_name or validate.CONFIG_NAME, folder=folder
    )
    config_of(composed, overrides)
    if parsed != parser.parse_args(["--cfg", "job", *parsed.overrides]):
        return False
    terminal.say(OmegaConf.to_yaml(composed), end="")
    return True


def _refuse(message: str, code: int) -> int:
    terminal.refuse(message)
    return code
