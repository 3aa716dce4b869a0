"""One process at a time, among all on this machine: for a file, and for who trains a trajectory."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from cnn_sweeps.errors import StoreError
from cnn_sweeps.trajectories.entry import LOCK
from cnn_sweeps.trajectories.files import refusal

PATIENCE = 120.0
"""Seconds to wait for another process; preparing a study takes a few."""
LONGEST_PAUSE = 0.05
"""Seconds between two attempts, at most."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of that file; the system releases it when the process dies.

    Raises:
        StoreError: the file cannot be written, or somebody holds the lock for minutes.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = path.open("a")
    except OSError as error:
        raise StoreError(
            f"the lock {path} cannot be created: {error.strerror or error}.\n"
            f"  Make its folder writable, or choose another with tracking.dir=FOLDER."
        ) from error
    with held:
        if not taken(held, PATIENCE):
            raise StoreError(still_locked(path, PATIENCE))
        yield


def taken(file: IO[Any], patience: float) -> bool:
    """Wait until no other process holds the lock of an open file, and take it.

    Closing the file gives it back.

    Args:
        file: open for anything.
        patience: seconds after which the waiting is given up, and the answer is no.
    """
    end, pause = time.monotonic() + patience, 0.001
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            return True


def still_locked(path: Path, patience: float) -> str:
    """What to say of a file that another process holds for too long."""
    return (
        f"{path} has been locked by another program for {patience:g} s.\n"
        f"  End that program (`fuser {path}` names it) and type the same command again."
    )


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

    def acquire(self) -> bool:
        """Take the lock if it is free, and say whether it is held now.

        Raises:
            StoreError: the folder cannot be written.
        """
        if self._file is None:
            self._file = self._locked()
        return self.held

    def release(self) -> None:
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
        self.release()

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
