"""Learning curves."""

from dataclasses import replace
from io import BytesIO

import pytest

from cnn_sweeps.figures import style
from cnn_sweeps.figures.curves import MANY_EPOCHS, learning_curves, learning_curves_png
from cnn_sweeps.training.epoch import Epoch

pytestmark = pytest.mark.drawn


def epochs(count: int, *, validation: bool = True) -> list[Epoch]:
    """A training that gets better."""
    return [
        Epoch(
            number=number,
            loss=1 / number,
            accuracy=1 - 0.5 / number,
            val_loss=1.2 / number if validation else None,
            val_accuracy=1 - 0.6 / number if validation else None,
            seconds=1.0,
            images_per_second=100.0,
        )
        for number in range(1, count + 1)
    ]


def test_both_quantities_with_both_curves() -> None:
    """Loss and accuracy are drawn for training and validation over the same epochs."""
    figure = learning_curves(epochs(3), "cnn · 3f2a")
    assert [text.get_text() for text in figure.texts] == ["Learning curves", "cnn · 3f2a"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss", "Accuracy"]
    for axes in figure.axes:
        assert [line.get_label() for line in axes.lines] == ["training", "validation"]
        assert [list(line.get_xdata()) for line in axes.lines] == [[1, 2, 3], [1, 2, 3]]
    assert list(figure.axes[0].lines[1].get_ydata()) == pytest.approx([1.2, 0.6, 0.4])


def test_further_metrics_have_panels_of_their_own() -> None:
    """Validation alone: training images are not measured so."""
    measured = [replace(e, measured={"val_ece": 0.1 * e.number, "val_f": 1.0}) for e in epochs(3)]
    figure = learning_curves(measured, "r")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["Loss", "Accuracy", "ece", "f"]
    (line,) = figure.axes[2].lines
    assert line.get_label() == "validation"
    assert list(line.get_ydata()) == pytest.approx([0.1, 0.2, 0.3])


def test_without_validation() -> None:
    """A run without a validation split has the training curve alone."""
    figure = learning_curves(epochs(3, validation=False), "r")
    assert [[line.get_label() for line in axes.lines] for axes in figure.axes] == [["training"]] * 2


def test_single_epoch_is_visible() -> None:
    """One epoch is a point, with a marker, over a whole number."""
    figure = learning_curves(epochs(1), "r")
    figure.savefig(BytesIO(), format="png")
    axes = figure.axes[0]
    assert axes.lines[0].get_markersize() > 0
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


@pytest.mark.parametrize(
    ("count", "marked"),
    [pytest.param(MANY_EPOCHS, True, id="few"), pytest.param(MANY_EPOCHS + 1, False, id="many")],
)
def test_many_epochs_are_lines_alone(count: int, marked: bool) -> None:
    """Markers are left out where they would run into one another."""
    line = learning_curves(epochs(count), "r").axes[0].lines[0]
    assert (line.get_markersize() > 0) is marked


def test_pyplot_stays_unused() -> None:
    """Drawing opens no window and leaves no figure behind in pyplot."""
    from matplotlib import pyplot as plt

    before = plt.get_fignums()
    learning_curves(epochs(2), "r").savefig(BytesIO(), format="png")
    assert plt.get_fignums() == before


@pytest.mark.slow
def test_a_file_does_not_show_what_was_drawn_before_it() -> None:
    """Panels that are used again give the picture of new ones, to the byte."""
    with_f = [replace(e, measured={"val_f": 0.1 * e.number}) for e in epochs(3)]
    without = epochs(5, validation=False)
    for shown in (epochs(40), without, epochs(1), with_f, epochs(3)):
        about = f"cnn e{len(shown)}"
        assert learning_curves_png(shown, about) == style.png(learning_curves(shown, about))
