"""The stored segments of one training, one after another, as if they were one trajectory.

Each segment is stored by itself, under its own hash, so that trainings which change in different
ways share what they have in common. What a later segment begins with is the last state of the one
before, which is kept there for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cnn_sweeps.trajectories.entry import Entry
from cnn_sweeps.trajectories.files import Arrays
from cnn_sweeps.trajectories.history import EpochRecord


@dataclass(frozen=True)
class Chain:
    """The entries of the segments of a training, which are read as one `Entry`.

    Attributes:
        entries: where each segment is stored, in order; each knows its first epoch.
    """

    entries: tuple[Entry, ...]

    @property
    def folder(self) -> Path:
        """Where its last segment is stored."""
        return self.entries[-1].folder

    def holding(self, number: int) -> Entry:
        """Where an epoch is stored."""
        return [entry for entry in self.entries if entry.first <= number][-1]

    def history(self) -> list[EpochRecord]:
        """The epochs that are known, from the first on without a gap."""
        known: list[EpochRecord] = []
        for entry in self.entries:
            if len(known) < entry.first - 1:
                break
            known = [*known[: entry.first - 1], *entry.history()]
        return known

    def place(self, number: int, known: Sequence[EpochRecord]) -> tuple[Entry, list[EpochRecord]]:
        """Where an epoch is stored, and those of the known epochs that are stored there too."""
        entry = self.holding(number)
        return entry, [one for one in known if self.holding(one.number) is entry]

    def contents(self, one: EpochRecord) -> dict[str, bytes]:
        """The files of an epoch that are there; see `Entry.contents`."""
        return self.holding(one.number).contents(one)

    def keep_state(self, number: int) -> None:
        """Keep the state after an epoch; see `Entry.keep_state`."""
        self.holding(number).keep_state(number)

    def metrics(self, one: EpochRecord) -> dict[str, float]:
        """Further metrics of an epoch that are known; see `Entry.metrics`."""
        return self.holding(one.number).metrics(one)

    def put_metrics(self, one: EpochRecord, values: Mapping[str, float]) -> None:
        """Add further metrics of an epoch; see `Entry.put_metrics`."""
        self.holding(one.number).put_metrics(one, values)

    def weights(self, one: EpochRecord) -> Arrays | None:
        """The model's variables after an epoch; see `Entry.weights`."""
        return self.holding(one.number).weights(one)

    def state(self, one: EpochRecord) -> Arrays | None:
        """All variables after an epoch; see `Entry.state`."""
        return self.holding(one.number).state(one)

    def nearest_state(self, number: int) -> int:
        """The last epoch up to that one from which training can go on; 0 for the start."""
        known = self.history()[:number]
        return next((one.number for one in reversed(known) if self.state(one) is not None), 0)

    def trained_again(self, number: int, last: int) -> int:
        """Known epochs that have to be trained again for a training of so many.

        Args:
            number: where it leaves what is known of others.
            last: its last epoch, with whose weights it ends.
        """
        known = self.history()
        if len(known) < last:
            reached = max(number, len(known))
            return reached - self.nearest_state(reached)
        stored = self.weights(known[last - 1]) is not None
        return 0 if stored else last - self.nearest_state(last)

    def mark_used(self) -> None:
        """Note that all of it is used, and that the last state of a segment is begun with."""
        for before, after in pairwise(self.entries):
            before.keep_state(after.first - 1)
        for entry in self.entries:
            entry.mark_used()

    def quarantine(self) -> None:
        """Keep the epochs under other names, where they are never read."""
        for entry in self.entries:
            entry.quarantine()
