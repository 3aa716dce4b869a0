"""Rows of an NPY file are those of the array, whenever and by whomever they are read."""

import copy
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cnn_sweeps.data.row_file import RowFile
from cnn_sweeps.errors import DataError

ARRAYS: dict[str, NDArray[Any]] = {
    "images": np.random.RandomState(0).randint(0, 256, (20, 3, 4, 2)).astype(np.uint8),
    "features": np.random.RandomState(1).standard_normal((9, 5)).astype(np.float32),
    "one-each": np.arange(7, dtype=np.int64),
    "none": np.zeros((0, 3, 4), dtype=np.uint8),
}
INDICES: dict[str, Any] = {
    "all": slice(None),
    "part": slice(2, 5),
    "backwards": slice(None, None, -2),
    "nothing": slice(0),
    "places": np.array([3, 4, 5, 1, 1, 6, 0]),
    "from-the-end": np.array([-1, 0]),
    "mask": lambda n: np.arange(n) % 3 == 0,
    "one": 4,
    "last": -1,
}


@pytest.fixture
def saved(tmp_path: Path) -> Any:
    """An array, and its file."""

    def save(array: NDArray[Any]) -> Path:
        np.save(tmp_path / "rows.npy", array)
        return tmp_path / "rows.npy"

    return save


def test_a_copy_reads_its_own_file(saved: Any, tmp_path: Path) -> None:
    """Also when the first one is gone, and another file has got its number."""
    rows = RowFile(saved(ARRAYS["features"]))
    copied = copy.deepcopy(rows)
    del rows
    np.save(tmp_path / "other.npy", ARRAYS["one-each"])
    other = RowFile(tmp_path / "other.npy")
    assert copied[1].tolist() == ARRAYS["features"][1].tolist()
    assert other[1] == 1


@pytest.mark.parametrize("which", [(slice(None), 0), ..., (..., 0)])
def test_only_rows_can_be_chosen(saved: Any, which: Any) -> None:
    """And nothing else is given in their place."""
    with pytest.raises(IndexError, match="by rows"):
        RowFile(saved(ARRAYS["images"]))[which]


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
@pytest.mark.parametrize("which", INDICES.values(), ids=INDICES.keys())
def test_an_index_gives_what_it_gives_of_the_array(
    saved: Any, array: NDArray[Any], which: Any
) -> None:
    """Also the error, where there is no such row."""
    which = which(len(array)) if callable(which) else which
    rows = RowFile(saved(array))
    try:
        wanted = array[which]
    except IndexError:
        with pytest.raises(IndexError):
            rows[which]
        return
    found = rows[which]
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert found.tolist() == wanted.tolist()


def test_it_becomes_an_array(saved: Any) -> None:
    """With a copy, as NumPy asks for it."""
    rows = RowFile(saved(ARRAYS["features"]))
    assert np.array_equal(np.asarray(rows), ARRAYS["features"])
    assert len(rows) == 9
    with pytest.raises(ValueError, match="without a copy"):
        np.array(rows, copy=False)


def test_a_deleted_file_is_read_on(saved: Any) -> None:
    """The cache may drop what a training uses."""
    path = saved(ARRAYS["one-each"])
    rows = RowFile(path)
    path.unlink()
    assert rows[5] == 5


def test_a_truncated_file_is_told(saved: Any) -> None:
    """Before, and while it is read; a mapped file would end the process."""
    path = saved(ARRAYS["images"])
    rows = RowFile(path)
    os.truncate(path, 300)
    assert rows[0].tolist() == ARRAYS["images"][0].tolist()
    with pytest.raises(DataError, match=r"rows\.npy was truncated while it was read"):
        rows[:]
    with pytest.raises(ValueError, match="truncated"):
        RowFile(path)


def test_what_is_given_piece_by_piece_is_read_whole(
    saved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No system gives more than 2 GB at once."""
    rows, preadv = RowFile(saved(ARRAYS["images"])), os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, into, at: preadv(file, [into[0][:7]], at))
    assert np.array_equal(rows, ARRAYS["images"])


@pytest.mark.parametrize(
    "array",
    [np.array(1), np.array([{}]), np.asfortranarray(np.ones((2, 2)))],
    ids=["no-rows", "objects", "columns-first"],
)
def test_other_arrays_are_refused(saved: Any, array: NDArray[Any]) -> None:
    """Their rows do not lie one behind the other."""
    with pytest.raises(ValueError, match="no rows that can be read one by one"):
        RowFile(saved(array))
