"""All trajectories of a store of runs: finding them, and keeping them within a size."""

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cnn_sweeps.errors import StoreError
from cnn_sweeps.trajectories import frozen
from cnn_sweeps.trajectories.chain import Chain
from cnn_sweeps.trajectories.entry import REMOVED, Entry
from cnn_sweeps.trajectories.files import sizes
from cnn_sweeps.trajectories.frozen import FrozenStore
from cnn_sweeps.trajectories.lock import Lock

SHOWN = 12
"""Hex digits of the environment's digest in the name of a folder."""

FOLDER = "trajectories"
"""Folder under `tracking.dir`."""
GB = 10**9
NEXT_LOOK = "next_look"
"""A file that says when the size is to be looked at again, in seconds since 1970, and for how many
GB it was looked at last."""
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

    @property
    def frozen(self) -> FrozenStore:
        """The variables that epochs of several trajectories may have in common."""
        return FrozenStore(self.folder / frozen.FOLDER)

    def chains(self, names: Sequence[str], firsts: Sequence[int]) -> list[Chain]:
        """A training as it is stored in each environment.

        Args:
            names: the trajectory hash of each of its segments.
            firsts: the first epoch of each.
        """
        environments = sorted(folder.name for folder in _folders_in(self.folder / names[0]))
        return [
            Chain(
                tuple(
                    Entry(self.folder / name / environment, first)
                    for name, first in zip(names, firsts, strict=True)
                )
            )
            for environment in environments
            if REMOVED not in environment
        ]

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
        entries, shared = [(entry, entry.size) for entry in by_use], Shared.of(by_use, self.frozen)
        surplus = sum(size for _, size in entries) + shared.size - max_gb * GB
        removed = list(_removed(entries, surplus, shared))
        self._drop_unused()
        return removed

    def evict_at_times(self, max_gb: float) -> list[Entry]:
        """The same, if the last look is long enough ago for what it costs, or was for more room."""
        note, began = self.folder / NEXT_LOOK, time.time()
        with suppress(OSError, ValueError):
            rest, _, looked_for = note.read_text().partition(" ")
            if began < float(rest) and max_gb >= float(looked_for):
                return []
        removed = self.evict(max_gb)
        with suppress(OSError):
            note.write_text(f"{began + REST * (time.time() - began)} {max_gb}")
        return removed

    def clear(self, entries: Iterable[Entry] | None = None) -> list[Entry]:
        """Delete these entries, or all; those that somebody trains at the moment stay.

        Returns:
            The entries that were deleted.
        """
        self.prune()
        chosen = self.entries() if entries is None else entries
        removed = list(_removed([(entry, 0) for entry in chosen], surplus=1))
        self._drop_unused()
        return removed

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
        self._drop_unused()

    def _drop_unused(self) -> None:
        """Delete the frozen variables that no epoch has any more."""
        self.frozen.drop_unused(digest for entry in self.entries() for digest in entry.shared)

    def _folders(self) -> list[Path]:
        return [inner for outer in _folders_in(self.folder) for inner in _folders_in(outer)]


@dataclass(frozen=True)
class Shared:
    """Frozen variables, and the entries that still need them.

    Attributes:
        sizes: bytes of each file, by its digest.
        users: those that need it, by its digest.
    """

    sizes: Mapping[str, int]
    users: Mapping[str, set[Entry]]

    @classmethod
    def of(cls, entries: Iterable[Entry], store: FrozenStore) -> "Shared":
        """Look up what these entries need."""
        users: dict[str, set[Entry]] = {digest: set() for digest in store.sizes}
        for entry in entries if users else ():
            for digest in entry.shared & users.keys():
                users[digest].add(entry)
        return cls(store.sizes, users)

    @property
    def size(self) -> int:
        """Bytes of all that somebody needs."""
        return sum(self.sizes[digest] for digest, users in self.users.items() if users)

    def without(self, entry: Entry) -> int:
        """Bytes that nobody needs once an entry is gone."""
        before = self.size
        for users in self.users.values():
            users.discard(entry)
        return before - self.size


def _removed(
    entries: Iterable[tuple[Entry, int]], surplus: float, shared: Shared | None = None
) -> Iterator[Entry]:
    for entry, size in entries:
        if surplus <= 0:
            return
        with suppress(StoreError), Lock(entry.folder) as lock:
            if lock.acquire() and not entry.is_in_use() and entry.remove():
                surplus -= size + (shared.without(entry) if shared else 0)
                yield entry


def _folders_in(folder: Path) -> list[Path]:
    """The folders in a folder; none where that is removed meanwhile."""
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []
