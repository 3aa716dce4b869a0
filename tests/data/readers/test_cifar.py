"""CIFAR-10's batches: read without running anything that is in them."""

import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from cnn_sweeps.data.readers import cifar
from cnn_sweeps.errors import DataError

NAMES = (*cifar.TRAIN, cifar.TEST)


class Python2(pickle._Pickler):
    """Pickles as Python 2 did, where text and bytes were one."""

    dispatch: ClassVar[dict[Any, Any]] = dict(pickle._Pickler.dispatch)

    def save_text(self, text: str | bytes) -> None:
        """Write what Python 2 called a string."""
        data = text.encode("latin1") if isinstance(text, str) else text
        write: Callable[[bytes], None] = vars(self)["write"]
        write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)

    dispatch[str] = dispatch[bytes] = save_text


def dump(value: Any) -> bytes:
    """A pickle with the names and the strings of CIFAR's time."""
    stream = io.BytesIO()
    Python2(stream, protocol=2).dump(value)
    return stream.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def batch(labels: list[int], **changes: Any) -> bytes:
    """One batch; image i is full of i."""
    data = np.arange(len(labels), dtype=np.uint8)[:, None] * np.ones(3072, np.uint8)
    return dump({"data": data, "labels": labels, **changes})


def test_batches_become_images() -> None:
    """In the order of the batches, channels last."""
    batches = {name: batch([number, 3]) for number, name in enumerate(NAMES)}
    parts = cifar.arrays(batches, "here")
    assert parts["x_train"].array.shape == (10, 32, 32, 3)
    assert parts["y_train"].array.tolist() == [0, 3, 1, 3, 2, 3, 3, 3, 4, 3]
    assert parts["y_test"].array.tolist() == [5, 3]


def test_channels_are_put_last() -> None:
    """All red pixels come first in a row, then green, then blue."""
    row = np.repeat(np.array([[10, 20, 30]], np.uint8), 1024, axis=1)
    one = dump({"data": row, "labels": [0]})
    image = cifar.arrays(dict.fromkeys(NAMES, one), "here")["x_test"].array[0]
    assert image[5, 7].tolist() == [10, 20, 30]


def test_old_and_new_names_inside_numpy_are_known() -> None:
    """The published batches name `numpy.core.multiarray`, which NumPy 2 has moved."""
    old = batch([1, 2])
    new = old.replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
    assert old != new
    for data in (old, new):
        assert cifar.arrays(dict.fromkeys(NAMES, data), "x")["y_test"].array.tolist() == [1, 2]


class Evil:
    """Would make a file when unpickled."""

    def __init__(self, call: Callable[..., Any], *args: Any) -> None:
        self.call, self.args = call, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, self.args


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    """Nothing but arrays is built."""
    marker = tmp_path / "ran"
    evil = batch([1], extra=Evil(Path.touch, marker))
    with pytest.raises(DataError, match="data_batch_1 in here is not a CIFAR-10 batch"):
        cifar.arrays(dict.fromkeys(NAMES, evil), "here")
    assert not marker.exists()


def test_other_functions_of_numpy_are_refused() -> None:
    """Being in NumPy is not enough."""
    evil = batch([1], extra=Evil(np.fromstring, "1", float, -1, " "))
    with pytest.raises(DataError, match="it asks for numpy"):
        cifar.arrays(dict.fromkeys(NAMES, evil), "here")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not a pickle", id="other"),
        pytest.param(batch([1, 2])[:-50], id="cut-off"),
        pytest.param(dump([1]), id="no-dictionary"),
        pytest.param(dump({"labels": [1]}), id="no-images"),
        pytest.param(batch([1, 2]).replace(b"labels", b"labelz"), id="no-labels"),
        pytest.param(dump({"data": np.zeros((2, 9)), "labels": [1, 2]}), id="shape"),
    ],
)
def test_what_is_no_batch_is_told(data: bytes) -> None:
    """One message, whatever the pickle did."""
    with pytest.raises(DataError, match=r"is not a CIFAR-10 batch \(.*copy or download"):
        cifar.arrays(dict.fromkeys(NAMES, data), "here")
