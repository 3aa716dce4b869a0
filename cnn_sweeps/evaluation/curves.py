"""ROC and precision-recall curves of each class against all others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

POINTS = 101
"""Points that a curve has at most: more cannot be seen, and a page or a file has them all."""
Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What one class has to pay for what it gets, from threshold to threshold.

    Attributes:
        name: of the class.
        x: false positive rate of a ROC curve, recall of the other; rising, from 0 to 1.
        y: true positive rate, or precision.
        area: below the whole curve: ROC AUC, or average precision.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    area: float


def roc(
    labels: NDArray[np.int64], probabilities: NDArray[Any], names: Sequence[str]
) -> tuple[Curve, ...]:
    """The ROC curve of each class that has images, where others have some too.

    Args:
        labels: true classes, (n,).
        probabilities: (n, classes).
        names: of the classes.
    """

    def points(own: NDArray[np.bool_], scores: Values) -> tuple[Values, Values, float]:
        from sklearn.metrics import auc, roc_curve  # noqa: PLC0415 -- takes a second to import

        false, true, _ = roc_curve(own, scores)
        return false, true, auc(false, true)

    return tuple(_curves(labels, probabilities, names, points))


def precision_recall(
    labels: NDArray[np.int64], probabilities: NDArray[Any], names: Sequence[str]
) -> tuple[Curve, ...]:
    """The precision-recall curve of each class; see `roc`. Its area is the average precision."""

    def points(own: NDArray[np.bool_], scores: Values) -> tuple[Values, Values, float]:
        from sklearn.metrics import precision_recall_curve  # noqa: PLC0415 -- as above

        precision, recall, _ = precision_recall_curve(own, scores)
        area = -float(np.sum(np.diff(recall) * precision[:-1]))
        return recall[::-1], precision[::-1], area

    return tuple(_curves(labels, probabilities, names, points))


def _curves(
    labels: NDArray[np.int64],
    probabilities: NDArray[Any],
    names: Sequence[str],
    points: Callable[[NDArray[np.bool_], Values], tuple[Values, Values, float]],
) -> Iterator[Curve]:
    for number in np.unique(labels):
        own = labels == number
        if not own.all():
            x, y, area = points(own, probabilities[:, number])
            kept = _spread(x, y)
            yield Curve(
                name=names[number],
                x=tuple(np.round(x[kept], 5).tolist()),
                y=tuple(np.round(y[kept], 5).tolist()),
                area=float(area),
            )


def _spread(x: Values, y: Values) -> NDArray[np.intp]:
    """Numbers of the points that show a curve: where the way along it is the same between two."""
    if len(x) <= POINTS:
        return np.arange(len(x))
    way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    return np.unique(np.searchsorted(way, np.linspace(0, way[-1], POINTS)))
