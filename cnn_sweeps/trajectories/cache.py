"""All trajectories of a store of runs: finding them, and keeping them within a size."""

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cnn_sweeps.errors import StoreError
from cnn_sweeps.trajectories.entry import REMOVED, Entry
from cnn_sweeps.trajectories.files import sizes
from cnn_sweeps.trajectories.lock import Lock

SHOWN = 12
"""Hex digits of the environment's digest in the name of a folder."""

FOLDER = "trajectories"
"""Folder under `tracking.dir`."""
GB = 10**9
NEXT_LOOK = "next_look"
"""A file that says when the size is to be looked at again, in seconds since 1970."""
REST = 100
"""A full store has tens of thousands of files: one hundredth of the time goes into looking."""


@dataclass(frozen=True)
class TrajectoryStore:
    """The folder of all trajectories; it need not exist.

    Attributes:
        folder: where it is.
    """

    folder: Path

    @classmethod
    def under(cls, tracking_dir: Path) -> "TrajectoryStore":
        """The trajectories that belong to the runs of a folder."""
        return cls(tracking_dir / FOLDER)

    def entry(self, trajectory_hash: str, fingerprint: str, first: int = 1) -> Entry:
        """Where a trajectory is kept in one environment; there may be nothing yet."""
        return Entry(self.folder / trajectory_hash / fingerprint[:SHOWN], first)

    def entries(self) -> list[Entry]:
        """What is kept, the least recently used first."""
        found = [Entry(folder) for folder in self._folders() if REMOVED not in folder.name]
        return sorted(found, key=lambda entry: entry.used)

    @property
    def size(self) -> int:
        """Bytes of all files, also of those that nobody can use."""
        return sum(size for _, size in sizes(self.folder))

    def evict(self, max_gb: float) -> list[Entry]:
        """Delete what was not used for longest until the rest fits; in-use entries stay.

        What dead processes and damage have left goes first.

        Returns:
            The entries that were deleted.
        """
        if self.size <= max_gb * GB:
            return []
        by_use = self.entries()
        self.prune()
        entries = [(entry, entry.size) for entry in by_use]
        surplus = sum(size for _, size in entries) - max_gb * GB
        return list(_removed(entries, surplus))

    def evict_at_times(self, max_gb: float) -> list[Entry]:
        """The same, if the last look is long enough ago for what a look costs."""
        note, began = self.folder / NEXT_LOOK, time.time()
        with suppress(OSError, ValueError):
            if began < float(note.read_text()):
                return []
        removed = self.evict(max_gb)
        with suppress(OSError):
            note.write_text(str(began + REST * (time.time() - began)))
        return removed

    def clear(self, entries: Iterable[Entry] | None = None) -> list[Entry]:
        """Delete these entries, or all; those that somebody trains at the moment stay.

        Returns:
            The entries that were deleted.
        """
        self.prune()
        chosen = self.entries() if entries is None else entries
        return list(_removed([(entry, 0) for entry in chosen], surplus=1))

    def prune(self) -> None:
        """Delete what processes that died, and damage, have left."""
        for folder in self._folders():
            if REMOVED in folder.name:
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(OSError):
                    folder.parent.rmdir()  # if nothing else is in it
        for entry in self.entries():
            with suppress(StoreError), Lock(entry.folder) as lock:
                if lock.acquire():
                    entry.prune()

    def _folders(self) -> list[Path]:
        return [inner for outer in _folders_in(self.folder) for inner in _folders_in(outer)]


def _removed(entries: Iterable[tuple[Entry, int]], surplus: float) -> Iterator[Entry]:
    for entry, size in entries:
        if surplus <= 0:
            return
        with suppress(StoreError), Lock(entry.folder) as lock:
            if lock.acquire() and entry.remove():
                surplus -= size
                yield entry


def _folders_in(folder: Path) -> list[Path]:
    """The folders in a folder; none where that is removed meanwhile."""
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []
