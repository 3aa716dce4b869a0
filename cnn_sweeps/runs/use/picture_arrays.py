"""Arrays that a user brings, as pictures: what their dimensions and values mean, or a refusal."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.data.arrays import DEEPEST, DEPTHS, MOST_CHANNELS, WHITEST, Shape
from cnn_sweeps.errors import DataError

ONE_GRAY, SEVERAL_GRAY, SEVERAL = 2, 3, 4
"""Dimensions of one grayscale picture, of several (or one with channels), of several with."""
FIRST = (3, MOST_CHANNELS)
"""As many pictures that may as well be the channels of one, in the order of PyTorch."""
NARROW = 8
"""Nobody has pictures of fewer pixels in width; somebody may have so many bands."""


def pictures_in(images: Any, network: Shape, white: int = DEEPEST) -> Iterator[NDArray[Any]]:
    """Each picture as uint8 of (height, width, channels), or uint16 of (height, width, 1).

    Floats are from 0 to 1 if none of the array is above 1. 16-bit gray is yielded as it is; where
    white is 65535 and no value of the array is above 255, which would be black, it has 8 bits.

    Args:
        images: (height, width), (height, width, channels), (n, height, width) or (n, height,
            width, channels).
        network: height, width and channels that the network takes; arrays of just that size are
            taken as such.
        white: the value that is white in 16-bit gray.

    Raises:
        DataError: another number of dimensions, one that can mean two things, or values out of
            range.
    """
    array = np.asarray(images)
    known = array.ndim in (ONE_GRAY, SEVERAL_GRAY, SEVERAL) and array.dtype.kind in "uif"
    if not known or 0 in array.shape[1:]:
        raise DataError(
            f"{array.dtype} of shape {array.shape} are no pictures; give (height, width), (height, "
            "width, channels), (n, height, width) or (n, height, width, channels) with values from "
            "0 to 255, or from 0 to 1."
        )
    several = _several(array, network)
    if not several.size:
        return
    low, high = several.min(), several.max()
    deep = array.dtype == np.uint16 and (high > WHITEST or white != DEEPEST)
    if deep and several.shape[-1] == 1:
        yield from several
        return
    if not (low >= 0 and high <= WHITEST):  # also where one is no number
        convert = f"\n  {_in_8_bits(white, high)}" if low >= 0 and high <= DEEPEST else ""
        raise DataError(
            f"A picture has values from {low:g} to {high:g}; give 0 to 255, or 0 to 1.{convert}"
        )
    for image in several:
        if array.dtype.kind == "f":
            image = np.rint(image * (WHITEST if high <= 1 else 1))  # noqa: PLW2901
        yield image.astype(np.uint8)


def _in_8_bits(white: int, high: float) -> str:
    """The line that scales an array by the white of the training images, as 16-bit files are."""
    depth = white if white != DEEPEST else next(each for each in DEPTHS if high <= each)
    return f"Scale it: images = (images.clip(0, {depth}) * (255 / {depth})).round().astype('uint8')"


def _several(array: NDArray[Any], network: Shape) -> NDArray[Any]:
    """The same as (n, height, width, channels).

    Raises:
        DataError: channels first, or it can be several pictures as well as one.
    """
    shape = array.shape
    if array.ndim == SEVERAL:
        _check_last(shape, network)
        return array
    if array.ndim == ONE_GRAY:
        return array[None, ..., None]
    if shape == network:
        return array[None]
    if network == (*shape[1:], 1):
        return array[..., None]
    if shape[-1] in {*range(1, MOST_CHANNELS + 1), network[2]}:
        return array[None]
    if shape[0] in FIRST or shape[-1] < NARROW:
        raise DataError(
            f"An array of shape {shape} can be {shape[0]} gray pictures, or one with channels; "
            "give images[..., None] for several,\n"
            "  np.moveaxis(images, 0, -1) for one with channels first."
        )
    return array[..., None]


def _check_last(shape: tuple[int, ...], network: Shape) -> None:
    """Refuse channels that no picture has, or that do not stand last.

    Raises:
        DataError: with how they are moved, if they seem to stand first.
    """
    if shape[-1] <= MOST_CHANNELS or shape[-1] == network[2]:
        return
    first = " Channels first? Give np.moveaxis(images, 1, -1)." if shape[1] in (1, *FIRST) else ""
    raise DataError(f"The images have {shape[-1]} channels; the network takes {network}.{first}")
