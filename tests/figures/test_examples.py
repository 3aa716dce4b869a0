"""Images with what a network says of them."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from cnn_sweeps.figures import examples
from cnn_sweeps.figures.examples import Example, Examples

EXAMPLE = Example(number=3, label="ant", predicted="bee", probability=0.98765, picture="data:x")


def test_the_worst_mistakes_come_first_then_one_of_each_class() -> None:
    """The surest of each; a class that is never right has none."""
    labels = np.array([0, 0, 0, 1, 1, 2])
    scores = np.array(
        [[0.6, 0.3, 0.1], [0.8, 0.1, 0.1], [0.1, 0.9, 0], [0.7, 0.3, 0], [0, 1, 0], [1, 0, 0]]
    )
    assert examples.chosen(labels, scores) == (5, 2, 3, 1, 4)


def test_heat_covers_the_image() -> None:
    """Where there is none the image stays, in grey and darker."""
    image = np.full((4, 4, 3), 200, np.uint8)
    heat = np.zeros((2, 2), np.float32)
    cold = examples.heated(image, heat, 8, 8)
    assert cold.shape == (8, 8, 3)
    assert np.unique(cold).tolist() == [round(200 * examples.DIMMED)]
    warm = examples.heated(image, np.array([[1, 0], [0, 0]], np.float32), 8, 8)
    assert warm[0, 0, 0] > warm[0, 0, 2]
    assert np.array_equal(warm[-1, -1], cold[-1, -1])


def test_a_photograph_is_brought_to_the_size_of_a_page() -> None:
    """Small images keep every pixel."""
    assert examples.address(np.zeros((28, 28, 3), np.uint8)).startswith("data:image/png;base64,")
    large = examples.address(np.random.RandomState(0).randint(0, 256, (300, 200, 3), np.uint8))
    assert large.startswith("data:image/jpeg;base64,")
    assert len(large) < 12_000


def test_json_of_a_report_has_no_pictures() -> None:
    """Everything else."""
    found = Examples(split="test", images=(EXAMPLE,), mistakes=7, layer="conv")
    assert found.to_json() == {
        "split": "test",
        "images": [{"number": 3, "label": "ant", "predicted": "bee", "probability": 0.98765}],
        "mistakes": 7,
        "layer": "conv",
        "note": "",
    }


def test_the_figure_says_what_each_image_is() -> None:
    """Its number, its class, what it was taken for, and how surely."""
    right = replace(EXAMPLE, number=5, predicted="ant", probability=1.0)
    found = Examples(split="val", images=(EXAMPLE, right), mistakes=1, layer="conv")
    images = np.zeros((2, 8, 8, 1), np.uint8)
    figure = examples.grad_cam_figure(images, np.zeros((2, 3, 3), np.float32), found, "run")
    assert isinstance(figure, Figure)
    texts = [text.get_text() for text in figure.texts]
    assert texts[0] == "Grad-CAM of conv: what speaks for the predicted class"
    assert texts[2:6] == ["validation image 3", "ant", "bee", "98.8%"]
    assert texts[6:] == ["validation image 5", "ant", "more than 99.9%"]


def test_a_stored_picture_leads_nowhere() -> None:
    """A changed file does not make a page load something."""
    plain = {"split": "test", "images": [asdict(EXAMPLE)], "mistakes": 1}
    with pytest.raises(ValueError, match="picture"):
        Examples.from_json(plain)
    plain["images"] = [{**asdict(EXAMPLE), "picture": "data:image/png;base64,AAAA"}]
    assert Examples.from_json(plain).images[0].number == 3
