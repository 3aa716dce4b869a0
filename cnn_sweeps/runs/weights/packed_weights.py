"""Weights of a run as a file that travels with what builds on it, `<hash of the run>.npz`.

They are all weights of its network, of which the digest in the hash is made, and the numbers of
those that the backbone has. So they are checked and used without that run, and without its code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.errors import DataError
from cnn_sweeps.trajectories.files import decode_arrays, encode_arrays

SUFFIX: Final = ".npz"
BACKBONE: Final = "backbone"
"""Under which the numbers of the backbone's weights are stored."""


@dataclass(frozen=True, kw_only=True)
class PackedWeights:
    """A file of weights, of Keras or of a run.

    Attributes:
        name: of the file.
        content: its bytes.
    """

    name: str
    content: bytes


def encode(weights: Sequence[NDArray[Any]], backbone: Sequence[int]) -> bytes:
    """The content of such a file.

    Args:
        weights: of the whole network, in order.
        backbone: which of them the backbone has, in its order.
    """
    arrays = {f"weights/{number}": array for number, array in enumerate(weights)}
    return encode_arrays({**arrays, BACKBONE: np.array(backbone, "int64")})


def weights_sha256(file: Path) -> str:
    """The digest of all weights in a file: that of the network of the run.

    Raises:
        DataError: it is no such file, or damaged.
    """
    from cnn_sweeps.training.state import arrays_sha256  # noqa: PLC0415 -- TensorFlow

    return arrays_sha256(_read(file)[0])


def backbone_weights(file: Path) -> list[NDArray[Any]]:
    """The weights of the backbone in a file, in its order.

    Raises:
        DataError: it is no such file, or damaged.
    """
    arrays, numbers = _read(file)
    return [arrays[number] for number in numbers]


def _read(file: Path) -> tuple[list[NDArray[Any]], list[int]]:
    try:
        stored = dict(decode_arrays(file.read_bytes()))
        numbers = [int(number) for number in stored.pop(BACKBONE)]
        arrays = [stored[f"weights/{number}"] for number in range(len(stored))]
        if not all(0 <= number < len(arrays) for number in numbers):
            raise ValueError("numbers of weights that are not there")
    except Exception as error:  # a damaged archive may raise anything
        raise DataError(
            f"model.weights={file} cannot be read as weights of a run: {error}.\n"
            "cnn-sweeps export HASH FOLDER writes them again."
        ) from error
    return arrays, numbers
