"""Everything that is said of a network on one split of images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.evaluation import calibration, curves, metrics
from cnn_sweeps.evaluation.calibration import Bin
from cnn_sweeps.evaluation.curves import Curve
from cnn_sweeps.evaluation.metrics import ClassScore
from cnn_sweeps.text.format import rounded
from cnn_sweeps.text.table import Table

Split = Literal["test", "val"]
"""Images that a network was not trained on."""
SPLITS: Mapping[str, str] = {"test": "test", "val": "validation"}
"""What people call them."""
FREQUENT = 20
"""Confusions of two classes that are listed."""


def split_of(name: str) -> Split:
    """The split that a person calls so: `test`, `val` or `validation`.

    Raises:
        ConfigError: there is none, or a network was trained on it.
    """
    for split in get_args(Split):
        if name in (split, SPLITS[split]):
            return cast("Split", split)
    raise ConfigError(
        f"split={name!r} is invalid: a trained network is evaluated on test or val (validation)."
    )


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
        calibrated_reliability: `reliability` at that temperature; empty without one.
        roc: the ROC curve of each class that has images.
        precision_recall: the precision-recall curve of each.
    """

    split: Split
    images: int
    classes: tuple[ClassScore, ...]
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    confusion: tuple[tuple[int, ...], ...]
    reliability: tuple[Bin, ...]
    temperature: float | None
    calibrated: Mapping[str, float]
    calibrated_reliability: tuple[Bin, ...] = ()
    roc: tuple[Curve, ...] = ()
    precision_recall: tuple[Curve, ...] = ()

    @classmethod
    def of(
        cls,
        labels: NDArray[np.int64],
        probabilities: NDArray[Any],
        names: tuple[str, ...],
        *,
        split: Split = "test",
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
        probabilities = metrics.normalized(probabilities)
        predicted = probabilities.argmax(axis=1)
        counts = np.zeros((len(names), len(names)), np.int64)
        np.add.at(counts, (labels, predicted), 1)
        calibrated: dict[str, float] = {}
        cooled: tuple[Bin, ...] = ()
        if temperature is not None:
            scaled = calibration.scale_probabilities(probabilities, temperature)
            cooled = calibration.reliability(labels, scaled)
            calibrated = {
                "ece": calibration.expected_calibration_error(cooled),
                "log_loss": metrics.log_loss(labels, scaled),
            }
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
            calibrated_reliability=cooled,
            roc=curves.roc(labels, probabilities, names),
            precision_recall=curves.precision_recall(labels, probabilities, names),
        )

    @classmethod
    def from_json(cls, plain: Any) -> "Evaluation":
        """What was stored as JSON.

        Raises:
            ValueError: it was not stored by this version, or was changed.
        """
        from pydantic import TypeAdapter  # noqa: PLC0415 -- nothing but a stored one needs it

        return TypeAdapter(cls).validate_python(plain)

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
            text=frozenset({"metric"}),
        )

    def class_table(self) -> Table:
        """A row for each class, with 95 % intervals; without scores where it has no images."""
        scores = {"precision": "precision", "recall": "recall", "F1": "f1"}
        head = [part for name in scores for part in (name, f"{name} 95 %")]
        rows = []
        for each in self.classes:
            cells = [each.name]
            for name in scores.values():
                ends = each.intervals.get(name)
                interval = f"{ends[0]:.2f} to {ends[1]:.2f}" if ends else ""
                score = rounded(getattr(each, name)) if each.support else ""
                cells += [score, interval]
            rows.append((*cells, f"{each.support:,}"))
        return Table(
            head=("class", *head, "images"),
            rows=tuple(rows),
            text=frozenset({"class"}),
            first=("class", *scores, "images"),
        )

    def confusion_table(self) -> Table:
        """The most frequent mistakes: one class that was taken for another."""
        counts = np.array(self.confusion)
        wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
        rows = []
        for cell in np.argsort(-wrong, axis=None, kind="stable")[:FREQUENT]:
            row, column = divmod(int(cell), len(counts))
            if wrong[row, column]:
                share = wrong[row, column] / counts[row].sum()
                names = (self.classes[row].name, self.classes[column].name)
                rows.append((*names, f"{wrong[row, column]:,}", f"{share:.1%}"))
        return Table(
            head=("class", "predicted as", "images", "of the class"),
            rows=tuple(rows),
            text=frozenset({"class", "predicted as"}),
        )
