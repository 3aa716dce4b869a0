"""ROC and precision-recall curves of each class."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from cnn_sweeps.evaluation.curves import Curve
from cnn_sweeps.evaluation.evaluation import SPLITS, Evaluation
from cnn_sweeps.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURED: Final = 6
"""Curves that have a colour and a name; of more classes those with the smallest areas."""
DASHES: Final = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
OTHERS: Final = "#8A94A0"
LETTERS: Final = 24


def roc_curves(evaluation: Evaluation, about: str) -> "Figure | str":
    """True against false positives of each class, against all others.

    Args:
        evaluation: of one split.
        about: the name of the run.

    Returns:
        The figure, or why there is none.
    """
    return _figure("ROC curves", evaluation, evaluation.roc, draw_roc, about)


def precision_recall_curves(evaluation: Evaluation, about: str) -> "Figure | str":
    """Precision against recall of each class; see `roc_curves`."""
    curves = evaluation.precision_recall
    return _figure("Precision-recall curves", evaluation, curves, draw_precision_recall, about)


def _figure(
    title: str, evaluation: Evaluation, curves: Sequence[Curve], draw: Any, about: str
) -> "Figure | str":
    if not curves:
        return "fewer than two classes have images"
    with style.figure_style():
        images = f"{evaluation.images:,} {SPLITS[evaluation.split]} images"
        without = len(evaluation.classes) - len(curves)
        told = f"{about} · {key(curves)}" + f" · classes without images: {without}" * (without > 0)
        figure = style.new(1100, 780, f"{title}: {images}", told)
        axes = style.place(figure, 90, style.HEAD + 20, 600, 600)
        draw(axes, curves)
        axes.legend(loc="upper left", bbox_to_anchor=(1.03, 1))
    return figure


def key(curves: Sequence[Curve]) -> str:
    """Which curves have a name."""
    if len(curves) <= COLOURED:
        return "each class against all others"
    return f"each class against all others; coloured: the {COLOURED} smallest areas"


def draw_roc(axes: "Axes", curves: Sequence[Curve]) -> None:
    """Draw ROC curves; the legend, with each area, is left to the caller."""
    axes.plot([0, 1], [0, 1], color=style.FAINT, linewidth=1, label="chance")
    _draw(axes, curves, "AUC")
    axes.set(xlabel="false positive rate", ylabel="true positive rate (recall)")


def draw_precision_recall(axes: "Axes", curves: Sequence[Curve]) -> None:
    """Draw precision-recall curves; see `draw_roc`."""
    _draw(axes, curves, "AP")
    axes.set(xlabel="recall", ylabel="precision")


def _draw(axes: "Axes", curves: Sequence[Curve], area: str) -> None:
    worst = sorted(curves, key=lambda each: each.area)
    names = dict(zip(curves, style.shorten_names([c.name for c in curves], LETTERS), strict=True))
    for number, curve in enumerate(worst[COLOURED:]):
        label = None if number else f"{len(worst) - COLOURED} other classes"
        axes.plot(curve.x, curve.y, color=OTHERS, linewidth=0.8, alpha=0.7, label=label)
    for curve, colour, dashes in zip(worst, style.PALETTE, DASHES, strict=False):
        label = f"{names[curve]}: {area} {curve.area:.3f}"
        axes.plot(curve.x, curve.y, color=colour, linestyle=dashes, linewidth=1.8, label=label)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.grid(visible=True)
    axes.spines[["top", "right"]].set_visible(False)
