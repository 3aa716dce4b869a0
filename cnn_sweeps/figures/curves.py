"""Loss, accuracy and further metrics of a training over its epochs."""

import math
from collections.abc import Sequence
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


def learning_curves(epochs: Sequence[Epoch], about: str) -> "Figure":
    """Loss and accuracy over the epochs, side by side, training and validation.

    Further metrics of the validation split stand below, two in a row.

    Args:
        epochs: one or more, in order; validation is drawn for the epochs that have it.
        about: the name of the run, below the title.
    """
    numbers = [epoch.number for epoch in epochs]
    with style.figure_style():
        further = list(dict.fromkeys(name for epoch in epochs for name in epoch.measured))
        rows = 1 + math.ceil(len(further) / len(LEFT))
        figure = style.new(style.WIDTH, 580 + ROW * (rows - 1), "Learning curves", about)
        loss = style.place(figure, 80, 120, 540, 390)
        _panel(loss, numbers, [e.loss for e in epochs], [e.val_loss for e in epochs])
        # With a place of its own a title need not be measured against all that is drawn.
        loss.set_title("Loss", loc="left", y=1)
        loss.set_ylabel("cross-entropy")
        accuracy = style.place(figure, 745, 120, 540, 390)
        _panel(accuracy, numbers, [e.accuracy for e in epochs], [e.val_accuracy for e in epochs])
        accuracy.set_title("Accuracy", loc="left", y=1)
        accuracy.set_ylabel("fraction of the images")
        for number, name in enumerate(further):
            row, column = divmod(number, len(LEFT))
            axes = style.place(figure, LEFT[column], 120 + ROW * (row + 1), 540, 390)
            _panel(axes, numbers, (), [e.measured.get(name) for e in epochs])
            axes.set_title(name.removeprefix("val_"), loc="left", y=1)
    return figure


def _panel(
    axes: "Axes",
    numbers: Sequence[int],
    training: Sequence[float],
    validation: Sequence[float | None],
) -> None:
    """One quantity: its two curves, a legend, whole epochs below."""
    from matplotlib.ticker import MaxNLocator

    # Markers show single epochs, and blur into a band when there are many.
    size: dict[str, Any] = {"markersize": 4 if len(numbers) <= MANY_EPOCHS else 0, "linewidth": 1.8}
    if training:
        axes.plot(numbers, training, label="training", **style.TRAINING, **size)
    held_out = [
        (n, value) for n, value in zip(numbers, validation, strict=True) if value is not None
    ]
    if held_out:
        axes.plot(*zip(*held_out, strict=True), label="validation", **style.VALIDATION, **size)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend()
