"""Where overfitting begins, when the same training was ended after more and more epochs.

The sign of overfitting is a loss on the validation split that rises while that of training still
falls: the network learns its training images, and no longer what they have in common with others.
Accuracy is a poorer sign, since a wrong answer costs it the same however sure the network was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from cnn_sweeps.exercise.comparison import POINTS, points
from cnn_sweeps.exercise.outcome import Cell
from cnn_sweeps.exercise.statistics import Difference, Spread, paired_difference, spread

EPOCHS = "trainer.epochs"


@dataclass(frozen=True, kw_only=True)
class Overfitting:
    """What happens to one training as it goes on.

    Attributes:
        lowest: number of epochs after which the mean validation loss is lowest.
        by_seed: the same of each seed alone, by seed.
        last: the most epochs that were trained.
        loss: mean validation losses at `lowest` and `last`.
        rise: paired difference in validation loss from `lowest` to `last`; None if these are one.
        after: the same in validation accuracy, in points.
        gaps: training accuracy less validation accuracy at `lowest` and `last`, in points.
    """

    lowest: int
    by_seed: dict[int, int]
    last: int
    loss: tuple[float, float]
    rise: Difference | None
    after: Difference | None
    gaps: tuple[Spread, Spread]


def overfitting(cells: Sequence[Cell]) -> Overfitting | None:
    """Read it from cells that differ in nothing but their epochs; None where they are others."""
    told = [cell for cell in cells if set(cell.values) == {EPOCHS} and cell.by_seed("val_loss")]
    if len(told) < 2 or any(set(cell.values) != {EPOCHS} for cell in cells):  # noqa: PLR2004
        return None
    by_epoch = {int(cell.values[EPOCHS]): cell for cell in told}
    # A seed that lacks some of the epochs would pull their means up or down.
    seeds = set.intersection(*(set(cell.by_seed("val_loss")) for cell in told))
    if not seeds:
        return None
    losses = {
        number: {seed: cell.by_seed("val_loss")[seed] for seed in seeds}
        for number, cell in by_epoch.items()
    }
    means = {number: fmean(some.values()) for number, some in losses.items()}
    lowest, last = min(means, key=lambda n: means[n]), max(means)
    return Overfitting(
        lowest=lowest,
        by_seed={seed: _lowest(losses, seed) for seed in sorted(seeds)},
        last=last,
        loss=(means[lowest], means[last]),
        rise=paired_difference(losses[last], losses[lowest]) if last > lowest else None,
        after=points(by_epoch[last], by_epoch[lowest], "val_accuracy") if last > lowest else None,
        gaps=(_gap(by_epoch[lowest]), _gap(by_epoch[last])),
    )


def _lowest(losses: Mapping[int, Mapping[int, float]], seed: int) -> int:
    """After how many epochs the loss of one seed is lowest."""
    return min(losses, key=lambda number: losses[number][seed])


def _gap(cell: Cell) -> Spread:
    """How far training and validation accuracy are apart, in points."""
    held_out = cell.by_seed("val_accuracy")
    trained = cell.by_seed("accuracy")
    return spread([POINTS * (trained[seed] - held_out[seed]) for seed in held_out])
