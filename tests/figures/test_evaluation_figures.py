"""Figures of an evaluation: scores of each class, ROC, precision-recall, reliability."""

from dataclasses import replace

import numpy as np
import pytest
from evaluations import bins, of_classes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cnn_sweeps.figures import style
from cnn_sweeps.figures.classes import MOST, class_scores
from cnn_sweeps.figures.reliability import reliability_diagram
from cnn_sweeps.figures.roc import COLOURED, precision_recall_curves, roc_curves


def legend(figure: Figure) -> list[str]:
    """What the legend says."""
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


@pytest.mark.parametrize("classes", [2, COLOURED])
def test_few_classes_have_a_named_curve_each(classes: int) -> None:
    """The smallest area first, beside chance."""
    figure = roc_curves(of_classes(classes), "run")
    assert isinstance(figure, Figure)
    assert legend(figure) == [
        "chance",
        *(f"class {n}: AUC {0.5 + n / classes / 2:.3f}" for n in range(classes)),
    ]


def test_of_many_classes_the_worst_are_named() -> None:
    """The others are there, and counted."""
    figure = precision_recall_curves(of_classes(100), "run")
    assert isinstance(figure, Figure)
    said = legend(figure)
    assert said[0] == f"{100 - COLOURED} other classes"
    assert said[1] == "class 0: AP 0.500"
    assert len(said) == COLOURED + 1
    assert len(figure.axes[0].lines) == 100
    assert figure.texts[1].get_text().endswith(f"the {COLOURED} smallest areas")


def test_a_class_without_a_curve_is_counted() -> None:
    """It has no images."""
    found = of_classes(3)
    figure = roc_curves(replace(found, roc=found.roc[:2]), "run")
    assert isinstance(figure, Figure)
    assert figure.texts[1].get_text().endswith("all others · classes without images: 1")


def test_without_curves_there_is_a_reason() -> None:
    """Of one class alone there is none."""
    assert roc_curves(of_classes(2, roc=()), "run") == "fewer than two classes have images"


def test_reliability_is_shown_before_and_after_temperature() -> None:
    """With both errors; bins without an image have no point."""
    figure = reliability_diagram(of_classes(3), "run")
    assert legend(figure)[1:] == ["as trained: ECE 0.100", "at temperature 1.5: ECE 0.050"]
    assert [line.get_xydata().tolist() for line in figure.axes[0].lines[1:]] == [
        [[0.9, 0.5]],
        [[0.9, 0.7]],
    ]


@pytest.mark.parametrize(
    ("split", "said"),
    [("val", "found on these validation images"), ("test", "no validation images to find it on")],
)
def test_without_a_temperature_the_reason_is_said(split: str, said: str) -> None:
    """And nothing after it is drawn."""
    without = {"temperature": None, "calibrated": {}, "calibrated_reliability": ()}
    figure = reliability_diagram(of_classes(3, split=split, **without), "run")
    assert figure.texts[1].get_text().endswith(said)
    assert len(figure.axes[0].lines) == 2


def test_each_class_has_a_row_with_its_scores() -> None:
    """Name and number of images at the left, three scores with intervals."""
    figure = class_scores(of_classes(3), "run")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["class 0  (3)", "class 1  (3)", "class 2  (3)"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Precision", "Recall", "F1"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.600"] * 3
    segments = figure.axes[1].collections[0].get_segments()
    assert [segment[:, 0].tolist() for segment in segments] == [[0.4, 0.8]] * 3


def test_of_many_classes_the_lowest_are_shown() -> None:
    """So many as can be read."""
    figure = class_scores(of_classes(100), "run")
    assert len(figure.axes[0].get_yticklabels()) == MOST
    assert f"the {MOST} of 100 classes with the lowest F1" in figure.texts[1].get_text()


def test_a_class_without_images_says_so() -> None:
    """A score of 0 would be wrong."""
    found = of_classes(2)
    none = replace(found.classes[0], support=0, intervals={})
    figure = class_scores(replace(found, classes=(none, found.classes[1])), "run")
    assert [text.get_text() for text in figure.axes[2].texts] == ["no images", "0.350"]


def test_a_class_without_images_is_none_of_the_lowest() -> None:
    """It is not known how low it is."""
    found = of_classes(100)
    none = replace(found.classes[0], support=0, intervals={})
    figure = class_scores(replace(found, classes=(none, *found.classes[1:])), "run")
    assert figure.axes[0].get_yticklabels()[0].get_text() == "class 1  (3)"


@pytest.mark.parametrize("classes", [2, 100])
def test_pictures_are_as_wide_as_a_page_shows(classes: int) -> None:
    """And nothing stands outside of them."""
    found = of_classes(classes, reliability=bins(0.2))
    for make in (class_scores, roc_curves, precision_recall_curves, reliability_diagram):
        figure = make(found, "run")
        assert isinstance(figure, Figure)
        width = figure.get_size_inches()[0] * style.DPI
        assert width <= style.WIDTH
        renderer = FigureCanvasAgg(figure).get_renderer()
        texts = [text for axes in figure.axes for text in axes.texts] + figure.texts
        edges = np.array([text.get_window_extent(renderer).extents for text in texts])
        assert edges[:, 0].min() >= 0
        assert edges[:, 2].max() <= width
