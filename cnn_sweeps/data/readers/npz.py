"""One NPZ file with `x_train y_train x_test y_test`, as Keras stores its data sets."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cnn_sweeps.config.schema import NpzData
from cnn_sweeps.data.arrays import Part, Shape, image_shape, labels
from cnn_sweeps.data.dataset import PARTS, Content, assemble
from cnn_sweeps.data.files import expanded, kind, told
from cnn_sweeps.data.readers.reader import Reader
from cnn_sweeps.errors import DataError

BROKEN = (zipfile.BadZipFile, zlib.error, ValueError, EOFError, RuntimeError, KeyError)
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read(config: NpzData) -> Content:
    """Read a user's own arrays.

    Raises:
        DataError: the file is missing, broken or no NPZ, or the arrays do not fit.
    """
    path = expanded(config.path)
    if kind(path) == "folder":
        raise DataError(
            f"data.path={path} is a folder; data=npz reads one .npz file "
            "(a folder: data=idx or data=image_folder)."
        )
    return assemble(read_parts(path), name=path.stem, source=str(path))


def shape(config: NpzData) -> Shape | None:
    """The shape that the header of the training images gives."""
    return image_shape(header(expanded(config.path), "x_train")[0])


def num_classes(config: NpzData) -> int:
    """As many as there are different training labels."""
    path = expanded(config.path)
    with np.load(path, allow_pickle=False) as arrays:
        return len(np.unique(labels(Part(arrays["y_train"], str(path)))))


def read_parts(path: Path) -> dict[str, Part]:
    """The four arrays of an NPZ file; others in it are left alone.

    Raises:
        DataError: the file is missing, broken or no NPZ, or an array is missing.
    """
    with told(path):
        is_zip = path.stat().st_size and zipfile.is_zipfile(path)
    if not is_zip:
        raise DataError(
            f"{path} is not an NPZ file, or is truncated; write it with "
            "np.savez_compressed(path, x_train=..., y_train=..., x_test=..., y_test=...)."
        )
    try:
        with told(path), np.load(path, allow_pickle=False) as arrays:
            _complete(path, arrays.files)
            return {name: Part(_array(path, arrays, name), f"{name} in {path}") for name in PARTS}
    except BROKEN as error:
        raise DataError(f"{path} is damaged ({error}); copy or write it again.") from error


def _array(path: Path, arrays: Any, name: str) -> NDArray[Any]:
    """One array; anything that would need pickle is refused, since that runs code."""
    _, dtype = header(path, name)
    if dtype.hasobject:
        raise DataError(
            f"{name} in {path} holds Python objects; store one array of numbers: "
            "np.stack(images).astype('uint8')."
        )
    array: NDArray[Any] = arrays[name]
    return array


def _complete(path: Path, present: list[str]) -> None:
    """Refuse a file that lacks one of the four arrays."""
    absent = [name for name in PARTS if name not in present]
    if absent:
        raise DataError(
            f"{path} has no {' '.join(absent)} (it holds {' '.join(present) or 'nothing'}); "
            f"data=npz reads {' '.join(PARTS)}."
        )


def header(path: Path, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of one array, without its values.

    Raises:
        KeyError: no such array.
        ValueError: its header is damaged.
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        version = npy.read_magic(file)
        if version not in HEADERS:
            raise ValueError(f"array format {version} is not known")
        shape, _, dtype = HEADERS[version](file)
    return shape, dtype


READER: Reader[NpzData] = Reader(read=read, shape=shape, num_classes=num_classes)
