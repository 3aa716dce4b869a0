"""An answer as a picture: accuracy over training time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from cnn_sweeps.figures import style
from cnn_sweeps.sweeps.comparison.answer import Answer
from cnn_sweeps.sweeps.comparison.statistics import EPOCHS, POINTS, Cell, Overfitting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: Final = (
    *(style.BLACK, style.BLUE, style.VERMILLION, style.GREEN),
    *(style.PURPLE, style.ORANGE, style.SKY),
)
SHAPES: Final = "osD^vPX"
"""They keep cells apart in black and white."""
CURVES: Final = {
    "accuracy": ("training", style.BLUE, "-"),
    "val_accuracy": ("validation", style.VERMILLION, "--"),
    "test_accuracy": ("test", style.GREEN, "-."),
}
LOSSES: Final = {"loss": CURVES["accuracy"], "val_loss": CURVES["val_accuracy"]}
NAME: Final = "accuracy_over_time.png"
"""Artifact of the run of a sweep."""
HEIGHT: Final = 700
HEAD: Final = 56
"""Pixels, of which the title takes so many."""
BARS: Final = "bars: ± one standard deviation over the seeds"
SECONDS: Final = "training time in seconds, mean over the seeds"


def chart(answer: Answer) -> "Figure":
    """Test accuracy over training time, a point for each cell; curves where epochs were varied.

    Bars and bands reach one standard deviation over the seeds to either side.

    Returns:
        A figure to save; its default size is 1320 x 700 pixels.
    """
    cells = [cell for cell in answer.cells if cell.measured]
    with style.figure_style():
        figure = style.new(style.WIDTH, HEIGHT, answer.question)
        figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - HEAD / HEIGHT))
        if answer.epochs is not None:
            _curves(figure, cells, answer.epochs)
        else:
            _points(figure, cells)
    return figure


def _points(figure: "Figure", cells: Sequence[Cell]) -> None:
    axes = figure.subplots()
    # The base first, so that it is black in every exercise.
    for number, cell in enumerate(sorted(cells, key=lambda cell: not cell.base)):
        scores, seconds = cell.spread("test_accuracy"), cell.spread("train_seconds")
        if scores is None or seconds is None:
            continue
        look: dict[str, Any] = {
            "color": COLOURS[number % len(COLOURS)],
            "marker": SHAPES[number % len(SHAPES)],
            "markersize": 9,
        }
        axes.errorbar(
            seconds.mean,
            POINTS * scores.mean,
            xerr=seconds.sd,
            yerr=None if scores.sd is None else POINTS * scores.sd,
            capsize=4,
            linestyle="none",
            label=f"{cell.label} (base)" if cell.base else cell.label,
            **look,
        )
        if cell.base:
            axes.axhline(POINTS * scores.mean, color=style.FAINT, linewidth=1, linestyle=":")
            axes.axvline(seconds.mean, color=style.FAINT, linewidth=1, linestyle=":")
    _dress(axes, SECONDS, "test accuracy in %")
    axes.set_xlim(left=0)
    axes.margins(y=0.15)
    if axes.has_data():
        figure.legend(
            loc="outside lower center",
            ncols=3,
            title=BARS if any(len(cell.measured) > 1 for cell in cells) else None,
        )


def _curves(figure: "Figure", cells: Sequence[Cell], found: Overfitting) -> None:
    accuracy, loss = figure.subplots(1, 2)
    seconds = [_mean(cell, "train_seconds") for cell in cells]
    epochs = [float(cell.values[EPOCHS]) for cell in cells]
    for name, look in CURVES.items():
        _curve(accuracy, seconds, cells, name, look, POINTS)
    for name, look in LOSSES.items():
        _curve(loss, epochs, cells, name, look, 1)
    base = next((cell for cell in cells if cell.base), None)
    if base is not None:
        accuracy.axvline(
            _mean(base, "train_seconds"),
            color=style.FAINT,
            linewidth=1.2,
            linestyle=":",
            label=f"base ({base.label})",
        )
    loss.axvline(
        found.lowest,
        color=style.BLACK,
        linewidth=1.2,
        linestyle=":",
        label=f"lowest validation loss (epoch {found.lowest})",
    )
    _dress(accuracy, SECONDS, "accuracy in %")
    _dress(loss, "epochs", "loss")
    loss.xaxis.get_major_locator().set_params(integer=True)
    for axes in (accuracy, loss):
        axes.legend()


def _curve(
    axes: "Axes",
    where: Sequence[float],
    cells: Sequence[Cell],
    name: str,
    look: tuple[str, str, str],
    scale: float,
) -> None:
    """The mean of a measure and, as a band, its standard deviation."""
    spreads = [cell.spread(name) for cell in cells]
    known = [(x, some) for x, some in zip(where, spreads, strict=True) if some is not None]
    if not known:
        return
    label, colour, dashes = look
    places = [x for x, _ in known]
    means = [scale * some.mean for _, some in known]
    sds = [scale * (some.sd or 0) for _, some in known]
    axes.plot(
        places, means, color=colour, linestyle=dashes, marker="o", markersize=3.5, label=label
    )
    axes.fill_between(
        places,
        [mean - sd for mean, sd in zip(means, sds, strict=True)],
        [mean + sd for mean, sd in zip(means, sds, strict=True)],
        color=colour,
        alpha=0.18,
        linewidth=0,
    )


def _dress(axes: "Axes", below: str, beside: str) -> None:
    axes.set_xlabel(below)
    axes.set_ylabel(beside)
    axes.grid()
    axes.spines[["top", "right"]].set_visible(False)


def _mean(cell: Cell, name: str) -> float:
    some = cell.spread(name)
    return some.mean if some else 0.0
