"""Pictures that are made of arrays: confusion matrix, mistakes, samples, kernels, layers."""

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from evaluations import evaluated
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_sweeps.figures import style
from cnn_sweeps.figures.canvas import Canvas, apply_colour_map, as_rgb, enlarge_pixels
from cnn_sweeps.figures.confusion import LISTED, NAMES, confusion_matrix
from cnn_sweeps.figures.images import MOST, mistakes, most_confident, samples
from cnn_sweeps.figures.layers import (
    ACROSS,
    MOST_LAYERS,
    Chosen,
    all_filters,
    convolutions_and_poolings,
    kernel_pictures,
    kernels,
)

pytestmark = pytest.mark.drawn

CLOTHES = ("T-shirt/top", "Shirt", "Coat")


def written(figure: Figure) -> list[str]:
    """All texts of a figure outside of its axes."""
    return [text.get_text() for text in figure.texts]


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """The figure as it is seen."""
    from io import BytesIO

    from PIL import Image

    return np.asarray(Image.open(BytesIO(style.png(figure))))


def gray(count: int, height: int = 4, width: int = 4) -> NDArray[np.uint8]:
    """Images that are all of one grey: the first is 0, the next 10, ..."""
    shades = np.arange(count, dtype=np.uint8) * 10
    return np.broadcast_to(shades[:, None, None, None], (count, height, width, 1)).copy()


def chosen(count: int = 3) -> Chosen:
    """Test images that were sent through a network."""
    return Chosen(numbers=range(count), images=gray(count), names=["Coat"] * count)


def maps(*layers: tuple[str, int, int], images: int = 3) -> dict[str, NDArray[np.float32]]:
    """What layers returned: name, side and filters of each."""
    random = np.random.default_rng(0)
    return {
        name: random.random((images, side, side, filters), dtype=np.float32)
        for name, side, filters in layers
    }


def test_a_picture_fills_its_box_and_keeps_its_pixels() -> None:
    """Four pixels become four squares; what is around them stays white."""
    canvas = Canvas(width=200, height=200, title="", about="")
    canvas.put(np.zeros((2, 4, 3), np.uint8), 20, 100, 40, 40)
    seen = pixels(canvas.figure())[:, :, 0]
    dark = np.argwhere(seen == 0)
    assert (dark.min(axis=0).tolist(), dark.max(axis=0).tolist()) == ([110, 20], [129, 59])
    assert (seen == 255).sum() == 200 * 200 - 20 * 40


def test_enlarging_repeats_pixels() -> None:
    """Also to sizes that are no multiple."""
    picture = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    assert enlarge_pixels(picture, 4, 6)[:, :, 0].tolist() == [
        [0, 0, 1, 1, 2, 2],
        [0, 0, 1, 1, 2, 2],
        [3, 3, 4, 4, 5, 5],
        [3, 3, 4, 4, 5, 5],
    ]
    assert enlarge_pixels(picture, 3, 2).shape == (3, 2, 1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_any_channels_can_be_shown(channels: int) -> None:
    """As red, green and blue."""
    images = np.full((2, 5, 3, channels), 100, np.uint8)
    assert as_rgb(images).shape == (2, 5, 3, 3)
    assert (as_rgb(images) == 100).all()


def test_colours_of_numbers() -> None:
    """Below and above the range the ends are taken; no number is white; one value is no error."""
    values = np.array([[-1.0, 0.0], [2.0, np.nan]])
    seen = apply_colour_map(values, 0, 1, "gray")
    assert seen[:, :, 0].tolist() == [[0, 0], [255, 255]]
    assert apply_colour_map(np.zeros((1, 1)), 0, 0, "gray").tolist() == [[[0, 0, 0]]]


@pytest.mark.parametrize("classes", [2, 4, 10, 20])
def test_every_number_of_a_confusion_matrix_can_be_read(classes: int) -> None:
    """Its contrast with the colour of its cell is 4.5 to 1 or more (WCAG 2.2, AA)."""
    generator = np.random.default_rng(classes)
    labels = np.repeat(np.arange(classes), 40)
    sure = generator.random(labels.size) < labels / classes
    predicted = np.where(sure, labels, generator.integers(0, classes, labels.size))
    names = [f"class {number}" for number in range(classes)]
    axes = confusion_matrix(evaluated(labels, predicted, names), "r").axes[0]
    colours = np.asarray(axes.images[0].get_array())
    ratios = [
        contrast(
            colours[int(text.get_position()[1]), int(text.get_position()[0])], text.get_color()
        )
        for text in axes.texts
    ]
    assert min(ratios) >= 4.5


def contrast(background: Any, ink: str) -> float:
    """The contrast ratio of two colours, from 1 to 21."""
    pair = np.array([background, to_rgb(ink)])
    linear = np.where(pair <= 0.04045, pair / 12.92, ((pair + 0.055) / 1.055) ** 2.4)
    low, high = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return float((high + 0.05) / (low + 0.05))


@pytest.fixture
def matrix() -> Figure:
    """Of four test images one is wrong, and one class has none."""
    return confusion_matrix(
        evaluated(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), CLOTHES), "cnn · 3f2a"
    )


