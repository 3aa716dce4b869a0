"""What a kind of data has to say: the contract of every module in this folder."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cnn_sweeps.data.arrays import Shape
from cnn_sweeps.data.dataset import Content

DataConfig = TypeVar("DataConfig")
"""The dataclass of `config.schema` that this kind is configured by."""


@dataclass(frozen=True, kw_only=True)
class Reader(Generic[DataConfig]):
    """One kind of data.

    `shape` and `num_classes` answer before anything is loaded, so that a network that cannot fit
    is refused at once: from headers, labels or names of folders. They give None, or let the error
    of a missing or damaged file out, where only `read` can tell; `read` then says why.

    Attributes:
        read: all images and labels; raises a `DataError` that names the file.
        shape: height, width and channels of one image.
        num_classes: how many classes there are.
    """

    read: Callable[[DataConfig], Content]
    shape: Callable[[DataConfig], Shape | None]
    num_classes: Callable[[DataConfig], int | None]
