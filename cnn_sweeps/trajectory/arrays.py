"""The variables of a training as the bytes of a file, and back."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

NATIVE = "biufc"
"""Kinds of number that NumPy's own files know; bfloat16 and its like are none of them."""
TYPED = ":"
"""Stands in a name before the type of an array that is stored as plain bytes."""


def encode(arrays: Arrays) -> bytes:
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


def decode(data: bytes) -> Arrays:
    """The arrays of such a file, in their order."""
    arrays = {}
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        for written in stored.files:
            name, _, kind = written.partition(TYPED)
            value = stored[written]
            arrays[name.replace(".", "/")] = value.view(kind) if kind else value
    return arrays
