"""Pictures of a training, drawn without a display and without pyplot's global state."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from cnn_sweeps.history import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Blue and orange stay apart for colour-blind readers (Okabe and Ito, 2008); the dashes
# keep them apart in black and white.
TRAINING: Final[dict[str, Any]] = {"color": "#0072B2", "linestyle": "-", "marker": "o"}
VALIDATION: Final[dict[str, Any]] = {"color": "#D55E00", "linestyle": "--", "marker": "s"}
MANY_EPOCHS: Final = 30


def learning_curves(epochs: Sequence[Epoch], title: str) -> "Figure":
    """Loss and accuracy over the epochs, side by side, training and validation.

    Args:
        epochs: one or more, in order; validation is drawn for the epochs that have it.
        title: what stands above both.

    Returns:
        A figure to save; its default size is 1320 x 560 pixels.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.43, 4), dpi=140)
    figure.suptitle(title, fontsize=12)
    loss, accuracy = figure.subplots(1, 2)
    # A layout that measures itself would draw everything twice, for every trial of a sweep.
    figure.subplots_adjust(left=0.065, right=0.985, top=0.84, bottom=0.13, wspace=0.16)
    numbers = [epoch.number for epoch in epochs]
    _panel(
        loss,
        "Loss",
        numbers,
        [epoch.loss for epoch in epochs],
        [epoch.val_loss for epoch in epochs],
    )
    _panel(
        accuracy,
        "Accuracy",
        numbers,
        [epoch.accuracy for epoch in epochs],
        [epoch.val_accuracy for epoch in epochs],
    )
    accuracy.yaxis.set_major_formatter("{x:.2f}")
    return figure


def warm_up() -> None:
    """Import what draws, and find the fonts; the first picture takes half a second for it."""
    from io import BytesIO

    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1))
    figure.text(0, 0, "a")
    figure.savefig(BytesIO())


def _panel(
    axes: "Axes",
    name: str,
    numbers: Sequence[int],
    training: Sequence[float],
    validation: Sequence[float | None],
) -> None:
    """One quantity: its two curves, a legend, whole epochs below."""
    from matplotlib.ticker import MaxNLocator

    # Markers show single epochs, and blur into a band when there are many.
    size: dict[str, Any] = {"markersize": 4 if len(numbers) <= MANY_EPOCHS else 0, "linewidth": 1.8}
    axes.plot(numbers, training, label="training", **TRAINING, **size)
    held_out = [
        (n, value) for n, value in zip(numbers, validation, strict=True) if value is not None
    ]
    if held_out:
        axes.plot(*zip(*held_out, strict=True), label="validation", **VALIDATION, **size)
    axes.set_title(name, fontsize=11)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
