"""One process at a time, among all on this machine: for a file, and for who trains a trajectory."""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Self

from filelock import FileLock, Timeout, lock_descriptor

from cnn_sweeps.errors import StoreError
from cnn_sweeps.trajectories.files import refusal

LOCK = "lock"
"""The file in a folder that who holds its lock has locked."""
PATIENCE = 120.0
"""Seconds to wait for another process; preparing a study takes a few."""
PAUSE: Final = 0.01
"""Seconds between two attempts."""
NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What a drive says that knows no locks."""


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold the lock of that file; the system releases it when the process dies.

    Raises:
        StoreError: the file cannot be written, or somebody holds the lock for minutes.
    """
    # Without locks, filelock would leave a marker that a killed process never takes away.
    lock = FileLock(path, timeout=PATIENCE, poll_interval=PAUSE, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(still_locked(path, PATIENCE)) from error
    except OSError as error:
        raise StoreError(
            f"the lock {path} cannot be created: {error.strerror or error}.\n"
            f"  Make its folder writable, or choose another with tracking.dir=FOLDER."
        ) from error
    try:
        yield
    finally:
        lock.release()


def take_lock(file: IO[Any], patience: float) -> bool:
    """Wait until no other process holds the lock of an open file, and take it.

    Closing the file gives it back. For a file that `FileLock` must not make where it is gone.

    Args:
        file: open for anything.
        patience: seconds after which the waiting is given up, and the answer is no.
    """
    end = time.monotonic() + patience
    while not lock_descriptor(file.fileno(), blocking=False):
        if time.monotonic() > end:
            return False
        time.sleep(PAUSE)
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
        self._lock = FileLock(
            self._path, blocking=False, thread_local=False, fallback_to_soft=False
        )
        self._without = False
        """Whether it counts as held on a drive that knows no locks."""

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._without or self._lock.is_locked

    def acquire(self) -> bool:
        """Take the lock if it is free, and say whether it is held now.

        Raises:
            StoreError: the folder cannot be written.
        """
        if self.held:
            return True
        try:
            self._lock.acquire()
        except (Timeout, FileNotFoundError):  # somebody has it, or removed the folder meanwhile
            return False
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise refusal(self._path, error) from error
            self._without = True
        return True

    def release(self) -> None:
        """Let somebody else have it."""
        self._without = False
        self._lock.release()

    def __enter__(self) -> Self:
        """Do nothing: `acquire` is asked when the lock is needed."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Give it back."""
        self.release()
