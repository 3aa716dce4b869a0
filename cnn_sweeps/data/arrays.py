"""Raw arrays from a file, checked and brought to the one form that the program knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import LabelsMode
from cnn_sweeps.data.row_file import RowFile
from cnn_sweeps.errors import DataError

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]

Shape = tuple[int, int, int]
WHITEST = 255
DARK = 63
"""Where no value of a whole set is above this, it is as good as black, and was not scaled."""
DEEPEST = 65535
"""White in images of 16 bits, where they use all of them."""
DEPTHS = (1, 255, 1023, 4095, 16383, DEEPEST)
"""White in images of 1, 8, 10, 12, 14 and 16 bits."""
GRAY_DIMENSIONS, COLOR_DIMENSIONS = 3, 4
MOST_CHANNELS = 4
"""A picture has at most so many: red, green, blue and transparency."""
FLAT_DIMENSIONS = 2
RENUMBER = "type data.labels=renumber to make each different one a class, in sorted order"


@dataclass(frozen=True, eq=False)
class View:
    """Some of the images of an array, in an order of their own; nothing is copied before its use.

    Where the array is in a file, only those that are used are read, whenever they are.

    Attributes:
        base: all images, (n, height, width, channels).
        places: which of them, (m,).
        prints: 16 bytes for each image of `base`, (n, 16); equal images have equal ones.
        names: the files of `base`, where it was made of files.
    """

    base: Pixels | RowFile
    places: NDArray[np.int64]
    prints: NDArray[np.uint8]
    names: Sequence[str] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """(m, height, width, channels)."""
        return len(self.places), *self.base.shape[1:]

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """That of an array."""
        return self.base.dtype

    def __len__(self) -> int:
        """How many there are."""
        return len(self.places)

    def __getitem__(self, which: Any) -> Pixels:
        """One image, or those of a slice, an array of indices or a mask, as an array."""
        first, *rest = which if isinstance(which, tuple) else (which,)
        places = self.places[first]
        found: Pixels = self.base[places]
        return found[(slice(None),) * np.ndim(places) + tuple(rest)] if rest else found

    def pick(self, which: slice | NDArray[Any]) -> "View":
        """Those of a slice, an array of indices or a mask, as a view."""
        return replace(self, places=self.places[which])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All of them, in memory."""
        if copy is False:
            raise ValueError("a view of images cannot become one array without a copy")
        return self[:].astype(dtype or self.dtype, copy=False)


Images = Pixels | View


def pick(images: Images, which: slice | NDArray[Any]) -> Images:
    """Those of a slice, an array of indices or a mask; of a view a view."""
    return images.pick(which) if isinstance(images, View) else images[which]


@dataclass(frozen=True)
class Part:
    """One array as it was read.

    Attributes:
        array: images or labels of any shape and type.
        where: the file, and the name inside it, for messages.
    """

    array: NDArray[Any]
    where: str


def image_shape(shape: tuple[int, ...], rules: int) -> Shape | None:
    """Height, width and channels of arrays of this shape; None when they are no images."""
    if len(shape) == GRAY_DIMENSIONS:
        return shape[1], shape[2], 1
    if len(shape) == COLOR_DIMENSIONS and not _channels_first(shape, rules):
        return shape[1], shape[2], shape[3]
    return None


def _channels_first(shape: tuple[int, ...], rules: int) -> bool:
    """Whether four dimensions are (n, channels, height, width).

    Any number of channels can come first: it is less than height and width, and what stands last
    is more than a picture has channels. The first rules know 1 and 3 channels.
    """
    _, first, second, last = shape
    few = first in {1, 3} if rules == 1 else first in {1, 3} or first < min(second, last)
    return few and last > MOST_CHANNELS


def images(part: Part, rules: int = 1) -> Pixels:
    """Images as uint8 of shape (n, height, width, channels); not copied where they are.

    Raises:
        DataError: no images, not 3 or 4 dimensions, channels first, or values that are
            not whole numbers from 0 to 255.
    """
    array, where = part.array, part.where
    if len(array.shape) == COLOR_DIMENSIONS and _channels_first(array.shape, rules):
        raise DataError(
            f"{where} has shape {array.shape}, channels first; "
            "store channels last: x = np.moveaxis(x, 1, -1)."
        )
    shape = image_shape(array.shape, rules)
    if shape is None:
        raise DataError(
            f"{where} has shape {array.shape}; images are (n, height, width) or "
            f"(n, height, width, channels){_reshape(array.shape)}."
        )
    if 0 in array.shape:
        raise DataError(f"{where} has shape {array.shape}: it holds no images.")
    return np.ascontiguousarray(_pixels(array, where)).reshape(len(array), *shape)


def _reshape(shape: tuple[int, ...]) -> str:
    """The remedy for flattened square images, else nothing."""
    if len(shape) != FLAT_DIMENSIONS or isqrt(shape[1]) ** 2 != shape[1]:
        return ""
    side = isqrt(shape[1])
    return f": x = x.reshape(-1, {side}, {side})"


def _pixels(array: NDArray[Any], where: str) -> Pixels:
    """The same values as uint8, refused where that would change them."""
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "f":
        raise DataError(f"{where} is {array.dtype}; {_conversion(array)}")
    if array.dtype.kind == "b":
        raise DataError(f"{where} is bool; images are 0 to 255: x = x.astype('uint8') * 255.")
    if array.dtype.kind not in "iu":
        raise DataError(f"{where} is {array.dtype}; images are integers from 0 to 255 (uint8).")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > WHITEST:
        raise DataError(
            f"{where} has values from {low} to {high}; images are 0 to 255: {_scaling(low, high)}."
        )
    return array.astype(np.uint8)


