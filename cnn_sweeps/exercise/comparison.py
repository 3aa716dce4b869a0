"""One cell against the base model."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnn_sweeps.exercise.outcome import SECONDS_PER_EPOCH, Cell
from cnn_sweeps.exercise.statistics import Difference, paired_difference, paired_ratio

POINTS = 100
"""Points of accuracy in an accuracy of 1."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a cell changes, from the seeds that it and the base model both have.

    Attributes:
        cell: the cell.
        test: difference in test accuracy, in points (hundredths); None without test scores.
        val: the same on the validation split; None without one.
        seconds: ratio of the seconds of training; above 1 it takes longer.
        epoch_seconds: ratio of the seconds per epoch.
        params: ratio of the parameters.
    """

    cell: Cell
    test: Difference | None
    val: Difference | None
    seconds: float | None
    epoch_seconds: float | None
    params: float | None


def compare(cells: Sequence[Cell], base: Cell) -> tuple[Comparison, ...]:
    """Each cell but the base, where it shares a seed with the base that both have finished."""
    seeds = {outcome.seed for outcome in base.measured}
    return tuple(
        _comparison(cell, base)
        for cell in cells
        if not cell.base and seeds & {outcome.seed for outcome in cell.measured}
    )


def points(cell: Cell, other: Cell, metric: str) -> Difference | None:
    """The paired difference `cell - other` of an accuracy, in points."""
    mine, theirs = (
        {seed: POINTS * value for seed, value in some.by_seed(metric).items()}
        for some in (cell, other)
    )
    return paired_difference(mine, theirs)


def _comparison(cell: Cell, base: Cell) -> Comparison:
    def ratio(name: str) -> float | None:
        return paired_ratio(cell.by_seed(name), base.by_seed(name))

    return Comparison(
        cell=cell,
        test=points(cell, base, "test_accuracy"),
        val=points(cell, base, "val_accuracy"),
        seconds=ratio("train_seconds"),
        epoch_seconds=ratio(SECONDS_PER_EPOCH),
        params=ratio("total_params"),
    )
