"""Metrics of a classifier from its probabilities, by scikit-learn where it has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.evaluation.calibration import expected_calibration_error, reliability

TOP = 5
"""The k of top-k accuracy, where there are more classes than that; else 2 or 3."""
RESAMPLES = 2000
"""Bootstrap samples for an interval."""
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """One class against all others.

    Attributes:
        name: of the class.
        precision: share of the images taken for it that are of it; 0 where there are none.
        recall: share of its images that were found.
        f1: harmonic mean of the two.
        support: its images.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


def per_class(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], names: tuple[str, ...]
) -> tuple[ClassScore, ...]:
    """Precision, recall, F1 and support of every class, also of one that has no image."""
    from sklearn.metrics import precision_recall_fscore_support  # noqa: PLC0415 -- takes a second

    columns = precision_recall_fscore_support(
        labels, predicted, labels=range(len(names)), zero_division=0
    )
    return tuple(
        ClassScore(name=name, precision=float(p), recall=float(r), f1=float(f), support=int(n))
        for name, p, r, f, n in zip(names, *columns, strict=True)
    )


def top_k(classes: int) -> int:
    """The k that says something for so many classes; 0 where none does."""
    return min(TOP, classes - 1) if classes > 2 else 0  # noqa: PLR2004 -- of two, one is left


def overall_metrics(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> dict[str, float]:
    """Metrics of all classes together, by name.

    AUCs are means over the classes that have images, each against all others; they are left out
    where fewer than two classes have images.

    Args:
        labels: true classes, (n,), n at least 1.
        probabilities: (n, classes), rows sum to 1.
    """
    from sklearn import metrics  # noqa: PLC0415 -- takes a second to import

    classes = probabilities.shape[1]
    predicted, known = probabilities.argmax(axis=1), np.unique(labels)
    rows = np.arange(len(labels))
    exact = np.eye(classes)[labels]
    k = top_k(classes)
    found = {
        "accuracy": metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": _recall(labels, predicted, known),
        "macro_f1": metrics.f1_score(
            labels, predicted, labels=known, average="macro", zero_division=0
        ),
    }
    if k:
        found[f"top_{k}_accuracy"] = metrics.top_k_accuracy_score(
            labels, probabilities, k=k, labels=range(classes)
        )
    if len(known) > 1:
        one_against_rest = [(exact[:, each], probabilities[:, each]) for each in known]
        found["roc_auc"] = np.mean([metrics.roc_auc_score(*pair) for pair in one_against_rest])
        found["pr_auc"] = np.mean(
            [metrics.average_precision_score(*pair) for pair in one_against_rest]
        )
    found["log_loss"] = -np.mean(np.log(_clipped(probabilities[rows, labels])))
    found["brier"] = np.mean(((probabilities - exact) ** 2).sum(axis=1))
    found["ece"] = expected_calibration_error(reliability(labels, probabilities))
    return {name: float(value) for name, value in found.items()}


def intervals(
    labels: NDArray[np.int64], probabilities: NDArray[Any], *, seed: int = 0
) -> Mapping[str, tuple[float, float]]:
    """95 % intervals by the percentile bootstrap over images (Efron 1979), by name.

    Of the AUCs and the calibration error there is none: resampling them takes long, or is biased.

    Args:
        labels: true classes, (n,).
        probabilities: (n, classes).
        seed: of the samples; the same seed gives the same intervals.
    """
    classes, count = probabilities.shape[1], len(labels)
    predicted = probabilities.argmax(axis=1)
    exact = np.eye(classes)[labels]
    k = top_k(classes)
    each: dict[str, NDArray[Any]] = {
        "accuracy": (predicted == labels).astype(float),
        "log_loss": -np.log(_clipped(probabilities[np.arange(count), labels])),
        "brier": ((probabilities - exact) ** 2).sum(axis=1),
    }
    if k:
        above = (probabilities > probabilities[np.arange(count), labels][:, None]).sum(axis=1)
        each[f"top_{k}_accuracy"] = (above < k).astype(float)
    values = np.stack(list(each.values()), axis=1)
    cells = labels * classes + predicted
    chance = np.random.RandomState(seed)
    drawn: dict[str, list[float]] = {name: [] for name in (*each, "balanced_accuracy", "macro_f1")}
    for _ in range(RESAMPLES):
        sample = chance.randint(0, count, count)
        for name, mean in zip(each, values[sample].mean(axis=0), strict=True):
            drawn[name].append(float(mean))
        counts = np.bincount(cells[sample], minlength=classes**2).reshape(classes, classes)
        recall, f1 = _means(counts)
        drawn["balanced_accuracy"].append(recall)
        drawn["macro_f1"].append(f1)
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    return {name: _pair(np.quantile(seen, ends)) for name, seen in drawn.items()}


def _pair(ends: NDArray[Any]) -> tuple[float, float]:
    return float(ends[0]), float(ends[1])


def _recall(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], known: NDArray[np.int64]
) -> float:
    """The mean recall over the classes that have images."""
    return float(np.mean([np.mean(predicted[labels == each] == each) for each in known]))


def _means(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Mean recall and mean F1 over the classes that have images, from a confusion matrix."""
    support, taken, right = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    known = support > 0
    recall = right[known] / support[known]
    f1 = 2 * right[known] / (support[known] + taken[known])
    return float(recall.mean()), float(f1.mean())


def _clipped(probabilities: NDArray[Any]) -> NDArray[Any]:
    """Away from 0, as scikit-learn does before it takes logarithms."""
    least = np.finfo(probabilities.dtype).eps
    clipped: NDArray[Any] = np.clip(probabilities, least, 1 - least)
    return clipped
