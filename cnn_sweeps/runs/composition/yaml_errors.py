"""A YAML file that Hydra cannot read: which file, which line, what is wrong there."""

from contextlib import suppress
from pathlib import Path
from traceback import walk_tb
from typing import Any

import yaml
from yaml import MarkedYAMLError
from yaml.reader import ReaderError

from cnn_sweeps.errors import ConfigError, error_chain

READER = "file_config_source"
"""Hydra's module that opens config files; the path is in its frame, and not in every error."""
HINTS = {
    "duplicate key": "Keep one of the two lines.",
    r"\t": "Indent with spaces; YAML permits no tabs there.",
    "cannot start any token": "Put the value in quotes.",
    "mapping values are not allowed": "Check the indentation of this line and the one before, or "
    "put a value with a colon in quotes.",
    "expected <block end>": "Check the indentation of this line and those before.",
    "expected ',' or": "A bracket that is opened before has to be closed.",
}
"""What to do, by a part of what the YAML library says."""


def explain(error: BaseException) -> str | None:
    """Say which config file cannot be read, and why; None where that is not what failed."""
    for cause in error_chain(error):
        if (path := _file_of(cause)) is not None:
            line, problem = _fault(cause, path)
            where = f"{path}, line {line}" if line else str(path)
            hint = next((text for part, text in HINTS.items() if part in problem), "")
            return f"{where} cannot be read: {problem}." + (f"\n  {hint}" if hint else "")
    return None


def check(hydra: Any) -> None:
    """Refuse the option of a group whose file holds no keys; Hydra would take what it holds.

    Args:
        hydra: Hydra's part of a composed config, with the options that were chosen.

    Raises:
        ConfigError: with the file.
    """
    folders = [source.path for source in hydra.runtime.config_sources if source.schema == "file"]
    for group, option in hydra.runtime.choices.items():
        files = (Path(folder, str(group).partition("@")[0], f"{option}.yaml") for folder in folders)
        file = next((each for each in files if each.is_file()), None)
        if file is None:
            continue
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(found, dict | None):
            kind = "a list" if isinstance(found, list) else f"the value {str(found)[:40]!r}"
            raise ConfigError(f"{file} holds {kind}: a config file holds lines of `key: value`.")


def _file_of(error: BaseException) -> Path | None:
    """The file that Hydra had open when an error was raised."""
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__", "").endswith(READER) and "full_path" in frame.f_locals:
            return Path(frame.f_locals["full_path"])
    return None


def _fault(error: BaseException, path: Path) -> tuple[int | None, str]:
    """The line, where that is known, and what is wrong there."""
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return mark.line + 1 if mark else None, str(error.problem or error.context)
    if isinstance(error, UnicodeDecodeError):
        with suppress(OSError):
            return _line_that_is_no_text(path.read_bytes()), "it is no UTF-8 text"
    if isinstance(error, ReaderError):
        with suppress(OSError):
            before = path.read_text(encoding="utf-8")[: error.position]
            return before.count("\n") + 1, f"it has a control character, {error.character!r}"
    reason = getattr(error, "strerror", None) or str(error)
    return None, reason.partition("\n")[0].rstrip(".")


def _line_that_is_no_text(content: bytes) -> int | None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return content[: error.start].count(b"\n") + 1
    return None