def _conversion(array: NDArray[Any]) -> str:
    """How floating-point images become whole numbers, by the range they have."""
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        return "some values are not numbers: fix them, then store 0 to 255 as uint8."
    if low >= 0 and high <= 1:
        return "values lie in 0 to 1, so convert: x = (x * 255).round().astype('uint8')."
    if low >= 0 and high <= WHITEST:
        return "values lie in 0 to 255, so convert: x = x.round().astype('uint8')."
    return f"values lie in {low:g} to {high:g}: {_scaling(low, high)}."


def _scaling(low: float, high: float) -> str:
    """How values of a range become 0 to 255: by the depth that they seem to have."""
    if low >= 0:
        white = next((white for white in DEPTHS if white >= high), high)
        return f"scale them: x = (x * (255 / {white:g})).round().astype('uint8')"
    if low >= -1 and high <= 1:
        return "scale them: x = ((x + 1) * 127.5).round().astype('uint8')"
    return (
        f"scale them: x = ((x - {low:g}) * (255 / {max(high - low, 1):g})).round().astype('uint8')"
    ).replace("- -", "+ ")


def check_visible(found: Pixels, where: str) -> None:
    """Refuse images that are black from the first to the last.

    Raises:
        DataError: with the range that they have, and how they are scaled.
    """
    low, high = int(found.min()), int(found.max())
    if high <= DARK:
        remedy = "there is nothing in them" if high == 0 else _brightening(high)
        raise DataError(
            f"{where} has values from {low} to {high}, which is black: 255 is white; {remedy}."
        )


def nearly_black(count: int, total: int) -> str:
    """A sentence on images of which no value is bright."""
    return (
        f"{count:,} of {total:,} images are nearly black: none of their values is above {DARK} "
        "of 255."
    )


def _brightening(high: int) -> str:
    return f"scale them: x = (x * (255 / {high})).round().astype('uint8')"


def named_labels(
    parts: Mapping[str, Part], mode: LabelsMode
) -> tuple[Mapping[str, Part], tuple[str, ...] | None]:
    """The parts with labels as the user wants them, and names of the classes if they have any."""
    return renumber_labels(parts) if mode == "renumber" else (parts, None)


def count_classes(part: Part, mode: LabelsMode) -> int:
    """How many different training labels there are."""
    return len(np.unique(_values(part) if mode == "renumber" else labels(part)))


def renumber_labels(parts: Mapping[str, Part]) -> tuple[dict[str, Part], tuple[str, ...] | None]:
    """The parts with labels from 0, in the sorted order of what the training labels are.

    Args:
        parts: `x_train y_train` and so on; those that begin with `y_` hold numbers or text.

    Returns:
        The parts, and a name for each class; None where the labels were from 0 already.

    Raises:
        DataError: fractions, or a label that no training image has.
    """
    values = {name: _values(part) for name, part in parts.items() if name.startswith("y_")}
    _refuse_mixed(parts, values)
    known = np.unique(values["y_train"])
    made = dict(parts)
    for name, found in values.items():
        if len(unknown := np.setdiff1d(found, known)):
            raise DataError(
                f"{parts[name].where} has the label {unknown[0]}, which no training image has."
            )
        made[name] = Part(np.searchsorted(known, found), parts[name].where)
    names = tuple(str(value) for value in known)
    return made, None if names == tuple(map(str, range(len(known)))) else names


def _refuse_mixed(parts: Mapping[str, Part], values: Mapping[str, NDArray[Any]]) -> None:
    """Refuse numbers beside text: `10` comes after `2`, and `"10"` before `"2"`.

    Raises:
        DataError: the labels of one part are text, and those of another are not.
    """
    text = {name: found.dtype.kind == "U" for name, found in values.items()}
    for name, is_text in text.items():
        if is_text != text["y_train"]:
            kinds = ("text", "numbers") if is_text else ("numbers", "text")
            raise DataError(
                f"{parts[name].where} holds {kinds[0]}, and {parts['y_train'].where} {kinds[1]}; "
                "write the labels of all splits in one way."
            )


def _values(part: Part) -> NDArray[Any]:
    """Labels of any kind, one for each image."""
    array, where = _one_each(part), part.where
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == array.round()).all():
        return array.astype(np.int64)
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind not in "iubU":
        raise DataError(f"{where} is {array.dtype}; labels are classes: integers or text.")
    return array


def labels(part: Part) -> Labels:
    """Labels as int64 of shape (n,); (n, 1) is flattened.

    Raises:
        DataError: one-hot, not whole numbers, or negative.
    """
    array, where = _one_each(part), part.where
    if array.dtype.kind not in "iu":
        _values(part)  # which refuses what cannot be renumbered either
        raise DataError(f"{where} is {array.dtype}; labels are integers from 0: {RENUMBER}.")
    if array.size and array.min() < 0:
        raise DataError(
            f"{where} has the label {array.min()}; labels are integers from 0: {RENUMBER}."
        )
    if array.size and array.max() > np.iinfo(np.int64).max:
        raise DataError(
            f"{where} has the label {array.max()}; labels are integers from 0: {RENUMBER}."
        )
    return array.astype(np.int64, copy=False)


def _one_each(part: Part) -> NDArray[Any]:
    """Labels as (n,).

    Raises:
        DataError: they have another shape.
    """
    array, where = part.array, part.where
    if array.ndim == FLAT_DIMENSIONS and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == FLAT_DIMENSIONS:
        raise DataError(
            f"{where} has shape {array.shape}, one row for each image; labels are one "
            "integer each: if it is one-hot, y = y.argmax(axis=1)."
        )
    if array.ndim != 1:
        raise DataError(f"{where} has shape {array.shape}; labels are (n,).")
    return array
