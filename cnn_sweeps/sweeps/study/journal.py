"""A study in a file: Optuna's journal, written so that nothing that kills a process damages it.

The format is that of Optuna's own `JournalFileBackend`, so Optuna's tools read the file. What is
different is how it is written: whole lines only, several at once, and plain words when it fails.
The lock is one that the system takes back when its holder dies (Optuna's is a link that a killed
process leaves behind, and everybody waits 30 s for it to grow old), and a line that a full disk or
a kill has cut short is taken away before the next.
"""

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from filelock import unlock_descriptor
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import TrialState

from cnn_sweeps.errors import StoreError, denial
from cnn_sweeps.trajectories.lock import still_locked, take_lock

SUFFIX: Final = ".journal"
ELSEWHERE: Final = f"choose another place with hydra.sweeper.storage=PATH{SUFFIX}"
PATIENCE = 60.0
"""Seconds to wait for another program that holds the file; an entry takes milliseconds."""
NEWLINE = b"\n"
PRIVATE: Final = 0o600
"""Mode of a new journal: it holds the address of the runs, and whatever password is in that."""

GONE = "was deleted, and the study with it. Run the command again to create a new one."
Writes = Callable[[JournalStorage], bool]


class JournalOfStudies(JournalStorage):
    """Optuna's storage over a `Journal`, to which several entries can be added at once."""

    def __init__(self, journal: "Journal") -> None:
        super().__init__(journal)
        self._journal = journal

    def together(self, writes: Writes, _was_done: Callable[[], bool]) -> bool:
        """Carry out writes, whose entries are added at once; whoever dies adds the first of them.

        Raises:
            UpdateFinishedTrialError: the trial that they are about has ended before.
        """
        try:
            with self._journal.together():
                return writes(self)
        finally:
            self._read_back()

    def _read_back(self) -> None:
        """Let Optuna read what was added; it refuses what came too late entry by entry."""
        refusal: UpdateFinishedTrialError | None = None
        while True:
            try:
                with suppress(KeyError):  # no study is called so: it is a call that only reads
                    self.get_study_id_from_name("")
            except UpdateFinishedTrialError as error:
                refusal = error
            else:
                break
        if refusal is not None:
            raise refusal


class Journal(BaseJournalBackend):
    """The backend of Optuna's `JournalStorage` over one file, which is made when it is not there.

    Every method raises `StoreError` where the file cannot be read, written or understood.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._read = (0, 0)
        """Entries that were read, and the bytes they take: where the next reading begins."""
        self._added = threading.local()
        """Entries that a thread keeps until it has them together."""
        if not self._path.exists():
            self._make()

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The entries from that number on; a last line without its end is still being written."""
        if getattr(self._added, "entries", None):
            return  # Optuna wants to read back what is not written yet
        number, position = self._read if self._read[0] <= log_number_from else (0, 0)
        with self._refusing():
            size = self._path.stat().st_size
        if size < position:
            raise StoreError(f"{self._named} was truncated while it was in use.")
        if size == position:
            return
        with self._refusing(), self._path.open("rb") as file:
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
        """Add entries; what must outlast a power failure is on the disk when this returns.

        What a process wrote outlasts the process in any case, and entries keep their order.
        """
        kept: list[dict[str, Any]] | None = getattr(self._added, "entries", None)
        if kept is None:
            self._append(logs)
        elif any(map(_is_answered, logs)):
            self._append([*kept, *logs])
            kept.clear()
        else:
            kept.extend(logs)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Add what this thread adds in the block at its end, at once; nothing where it fails."""
        kept = self._added.entries = []
        try:
            yield
        finally:
            del self._added.entries
        if kept:
            self._append(kept)

    def _append(self, logs: Sequence[Mapping[str, Any]]) -> None:
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        # Without O_CREAT: a journal that somebody has removed must not begin again in the middle.
        with (
            self._refusing(),
            os.fdopen(os.open(self._path, os.O_RDWR | os.O_APPEND), "r+b") as file,
        ):
            if not take_lock(file, PATIENCE):
                raise StoreError(f"the study's journal {still_locked(self._path, PATIENCE)}")
            _cut_torn_line(file)
            file.write(text.encode())
            file.flush()
            unlock_descriptor(file.fileno())  # others may write while the disk does
            if any(map(_lasts, logs)):
                os.fsync(file.fileno())

    def _make(self) -> None:
        with self._refusing():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(PRIVATE)

    def _entry(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or not {"op_code", "worker_id"} <= set(entry):
            raise StoreError(
                f"{self._named} cannot be read: its line {number} is damaged.\n"
                f"  Restore a backup of the file, or move it to start a new study; "
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
            known = GONE if error.errno == errno.ENOENT else denial(error.errno, ELSEWHERE)
            told = known or f"cannot be used: {error.strerror or error}; {ELSEWHERE}."
            raise StoreError(f"{self._named} {told}") from error


def _is_answered(entry: Mapping[str, Any]) -> bool:
    """Whether Optuna reads back at once what came of an entry: a claim, or a number of its own."""
    return "trial_id" not in entry or entry.get("state") == TrialState.RUNNING


def _lasts(entry: Mapping[str, Any]) -> bool:
    """Whether an entry is about the study, or ends a trial: the rest would only be done again.

    It takes milliseconds to get onto a disk.
    """
    if "trial_id" in entry:
        return "state" in entry and TrialState(entry["state"]).is_finished()
    return "distributions" not in entry  # a new trial has them


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