def test_confusion_matrix_says_what_it_shows(matrix: Figure) -> None:
    """Accuracy, run, the two axes, and the names along both."""
    title, about = written(matrix)
    assert title == "Confusion matrix: accuracy 0.7500 on 4 test images"
    assert about.startswith("cnn · 3f2a · ")
    (axes,) = matrix.axes
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true class", "predicted class")
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == list(CLOTHES)


def test_cells_have_counts_and_shares(matrix: Figure) -> None:
    """The diagonal where the class has images, other cells where there is something."""
    cells = {text.get_position(): text.get_text() for text in matrix.axes[0].texts}
    assert cells == {
        (0, 0): "1\n50.0%",
        (1, 0): "1\n50.0%",
        (1, 1): "2\n100%",
    }


def test_right_is_blue_and_wrong_is_orange(matrix: Figure) -> None:
    """An empty cell is white; numbers stand out from the colour below them."""
    colours = np.asarray(matrix.axes[0].images[0].get_array())
    assert colours[0, 0, 2] > colours[0, 0, 0]
    assert colours[0, 1, 0] > colours[0, 1, 2]
    assert colours[0, 2].tolist() == [1, 1, 1]
    strong = {text.get_position(): text.get_color() for text in matrix.axes[0].texts}
    assert (strong[0, 0], strong[1, 1]) == ("black", "white")


@pytest.mark.parametrize(("classes", "texts"), [(2, 2), (20, 20), (100, 0)])
def test_cells_have_as_many_numbers_as_there_is_room_for(classes: int, texts: int) -> None:
    """With many classes colours speak alone."""
    labels = np.arange(classes)
    figure = confusion_matrix(evaluated(labels, labels, [f"class {i}" for i in labels]), "r")
    assert len(figure.axes[0].texts) == texts
    assert pixels(figure).shape[1] <= style.WIDTH


def test_many_classes_have_fewer_names_and_a_list() -> None:
    """The largest confusions are said in words, those that are none are not."""
    labels = np.repeat(np.arange(100), 3)
    predicted = labels.copy()
    predicted[:5] = [7, 7, 7, 9, 1]
    figure = confusion_matrix(evaluated(labels, predicted, [f"class {i}" for i in range(100)]), "r")
    assert len(figure.axes[0].get_xticklabels()) <= NAMES
    first, second = written(figure)[-2:]
    assert first.splitlines()[:2] == [
        "class 0 predicted as class 7: 3 of 3",
        "class 1 predicted as class 9: 1 of 3",
    ]
    assert second == ""
    assert len(first.splitlines()) < LISTED


def test_names_that_would_be_shortened_to_the_same_are_numbered() -> None:
    """Otherwise rows could not be told apart."""
    names = [f"a long name {i} of a class of pictures" for i in range(30)]
    figure = confusion_matrix(evaluated(np.arange(30), np.arange(30), names), "r")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(set(labels)) == 30
    assert labels[12].startswith("12: a long")


SCORES = np.array([[0.9, 0.1, 0], [0.6, 0.4, 0], [0.0, 0.2, 0.8], [0.0, 0.0, 1.0]])


