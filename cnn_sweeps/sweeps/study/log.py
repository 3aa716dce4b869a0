"""The log of a sweep: a file beside its study, to which every process of this machine appends.

The loggers are the standard library's, below `cnn_sweeps`, and silent by default: what a person
should read is on the terminal. While a sweep runs they write to `NAME.log`, what happened, when,
and in which process. A record is one line, with the traceback of a bug indented below it.

Where to write is noted with the study, so that a worker finds it there, whoever placed it. A
worker on another host writes nothing: appending is whole lines on a local disk only.
"""

import logging
import os
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from optuna.exceptions import OptunaError
from optuna.trial import TrialState

from cnn_sweeps.data.files import checked_home
from cnn_sweeps.errors import CnnSweepsError, ConfigError, reason_of
from cnn_sweeps.provenance.process import this_host
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study.attributes import LOG
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text.escape import printable
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.redact import hidden_in

SUFFIX = ".log"
ROOT = logging.getLogger("cnn_sweeps")
"""The logger that has all others of this package below it."""
logger = logging.getLogger(__name__)

Announce = Callable[[SweepStudy], None]
"""Is told the study of a sweep once it is there."""
Warn = Callable[[str], None]
"""Tells the user what to look out for."""


@dataclass(frozen=True, kw_only=True)
class LogTarget:
    """Where a sweep is logged.

    Attributes:
        path: the file, absolute.
        level: the least level that is written: debug, info, warning or error.
        host: the host, and its boot, on which the path means this file.
    """

    path: str
    level: str
    host: str

    @classmethod
    def of(cls, address: StudyAddress, budget: Budget, folder: Path) -> Self:
        """The file that was asked for, or the one beside the study.

        Args:
            address: the study.
            budget: says which file and level were asked for.
            folder: of the studies that were given no other storage; for one in a database.

        Raises:
            ConfigError: the file that was asked for is the study itself, or its lock.
        """
        taken = {file.resolve() for file in (address.file, address.lock) if file is not None}
        if budget.log_file is not None:
            path = checked_home("hydra.sweeper.log_file", Path(budget.log_file)).absolute()
            if path.resolve() in taken:
                raise ConfigError(
                    f"hydra.sweeper.log_file={budget.log_file} is invalid: the study itself "
                    f"is there. Type another path, or null for a file beside the study."
                )
        else:
            file = None if address.shared else address.file
            beside = (file.parent if file is not None else folder).absolute()
            path = beside / f"{address.name}{SUFFIX}"
            # A journal may be named `sweep.log`, and its study `sweep`.
            path = path.with_suffix(f".sweep{SUFFIX}") if path.resolve() in taken else path
        return cls(path=str(path), level=budget.log_level, host=this_host())

    @classmethod
    def stored_with(cls, study: SweepStudy) -> Self | None:
        """The one that a controller on this host has noted with its study; None without one."""
        stored: Mapping[str, Any] = study.optuna_study.user_attrs.get(LOG) or {}
        if stored.get("host") != this_host():
            return None
        return cls(path=stored["path"], level=stored["level"], host=stored["host"])

    def to_json(self) -> dict[str, str]:
        """Plain values, to be noted with a study."""
        return {"path": self.path, "level": self.level, "host": self.host}


class LineFormatter(logging.Formatter):
    """A record as one line: time, process, level, logger and message, without passwords."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record out; a traceback stands below its line, indented."""
        moment = datetime.fromtimestamp(record.created, tz=UTC).astimezone()
        when = moment.isoformat(sep=" ", timespec="milliseconds")
        said = _in_one_line(record.getMessage())
        text = f"{when} {record.process} {record.levelname} {record.name}: {said}"
        if record.exc_info:
            lines = self.formatException(record.exc_info).splitlines()
            text += "\n" + textwrap.indent("\n".join(map(_in_one_line, lines)), "    ")
        return hidden_in(text)


