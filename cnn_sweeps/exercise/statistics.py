"""Means, spreads and paired differences of a few repetitions.

Runs that share a seed share the order of the images and the random numbers of the start, as far
as their networks are alike. What the seed does to both cancels in their difference, so differences
are taken seed by seed, and then averaged: the paired t interval. Which images are held out is the
same for every seed (`data.split_seed`), so the interval says nothing of other splits.

Source: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.2 (confidence limits for the mean),
7.3.1.1 (analysis of paired observations).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean, stdev

CONFIDENCE = 0.95


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