def test_mistakes_begin_with_the_surest() -> None:
    """What is right is none."""
    assert most_confident(np.array([0, 1, 1, 0]), SCORES).tolist() == [3, 2, 1]


def test_mistakes_are_shown_with_both_classes_and_the_probability() -> None:
    """And with the number by which the image can be asked for; certain is never said."""
    figure = mistakes(gray(4), np.array([0, 1, 1, 0]), SCORES, CLOTHES, "cnn · 3f2a")
    title, about, *texts = written(figure)
    assert title == "All 3 mistakes among 4 test images"
    assert about.startswith("cnn · 3f2a · ")
    assert texts == [
        *("test image 3", "T-shirt/top", "Coat", "more than 99.9%"),
        *("test image 2", "Shirt", "Coat", "80.0%"),
        *("test image 1", "Shirt", "T-shirt/top", "60.0%"),
    ]
    shades = [pixels(figure)[style.HEAD + 20, 30 + place * 216, 0] for place in range(3)]
    assert shades == [30, 20, 10]


def test_of_many_mistakes_some_are_shown() -> None:
    """The title says of how many."""
    scores = np.tile([0.0, 1.0], (40, 1))
    figure = mistakes(gray(40, 40, 25), np.zeros(40, int), scores, ("a", "b"), "r")
    assert written(figure)[0] == f"The {MOST} most confident of 40 mistakes among 40 test images"


def test_without_mistakes_it_is_said() -> None:
    """A picture with nothing but its title."""
    figure = mistakes(gray(1), np.array([0]), SCORES[:1], CLOTHES, "r")
    assert len(written(figure)) == 2
    assert written(figure)[0] == "No mistake among 1 test images"


def test_samples_have_a_row_for_each_class() -> None:
    """With its name, how many there are, and its own images in their order."""
    figure = samples(gray(6), np.array([2, 0, 0, 2, 0, 0]), CLOTHES, "cnn · 3f2a")
    title, _, *texts = written(figure)
    assert title == "The first images of 3 classes, of 6 training images"
    assert texts == ["T-shirt/top", "4", "Shirt", "0", "Coat", "2"]
    row = pixels(figure)[style.HEAD + 14 + 40, 150:500, 0]
    assert [shade for shade in (10, 20, 40, 50) if shade in row] == [10, 20, 40, 50]
    assert 30 not in row


@pytest.mark.parametrize("classes", [2, 31, 100, 250])
def test_samples_of_any_number_of_classes_fit(classes: int) -> None:
    """Side by side where there are many; the width is that of the page."""
    figure = samples(gray(2, 40, 25), np.array([0, 1]), [f"class {i}" for i in range(classes)], "r")
    height, width, _ = pixels(figure).shape
    assert width == style.WIDTH
    assert height < 2000


def test_kernels_of_grey_images_show_the_sign() -> None:
    """Orange is negative, violet positive, the middle is nearly white."""
    negative, zero, positive = kernel_pictures(np.array([-1.0, 0, 1]).reshape(1, 1, 1, 3))
    assert negative[0, 0, 0] > negative[0, 0, 2]
    assert zero.min() > 240
    assert positive[0, 0, 2] > positive[0, 0, 0]


def test_kernels_of_colour_images_are_colours() -> None:
    """Grey is no weight, red the largest weight for red."""
    weights = np.zeros((1, 1, 3, 2))
    weights[0, 0, 0, 1] = 2.0
    none, red = kernel_pictures(weights)
    assert none[0, 0].tolist() == [128, 128, 128]
    assert red[0, 0].tolist() == [255, 128, 128]


@pytest.mark.parametrize(
    ("shape", "title"),
    [
        pytest.param((3, 3, 1, 64), "The 64 kernels of conv_1, 3×3 pixels", id="grey"),
        pytest.param((5, 5, 3, 16), "The 16 kernels of conv_1, 5×5 pixels", id="colours"),
        pytest.param((1, 1, 2, 1), "The 1 kernels of conv_1, 1×1 pixels", id="one"),
        pytest.param((3, 3, 1, 500), "The 128 of 500 kernels of conv_1, 3×3 pixels", id="many"),
    ],
)
def test_kernels_are_numbered(shape: tuple[int, ...], title: str) -> None:
    """So that the filter of a kernel can be asked for; a network that learnt nothing is shown."""
    figure = kernels(np.zeros(shape), "conv_1", "cnn · 3f2a")
    said, about, *texts = written(figure)
    assert (said, about) == (title, "cnn · 3f2a")
    assert texts[:-1] == [str(number) for number in range(min(shape[-1], 128))]
    assert pixels(figure).shape[1] <= style.WIDTH