class AppendHandler(logging.Handler):
    """Appends each record to a file in one write, so that those of several processes do not mix.

    Python's own `FileHandler` writes through a buffer. And what goes wrong is not printed in the
    middle of a sweep, but kept.

    Attributes:
        error: the first thing that went wrong; None as long as nothing has.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.error: OSError | None = None
        self._path = path
        self._file: int | None = None
        self.setFormatter(LineFormatter())

    def open(self) -> OSError | None:
        """Open the file, and make it and its folder where they are not there.

        The first record does so, and nothing before: a sweep that is refused leaves no file.

        Returns:
            Why it cannot be written.
        """
        if self._file is not None:
            return None
        # Without O_NONBLOCK a named pipe would keep the sweep waiting for its reader.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, flags, 0o666)
        except OSError as error:
            self.error = error
        return self.error

    def emit(self, record: logging.LogRecord) -> None:
        """Append a record; a log that cannot be written stops nothing."""
        if self._file is None and self.error is None:
            self.open()
        if self._file is None:
            return
        try:
            os.write(self._file, f"{self.format(record)}\n".encode(errors="backslashreplace"))
        except OSError as error:
            self.error = self.error or error
        except Exception:  # noqa: BLE001 -- as every handler of the standard library
            self.handleError(record)

    def close(self) -> None:
        """Close the file."""
        super().close()
        if self._file is not None:
            os.close(self._file)
            self._file = None


@contextmanager
def logged_sweep(
    address: StudyAddress, budget: Budget, folder: Path, warn: Warn
) -> Iterator[Announce]:
    """Log a sweep from here on; for its controller. See `LogTarget.of` for the other arguments.

    Args:
        address: the study.
        budget: says which file and level were asked for.
        folder: of the studies that were given no other storage.
        warn: is told why the log cannot be written, once.

    Yields:
        What is to be called once the study is there: it notes with it where its workers log.

    Raises:
        ConfigError: a setting is invalid.
    """
    target = LogTarget.of(address, budget, folder)
    begun = time.monotonic()
    known: list[SweepStudy] = []
    refused: OSError | None = None
    with _handler(target) as handler:

        def announce(study: SweepStudy) -> None:
            nonlocal refused
            known.append(study)
            refused = handler.open()
            if refused is not None:
                warn(_unwritable(target, refused))
            _note(study, None if refused else target)
            logger.info("sweep %s in %s started: %s", address.name, address, _counted(study))

        ended_by: BaseException | None = None
        try:
            yield announce
        except BaseException as error:
            ended_by = error
            raise
        finally:
            for study in known:  # a sweep that was refused has none, and leaves no log
                _log_end(study, time.monotonic() - begun, ended_by)
            if known and handler.error is not None and refused is None:
                warn(_unwritable(target, handler.error))


@contextmanager
def logged_worker(study: SweepStudy) -> Iterator[None]:
    """Log where the controller of a study does; for its workers, in processes of their own.

    What cannot be written is not: the controller has warned of it, or will.
    """
    target = LogTarget.stored_with(study)
    if any(isinstance(handler, AppendHandler) for handler in ROOT.handlers) or target is None:
        yield  # a launcher may run its jobs in the process of the controller
        return
    with _handler(target):
        try:
            yield
        except Exception as error:
            bug = not isinstance(error, CnnSweepsError)
            logger.error("the worker cannot go on: %s", reason_of(error), exc_info=bug)
            raise


@contextmanager
def _handler(target: LogTarget) -> Iterator[AppendHandler]:
    """Let the loggers write to a file.

    Meanwhile nothing goes to the handlers of the root logger, whoever has set them up: Hydra's
    print.
    """
    before = ROOT.level, ROOT.propagate
    handler = AppendHandler(Path(target.path))
    ROOT.addHandler(handler)
    ROOT.propagate = False
    ROOT.setLevel(target.level.upper())
    try:
        yield handler
    finally:
        ROOT.removeHandler(handler)
        ROOT.setLevel(before[0])
        ROOT.propagate = before[1]
        handler.close()


def _note(study: SweepStudy, target: LogTarget | None) -> None:
    """Note with a study where its workers log, if that is not what stands there."""
    wanted = target and target.to_json()
    if study.optuna_study.user_attrs.get(LOG) != wanted:
        study.optuna_study.set_user_attr(LOG, wanted)


def _unwritable(target: LogTarget, error: OSError) -> str:
    return (
        f"the log {target.path} cannot be written: {error.strerror or error}; the sweep goes on.\n"
        f"  Type hydra.sweeper.log_file=PATH for another place."
    )


def _log_end(study: SweepStudy, seconds: float, error: BaseException | None) -> None:
    """Say how far a sweep is, and what ended it before its end: the user, a refusal, or a bug."""
    name, counted = study.address.name, _counted(study)
    if error is None:
        logger.info("sweep %s ended after %.1f s: %s", name, seconds, counted)
    elif isinstance(error, KeyboardInterrupt):
        logger.warning("sweep %s interrupted after %.1f s: %s", name, seconds, counted)
    else:
        bug = error if not isinstance(error, CnnSweepsError) else None
        said = reason_of(error)
        logger.error(
            "sweep %s broken off after %.1f s: %s; %s", name, seconds, counted, said, exc_info=bug
        )


def _counted(study: SweepStudy) -> str:
    """How many trials of a study are in which state, as `6 trials: 4 complete, 2 waiting`."""
    try:
        states, total = [trial.state for trial in study.trials()], study.counts().total
    except (CnnSweepsError, OptunaError) as error:  # it may be what ended the sweep
        return f"its trials cannot be read: {error}"
    states += [TrialState.WAITING] * (total - len(states))  # those that are only scheduled
    names = {state: state.name.lower() for state in TrialState} | {TrialState.FAIL: "failed"}
    counts = {name: states.count(state) for state, name in names.items()}
    told = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    return f"{pluralize(total, 'trial')}{': ' if told else ''}{told}"


def _in_one_line(text: str) -> str:
    r"""A text whose line breaks are written out: a record is one line."""
    return printable(text).replace("\n", r"\n").replace("\t", r"\t")
