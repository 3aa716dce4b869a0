"""Who trains a trajectory: one process at a time."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from cnn_sweeps.trajectory.entry import LOCK
from cnn_sweeps.trajectory.files import refusal


class Lock:
    """A lock on a folder that the system takes back when its holder dies.

    It only saves work: where there is none (some network drives), two processes train the same
    epochs and write the same bits.
    """

    def __init__(self, folder: Path) -> None:
        """Name the lock; nothing is locked yet."""
        self._path = folder / LOCK
        self._file: IO[str] | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._file is not None

    def take(self) -> bool:
        """Take the lock if it is free, and say whether it is held now.

        Raises:
            StoreError: the folder cannot be written.
        """
        if self._file is None:
            self._file = self._locked()
        return self.held

    def give_back(self) -> None:
        """Let somebody else have it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        """Do nothing: `take` is asked when the lock is needed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give it back."""
        self.give_back()

    def _locked(self) -> IO[str] | None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a")
        except FileNotFoundError:  # the folder was removed meanwhile
            return None
        except OSError as error:
            raise refusal(self._path, error) from error
        if _free(file) and _still_there(file, self._path):
            return file
        file.close()
        return None


def _free(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a drive that knows no locks
        return True
    return True


def _still_there(file: IO[str], path: Path) -> bool:
    """Whether the file that was locked is the one that others will find."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False
