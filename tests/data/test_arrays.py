"""Some of the images of an array, without a copy of them."""

import numpy as np
import pytest

from cnn_sweeps.data.arrays import View, pick

BASE = np.arange(10 * 2 * 3, dtype=np.uint8).reshape(10, 2, 3, 1)
PRINTS = np.arange(160, dtype=np.uint8).reshape(10, 16)
VIEW = View(base=BASE, places=np.array([7, 1, 1, 4]), prints=PRINTS)
ARRAY = BASE[[7, 1, 1, 4]]


@pytest.mark.parametrize(
    "which",
    [
        0,
        -1,
        np.int64(2),
        slice(1, 3),
        slice(None, None, -1),
        slice(9, None),
        [3, 0],
        np.array([], dtype=np.int64),
        np.array([True, False, True, False]),
        (slice(None), 0, 1, 0),
        (2, 1),
        ([0, 3], slice(None), 2),
    ],
    ids=str,
)
def test_a_view_is_indexed_as_the_array_that_it_stands_for(which: object) -> None:
    """With whatever an array of images is indexed with."""
    found = VIEW[which]
    assert type(found) in (np.ndarray, np.uint8)
    np.testing.assert_array_equal(found, ARRAY[which])  # type: ignore[call-overload]


def test_a_view_has_what_an_array_has() -> None:
    """Shape, type, length, and its images one after another."""
    assert (VIEW.shape, VIEW.dtype, len(VIEW)) == (ARRAY.shape, ARRAY.dtype, len(ARRAY))
    np.testing.assert_array_equal(np.asarray(VIEW), ARRAY)
    np.testing.assert_array_equal(np.stack(list(VIEW)), ARRAY)
    with pytest.raises(IndexError):
        VIEW[4]
    with pytest.raises(ValueError, match="without a copy"):
        np.array(VIEW, copy=False)


def test_picking_copies_nothing() -> None:
    """Of a view it is a view of the same images; of an array what NumPy gives."""
    held = np.array([True, False, True, True])
    picked = pick(VIEW, held)
    assert isinstance(picked, View)
    assert picked.base is BASE
    np.testing.assert_array_equal(np.asarray(picked), ARRAY[held])
    np.testing.assert_array_equal(np.asarray(pick(ARRAY, held)), ARRAY[held])
