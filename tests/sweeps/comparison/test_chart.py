"""The picture of an answer."""

from io import BytesIO

from exercises import answer, epochs, failure

from cnn_sweeps.sweeps.comparison.answer import Answer
from cnn_sweeps.sweeps.comparison.chart import COLOURS, chart


def legend(found: Answer, axes: int | None = None) -> list[str]:
    """What the picture, or one of its panels, explains."""
    figure = chart(found)
    figure.savefig(BytesIO())
    box = figure.legends[0] if axes is None else figure.axes[axes].get_legend()
    assert box is not None
    return [text.get_text() for text in box.get_texts()]


def test_each_cell_is_a_point_at_its_time_and_accuracy() -> None:
    """Means over the seeds, with a standard deviation to either side; the base is black."""
    figure = chart(answer((0.90, 0.92), (0.80, 0.80), train_seconds=5.0))
    (axes,) = figure.axes
    base, other = axes.containers
    assert (*base.lines[0].get_xydata()[0],) == (10.0, 91.0)
    assert (*other.lines[0].get_xydata()[0],) == (5.0, 80.0)
    assert base.lines[0].get_color() == COLOURS[0] != other.lines[0].get_color()
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "training time in seconds, mean over the seeds",
        "test accuracy in %",
    )


def test_legend_names_the_cells_and_the_base() -> None:
    """Every point is explained; a cell that failed is none."""
    four = failure({"model.filters": "4"}, 0)
    assert legend(answer((0.9,), (0.8,), four)) == ["filters=64 (base)", "filters=16"]


def test_epochs_are_drawn_as_curves_with_the_lowest_loss_marked() -> None:
    """Training, validation and test over time, and the losses over the epochs."""
    found = epochs([[0.5, 0.3, 0.4], [0.5, 0.3, 0.4]])
    assert legend(found, 0) == ["training", "validation", "test", "base (epochs=1)"]
    assert legend(found, 1) == ["training", "validation", "lowest validation loss (epoch 2)"]


def test_nothing_measured_is_an_empty_picture() -> None:
    """Where every trial failed there is still a picture, and no error."""
    figure = chart(answer((), (), failure({"model.filters": "64"}, 0)))
    figure.savefig(BytesIO())
    assert not figure.legends
