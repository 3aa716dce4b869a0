"""Who trains a trajectory: one process at a time."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Self


class Lock:
    """A lock on a folder that the system takes back when its holder dies.

    It only saves work: where it is lost (some network drives), two processes train the same
    epochs and write the same bits.
    """

    def __init__(self, folder: Path) -> None:
        """Name the lock; nothing is locked yet."""
        self._path = folder / "lock"
        self._file: IO[str] | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._file is not None

    def take(self) -> bool:
        """Take the lock if it is free, and say whether it is held now."""
        if self._file is not None:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        if not _still_there(file, self._path):  # it was removed with its folder meanwhile
            file.close()
            return False
        self._file = file
        return True

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


def _still_there(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False
