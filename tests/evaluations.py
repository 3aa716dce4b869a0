"""Evaluations made by hand: of what was predicted, without drawing thousands of samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.evaluation.calibration import Bin
from cnn_sweeps.evaluation.curves import Curve
from cnn_sweeps.evaluation.evaluation import Evaluation
from cnn_sweeps.evaluation.metrics import ClassScore

INTERVALS = dict.fromkeys(("precision", "recall", "f1"), (0.4, 0.8))


def evaluated(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], names: Sequence[str], **changes: Any
) -> Evaluation:
    """What is known of images that were taken for a class; scores of classes are made up."""
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    classes = tuple(
        ClassScore(
            name=name,
            precision=0.6,
            recall=0.5,
            f1=0.1 + number / len(names) / 2,
            support=int(counts[number].sum()),
            intervals=INTERVALS if counts[number].sum() else {},
        )
        for number, name in enumerate(names)
    )
    curves = tuple(
        Curve(name=name, x=(0.0, 0.5, 1.0), y=(0.0, 0.9, 1.0), area=0.5 + number / len(names) / 2)
        for number, name in enumerate(names)
    )
    made: dict[str, Any] = {
        "split": "test",
        "images": len(labels),
        "classes": classes,
        "metrics": {"accuracy": float(np.mean(labels == predicted)), "ece": 0.1},
        "intervals": {"accuracy": (0.4, 0.8)},
        "confusion": tuple(tuple(map(int, row)) for row in counts),
        "reliability": bins(0.5),
        "temperature": 1.5,
        "calibrated": {"ece": 0.05},
        "calibrated_reliability": bins(0.7),
        "roc": curves,
        "precision_recall": curves,
    }
    return Evaluation(**(made | changes))


def bins(accuracy: float) -> tuple[Bin, ...]:
    """Two bins, the first of them empty."""
    empty = Bin(low=0, high=0.5, count=0, confidence=None, accuracy=None)
    return empty, Bin(low=0.5, high=1, count=4, confidence=0.9, accuracy=accuracy)


def of_classes(classes: int, **changes: Any) -> Evaluation:
    """Of so many classes with three images each, the first image of each taken for the next."""
    labels = np.repeat(np.arange(classes), 3)
    predicted = np.where(np.arange(len(labels)) % 3, labels, (labels + 1) % classes)
    return evaluated(labels, predicted, [f"class {n}" for n in range(classes)], **changes)
