"""One module for each kind of data: files to arrays. Here is the list of them."""

import dataclasses
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, Final

from cnn_sweeps.config.schema import Data
from cnn_sweeps.data.arrays import Shape
from cnn_sweeps.data.files import ADDRESS, expand_user, kind
from cnn_sweeps.data.readers import digits, idx, image_folder, npz, published, table
from cnn_sweeps.data.readers.reader import Reader
from cnn_sweeps.errors import ConfigError, DataError

READERS: Final[Mapping[str, Reader[Any]]] = {
    "fashion_mnist": published.READER,
    "mnist": published.READER,
    "cifar10": published.READER,
    "digits": digits.READER,
    "image_folder": image_folder.READER,
    "table": table.READER,
    "idx": idx.READER,
    "npz": npz.READER,
}
"""`data.name` and who reads it."""

UNKNOWABLE: Final = (
    *(DataError, OSError, zipfile.BadZipFile, zlib.error),
    *(ValueError, EOFError, RuntimeError, KeyError),
)
"""What a missing or damaged file raises, of whatever kind."""


def reader_of(config: Data) -> Reader[Any]:
    """The reader that a configuration names.

    Raises:
        ConfigError: there is none of that name.
    """
    if config.name not in READERS:
        known = ", ".join(READERS)
        raise ConfigError(f"data.name={config.name} has no reader; there are {known}.")
    return READERS[config.name]


def peek_shape(config: Data) -> Shape | None:
    """Height, width and channels of one image; None when only loading can tell."""
    reader = reader_of(config)
    try:
        return reader.shape(config)
    except UNKNOWABLE:
        return None


def peek_classes(config: Data) -> int | None:
    """How many classes there are; None when only loading can tell."""
    reader = reader_of(config)
    try:
        return reader.num_classes(config)
    except UNKNOWABLE:
        return None


def check_there(config: Data) -> None:
    """Refuse a path with nothing under it, before anything is started.

    Raises:
        DataError: the user's own file or folder is missing.
    """
    for field in dataclasses.fields(config):
        # Published data may lie elsewhere, or be downloaded: their reader says where it looked.
        if not field.metadata.get("location") or not field.metadata.get("selects", True):
            continue
        given = getattr(config, field.name)
        path = expand_user(given)
        if kind(path) == "nothing":
            if ADDRESS.match(str(given)):
                raise DataError(
                    f"data.{field.name}={given} is an address; download what is there, and type "
                    "the folder or file on this machine."
                )
            raise DataError(
                f"data.{field.name}={given} does not exist; check the path ({path.absolute()})."
            )
