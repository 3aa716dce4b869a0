"""What Hydra refuses, in plain words: what was given, what is possible, what to type."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import walk_tb

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString
from hydra.errors import (
    CompactHydraException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import OmegaConfBaseException

from cnn_sweeps.config.fields import find
from cnn_sweeps.errors import CnnSweepsError, ConfigError
from cnn_sweeps.runs.composition import override_errors, validate, yaml_errors
from cnn_sweeps.text.format import first_line
from cnn_sweeps.text.suggestions import did_you_mean

NO_MAPPING = re.compile(r"primary config '(.*)' must be a DictConfig")
"""What Hydra says of a primary config that is a list."""
RAISED = "raised while composing config:"
"""What Hydra puts between the name of a file and what is wrong in it."""
HYDRA, OURS = "hydra", "cnn_sweeps"
"""Packages that an error may come from."""


@contextmanager
def as_config_error(typed: Sequence[str], *, sweep: bool = False) -> Iterator[None]:
    """Turn what Hydra refuses inside the block into a `ConfigError`.

    Args:
        typed: the overrides.
        sweep: whether several values of a key are what is wanted.

    Raises:
        ConfigError: Hydra refused.
    """
    try:
        yield
    except CnnSweepsError:
        raise
    except Exception as error:
        if (refusal := refusal_of(error, typed, sweep=sweep)) is None:
            raise
        raise ConfigError(refusal) from error


def refusal_of(
    error: Exception, typed: Sequence[str], commands: Iterable[str] = (), *, sweep: bool = False
) -> str | None:
    """What Hydra refused, in plain words; None where it was not Hydra who raised the error.

    Args:
        error: what was raised.
        typed: the command line.
        commands: words that may stand there in front.
        sweep: whether several values of a key are what is wanted.
    """
    if isinstance(error, FileNotFoundError) and not _has_folder():
        return "the current folder was deleted or moved.\n  Type cd FOLDER, and the command again."
    if (unreadable_file := yaml_errors.explain(error)) is not None:
        return unreadable_file
    if isinstance(error, HydraException | OmegaConfBaseException):
        several = None if sweep else several_values(typed)
        return several or explain(error, typed, commands)
    if isinstance(error, ValueError | TypeError) and _raised_by_hydra(error):
        return explain_value(typed, error, commands)
    if isinstance(error, OSError) and error.filename and _asked_by_hydra(error):
        return (
            f"{error.filename} cannot be made or written: {error.strerror}.\n"
            "  Type another folder for hydra.run.dir, hydra.sweep.dir or Hydra's log."
        )
    return None


def _has_folder() -> bool:
    """Whether the current folder is there, which Hydra asks for and so do relative paths."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def explain(error: Exception, typed: Sequence[str], commands: Iterable[str] = ()) -> str:
    """Say in plain words what Hydra refused, what is possible and what to type."""
    cause = error.__cause__
    if isinstance(error, OverrideParseException):
        return _explain_override(error.override, commands)
    if isinstance(error, MissingConfigException):
        return _explain_option(error, typed)
    if isinstance(cause, OmegaConfBaseException):
        return validate.explain(cause)
    if isinstance(error, OmegaConfBaseException):
        return validate.explain(error)
    return _first(error)


def _first(error: Exception) -> str:
    """What Hydra says, as far as it is for users."""
    said = str(error).strip()
    if found := NO_MAPPING.search(said):
        return f"the primary config {found[1]} holds no lines of `key: value`."
    if RAISED in said:
        where, _, why = said.partition(RAISED)
        return f"{where.rpartition(':')[0]}: {first_line(why)}."
    return said if isinstance(error, CompactHydraException) else first_line(said)


def several_values(arguments: Sequence[str]) -> str | None:
    """The refusal of a sweep that is typed without -m; None when there is none."""
    if {"-m", "--multirun", "hydra.mode=MULTIRUN"} & set(arguments):
        return None
    for text in (a for a in arguments if "=" in a and not a.startswith("-")):
        with suppress(HydraException):
            override = OverridesParser.create().parse_override(text)
            if override.is_sweep_override():
                key, value = text.split("=", 1)
                options = _options(key.lstrip("+"))
                is_list = _is_typed_list(override) and not options
                listed = f", or {key}=[{value}] for a list" if is_list else ""
                possible = f"\n  {key} can be {', '.join(options)}" if options else ""
                return (
                    f"{text} is more than one value.\n  Type cnn-sweeps -m {text} to sweep over "
                    f"them{listed}.{possible}"
                )
    return None


def _is_typed_list(override: Override) -> bool:
    """Whether the sweep is plain values with commas between them, as in a list."""
    value = override.value()
    return isinstance(value, ChoiceSweep) and value.simple_form


def _raised_by_hydra(error: Exception) -> bool:
    """Whether Hydra itself raised an error that is none of its own types."""
    return _modules(error)[-1:] == [HYDRA]


def _asked_by_hydra(error: Exception) -> bool:
    """Whether it was Hydra, and nobody whom it called, that asked for what went wrong."""
    return [name for name in _modules(error) if name in (HYDRA, OURS)][-1:] == [HYDRA]


def _modules(error: Exception) -> list[str]:
    """The packages that an error came through, the one that raised it last."""
    names = (str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__))
    return [name.partition(".")[0] for name in names]


def explain_value(arguments: Sequence[str], error: Exception, commands: Iterable[str] = ()) -> str:
    """Say which group was given something that is no name of an option."""
    for text in arguments:
        key, equals, _ = text.lstrip("+").partition("=")
        if equals and not key:
            return _explain_override(text, commands)
        options = _options(key)
        with suppress(HydraException):
            value = OverridesParser.create().parse_override(text).value()
            if equals and options and not _names_options(value):
                return (
                    f"{text} is invalid: {key} takes the name of an option.\n"
                    f"  {key} can be {', '.join(options)}"
                )
    return first_line(error)


def _names_options(value: object) -> bool:
    """Whether a value is the name of an option, or a list of them."""
    names = value if isinstance(value, list) else [value]
    return all(isinstance(each, str | QuotedString) for each in names)


def _explain_override(text: str, commands: Iterable[str] = ()) -> str:
    if not (known := tuple(commands)) or "=" in text[1:]:
        return override_errors.explain(text)
    if text in known:
        return (
            f"{text} stands behind its arguments.\n  Type the command first: cnn-sweeps {text} ..."
        )
    hint = did_you_mean(text, known)
    return (
        f"{text!r} is neither a command ({', '.join(known)}) nor KEY=VALUE.{hint}\n"
        f"  Type, for example, cnn-sweeps model.filters=32, or cnn-sweeps --help"
    )


def _explain_option(error: MissingConfigException, typed: Sequence[str]) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    options = error.options or _options(group)  # Hydra tells none of an option in a list
    if not options:
        return first_line(error)
    given = next((text for text in typed if text.lstrip("+").startswith(f"{group}=")), "")
    added = "+" * (len(given) - len(given.lstrip("+")))  # to a group of no default
    hint = did_you_mean(option, options, before=f"{added}{group}=")
    if find((group, option), {}).key == f"{group}.{option}":
        hint = f" Type {group}.{option}=VALUE for the key of that name."
    return (
        f"{added}{group}={option} is invalid: there is no such option.{hint}\n"
        f"  {group} can be {', '.join(options)}"
    )


def _options(group: str) -> list[str]:
    """The shipped options of a config group; none where there is no such group."""
    folder = Path(validate.config_dir(), group)
    return sorted(file.stem for file in folder.glob("*.yaml")) if group else []
