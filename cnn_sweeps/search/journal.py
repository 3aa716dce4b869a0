"""The journal file of a study: one entry a line, whole lines only, and plain words when it fails.

The format is that of Optuna's own `JournalFileBackend`, so Optuna's tools read the file. What
is different is how it is written: the lock is one that the system takes back when its holder
dies (Optuna's is a link that a killed process leaves behind, and everybody waits 30 s for it
to grow old), and a line that a full disk or a kill has cut short is taken away before the next.
"""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from optuna.storages.journal import BaseJournalBackend

from cnn_sweeps.errors import StoreError
from cnn_sweeps.search.lock import still_locked, taken

SUFFIX = ".journal"
PATIENCE = 60.0
"""Seconds to wait for another program that holds the file; an entry takes milliseconds."""
NEWLINE = b"\n"

ELSEWHERE = f"type hydra.sweeper.storage=PATH{SUFFIX} for another place"
FULL = f"has no room left: the disk is full. Free some space, or {ELSEWHERE}"
READ_ONLY = f"cannot be written. Make it writable, or {ELSEWHERE}"
REASONS = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EACCES: READ_ONLY,
    errno.EPERM: READ_ONLY,
    errno.EROFS: READ_ONLY,
    errno.ENOENT: "is gone, and the study with it. Type the same command again for a new one",
}
"""What the system's errors mean for a person."""


class Journal(BaseJournalBackend):
    """The backend of Optuna's `JournalStorage` over one file, which is made when it is not there.

    Every method raises `StoreError` where the file cannot be read, written or understood.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._read = (0, 0)
        """Entries that were read, and the bytes they take: where the next reading begins."""
        if not self._path.exists():
            self._make()

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The entries from that number on; a last line without its end is still being written."""
        with self._refusing(), self._path.open("rb") as file:
            number, position = self._read if self._read[0] <= log_number_from else (0, 0)
            if file.seek(0, os.SEEK_END) < position:
                raise StoreError(f"{self._named} was cut short while it was in use.")
            file.seek(position)
            for line in file:
                if not line.endswith(NEWLINE):
                    return
                number, position = number + 1, position + len(line)
                entry = self._entry(line, number)
                self._read = number, position
                if number > log_number_from:
                    yield entry

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries; they are on the disk when this returns."""
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        # Without O_CREAT: a journal that somebody has removed must not begin again in the middle.
        with (
            self._refusing(),
            os.fdopen(os.open(self._path, os.O_RDWR | os.O_APPEND), "r+b") as file,
        ):
            if not taken(file, PATIENCE):
                raise StoreError(f"the study's journal {still_locked(self._path, PATIENCE)}")
            _cut_torn_line(file)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def _make(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch()
        except OSError as error:
            raise StoreError(
                f"{self._named} cannot be made: {error.strerror or error}; {ELSEWHERE}."
            ) from error

    def _entry(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or not {"op_code", "worker_id"} <= set(entry):
            raise StoreError(
                f"{self._named} cannot be read: its line {number} is damaged.\n"
                f"  Put a copy of the file back, or move it away to begin a new study; "
                f"the runs that were logged stay in MLflow."
            )
        return entry

    @property
    def _named(self) -> str:
        return f"the study's journal {self._path}"

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Turn what the system says of the file into one clear refusal."""
        try:
            yield
        except OSError as error:
            told = f"cannot be used: {error.strerror or error}; {ELSEWHERE}"
            reason = REASONS.get(error.errno or 0, told)
            raise StoreError(f"{self._named} {reason}.") from error


def _cut_torn_line(file: IO[bytes]) -> None:
    """Take away a last line that was not written to its end; the next one would be glued to it."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return
    file.seek(size - 1)
    if file.read(1) != NEWLINE:
        file.seek(0)
        file.truncate(file.read().rfind(NEWLINE) + 1)
        file.seek(0, os.SEEK_END)
