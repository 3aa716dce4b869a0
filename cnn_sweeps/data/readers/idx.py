"""IDX, the format of MNIST: a short header, then the values.

Two zero bytes, one byte for the type, one for the number of dimensions, each dimension as a
big-endian 32-bit integer, the values. Source: LeCun, Cortes, Burges, "The MNIST database".
"""

import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import IdxData
from cnn_sweeps.data.arrays import (
    COLOR_DIMENSIONS,
    Part,
    Shape,
    count_classes,
    image_shape,
    named_labels,
)
from cnn_sweeps.data.dataset import Content, assemble
from cnn_sweeps.data.files import (
    check_memory,
    expand_user,
    first_bytes,
    kind,
    links_out,
    read_bytes,
    visible_entries,
)
from cnn_sweeps.data.readers.reader import Reader
from cnn_sweeps.data.readers.split_names import VALIDATION_SUFFIXES, not_read
from cnn_sweeps.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAGIC_BYTES = 4
LONGEST_HEADER = MAGIC_BYTES * 256
ADVICE = re.compile(r"\b[xy] = ")
CONVERT = "Do that to the arrays of an NPZ file: docs/data.md, Convert IDX files."
Roles = tuple[str, ...]
ROLES: dict[str, Roles] = {
    "x_train": ("train-images",),
    "y_train": ("train-labels",),
    "x_test": ("t10k-images", "test-images"),
    "y_test": ("t10k-labels", "test-labels"),
}
VALIDATION_ROLES: dict[str, Roles] = {
    "x_val": tuple(f"{suffix}-images" for suffix in VALIDATION_SUFFIXES),
    "y_val": tuple(f"{suffix}-labels" for suffix in VALIDATION_SUFFIXES),
}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the first bytes of an IDX file say.

    Attributes:
        dtype: type of the values.
        shape: how many there are, by dimension.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the whole file, unzipped."""
        return MAGIC_BYTES * (1 + len(self.shape)) + prod(self.shape) * self.dtype.itemsize


def read(config: IdxData) -> Content:
    """Read the four IDX files of a folder, zipped or not.

    Raises:
        DataError: a file is missing, ambiguous or broken, or they do not fit together.
    """
    folder = expand_user(config.path)
    if kind(folder) == "file":
        hint = "; an NPZ file is read by data=npz" if folder.suffix == ".npz" else ""
        raise DataError(f"data.path={folder} is a file; data=idx reads a folder{hint}.")
    roles = {**ROLES, **(_validation(folder) if config.rules > 1 else {})}
    paths = {part: locate(folder, each) for part, each in roles.items()}
    read = {part: read_part(path) for part, path in paths.items()}
    with _told_to_convert():
        parts, classes = named_labels(read, config.labels)
        content = assemble(
            parts,
            name=folder.resolve().name,
            source=str(folder),
            class_names=classes,
            rules=config.rules,
        )
    if config.rules == 1:
        return content
    notices = (*not_read(folder, _beside(folder, roles)), *links_out(folder, paths.values()))
    return replace(content, notices=notices)


@contextmanager
def _told_to_convert() -> Iterator[None]:
    """Say where the arrays are to be had that advice in Python's terms is about."""
    try:
        yield
    except DataError as error:
        if not ADVICE.search(str(error)):
            raise
        raise DataError(f"{error}\n  {CONVERT}") from error


def _validation(folder: Path) -> dict[str, Roles]:
    """What the user's validation images and labels are called, where there are any.

    One without the other is missed when it is looked for.
    """
    there = any(candidates(folder, each) for each in VALIDATION_ROLES.values())
    return VALIDATION_ROLES if there else {}


def _beside(folder: Path, roles: Mapping[str, Roles]) -> list[str]:
    """Files that seem to be images or labels, and play none of the roles."""
    known = {path.stem for each in roles.values() for path in candidates(folder, each)}
    known |= {path.name for each in roles.values() for path in candidates(folder, each)}
    return [
        path.name
        for path in candidates(folder, ("images", "labels"))
        if not {path.name, path.stem} & known
    ]


