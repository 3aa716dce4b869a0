"""Metrics of a classifier from its probabilities, by scikit-learn where it has them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.errors import RunFailedError
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
        intervals: 95 % intervals of `precision`, `recall` and `f1`; empty for a class without
            images.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def per_class(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], names: tuple[str, ...]
) -> tuple[ClassScore, ...]:
    """Scores of every class, also of one that has no image."""
    from sklearn.metrics import precision_recall_fscore_support  # noqa: PLC0415 -- takes a second

    columns = precision_recall_fscore_support(
        labels, predicted, labels=range(len(names)), zero_division=0
    )
    ends = class_intervals(labels, predicted, len(names))
    return tuple(
        ClassScore(
            name=name,
            precision=float(p),
            recall=float(r),
            f1=float(f),
            support=int(n),
            intervals=own,
        )
        for name, p, r, f, n, own in zip(names, *columns, ends, strict=True)
    )


def class_intervals(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int, *, seed: int = 0
) -> list[Mapping[str, tuple[float, float]]]:
    """95 % intervals of `precision`, `recall` and `f1` of each class; see `intervals`.

    For one class an image is one of four kinds: found, missed, taken for it, or neither. How many
    of each a sample of the images has is multinomial, so that no image needs to be drawn. A
    sample in which a score is undefined does not count for it.
    """
    chance, count = np.random.RandomState(seed), len(labels)
    found: list[Mapping[str, tuple[float, float]]] = []
    for each in range(classes):
        own, taken = labels == each, predicted == each
        kinds = np.array([(own & taken).sum(), (own & ~taken).sum(), (taken & ~own).sum()])
        shares = [*kinds / count, (count - kinds.sum()) / count]
        right, missed, wrong, _ = chance.multinomial(count, shares, size=RESAMPLES).T
        parts = {
            "precision": (right, right + wrong),
            "recall": (right, right + missed),
            "f1": (2 * right, 2 * right + missed + wrong),
        }
        found.append(
            {
                name: _ends(part[whole > 0] / whole[whole > 0])
                for name, (part, whole) in parts.items()
                if own.any() and whole.any()
            }
        )
    return found


def top_k(classes: int) -> int:
    """The k that says something for so many classes; 0 where none does."""
    return min(TOP, classes - 1) if classes > 2 else 0  # noqa: PLR2004 -- of two, one is left


def overall_metrics(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> dict[str, float]:
    """Metrics of all classes together, by name; without those that these images cannot tell.

    Args:
        labels: true classes, (n,), n at least 1.
        probabilities: (n, classes), rows sum to 1.
    """
    k = top_k(probabilities.shape[1])
    found = {
        "accuracy": accuracy(labels, probabilities),
        "balanced_accuracy": balanced_accuracy(labels, probabilities),
        "macro_f1": macro_f1(labels, probabilities),
        **({f"top_{k}_accuracy": top_k_accuracy(labels, probabilities, k)} if k else {}),
        "roc_auc": roc_auc(labels, probabilities),
        "pr_auc": pr_auc(labels, probabilities),
        "log_loss": log_loss(labels, probabilities),
        "brier": brier(labels, probabilities),
        "ece": ece(labels, probabilities),
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def accuracy(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """The share of images whose most probable class is right."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def balanced_accuracy(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """The mean recall over the classes that have images."""
    predicted = probabilities.argmax(axis=1)
    recalls = [np.mean(predicted[labels == each] == each) for each in np.unique(labels)]
    return float(np.mean(recalls))


def macro_f1(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """The mean F1 over the classes that have images."""
    from sklearn.metrics import f1_score  # noqa: PLC0415 -- takes a second to import

    predicted, known = probabilities.argmax(axis=1), np.unique(labels)
    return float(f1_score(labels, predicted, labels=known, average="macro", zero_division=0))


def top_k_accuracy(labels: NDArray[np.int64], probabilities: NDArray[Any], k: int) -> float:
    """The share of images whose class is among the k most probable ones."""
    from sklearn.metrics import top_k_accuracy_score  # noqa: PLC0415 -- takes a second to import

    classes = probabilities.shape[1]
    if k >= classes:
        return 1.0
    if k == 1:
        return accuracy(labels, probabilities)
    return float(top_k_accuracy_score(labels, probabilities, k=k, labels=range(classes)))


def roc_auc(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """The mean area under the ROC curve, see `_one_against_rest`."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 -- takes a second to import

    return _one_against_rest(roc_auc_score, labels, probabilities)


def pr_auc(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """The mean average precision, see `_one_against_rest`."""
    from sklearn.metrics import average_precision_score  # noqa: PLC0415 -- takes a second

    return _one_against_rest(average_precision_score, labels, probabilities)


def log_loss(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """The mean negative logarithm of the probability of the true class."""
    return float(-np.mean(np.log(_clipped(probabilities[np.arange(len(labels)), labels]))))


def brier(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """The mean squared distance from the truth, summed over classes: from 0 to 2 (Brier 1950)."""
    exact = np.eye(probabilities.shape[1])[labels]
    return float(np.mean(((probabilities - exact) ** 2).sum(axis=1)))


def ece(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """The expected calibration error, see `calibration`."""
    return float(expected_calibration_error(reliability(labels, probabilities)))


def normalized(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """What a network gives, (n, classes), as 64-bit numbers whose rows sum to 1.

    Raises:
        RunFailedError: some of it is no number, or a row is 0.
    """
    exact = np.asarray(probabilities, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        summed: NDArray[np.float64] = exact / exact.sum(axis=1, keepdims=True)
    if lost := int((~np.isfinite(summed)).any(axis=1).sum()):
        raise RunFailedError(
            f"The network gives no probabilities for {lost:,} of {len(exact):,} images: some are "
            "NaN or infinite, or all are 0.\n"
            "A smaller trainer.optimizer.learning_rate keeps its weights finite."
        )
    return summed


def _one_against_rest(
    score: Callable[..., float], labels: NDArray[np.int64], probabilities: NDArray[Any]
) -> float:
    """The mean over the classes that have images, each against all others; NaN for one alone."""
    known = np.unique(labels)
    if len(known) == 1:
        return float("nan")
    return float(np.mean([score(labels == each, probabilities[:, each]) for each in known]))


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
    values = np.stack(list(each.values()))
    cells = labels * classes + predicted
    chance = np.random.Generator(np.random.PCG64(seed))
    drawn: list[tuple[float, ...]] = []
    for _ in range(RESAMPLES):
        # How often each image was drawn does for all metrics, at a fifth of the time; drawing
        # numbers of 32 bits takes a quarter of what those of 64 bits take.
        numbers = chance.integers(0, count, count, dtype=np.int32)
        times = np.bincount(numbers, minlength=count).astype(float)
        counts = np.bincount(cells, times, minlength=classes**2).reshape(classes, classes)
        drawn.append((*(values @ times / count), *_means(counts)))
    names = (*each, "balanced_accuracy", "macro_f1")
    return {name: _ends(seen) for name, seen in zip(names, np.transpose(drawn), strict=True)}


def _ends(drawn: NDArray[Any]) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _means(counts: NDArray[Any]) -> tuple[float, float]:
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
