"""IDX, the format of MNIST: a short header, then the values.

Two zero bytes, one byte for the type, one for the number of dimensions, each dimension as a
big-endian 32-bit integer, the values. Source: LeCun, Cortes, Burges, "The MNIST database".
"""

import gzip
import struct
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import IdxData
from cnn_sweeps.data.arrays import Part, Shape, image_shape, labels
from cnn_sweeps.data.dataset import Content, assemble
from cnn_sweeps.data.files import GZIP_MAGIC, expanded, kind, read_bytes, visible
from cnn_sweeps.data.readers.reader import Reader
from cnn_sweeps.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAGIC_BYTES = 4
ROLES = {
    "x_train": ("train-images",),
    "y_train": ("train-labels",),
    "x_test": ("t10k-images", "test-images"),
    "y_test": ("t10k-labels", "test-labels"),
}


def read(config: IdxData) -> Content:
    """Read the four IDX files of a folder, zipped or not.

    Raises:
        DataError: a file is missing, ambiguous or broken, or they do not fit together.
    """
    folder = expanded(config.path)
    if kind(folder) == "file":
        hint = "; an NPZ file is read by data=npz" if folder.suffix == ".npz" else ""
        raise DataError(f"data.path={folder} is a file; data=idx reads a folder{hint}.")
    paths = {part: locate(folder, roles) for part, roles in ROLES.items()}
    parts = {part: read_part(path) for part, path in paths.items()}
    return assemble(parts, name=folder.resolve().name, source=str(folder))


def shape(config: IdxData) -> Shape | None:
    """The shape that the header of the training images gives."""
    found = peek(locate(expanded(config.path), ROLES["x_train"]))
    return image_shape(found) if found else None


def num_classes(config: IdxData) -> int:
    """As many as there are different training labels."""
    return len(np.unique(labels(read_part(locate(expanded(config.path), ROLES["y_train"])))))


def locate(folder: Path, roles: tuple[str, ...]) -> Path:
    """The one file of a folder whose name says that it plays one of these roles.

    Raises:
        DataError: there is none, or more than one.
    """
    files = [path for path in visible(folder) if path.is_file()]
    fitting = [path for path in files if any(role in path.name.lower() for role in roles)]
    plain = [path for path in fitting if path.suffix != ".gz"]
    zipped = [path for path in fitting if path.with_suffix("") not in plain]
    candidates = plain + [path for path in zipped if path not in plain]
    if not candidates:
        raise DataError(
            f"{folder} has no file for {roles[0]}; data=idx reads train-images-idx3-ubyte, "
            "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte "
            "(each may end in .gz)."
        )
    if len(candidates) > 1:
        names = ", ".join(path.name for path in candidates)
        raise DataError(f"{folder} has more than one file for {roles[0]}: {names}; keep one.")
    return candidates[0]


def read_part(path: Path) -> Part:
    """One IDX file as an array."""
    return Part(parse(read_bytes(path), str(path)), str(path))


def parse(data: bytes, where: str) -> NDArray[Any]:
    """The array in the bytes of an IDX file; not copied, so it cannot be written to.

    Raises:
        DataError: another format, or more or fewer bytes than the header promises.
    """
    header = parse_header(data)
    if header is None:
        raise DataError(
            f"{where} is not an IDX file (it starts with {data[:MAGIC_BYTES]!r}); "
            "copy or download it again."
        )
    dtype, shape = header
    start = MAGIC_BYTES * (1 + len(shape))
    promised, present = prod(shape) * dtype.itemsize, len(data) - start
    if present != promised:
        state = "is truncated" if present < promised else "is too long"
        raise DataError(
            f"{where} {state}: {present} bytes but its header declares {promised}; "
            "copy or download it again."
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape)


def parse_header(data: bytes) -> tuple[np.dtype[Any], tuple[int, ...]] | None:
    """Type and shape from the first bytes; None when they are no IDX header."""
    if len(data) < MAGIC_BYTES or data[:2] != b"\0\0" or data[2] not in TYPES:
        return None
    dimensions = data[3]
    if not dimensions or len(data) < MAGIC_BYTES * (1 + dimensions):
        return None
    return np.dtype(TYPES[data[2]]), struct.unpack_from(f">{dimensions}I", data, MAGIC_BYTES)


def encode(array: NDArray[np.uint8]) -> bytes:
    """The IDX file of an array of bytes; what `parse` reads back."""
    magic = bytes((0, 0, 0x08, array.ndim))
    return magic + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def peek(path: Path) -> tuple[int, ...] | None:
    """The shape that the header of a file promises; the images stay on disk."""
    with path.open("rb") as file:
        zipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    with gzip.open(path) if zipped else path.open("rb") as file:
        header = parse_header(file.read(MAGIC_BYTES * 256))
    return header[1] if header else None


READER: Reader[IdxData] = Reader(read=read, shape=shape, num_classes=num_classes)
