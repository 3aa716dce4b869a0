"""A whole data set as a reader hands it over, its fingerprint, and what is divided of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.data.arrays import (
    DEEPEST,
    RENUMBER,
    Images,
    Labels,
    Part,
    Pixels,
    check_visible,
    images,
    labels,
)
from cnn_sweeps.errors import DataError

PARTS = ("x_train", "y_train", "x_test", "y_test")
VALIDATION_PARTS = ("x_val", "y_val")
FEWEST_CLASSES = 2


@dataclass(frozen=True, kw_only=True)
class Content:
    """Training and test images, complete, and validation images where the user brings them.

    Attributes:
        name: what the data set is called, for a person.
        source: where it was read from.
        x_train: training images, uint8, (n, height, width, channels).
        y_train: their labels, int64, (n,); every class occurs.
        x_test: test images of the same shape.
        y_test: their labels.
        class_names: one name for each class, in the order of the labels.
        x_val: the user's own validation images of the same shape; None where there are none.
        y_val: their labels.
        rules: the lowest `data.rules` under which these are the images; a reader that does
            something in a newer way says so here, where that made a difference.
        notices: what a person should know of how they were read, a sentence each.
        groups: a group for each training image; one group is never divided.
        digest: what names the content, where that is not the arrays (see `digest`).
        decoded: digest of the pixels that image files were decoded to, where these are not in
            `digest`: another decoder may make others of the same files.
        white: the value that was taken as white in image files of 16-bit gray.
    """

    name: str
    source: str
    x_train: Images
    y_train: Labels
    x_test: Images
    y_test: Labels
    class_names: tuple[str, ...]
    x_val: Images | None = None
    y_val: Labels | None = None
    rules: int = 1
    notices: tuple[str, ...] = ()
    groups: NDArray[np.str_] | None = None
    digest: str | None = None
    decoded: str | None = None
    white: int = DEEPEST


def assemble(
    parts: Mapping[str, Part],
    *,
    name: str,
    source: str,
    class_names: tuple[str, ...] | None = None,
    rules: int = 1,
    scaled: bool = False,
) -> Content:
    """Check the arrays, each for itself and against each other.

    Args:
        parts: `x_train y_train x_test y_test`, and `x_val y_val` where the user has them.
        name: what the data set is called.
        source: where it was read from.
        class_names: names of the classes; the numbers themselves when None.
        rules: the `data.rules` to go by.
        scaled: whether the reader has seen to it that the images are not black.

    Raises:
        DataError: something does not fit; the message names the file.
    """
    x = {split: images(parts[f"x_{split}"], rules) for split in _splits(parts)}
    y = {split: labels(parts[f"y_{split}"]) for split in _splits(parts)}
    for split, found in x.items():
        _same_count(parts, split, len(found), len(y[split]))
        _same_shape(parts, split, x)
        if rules > 1 and not scaled:
            check_visible(found, parts[f"x_{split}"].where)
    count = _classes(y["train"], parts["y_train"].where)
    for split in [name for name in y if name != "train"]:
        _within(y[split], count, parts[f"y_{split}"].where)
    return Content(
        name=name,
        source=source,
        x_train=x["train"],
        y_train=y["train"],
        x_test=x["test"],
        y_test=y["test"],
        class_names=class_names or tuple(str(number) for number in range(count)),
        x_val=x.get("val"),
        y_val=y.get("val"),
        rules=rules if class_names or "val" in x else 1,
    )


def _splits(parts: Mapping[str, Part]) -> list[str]:
    """The splits that there are images of."""
    return [name.removeprefix("x_") for name in parts if name.startswith("x_")]


def _same_shape(parts: Mapping[str, Part], split: str, x: Mapping[str, Pixels]) -> None:
    """Images of one height, width and number of channels."""
    if x["train"].shape[1:] != x[split].shape[1:]:
        raise DataError(
            f"{parts['x_train'].where} has images of {x['train'].shape[1:]}, but "
            f"{parts['x_' + split].where} of {x[split].shape[1:]}; bring all to one shape."
        )


def _same_count(parts: Mapping[str, Part], split: str, count: int, label_count: int) -> None:
    """As many labels as images."""
    if count != label_count:
        raise DataError(
            f"{parts['x_' + split].where} has {count} images, but {parts['y_' + split].where} "
            f"has {label_count} labels; both must be equally many."
        )


def _classes(y_train: Labels, where: str) -> int:
    """How many classes the training labels name, without a gap from 0."""
    present = np.unique(y_train)
    if len(present) < FEWEST_CLASSES:
        raise DataError(
            f"{where} has only the label {present[0]}; there must be at least two classes."
        )
    gaps = np.flatnonzero(present != np.arange(len(present)))
    if len(gaps):
        raise DataError(
            f"{where} has labels from {present[0]} to {present[-1]}, but none is {gaps[0]}; every "
            f"class from 0 on needs a training image: {RENUMBER}."
        )
    return len(present)


def _within(y: Labels, count: int, where: str) -> None:
    """Every label of another split is a class of the training labels."""
    if y.max() >= count:
        raise DataError(
            f"{where} has the label {y.max()}, which no training image has; "
            f"labels go from 0 to {count - 1}."
        )


def digest(content: Content) -> str:
    """SHA-256 (64 hex digits) over the arrays with name, type and shape, if the reader gave none.

    From the second rules on the user's own validation images and the names of the classes count
    as well.

    Taken before `limit` and the validation split, which are in an experiment's identity by
    themselves. Bytes are hashed in little-endian order, so every machine agrees. About
    0.05 s for 70,000 images of 28x28.
    """
    if content.digest is not None:
        return content.digest
    sha = hashlib.sha256()
    own = () if content.x_val is None else VALIDATION_PARTS
    for name in (*PARTS, *own):
        array = np.ascontiguousarray(getattr(content, name))
        sha.update(f"{name} {array.dtype.name} {array.shape}\n".encode())
        sha.update(array.astype(array.dtype.newbyteorder("<"), copy=False).data)
    if content.rules > 1:
        sha.update(f"class_names {json.dumps(content.class_names)}\n".encode())
    return sha.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a data set is, without its images.

    Attributes:
        shape: height, width and channels of one image.
        class_names: one name for each class, in the order of the labels.
        validation: how many validation images there are.
    """

    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    validation: int


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Images and labels, divided, with the digest that names them.

    Attributes:
        name: what the data set is called, for a person.
        source: where it was read from (a path or `scikit-learn`).
        x_train: training images, uint8, (n, height, width, channels).
        y_train: their labels, int64, (n,), from 0 to `num_classes` - 1.
        x_val: held-out images of the same form; n may be 0.
        y_val: their labels.
        x_test: test images; never seen while training or searching.
        y_test: their labels.
        class_names: one name for each class, in the order of the labels.
        digest: SHA-256 (64 hex digits) over the content before the split:
            `x_train y_train x_test y_test`, with shape and type, or the image files; see `digest`.
        rules: the lowest `data.rules` that gives just these images, divided in just this way.
        notices: what a person should know of the images and their splits, a sentence each.
        decoded: SHA-256 of the pixels, where `digest` names files; part of the environment.
        white: the value that was taken as white in image files of 16-bit gray.
        limited: whether `limit` has left out a training image.
    """

    name: str
    source: str
    x_train: Images
    y_train: Labels
    x_val: Images
    y_val: Labels
    x_test: Images
    y_test: Labels
    class_names: tuple[str, ...]
    digest: str
    rules: int = 1
    notices: tuple[str, ...] = ()
    decoded: str | None = None
    white: int = DEEPEST
    limited: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        height, width, channels = self.x_train.shape[1:]
        return height, width, channels

    @property
    def facts(self) -> Facts:
        """What may be kept of many data sets."""
        return Facts(shape=self.shape, class_names=self.class_names, validation=len(self.x_val))

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    def images_per_class(self) -> dict[str, tuple[int, ...]]:
        """For each split, how many images each class has, in the order of the labels."""
        splits = {"train": self.y_train, "validation": self.y_val, "test": self.y_test}
        return {
            split: tuple(np.bincount(y, minlength=self.num_classes).tolist())
            for split, y in splits.items()
        }
