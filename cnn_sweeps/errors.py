"""Everything cnn_sweeps raises on purpose.

- CnnSweepsError               one clear message, never a traceback
  - InputError                 what was asked for cannot be done: exit code 2
    - ConfigError              a key, a type, a value or a combination of them
      - NewerVersionError      what is stored has a field that this version does not know
    - DataError                a file that is missing, broken or not what was declared
      - UnreadableFileError    one file among many that cannot be read; the others can
        - UnreadableImageError one that is no image, with the kind of its fault
    - StoreError               the tracking database, the study or the disk refuses
      - NotStoredError         neither the model of a run nor the epoch that it ended with is stored
    - UnknownHashError         no run, or more than one, has that hash
    - UnknownStudyError        no study, or more than one, has that name
    - RecordError              what is stored of a run was changed, or cannot be done again
  - RunFailedError             a run that started and could not finish: exit code 1
    - DivergedError            the loss stopped being a number
    - ModelError               a user's own model function failed or returned no usable model
    - PrunedError              a trial that its sweep gave up in mid-training
    - StoppedError             a run that was asked to stop in mid-training

An `InputError` is fatal: it would be the same for every trial, unless the trial's own
values caused it. A `RunFailedError` ends one trial and the sweep goes on.
"""

import errno
from collections.abc import Iterator
from typing import Final

FULL: Final = "cannot be written: the disk is full. Free some space"
DENIED: Final = "cannot be used: permission denied. Change its permissions"
DENIALS: Final = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.EROFS: "cannot be written. Make it writable",
}
"""What is wrong with a file that the system does not give, and what to do, by its error code."""


class CnnSweepsError(Exception):
    """Base of all; its text is all that the user needs to see."""

    exit_code = 1


class InputError(CnnSweepsError):
    """What was asked for cannot be done; nothing was started."""

    exit_code = 2


class ConfigError(InputError):
    """A key, a type, a value or a combination of values is invalid."""


class NewerVersionError(ConfigError):
    """A newer version of cnn_sweeps stored it, with a field or an option not known here."""


class DataError(InputError):
    """A data file is missing, broken or not what the configuration says it is."""


class UnreadableFileError(DataError):
    """One file among many that cannot be read.

    Attributes:
        path: the file.
    """

    def __init__(self, path: object, said: str) -> None:
        # Both are args, so that the error can be pickled on its way out of a worker.
        super().__init__(path, said)
        self.path, self._said = path, said

    def __str__(self) -> str:
        return self._said


class UnreadableImageError(UnreadableFileError):
    """A file that cannot be read as an image.

    Attributes:
        path: the file.
        kind: what is wrong with it, in words that fit many files.
        remedy: what to do with such files.
    """

    def __init__(self, path: object, kind: str, remedy: str = "fix or remove it") -> None:
        super().__init__(path, f"{path} cannot be read as an image ({kind}); {remedy}.")
        self.kind, self.remedy = kind, remedy
        self.args = (path, kind, remedy)  # for pickle, as above


class StoreError(InputError):
    """The tracking database, the study's journal or the disk cannot be used."""


class NotStoredError(StoreError):
    """The weights of a run are nowhere: it stored no model, and the epoch it ended with is gone."""


class UnknownHashError(InputError):
    """A hash prefix that fits no run, or more than one experiment."""


class UnknownStudyError(InputError):
    """A name that is not a study, or the beginning of more than one."""


class RecordError(InputError):
    """What is stored of a run was changed afterwards, is incomplete or cannot be done again."""


class RunFailedError(CnnSweepsError):
    """A run that started and could not finish."""


class DivergedError(RunFailedError):
    """The training loss became NaN or infinite."""


class ModelError(RunFailedError):
    """A user's own model function failed or returned something that cannot be trained."""


class PrunedError(RunFailedError):
    """A trial that was not worth its next epoch, in the judgement of its sweep's pruner.

    Attributes:
        epoch: the last epoch that was trained, from 1.
        reason: which pruner, at what value, for a person.
    """

    def __init__(self, epoch: int, reason: str) -> None:
        # Both are args, so that the error can be pickled on its way out of a worker.
        super().__init__(epoch, reason)
        self.epoch = epoch
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class StoppedError(RunFailedError):
    """A run that was asked to stop in mid-training; its text says by whom or what."""


def denial(code: int | None, elsewhere: str) -> str | None:
    """Why the system does not give a file, and what to do; None for errors of another kind.

    Args:
        code: the system's error code.
        elsewhere: how to name another place: "choose another folder with tracking.dir=FOLDER".
    """
    told = DENIALS.get(code or 0)
    return told and f"{told}, or {elsewhere}."


def reason_of(error: BaseException | str) -> str:
    """Why something failed, for a person; a bug is named with its type."""
    if isinstance(error, str | CnnSweepsError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def error_chain(error: BaseException, *, context: bool = False) -> Iterator[BaseException]:
    """An error and what it was raised from, each once.

    They may be a circle: OmegaConf gives an error itself as its cause in a debugger (OC_CAUSE=1).

    Args:
        error: the last one.
        context: whether an error that was being handled counts as well, where no cause is given.
    """
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and not any(current is each for each in seen):
        yield current
        seen.append(current)
        current = current.__cause__ or (current.__context__ if context else None)
