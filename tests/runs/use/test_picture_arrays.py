"""What arrays mean as pictures."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cnn_sweeps.errors import DataError
from cnn_sweeps.runs.use.picture_arrays import pictures_in

GRAY, COLOR = (28, 28, 1), (32, 32, 3)
"""What networks take."""


@pytest.mark.parametrize(
    ("shape", "network", "expected"),
    [
        pytest.param((40, 30), GRAY, [(40, 30, 1)], id="one in gray"),
        pytest.param((40, 30, 1), COLOR, [(40, 30, 1)], id="one with its channel"),
        pytest.param((40, 30, 2), GRAY, [(40, 30, 2)], id="one in gray with transparency"),
        pytest.param((40, 30, 3), GRAY, [(40, 30, 3)], id="one in colour"),
        pytest.param((40, 30, 4), COLOR, [(40, 30, 4)], id="one with transparency"),
        pytest.param((40, 30, 6), (8, 8, 6), [(40, 30, 6)], id="one of other channels"),
        pytest.param((2, 40, 30), COLOR, [(40, 30, 1)] * 2, id="several in gray"),
        pytest.param((1, 40, 30), COLOR, [(40, 30, 1)], id="a single one"),
        pytest.param((3, 28, 28), GRAY, [GRAY] * 3, id="as many as a picture has channels"),
        pytest.param((4, 3, 3), (3, 3, 1), [(3, 3, 1)] * 4, id="small as the network has them"),
        pytest.param((2, 40, 30, 4), COLOR, [(40, 30, 4)] * 2, id="several with transparency"),
        pytest.param((0, 28, 28), GRAY, [], id="none"),
    ],
)
def test_each_shape_has_one_meaning(
    shape: tuple[int, ...], network: tuple[int, int, int], expected: list[tuple[int, int, int]]
) -> None:
    """Channels last, and what the network takes before all."""
    found = [each.shape for each in pictures_in(np.zeros(shape, np.uint8), network)]
    assert found == expected


@pytest.mark.parametrize(
    ("shape", "network", "said"),
    [
        pytest.param((3, 40, 30), COLOR, "3 gray pictures, or one", id="channels first"),
        pytest.param((3, 40, 30), GRAY, "3 gray pictures, or one", id="or several in gray"),
        pytest.param((4, 32, 32), COLOR, "4 gray pictures, or one", id="transparency first"),
        pytest.param((40, 30, 5), COLOR, "40 gray pictures, or one", id="five bands"),
        pytest.param((2, 3, 40, 30), COLOR, "moveaxis", id="several with channels first"),
        pytest.param((2, 40, 30, 7), COLOR, "7 channels", id="seven bands"),
        pytest.param((5,), GRAY, "are no pictures", id="flat"),
        pytest.param((1, 2, 3, 4, 5), GRAY, "are no pictures", id="a video"),
    ],
)
def test_what_can_mean_two_things_is_refused(
    shape: tuple[int, ...], network: tuple[int, int, int], said: str
) -> None:
    """With what to type for the one and the other."""
    with pytest.raises(DataError, match=said):
        list(pictures_in(np.zeros(shape, np.uint8), network))


def test_floats_of_an_array_are_on_one_scale() -> None:
    """A dark picture among others is not made bright."""
    images = np.zeros((2, 28, 28))
    images[0], images[1] = 200, 1
    assert [int(each.max()) for each in pictures_in(images, GRAY)] == [200, 1]
    assert [int(each.max()) for each in pictures_in(images / 200, GRAY)] == [255, 1]


def test_16_bits_that_would_be_black_are_8_bits() -> None:
    """Unless the training images say that such values are none."""
    images = np.full((28, 28), 200, np.uint16)
    assert [each.dtype for each in pictures_in(images, GRAY)] == [np.uint8]
    assert [each.dtype for each in pictures_in(images, GRAY, white=4095)] == [np.uint16]


@pytest.mark.parametrize(
    ("images", "white"),
    [
        pytest.param(np.full((9, 9, 3), 4000, np.uint16), 65535, id="colour of 12 bits"),
        pytest.param(np.full((9, 9), 900), 4095, id="darker than the training images"),
    ],
)
def test_the_line_that_scales_does_so(images: NDArray[Any], white: int) -> None:
    """What is refused for its depth is taken as soon as that was typed."""
    with pytest.raises(DataError, match=r"\* \(255 / 4095\)") as refused:
        list(pictures_in(images, COLOR, white))
    scope = {"images": images}
    exec(str(refused.value).partition("Scale it: ")[2], scope)  # noqa: S102 -- it is ours
    (found,) = pictures_in(scope["images"], COLOR, white)
    assert int(found.max()) == round(int(images.max()) * 255 / 4095)
