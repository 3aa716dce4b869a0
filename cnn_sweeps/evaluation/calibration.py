"""Whether a probability means what it says, and what makes it so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""Bins of equal width, as in the paper."""
TINY = 1e-12
"""The least probability whose logarithm is taken."""
COLDEST, HOTTEST = 0.05, 20.0
"""Temperatures that are looked at."""


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Images whose most probable class has about the same probability.

    Attributes:
        low: the least probability.
        high: the greatest.
        count: how many images.
        confidence: their mean probability; None where there are none.
        accuracy: the share of them that is right; None where there are none.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


def reliability(
    labels: NDArray[np.int64], probabilities: NDArray[Any], bins: int = BINS
) -> tuple[Bin, ...]:
    """Accuracy and confidence of the images in each bin of confidence.

    Args:
        labels: true classes, (n,).
        probabilities: (n, classes).
        bins: how many, of equal width from 0 to 1.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        said = np.bincount(place, confidence, bins) / counts
        was = np.bincount(place, right, bins) / counts
    return tuple(
        Bin(
            low=float(edges[number]),
            high=float(edges[number + 1]),
            count=int(counts[number]),
            confidence=float(said[number]) if counts[number] else None,
            accuracy=float(was[number]) if counts[number] else None,
        )
        for number in range(bins)
    )


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """The mean distance of accuracy and confidence, over images.

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599.
    """
    total = sum(each.count for each in bins)
    gaps = (
        abs(each.accuracy - each.confidence) * each.count
        for each in bins
        if each.accuracy is not None and each.confidence is not None
    )
    return sum(gaps) / total


def temperature(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """The temperature at which the log loss is least; above 1 where a network is too sure.

    It is to be found on other images than those that are evaluated with it.

    Args:
        labels: true classes, (n,).
        probabilities: (n, classes).
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 -- takes a second to import

    logits = np.log(np.maximum(probabilities, TINY))
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        highest = scaled.max(axis=1)
        total = np.log(np.exp(scaled - highest[:, None]).sum(axis=1)) + highest
        return float(np.mean(total - scaled[rows, labels]))

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def scale_probabilities(probabilities: NDArray[Any], by: float) -> NDArray[Any]:
    """Probabilities at another temperature; the order of the classes stays.

    Args:
        probabilities: (n, classes).
        by: the temperature.
    """
    logits = np.log(np.maximum(probabilities, TINY)) / by
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
    return result
