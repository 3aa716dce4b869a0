"""Loss, accuracy and further metrics of a training over its epochs."""

import math
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from cnn_sweeps.figures import style
from cnn_sweeps.training.epoch import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MANY_EPOCHS: Final = 30
LEFT: Final = (80, 745)
"""Where the panels of a row begin."""
ROW: Final = 490
"""Height of a row of panels, with its title and the name of its axis."""


_kept: dict[tuple[str, ...], "Figure"] = {}
"""The panels that were made last, by the further metrics that they show."""
_in_use: Final = Lock()


def learning_curves(epochs: Sequence[Epoch], about: str) -> "Figure":
    """Loss and accuracy over the epochs, side by side, training and validation.

    Further metrics of the validation split stand below, two in a row.

    Args:
        epochs: one or more, in order; validation is drawn for the epochs that have it.
        about: the name of the run, below the title.
    """
    with style.figure_style():
        figure = _panels(_further(epochs), about)
        _plot(figure, epochs)
    return figure


def learning_curves_png(epochs: Sequence[Epoch], about: str) -> bytes:
    """The same as a PNG file.

    Of a figure most of the time goes into axes and ticks: those of the last one get other lines.
    """
    further = _further(epochs)
    with _in_use:
        with style.figure_style():
            if further not in _kept:
                _kept.clear()
                _kept[further] = _panels(further, about)
            figure = _kept[further]
            figure.texts[-1].set_text(about)
            _plot(figure, epochs)
        return style.png(figure)


def _further(epochs: Sequence[Epoch]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for epoch in epochs for name in epoch.measured))


def _panels(further: Sequence[str], about: str) -> "Figure":
    """A figure with a panel for each quantity, and nothing in it."""
    rows = 1 + math.ceil(len(further) / len(LEFT))
    figure = style.new(style.WIDTH, 580 + ROW * (rows - 1), "Learning curves", about)
    _panel(figure, 0, "Loss").set_ylabel("cross-entropy")
    _panel(figure, 1, "Accuracy").set_ylabel("fraction of the images")
    for number, name in enumerate(further, len(LEFT)):
        _panel(figure, number, name.removeprefix("val_"))
    return figure


def _panel(figure: "Figure", number: int, title: str) -> "Axes":
    """Axes for one quantity, over whole epochs."""
    from matplotlib.ticker import MaxNLocator

    row, column = divmod(number, len(LEFT))
    axes = style.place(figure, LEFT[column], 120 + ROW * row, 540, 390)
    # With a place of its own the title is not measured against all that is drawn.
    axes.set_title(title, loc="left", y=1)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=True)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _plot(figure: "Figure", epochs: Sequence[Epoch]) -> None:
    """Draw the lines of these epochs into its panels, and take others away."""
    curves: list[tuple[Sequence[float], Sequence[float | None]]] = [
        ([e.loss for e in epochs], [e.val_loss for e in epochs]),
        ([e.accuracy for e in epochs], [e.val_accuracy for e in epochs]),
        *(((), [e.measured.get(name) for e in epochs]) for name in _further(epochs)),
    ]
    numbers = [epoch.number for epoch in epochs]
    for axes, (training, validation) in zip(figure.axes, curves, strict=True):
        _curves(axes, numbers, training, validation)


def _curves(
    axes: "Axes",
    numbers: Sequence[int],
    training: Sequence[float],
    validation: Sequence[float | None],
) -> None:
    """The two curves of one quantity, and a legend."""
    for line in [*axes.lines]:
        line.remove()
    axes.relim()
    # Markers show single epochs, and blur into a band when there are many.
    size: dict[str, Any] = {"markersize": 4 if len(numbers) <= MANY_EPOCHS else 0, "linewidth": 1.8}
    if training:
        axes.plot(numbers, training, label="training", **style.TRAINING, **size)
    held_out = [
        (n, value) for n, value in zip(numbers, validation, strict=True) if value is not None
    ]
    if held_out:
        axes.plot(*zip(*held_out, strict=True), label="validation", **style.VALIDATION, **size)
    axes.autoscale()
    axes.legend()
