"""All trajectories of a store of runs: finding them, and keeping them within a size."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cnn_sweeps.trajectory.entry import HISTORY, Entry
from cnn_sweeps.trajectory.key import SHOWN
from cnn_sweeps.trajectory.lock import Lock

FOLDER = "trajectories"
"""Folder under `tracking.dir`."""
GB = 10**9


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

    def entry(self, trajectory_hash: str, fingerprint: str) -> Entry:
        """Where a trajectory is kept in one environment; there may be nothing yet."""
        return Entry(self.folder / trajectory_hash / fingerprint[:SHOWN])

    def entries(self) -> list[Entry]:
        """What is kept, the least recently used first."""
        found = map(Entry, (path.parent for path in self.folder.glob(f"*/*/{HISTORY}")))
        return sorted(found, key=lambda entry: entry.used)

    def evict(self, max_gb: float) -> list[Entry]:
        """Delete what was not used for longest until the rest fits; in-use entries stay.

        Returns:
            What was deleted.
        """
        sizes = [(entry, entry.size) for entry in self.entries()]
        surplus = sum(size for _, size in sizes) - max_gb * GB
        return list(self._removed(sizes, surplus))

    def clear(self) -> list[Entry]:
        """Delete everything that nobody trains at the moment; returns what was deleted."""
        sizes = [(entry, entry.size) for entry in self.entries()]
        return list(self._removed(sizes, surplus=float("inf")))

    def _removed(self, sizes: list[tuple[Entry, int]], surplus: float) -> Iterator[Entry]:
        for entry, size in sizes:
            if surplus <= 0:
                return
            with Lock(entry.folder) as lock:
                if lock.take():
                    entry.remove()
                    surplus -= size
                    yield entry
