"""The value that every reader of images returns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


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
            `x_train y_train x_test y_test`, with shape and type.
        rules: the lowest `data.rules` that gives just these images, divided in just this way.
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

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        height, width, channels = self.x_train.shape[1:]
        return height, width, channels

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)
