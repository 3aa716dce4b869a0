"""From the `data` config group to a `Dataset`, and what can be known before that.

Shape and classes are peeked at so that a network that cannot fit is refused at once. Only headers
and labels are read; what cannot be known is None, and `load` tells why.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from cnn_sweeps.config.schema import ArchiveData, Data, DigitsData, FileData, FolderData
from cnn_sweeps.data.arrays import Part, Shape, image_shape, labels
from cnn_sweeps.data.dataset import Content, Dataset, digest
from cnn_sweeps.data.files import expanded, kind
from cnn_sweeps.data.readers import digits, idx, image_folder, npz, published
from cnn_sweeps.data.readers.catalog import PUBLISHED
from cnn_sweeps.data.split import divide
from cnn_sweeps.errors import DataError

READERS: Mapping[str, Callable[[Any], Content]] = {
    "fashion_mnist": published.read,
    "mnist": published.read,
    "cifar10": published.read,
    "digits": digits.read,
    "image_folder": image_folder.read,
    "idx": idx.read,
    "npz": npz.read,
}

UNKNOWABLE = (DataError, OSError, *npz.BROKEN)


def load(config: Data) -> Dataset:
    """Read, check and divide the images that a configuration names.

    Raises:
        DataError: a file is missing, broken or not what the configuration says, or the
            split leaves a class or a part empty.
    """
    content = READERS[config.name](config)
    x_train, y_train, x_val, y_val = divide(content, config)
    return Dataset(
        name=content.name,
        source=content.source,
        x_train=x_train,
        y_train=y_train,
        x_val=x_val,
        y_val=y_val,
        x_test=content.x_test,
        y_test=content.y_test,
        class_names=content.class_names,
        digest=digest(content),
        rules=content.rules,
    )


@lru_cache(maxsize=2)
def load_cached(config: Data) -> Dataset:
    """The images of a config; the trials of a sweep in one process share them."""
    return load(config)


def as_read(config: Data, dataset: Dataset) -> Data:
    """The config with the rules number that made a difference for these images.

    An experiment is identified, logged and stored with it: where a newer number gives the same
    images, the hash is the same too.
    """
    return replace(config, rules=dataset.rules)


def check_there(config: Data) -> None:
    """Refuse a path with nothing under it, before anything is started.

    Raises:
        DataError: the user's own file or folder is missing.
    """
    if isinstance(config, FolderData | FileData):
        path = expanded(config.path)
        if kind(path) == "nothing":
            raise DataError(
                f"data.path={config.path} does not exist; check the path ({path.absolute()})."
            )


def peek_shape(config: Data) -> Shape | None:
    """Height, width and channels of one image; None when only loading can tell."""
    match config:
        case ArchiveData():
            return PUBLISHED[config.name].shape
        case DigitsData():
            return digits.SHAPE
        case FolderData():
            return image_folder.shape(config)
    try:
        return _file_shape(config)
    except UNKNOWABLE:
        return None


def peek_classes(config: Data) -> int | None:
    """How many classes there are; None when only loading can tell."""
    match config:
        case ArchiveData():
            return len(PUBLISHED[config.name].class_names)
        case DigitsData():
            return len(digits.CLASS_NAMES)
    try:
        return _counted(config)
    except UNKNOWABLE:
        return None


def _file_shape(config: FileData) -> Shape | None:
    """The shape that the header of the training images gives."""
    path = expanded(config.path)
    if config.name == "npz":
        return image_shape(npz.header(path, "x_train")[0])
    shape = idx.peek(idx.locate(path, idx.ROLES["x_train"]))
    return image_shape(shape) if shape else None


def _counted(config: FolderData | FileData) -> int:
    """Class folders, or different training labels."""
    path = expanded(config.path)
    if isinstance(config, FolderData):
        return len(image_folder.class_folders(image_folder.halves(path)[0]))
    if config.name == "npz":
        with np.load(path, allow_pickle=False) as arrays:
            part = Part(arrays["y_train"], str(path))
    else:
        part = idx.read_part(idx.locate(path, idx.ROLES["y_train"]))
    return len(np.unique(labels(part)))
