"""A conditional space in outline: enough of its points to know all answers to its conditions."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from cnn_sweeps.search.condition import Condition
from cnn_sweeps.search.dimension import Dimension
from cnn_sweeps.search.label import Label, is_number


def outlines(
    dimensions: Sequence[Dimension], point: Mapping[str, Label] = MappingProxyType({})
) -> Iterator[tuple[Mapping[str, Label], int]]:
    """A point for each combination of the answers to all conditions, and how many are like it.

    Of a continuous dimension the count is one of points that stand for all others.
    """
    if not dimensions:
        yield point, 1
        return
    first, *rest = dimensions
    if not first.active(point):
        yield from outlines(rest, point)
        return
    conditions = [c for dimension in rest for c in dimension.when if c.key == first.key]
    for value, alike in _representatives(first, conditions):
        for outline, count in outlines(rest, {**point, first.key: value}):
            yield outline, count * alike


def _representatives(
    dimension: Dimension, conditions: Sequence[Condition]
) -> Iterable[tuple[Label, int]]:
    """One value for each set of answers to some conditions, and how many give the same."""
    values = witnesses(dimension, conditions)
    if not conditions:
        return [(values[0], len(values))]
    answers = [tuple(condition.allows(value) for condition in conditions) for value in values]
    first = dict(zip(reversed(answers), reversed(values), strict=True))
    return [(first[answer], count) for answer, count in Counter(answers).items()]


def witnesses(dimension: Dimension, conditions: Sequence[Condition]) -> Sequence[Label]:
    """Values of a dimension among which each possible answer of some conditions is found.

    Of a continuous one: its ends, what the conditions hold it against, and points between.
    """
    if dimension.values is not None:
        return dimension.values
    low, high = dimension.low, dimension.high
    labels = (label for condition in conditions for label in condition.labels)
    marks = sorted({low, high, *(x for x in labels if is_number(x) and low <= x <= high)})
    between = [(one + other) / 2 for one, other in pairwise(marks)]
    return [*marks, *between]
