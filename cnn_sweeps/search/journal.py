"""The journal file of a study: locked so that a killed process holds up nobody, and mended."""

import os
import sys
from pathlib import Path
from typing import IO

from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalFileSymlinkLock

if sys.platform != "win32":
    import fcntl


class ProcessLock(JournalFileSymlinkLock):
    """A lock that the system takes back when its holder dies.

    Optuna's own is a link in the file system: a process that is killed while it writes leaves
    it behind, and everybody waits 30 s for it to grow old.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = Path(f"{path}.lock")
        self._held: IO[str] | None = None

    def acquire(self) -> bool:
        """Wait for the lock and take it."""
        self._held = self._path.open("a")
        if sys.platform != "win32":
            fcntl.flock(self._held, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._held is not None:
            self._held.close()
            self._held = None


def journal(path: str) -> BaseJournalBackend:
    """The backend of a journal file, which is mended first and made when it is not there."""
    if sys.platform == "win32":
        return JournalFileBackend(path)
    lock = ProcessLock(path)
    _mend(Path(path), lock)
    return JournalFileBackend(path, lock_obj=lock)


def _mend(path: Path, lock: ProcessLock) -> None:
    """Cut off a last line that was not written to its end.

    A full disk or a kill in the middle of a write leaves one. Optuna passes over it when it
    reads, but the next entry would be appended to it, and the journal could not be read again.
    """
    if _whole(path):
        return
    lock.acquire()
    try:
        if not _whole(path):  # it was not just being written
            content = path.read_bytes()
            os.truncate(path, content.rfind(b"\n") + 1)
    finally:
        lock.release()


def _whole(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
