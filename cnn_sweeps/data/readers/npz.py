"""One NPZ file with `x_train y_train x_test y_test`, as Keras stores its data sets."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cnn_sweeps.config.schema import NpzData
from cnn_sweeps.data.arrays import Part, Shape, count_classes, image_shape, named_labels
from cnn_sweeps.data.dataset import PARTS, Content, assemble
from cnn_sweeps.data.files import as_data_error, check_memory, check_regular, expand_user, kind
from cnn_sweeps.data.readers.reader import Reader
from cnn_sweeps.data.readers.split_names import VALIDATION_SUFFIXES, not_read
from cnn_sweeps.errors import DataError

BROKEN = (zipfile.BadZipFile, zlib.error, ValueError, EOFError, RuntimeError, KeyError)
STANDARD = {name: name for name in PARTS}
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read(config: NpzData) -> Content:
    """Read a user's own arrays.

    Raises:
        DataError: the file is missing, broken or no NPZ, or the arrays do not fit.
    """
    path = expand_user(config.path)
    if kind(path) == "folder":
        raise DataError(
            f"data.path={path} is a folder; data=npz reads one .npz file "
            "(a folder: data=idx or data=image_folder)."
        )
    if config.rules == 1:
        parts, classes = named_labels(read_parts(path), config.labels)
        return assemble(parts, name=path.stem, source=str(path), class_names=classes)
    present = names_in(path)
    names = {**STANDARD, **_validation(path, present)}
    parts, classes = named_labels(read_parts(path, names), config.labels)
    content = assemble(
        parts, name=path.stem, source=str(path), class_names=classes, rules=config.rules
    )
    unread = [name for name in present if name not in names.values()]
    return replace(content, notices=not_read(path, unread))


def shape(config: NpzData) -> Shape | None:
    """The shape that the header of the training images gives."""
    return image_shape(header(expand_user(config.path), "x_train")[0], config.rules)


def num_classes(config: NpzData) -> int:
    """As many as there are different training labels."""
    path = expand_user(config.path)
    check_regular(path)
    with np.load(path, allow_pickle=False) as arrays:
        part = Part(_array(path, arrays, "y_train"), str(path))
        return count_classes(part, config.labels)


def read_parts(path: Path, names: Mapping[str, str] = STANDARD) -> dict[str, Part]:
    """Arrays of an NPZ file; others in it are left alone.

    Args:
        path: the file.
        names: for each part (`x_train` and so on), what it is called in the file.

    Raises:
        DataError: the file is missing, broken or no NPZ, or an array is missing.
    """
    with _told(path), np.load(path, allow_pickle=False) as arrays:
        _complete(path, arrays.files)
        return {
            part: Part(_array(path, arrays, name), f"{name} in {path}")
            for part, name in names.items()
        }


def names_in(path: Path) -> list[str]:
    """What the arrays of an NPZ file are called.

    Raises:
        DataError: the file is missing, broken or no NPZ.
    """
    with _told(path), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def _validation(path: Path, present: list[str]) -> dict[str, str]:
    """What the user's validation images and their labels are called, where there are any.

    Raises:
        DataError: one without the other, or several.
    """
    known = {f"{part}_{suffix}" for suffix in VALIDATION_SUFFIXES for part in "xy"}
    found = [name for name in present if name.lower() in known]
    pairs = {name.lower().partition("_")[2] for name in found}
    if len(found) not in {0, 2} or len(pairs) > 1:
        raise DataError(
            f"{path} holds {' '.join(found)}; validation images are one array x_val and their "
            "labels one array y_val."
        )
    return {f"{name[0].lower()}_val": name for name in found}


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what a missing, broken or other file raises into one `DataError`."""
    check_regular(path)
    with as_data_error(path):
        is_zip = path.stat().st_size and zipfile.is_zipfile(path)
    if not is_zip:
        raise DataError(
            f"{path} is not an NPZ file, or is truncated; write it with "
            "np.savez_compressed(path, x_train=..., y_train=..., x_test=..., y_test=...)."
        )
    try:
        with as_data_error(path):
            yield
    except BROKEN as error:
        raise DataError(f"{path} is damaged ({error}); copy or write it again.") from error


def _array(path: Path, arrays: Any, name: str) -> NDArray[Any]:
    """One array, after a look at its header.

    Anything that would need pickle is refused, since that runs code, and what its archive cannot
    hold, since NumPy makes room for it first.
    """
    shape, dtype = header(path, name)
    needed, packed = prod(shape) * dtype.itemsize, arrays.zip.getinfo(f"{name}.npy")
    if dtype.hasobject:
        refused = f"{name} in {path} holds Python objects; store one array of"
        if name.startswith("y"):
            raise DataError(f"{refused} numbers or text: np.array(labels.tolist()).")
        raise DataError(f"{refused} numbers: np.stack(images).astype('uint8').")
    if needed > packed.file_size:
        raise ValueError(f"{name} has shape {shape}, for which it is too short")
    check_memory(needed, f"{name} in {path}")
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
    check_regular(path)
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        version = npy.read_magic(file)
        if version not in HEADERS:
            raise ValueError(f"array format {version} is not known")
        shape, _, dtype = HEADERS[version](file)
    return shape, dtype


READER: Reader[NpzData] = Reader(read=read, shape=shape, num_classes=num_classes)
