"""Files that are written whole or not at all, and read only as they were written.

And the variables of a training as the bytes of such a file, and back.
"""

import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.data.files import written_whole
from cnn_sweeps.errors import StoreError

DAMAGED = ".damaged"

Arrays = Mapping[str, NDArray[Any]]

NATIVE = "biufc"
"""Kinds of number that NumPy's own files know; bfloat16 and its like are none of them."""
TYPED = ":"
"""Stands in a name before the type of an array that is stored as plain bytes."""


def write(path: Path, data: bytes) -> str:
    """Put a file in its place; returns its SHA-256.

    Raises:
        StoreError: the disk refuses.
    """
    try:
        with written_whole(path) as part:
            part.write_bytes(data)
    except OSError as error:
        raise refusal(path, error) from error
    return digest_of(data)


def digest_of(data: bytes) -> str:
    """The digest by which what is stored is known."""
    return hashlib.sha256(data).hexdigest()


def read(path: Path, digest: str) -> bytes | None:
    """What a file holds; None where it is lost, or damaged and then set aside."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if digest_of(data) == digest:
        return data
    quarantine(path)
    return None


def quarantine(path: Path) -> None:
    """Keep a damaged file under another name, where it is never read."""
    with suppress(OSError):
        path.replace(_aside(path))


def is_damaged(path: Path) -> bool:
    """Whether a file that cannot be read is or was there; a read-only one stays in its place."""
    return path.exists() or _aside(path).exists()


def delete(path: Path) -> None:
    """Delete a file; one that stays is in nobody's way."""
    with suppress(OSError):
        path.unlink()


def sizes(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every file under a folder with its bytes; those that are removed meanwhile are left out."""
    for where, _, names in os.walk(folder):
        for path in map(Path(where).joinpath, names):
            with suppress(OSError):
                yield path, path.stat().st_size


def refusal(path: Path, error: OSError) -> StoreError:
    """What the system says of a file that cannot be written, and what to do."""
    return StoreError(
        f"{path} cannot be written: {error.strerror}.\n"
        "  Free some space or make it writable; trajectory.reuse=false turns the cache off."
    )


def _aside(path: Path) -> Path:
    return path.with_name(path.name + DAMAGED)


def encode_arrays(arrays: Arrays) -> bytes:
    """The arrays as an NPZ file; the same arrays give the same bytes."""
    named: dict[str, Any] = {}
    for key, value in arrays.items():
        name = key.replace("/", ".")
        if value.dtype.kind in NATIVE:
            named[name] = value
        else:
            named[f"{name}{TYPED}{value.dtype.name}"] = value.view(f"u{value.itemsize}")
    content = io.BytesIO()
    np.savez(content, **named)
    return content.getvalue()


def decode_arrays(data: bytes) -> Arrays:
    """The arrays of such a file, in their order."""
    arrays = {}
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        for written in stored.files:
            name, _, kind = written.partition(TYPED)
            value = stored[written]
            arrays[name.replace(".", "/")] = value.view(kind) if kind else value
    return arrays
