"""Statistics of an exercise by cell, and differences to the base model with their noise.

Runs that share a seed share the order of the images and the random numbers of the start, as far
as their networks are alike. What the seed does to both cancels in their difference, so differences
are taken seed by seed, and then averaged: the paired t interval. Which images are held out is the
same for every seed (`data.split_seed`), so the interval says nothing of other splits.

Where overfitting begins is told from the same training, ended after more and more epochs. Its sign
is a loss on the validation split that rises while that of training still falls: the network learns
its training images, and no longer what they have in common with others. Accuracy is a poorer sign,
since a wrong answer costs it the same however sure the network was.

Source: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.2 (confidence limits for the mean),
7.3.1.1 (analysis of paired observations).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, geometric_mean, stdev

CONFIDENCE = 0.95


SECONDS_PER_EPOCH = "seconds_per_epoch"
"""A measure that is computed: seconds of training over the epochs of the run."""


POINTS = 100
"""Points of accuracy in an accuracy of 1."""


EPOCHS = "trainer.epochs"


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The mean of some numbers, and how far they scatter.

    Attributes:
        mean: arithmetic mean.
        sd: sample standard deviation (n - 1 in the denominator); None for a single number.
        number: how many there are.
    """

    mean: float
    sd: float | None
    number: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The mean difference of pairs, with its confidence interval.

    Attributes:
        mean: arithmetic mean of the differences.
        half: half the width of the interval around it; None for a single pair.
        number: how many pairs there are.
    """

    mean: float
    half: float | None
    number: int

    @property
    def shown(self) -> bool:
        """Whether the interval leaves 0 out, so that there is a difference."""
        return self.half is not None and abs(self.mean) > self.half


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation of one or more numbers."""
    return Spread(
        mean=fmean(values), sd=stdev(values) if len(values) > 1 else None, number=len(values)
    )


def paired_difference(
    values: Mapping[int, float], base: Mapping[int, float], confidence: float = CONFIDENCE
) -> Difference | None:
    """Mean of `values - base` over the seeds that both have; None where they share none.

    The interval is `mean ± t * sd / sqrt(n)`, with Student's t for n - 1 degrees of freedom.
    """
    differences = [value - base[seed] for seed, value in values.items() if seed in base]
    if not differences:
        return None
    scatter = spread(differences)
    half = None
    if scatter.sd is not None:
        half = student(scatter.number - 1, confidence) * scatter.sd / math.sqrt(scatter.number)
    return Difference(mean=scatter.mean, half=half, number=scatter.number)


def paired_ratio(values: Mapping[int, float], base: Mapping[int, float]) -> float | None:
    """Geometric mean of `values / base` over the seeds that both have.

    Twice as long and half as long average to equally long, whichever of them is the base. None
    where they share no seed, or where a number is not above 0.
    """
    pairs = [(value, base[seed]) for seed, value in values.items() if seed in base]
    if not pairs or any(number <= 0 for pair in pairs for number in pair):
        return None
    return geometric_mean([value / other for value, other in pairs])


def student(degrees: int, confidence: float = CONFIDENCE) -> float:
    """How many standard errors a two-sided interval reaches: 12.71 for one degree of freedom."""
    from scipy.stats import t  # noqa: PLC0415 -- takes a second to import

    return float(t.ppf((1 + confidence) / 2, degrees))


@dataclass(frozen=True, kw_only=True)
class SeedResult:
    """One trial.

    Attributes:
        cell: swept key to its value as it would be typed; the seed is not among them.
        seed: its seed.
        metrics: what it measured, on the test split too; empty when it has failed.
        reason: why it has no metrics; None when it has.
        config_hash: its full hash, where it has one.
        hosts: where it was trained, as far as that is known.
    """

    cell: Mapping[str, str]
    seed: int
    metrics: Mapping[str, float]
    reason: str | None = None
    config_hash: str | None = None
    hosts: frozenset[str] = frozenset()

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
        base: whether it is the one that the others are compared with.
    """

    values: Mapping[str, str]
    outcomes: tuple[SeedResult, ...]
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
    def measured(self) -> tuple[SeedResult, ...]:
        """The trials that came to an end."""
        return tuple(outcome for outcome in self.outcomes if outcome.reason is None)

    @property
    def failed(self) -> tuple[SeedResult, ...]:
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
    outcomes: Iterable[SeedResult], cells: Sequence[Mapping[str, str]], base: Mapping[str, str]
) -> tuple[Cell, ...]:
    """The outcomes by cell, in the order of the cells; those without any trial are left out."""
    by_cell: dict[tuple[tuple[str, str], ...], list[SeedResult]] = {
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


@dataclass(frozen=True, kw_only=True)
class BaselineDifference:
    """What a cell changes, from the seeds that it and the base model both have.

    Attributes:
        cell: the cell.
        test: difference in test accuracy, in points (hundredths); None without test scores.
        val: the same on the validation split; None without one.
        seconds: ratio of the seconds of training; above 1 it takes longer. Of pairs that were
            trained on one host; None where none was.
        epoch_seconds: ratio of the seconds per epoch.
        params: ratio of the parameters.
    """

    cell: Cell
    test: Difference | None
    val: Difference | None
    seconds: float | None
    epoch_seconds: float | None
    params: float | None


def compare(cells: Sequence[Cell], base: Cell) -> tuple[BaselineDifference, ...]:
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


def _comparison(cell: Cell, base: Cell) -> BaselineDifference:
    hosts = {outcome.seed: outcome.hosts for outcome in base.measured}
    here = {o.seed for o in cell.measured if len(o.hosts.union(hosts.get(o.seed, ()))) <= 1}

    def ratio_of_times(name: str) -> float | None:
        on_one_host = {seed: v for seed, v in cell.by_seed(name).items() if seed in here}
        return paired_ratio(on_one_host, base.by_seed(name))

    return BaselineDifference(
        cell=cell,
        test=points(cell, base, "test_accuracy"),
        val=points(cell, base, "val_accuracy"),
        seconds=ratio_of_times("train_seconds"),
        epoch_seconds=ratio_of_times(SECONDS_PER_EPOCH),
        params=paired_ratio(cell.by_seed("total_params"), base.by_seed("total_params")),
    )


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
