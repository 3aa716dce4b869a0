"""Everything that is said of a network on one split of images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.evaluation import calibration, metrics
from cnn_sweeps.evaluation.calibration import Bin
from cnn_sweeps.evaluation.metrics import ClassScore
from cnn_sweeps.text.format import rounded
from cnn_sweeps.text.table import Table


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a network is worth on one split.

    Attributes:
        split: `test` or `val`.
        images: how many.
        classes: scores of each class.
        metrics: of all classes together, by name.
        intervals: 95 % intervals of some of them, by name.
        confusion: images of each class (row) that were taken for each class (column).
        reliability: accuracy and confidence of the images in bins of confidence.
        temperature: what makes the probabilities right on the validation split; None where there
            are no validation images, or they are what is evaluated.
        calibrated: `ece` and `log_loss` at that temperature; empty without one.
    """

    split: str
    images: int
    classes: tuple[ClassScore, ...]
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    confusion: tuple[tuple[int, ...], ...]
    reliability: tuple[Bin, ...]
    temperature: float | None
    calibrated: Mapping[str, float]

    @classmethod
    def of(
        cls,
        labels: NDArray[np.int64],
        probabilities: NDArray[Any],
        names: tuple[str, ...],
        *,
        split: str = "test",
        temperature: float | None = None,
    ) -> "Evaluation":
        """Evaluate probabilities.

        Args:
            labels: true classes, (n,), n at least 1.
            probabilities: (n, classes), rows sum to 1.
            names: of the classes.
            split: which images these are.
            temperature: found on other images.
        """
        probabilities = np.asarray(probabilities, np.float64)
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
        predicted = probabilities.argmax(axis=1)
        counts = np.zeros((len(names), len(names)), np.int64)
        np.add.at(counts, (labels, predicted), 1)
        calibrated = {}
        if temperature is not None:
            cooled = metrics.overall_metrics(
                labels, calibration.scale_probabilities(probabilities, temperature)
            )
            calibrated = {name: cooled[name] for name in ("ece", "log_loss")}
        return cls(
            split=split,
            images=len(labels),
            classes=metrics.per_class(labels, predicted, names),
            metrics=metrics.overall_metrics(labels, probabilities),
            intervals=metrics.intervals(labels, probabilities),
            confusion=tuple(tuple(map(int, row)) for row in counts),
            reliability=calibration.reliability(labels, probabilities),
            temperature=temperature,
            calibrated=calibrated,
        )

    def overall_table(self) -> Table:
        """A row for each metric of all classes together."""
        rows = []
        for name, value in self.metrics.items():
            ends = self.intervals.get(name)
            interval = f"{rounded(ends[0])} to {rounded(ends[1])}" if ends else ""
            after = self.calibrated.get(name)
            rows.append((name, rounded(value), interval, "" if after is None else rounded(after)))
        scaled = "" if self.temperature is None else f"at temperature {self.temperature:.3g}"
        head = ("metric", "value", "95 % interval", scaled)
        width = len(head) if scaled else len(head) - 1
        return Table(
            head=head[:width],
            rows=tuple(row[:width] for row in rows),
            text=frozenset({"metric", "95 % interval"}),
        )

    def class_table(self) -> Table:
        """A row for each class."""
        rows = [
            (each.name, *map(rounded, (each.precision, each.recall, each.f1)), f"{each.support:,}")
            for each in self.classes
        ]
        return Table(
            head=("class", "precision", "recall", "F1", "images"),
            rows=tuple(rows),
            text=frozenset({"class"}),
        )