def test_layers_are_columns_with_size_and_scale() -> None:
    """The images are the rows, with number and class."""
    seen = {"conv_1": np.full((3, 26, 26, 4), 0.5, np.float32), **maps(("pool_1", 13, 4))}
    title, about, *texts = written(convolutions_and_poolings(chosen(), seen, 2, "cnn · 3f2a"))
    assert title == "Convolutions and pooling: activation of filter 2 in each layer"
    assert about == "cnn · 3f2a"
    assert texts[:6] == [t for n in range(3) for t in (f"test image\n{n}", "Coat")]
    assert texts[6:11] == ["image", "4×4", "conv_1", "26×26", "0 to 0.5"]
    assert texts[11:13] == ["pool_1", "13×13"]


def test_headings_of_a_residual_network_stand_apart() -> None:
    """Those of two blocks differ, and none runs into the next."""
    ends = ("conv_1", "conv_2", "shortcut")
    names = [f"stage_{s}_block_{b}_{end}" for s in (1, 2, 3) for b in (1, 2) for end in ends]
    figure = convolutions_and_poolings(chosen(), maps(*((n, 5, 1) for n in names)), 0, "r")
    headings = [text for text in figure.texts if re.match(r"s\db\d", text.get_text())]
    assert len({text.get_text() for text in headings}) == len(names)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in headings]
    pairs = [(one, two) for one, two in pairwise(boxes) if two.x0 > one.x0]
    assert [one for one, two in pairs if two.x0 - one.x1 < 4] == []


def test_layers_without_that_filter_are_left_out() -> None:
    """And the line below the title says so."""
    figure = convolutions_and_poolings(chosen(), maps(("a", 8, 4), ("b", 4, 8)), 5, "r")
    texts = written(figure)
    assert texts[1].endswith(" · 1 of 2 layers")
    assert "b" in texts
    assert "a" not in texts


@pytest.mark.parametrize("depth", [1, ACROSS, ACROSS + 1, 60])
def test_networks_of_any_depth_fit(depth: int) -> None:
    """They go on below; of very many layers some are shown, the first and the last with them."""
    figure = convolutions_and_poolings(
        chosen(), maps(*((f"c{n}", 5, 1) for n in range(depth))), 0, "r"
    )
    texts = written(figure)
    names = [text for text in texts if text in {f"c{n}" for n in range(depth)}]
    assert len(names) == min(depth, MOST_LAYERS)
    assert (names[0], names[-1]) == ("c0", f"c{depth - 1}")
    assert pixels(figure).shape[1] <= style.WIDTH


def test_all_filters_of_a_layer_are_numbered_beside_their_image() -> None:
    """The name of the layer is whole, since it can be asked for."""
    figure = all_filters(chosen(), maps(("net/conv", 26, 20)), "net/conv", "cnn · 3f2a")
    title, _, image, name, *texts = written(figure)
    assert title == "The 20 filters of net/conv, 26×26 pixels each"
    assert (image, name) == ("test image 0", "Coat")
    assert texts[:-1] == [str(number) for number in range(20)]


def test_a_layer_that_answers_nothing_is_dark() -> None:
    """Nothing is divided by nothing."""
    figure = all_filters(chosen(), {"conv": np.zeros((3, 4, 4, 1), np.float32)}, "conv", "r")
    assert pixels(figure)[style.HEAD + 40, 230].tolist() == [0, 0, 3]


def test_values_that_are_no_numbers_are_no_error() -> None:
    """A network that diverged has pictures too."""
    values: Any = np.full((3, 4, 4, 1), np.nan, np.float32)
    assert len(written(convolutions_and_poolings(chosen(), {"conv": values}, 0, "r"))) > 5