def shape(config: IdxData) -> Shape | None:
    """The shape that the header of the training images gives."""
    path = locate(expand_user(config.path), ROLES["x_train"])
    return image_shape(header_of(first_bytes(path, LONGEST_HEADER), str(path)).shape, config.rules)


def num_classes(config: IdxData) -> int:
    """As many as there are different training labels."""
    part = read_part(locate(expand_user(config.path), ROLES["y_train"]))
    return count_classes(part, config.labels)


def candidates(folder: Path, roles: Roles) -> list[Path]:
    """The files of a folder whose names say that they play one of these roles.

    A file that lies there zipped as well counts once.
    """
    files = [path for path in visible_entries(folder) if path.is_file()]
    fitting = [path for path in files if any(role in path.name.lower() for role in roles)]
    plain = [path for path in fitting if path.suffix != ".gz"]
    zipped = [path for path in fitting if path.with_suffix("") not in plain]
    return plain + [path for path in zipped if path not in plain]


def locate(folder: Path, roles: Roles) -> Path:
    """The one file of a folder whose name says that it plays one of these roles.

    Raises:
        DataError: there is none, or more than one.
    """
    found = candidates(folder, roles)
    if not found:
        raise DataError(
            f"{folder} has no file for {roles[0]}; data=idx reads train-images-idx3-ubyte, "
            "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte "
            "(each may end in .gz), and val-images and val-labels where there are any."
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{folder} has more than one file for {roles[0]}: {names}; keep one.")
    return found[0]


def read_part(path: Path) -> Part:
    """One IDX file as an array, after a look at how long its header says that it is."""
    size = header_of(first_bytes(path, LONGEST_HEADER), str(path)).size
    check_memory(size, path)
    return Part(parse(read_bytes(path, most=size), str(path)), str(path))


def parse(data: bytes, where: str) -> NDArray[Any]:
    """The array in the bytes of an IDX file; not copied, so it cannot be written to.

    Raises:
        DataError: another format, or more or fewer bytes than the header promises.
    """
    header = header_of(data, where)
    start = MAGIC_BYTES * (1 + len(header.shape))
    promised, present = header.size - start, len(data) - start
    if present != promised:
        state = "is truncated" if present < promised else "is too long"
        raise DataError(
            f"{where} {state}: {present} bytes but its header declares {promised}; "
            "copy or download it again."
        )
    if not promised or len(header.shape) > COLOR_DIMENSIONS:
        raise DataError(f"{where} has shape {header.shape}: neither images nor labels.")
    return np.frombuffer(data, header.dtype, offset=start).reshape(header.shape)


def header_of(data: bytes, where: str) -> Header:
    """What the first bytes say of the rest.

    Raises:
        DataError: they are no IDX header.
    """
    header = parse_header(data)
    if header is None:
        raise DataError(
            f"{where} is not an IDX file (it starts with {data[:MAGIC_BYTES]!r}); "
            "copy or download it again."
        )
    return header


def parse_header(data: bytes) -> Header | None:
    """What the first bytes say of the rest; None when they are no IDX header."""
    if len(data) < MAGIC_BYTES or data[:2] != b"\0\0" or data[2] not in TYPES:
        return None
    dimensions = data[3]
    if not dimensions or len(data) < MAGIC_BYTES * (1 + dimensions):
        return None
    shape = struct.unpack_from(f">{dimensions}I", data, MAGIC_BYTES)
    return Header(dtype=np.dtype(TYPES[data[2]]), shape=shape)


def encode(array: NDArray[np.uint8]) -> bytes:
    """The IDX file of an array of bytes; what `parse` reads back."""
    magic = bytes((0, 0, 0x08, array.ndim))
    return magic + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


READER: Reader[IdxData] = Reader(read=read, shape=shape, num_classes=num_classes)
