"""What a person is told of a data set: classes that are not there, images that are there twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cnn_sweeps.config.schema import DigitsData, NpzData
from cnn_sweeps.data import load

Arrays = dict[str, NDArray[Any]]


@pytest.fixture
def notices(tmp_path: Path, arrays: Arrays) -> Callable[..., tuple[str, ...]]:
    """What is told of the arrays, some of them replaced."""

    def read(**changes: Any) -> tuple[str, ...]:
        np.savez(tmp_path / "a.npz", allow_pickle=True, **{**arrays, **changes})
        return load(NpzData(path=tmp_path / "a.npz")).notices

    return read


def test_nothing_is_told_where_there_is_nothing(notices: Callable[..., tuple[str, ...]]) -> None:
    """Nor of a built-in data set, whatever it holds."""
    assert notices() == ()
    assert load(DigitsData(limit=40)).notices == ()


def test_copies_across_splits_are_counted(
    notices: Callable[..., tuple[str, ...]], arrays: Arrays
) -> None:
    """A test split that was copied from the training images, as a whole or in part."""
    copied = notices(x_test=arrays["x_train"][:9])
    assert sum(int(each.split()[0]) for each in copied if " of 9 test images are " in each) == 9
    x, y = arrays["x_train"][::-1][:6], arrays["y_train"][::-1][:6]
    assert notices(x_val=x, y_val=y) == (
        "6 of 6 validation images are exact copies of training images.",
    )


def test_classes_that_a_split_lacks_are_named(notices: Callable[..., tuple[str, ...]]) -> None:
    """With the images that there are for training."""
    assert notices(y_train=np.r_[np.zeros(28, int), 1, 2]) == (
        "The validation split has no image of 1 (1 for training), 2 (1 for training).",
    )
    assert notices(y_test=np.arange(9) % 2) == (
        "The test split has no image of 2 (9 for training).",
    )


def test_images_that_are_nearly_black_beside_bright_ones_are_counted(
    notices: Callable[..., tuple[str, ...]], arrays: Arrays
) -> None:
    """One white pixel makes the range of the whole set that of the type."""
    low = arrays["x_train"] // 8
    low[0, 0, 0] = 255
    assert notices(x_train=low) == (
        "29 of 39 images are nearly black: none of their values is above 63 of 255.",
    )


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((16, 12, 12), "16 x 12 pixels of 12 channels"),
        ((12, 12, 12), "12 x 12 pixels of 12 channels"),
        ((1, 4, 4), "1 x 4 pixels of 4 channels"),
        ((12, 12, 5), "12 x 12 pixels of 5 channels"),
        ((12, 12, 4), None),
        ((12, 12, 2), None),
        ((3, 12, 1), None),
    ],
)
def test_odd_channels_are_told(
    notices: Callable[..., tuple[str, ...]], shape: tuple[int, ...], told: str | None
) -> None:
    """Channels may come first where nothing else tells it."""
    random = np.random.default_rng(0)
    sizes = {"x_train": 30, "x_test": 9}
    x = {name: random.integers(0, 256, (n, *shape), np.uint8) for name, n in sizes.items()}
    assert [each.split(";")[0] for each in notices(**x)] == (
        [f"The images are read as {told}"] if told else []
    )
