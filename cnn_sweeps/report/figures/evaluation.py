"""Figures of the best model: ROC, precision-recall, reliability, many confusions."""

from typing import TYPE_CHECKING, Final

import numpy as np

from cnn_sweeps.evaluation.evaluation import Evaluation
from cnn_sweeps.figures import reliability, roc
from cnn_sweeps.report.figures.axes import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SQUARE: Final = (6.1, 5.6)
LEGEND: Final = 2
"""Columns of a legend below a picture."""


def roc_curves(found: Evaluation) -> "Figure":
    """True against false positives of each class."""
    figure, axes = canvas(SQUARE)
    roc.draw_roc(axes, found.roc)
    figure.legend(loc="outside lower center", ncols=LEGEND)
    return figure


def precision_recall_curves(found: Evaluation) -> "Figure":
    """Precision against recall of each class."""
    figure, axes = canvas(SQUARE)
    roc.draw_precision_recall(axes, found.precision_recall)
    figure.legend(loc="outside lower center", ncols=LEGEND)
    return figure


def reliability_diagram(found: Evaluation) -> "Figure":
    """Accuracy over probability, before and after temperature scaling."""
    from matplotlib.figure import Figure  # noqa: PLC0415 -- late, as all of Matplotlib

    figure = Figure(figsize=SQUARE, dpi=72, layout="constrained")
    axes, below = figure.subplots(2, height_ratios=(4, 1))
    reliability.draw(axes, below, found)
    return figure


def confusion_map(found: Evaluation) -> "Figure":
    """The confusion matrix of many classes: the share of each class, darker where it is larger."""
    figure, axes = canvas(SQUARE)
    counts = np.array(found.confusion, float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=axes, label="share of the class")
    axes.set(xlabel="predicted class, by its number", ylabel="true class, by its number")
    axes.grid(visible=False)
    return figure
