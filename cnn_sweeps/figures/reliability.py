"""The reliability diagram: accuracy against predicted probability."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from cnn_sweeps.evaluation.calibration import Bin
from cnn_sweeps.evaluation.evaluation import SPLITS, Evaluation
from cnn_sweeps.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEFORE: Final[dict[str, Any]] = {"color": style.BLUE, "linestyle": "-", "marker": "o"}
AFTER: Final[dict[str, Any]] = {"color": style.VERMILLION, "linestyle": "--", "marker": "s"}
NO_TEMPERATURE: Final = {
    "val": "no temperature: it is found on these validation images",
    "test": "no temperature: there are no validation images to find it on",
}


def reliability_diagram(evaluation: Evaluation, about: str) -> "Figure":
    """Accuracy over probability, before and after temperature scaling, and how many images.

    Args:
        evaluation: of one split.
        about: the name of the run.
    """
    with style.figure_style():
        title = f"Reliability diagram: {evaluation.images:,} {SPLITS[evaluation.split]} images"
        figure = style.new(900, 780, title, f"{about} · {key(evaluation)}")
        axes = style.place(figure, 90, style.HEAD + 20, 780, 440)
        draw(axes, style.place(figure, 90, style.HEAD + 490, 780, 120), evaluation)
    return figure


def key(evaluation: Evaluation) -> str:
    """How to read it, or what is missing."""
    if evaluation.temperature is None:
        return NO_TEMPERATURE[evaluation.split]
    return "below the diagonal: too sure; above it: not sure enough"


def draw(axes: "Axes", below: "Axes", evaluation: Evaluation) -> None:
    """Draw both parts: the curves, and the share of the images in each bin."""
    from matplotlib.ticker import PercentFormatter

    axes.plot([0, 1], [0, 1], color=style.FAINT, linewidth=1, label="perfectly calibrated")
    error = evaluation.metrics["ece"]
    _curve(axes, evaluation.reliability, BEFORE, f"as trained: ECE {error:.3f}")
    if evaluation.temperature is not None:
        said = (
            f"at temperature {evaluation.temperature:.3g}: ECE {evaluation.calibrated['ece']:.3f}"
        )
        _curve(axes, evaluation.calibrated_reliability, AFTER, said)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")
    axes.legend(loc="best")
    for bins, look, side in (
        (evaluation.reliability, BEFORE, -1),
        (evaluation.calibrated_reliability, AFTER, 1),
    ):
        _histogram(below, bins, look["color"], side, evaluation.images)
    below.set(xlim=(0, 1), xlabel="probability of the predicted class", ylabel="images")
    below.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for each in (axes, below):
        each.grid(visible=True)
        each.spines[["top", "right"]].set_visible(False)


def _curve(axes: "Axes", bins: Sequence[Bin], look: dict[str, Any], label: str) -> None:
    points = [(each.confidence, each.accuracy) for each in bins if each.count]
    xs, ys = zip(*points, strict=True)
    axes.plot(xs, ys, markersize=5, linewidth=1.8, label=label, **look)


def _histogram(axes: "Axes", bins: Sequence[Bin], colour: str, side: int, images: int) -> None:
    """Bars beside the middle of each bin: on its left before, on its right after."""
    for each in bins:
        width = 0.4 * (each.high - each.low)
        middle = (each.low + each.high) / 2
        axes.bar(middle + side * width / 2, each.count / images, width=width, color=colour)
