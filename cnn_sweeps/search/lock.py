"""One process at a time, among all on this machine."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from cnn_sweeps.errors import StoreError

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
            f"the lock {path} cannot be made: {error.strerror or error}.\n"
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
