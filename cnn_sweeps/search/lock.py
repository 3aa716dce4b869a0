"""One process at a time, among all on this machine."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cnn_sweeps.errors import StoreError

PATIENCE = 120.0
"""Seconds to wait for another process; preparing a study takes a few."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of that file; the system releases it when the process dies.

    A transaction of SQLite, which is at hand on every platform, rather than a lock file that
    a killed process would leave behind.

    Raises:
        StoreError: the file cannot be written, or somebody holds the lock for minutes.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as held:
            held.execute("BEGIN EXCLUSIVE")
            yield
            held.execute("ROLLBACK")
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path} cannot be locked: {error}.") from error
