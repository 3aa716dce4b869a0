"""CIFAR-10's "python version": pickled batches of 10,000 images.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

import io
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.data.arrays import Part
from cnn_sweeps.errors import DataError

TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"
SHAPE = (32, 32, 3)
Batch = tuple[NDArray[np.uint8], list[int]]


class ArraysOnly(pickle.Unpickler):
    """Unpickles arrays, lists, text and numbers; refuses whatever could run code."""

    ALLOWED: Mapping[str, Any] = {
        "_reconstruct": np.zeros(0).__reduce__()[0],
        "ndarray": np.ndarray,
        "dtype": np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Look a name up among the three that an array needs, wherever NumPy keeps them."""
        if module.partition(".")[0] != "numpy" or name not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self.ALLOWED[name]


def arrays(batches: Mapping[str, bytes], where: str) -> dict[str, Part]:
    """The four arrays out of the six batch files.

    Args:
        batches: content of `data_batch_1` to `data_batch_5` and `test_batch`.
        where: folder or archive that holds them.

    Raises:
        DataError: a batch is not what it should be.
    """
    read = {name: _batch(data, f"{name} in {where}") for name, data in batches.items()}
    training = [read[name] for name in TRAIN]
    found = {
        "x_train": _upright(np.concatenate([images for images, _ in training])),
        "y_train": np.array([label for _, labels in training for label in labels]),
        "x_test": _upright(read[TEST][0]),
        "y_test": np.array(read[TEST][1]),
    }
    return {name: Part(array, where) for name, array in found.items()}


def _upright(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows of all red, all green, all blue pixels as images with channels last."""
    height, width, channels = SHAPE
    return rows.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)


def _batch(data: bytes, where: str) -> Batch:
    """Images as rows of 3,072 bytes, and labels, of one batch file.

    Raises:
        DataError: not a pickle, not a batch, or it asks for more than arrays.
    """
    try:
        # The batches were pickled by Python 2, whose text arrives as bytes.
        batch = ArraysOnly(io.BytesIO(data), encoding="bytes").load()
        images, labels = batch[b"data"], list(batch[b"labels"])
        return images.reshape(len(labels), *SHAPE).reshape(len(labels), -1), labels
    except Exception as error:  # a damaged pickle raises nearly anything
        raise DataError(
            f"{where} is not a CIFAR-10 batch ({error}); copy or download it again."
        ) from error
