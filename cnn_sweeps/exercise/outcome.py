"""What the trials of an exercise came to, gathered by cell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from cnn_sweeps.exercise.statistics import Spread, spread

SECONDS_PER_EPOCH = "seconds_per_epoch"
"""A measure that is computed: seconds of training over the epochs of the run."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One trial.

    Attributes:
        cell: swept key to its value as it would be typed; the seed is not among them.
        seed: its seed.
        metrics: what it measured, on the test split too; empty when it has failed.
        reason: why it has no metrics; None when it has.
        config_hash: its full hash, where it has one.
    """

    cell: Mapping[str, str]
    seed: int
    metrics: Mapping[str, float]
    reason: str | None = None
    config_hash: str | None = None

    def measure(self, name: str) -> float | None:
        """A metric, or what is computed from several; None where it is not known."""
        if name == SECONDS_PER_EPOCH:
            seconds, epochs = self.metrics.get("train_seconds"), self.metrics.get("epochs")
            return seconds / epochs if seconds is not None and epochs else None
        return self.metrics.get(name)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """All trials of one cell.

    Attributes:
        values: swept key to its value as it would be typed.
        outcomes: its trials, by seed.
        base: whether it is the one that the others are held against.
    """

    values: Mapping[str, str]
    outcomes: tuple[Outcome, ...]
    base: bool

    @property
    def typed(self) -> str:
        """The cell as it would be typed."""
        return " ".join(f"{key}={text}" for key, text in self.values.items())

    @property
    def label(self) -> str:
        """The cell in few words: `filters=16`."""
        short = {key.rpartition(".")[2]: text for key, text in self.values.items()}
        if len(short) < len(self.values):
            return self.typed
        return " ".join(f"{key}={text}" for key, text in short.items())

    @cached_property
    def measured(self) -> tuple[Outcome, ...]:
        """The trials that came to an end."""
        return tuple(outcome for outcome in self.outcomes if outcome.reason is None)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The trials that did not."""
        return tuple(outcome for outcome in self.outcomes if outcome.reason is not None)

    def by_seed(self, name: str) -> dict[int, float]:
        """A measure of each trial that has it, by seed."""
        found = {outcome.seed: outcome.measure(name) for outcome in self.measured}
        return {seed: value for seed, value in found.items() if value is not None}

    def spread(self, name: str) -> Spread | None:
        """A measure over the seeds; None where no trial has it."""
        values = list(self.by_seed(name).values())
        return spread(values) if values else None


def gather(
    outcomes: Iterable[Outcome], cells: Sequence[Mapping[str, str]], base: Mapping[str, str]
) -> tuple[Cell, ...]:
    """The outcomes by cell, in the order of the cells; those without any trial are left out."""
    by_cell: dict[tuple[tuple[str, str], ...], list[Outcome]] = {
        tuple(sorted(cell.items())): [] for cell in cells
    }
    for outcome in outcomes:
        by_cell.setdefault(tuple(sorted(outcome.cell.items())), []).append(outcome)
    return tuple(
        Cell(
            values=some[0].cell,
            outcomes=tuple(sorted(some, key=lambda outcome: outcome.seed)),
            base=dict(some[0].cell) == dict(base),
        )
        for some in by_cell.values()
        if some
    )
