"""Arrays as bytes and back."""

import ml_dtypes
import numpy as np
import pytest

from cnn_sweeps.trajectories import files


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(np.array([[1.5, -0.0], [np.nan, np.inf]], dtype="float32"), id="float32"),
        pytest.param(np.array(1 / 3), id="float64 without a side"),
        pytest.param(np.array([1, 2], dtype="float16"), id="float16"),
        pytest.param(np.array([2**62, -1]), id="int64"),
        pytest.param(np.array([2**32 - 1], dtype="uint32"), id="uint32"),
        pytest.param(np.array([True, False]), id="bool"),
        pytest.param(np.zeros((0, 3), dtype="float32"), id="nothing in it"),
        pytest.param(np.arange(6.0).reshape(2, 3).T, id="transposed"),
        pytest.param(np.array([1.5, -2.25], dtype=ml_dtypes.bfloat16), id="bfloat16"),
        pytest.param(np.array(3.0, dtype=ml_dtypes.bfloat16), id="bfloat16 without a side"),
        pytest.param(np.array([0.5, 1.0], dtype=ml_dtypes.float8_e4m3fn), id="float8"),
    ],
)
def test_every_type_comes_back_bit_for_bit(value: np.ndarray) -> None:
    """Type, shape and bytes are those of before."""
    back = files.decode_arrays(files.encode_arrays({"model/0": value}))["model/0"]
    assert (back.dtype, back.shape) == (value.dtype, value.shape)
    assert back.tobytes() == value.tobytes()


def test_keys_keep_their_order() -> None:
    """The tenth does not come before the second."""
    given = {f"model/{i}": np.array(i) for i in range(12)}
    assert list(files.decode_arrays(files.encode_arrays(given))) == list(given)


def test_the_same_arrays_give_the_same_bytes() -> None:
    """Two processes that train the same epoch write the same file."""
    given = {"model/0": np.arange(3.0), "optimizer/0": np.array(7)}
    assert files.encode_arrays(given) == files.encode_arrays(
        {k: v.copy() for k, v in given.items()}
    )


def test_no_arrays_are_a_file_too() -> None:
    """A network without variables has none to lose."""
    assert files.decode_arrays(files.encode_arrays({})) == {}
