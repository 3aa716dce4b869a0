"""The 1,797 UCI digits that ship with scikit-learn, brought from 8x8 to 28x28.

Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI 1998.
"""

from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import DigitsData
from cnn_sweeps.data.arrays import Part, Pixels
from cnn_sweeps.data.dataset import Content, assemble
from cnn_sweeps.data.files import read_bytes
from cnn_sweeps.data.readers.reader import Reader
from cnn_sweeps.data.split import hold_out

FILE = Path("datasets", "data", "digits.csv.gz")
MOST = 1 << 20
"""More bytes than the file has."""
SMALL, LARGE = 8, 28
DEEPEST = 16
TEST_SEED = 0
SHAPE = (LARGE, LARGE, 1)
CLASS_NAMES = tuple("0123456789")


def read(config: DigitsData) -> Content:
    """Load, enlarge and hold out the test split, class by class with a fixed seed.

    Raises:
        DataError: `test_fraction` leaves a split or a class empty.
    """
    small, y = _shipped()
    x = enlarge(small)
    test = hold_out(y, config.test_fraction, seed=TEST_SEED, option="data.test_fraction")
    arrays: dict[str, NDArray[Any]] = {
        "x_train": x[~test],
        "y_train": y[~test],
        "x_test": x[test],
        "y_test": y[test],
    }
    parts = {name: Part(array, "scikit-learn's digits") for name, array in arrays.items()}
    return assemble(
        parts,
        name="UCI digits",
        source="scikit-learn",
        class_names=CLASS_NAMES,
    )


def _shipped() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The 8x8 images and their labels.

    Importing scikit-learn takes one to two seconds, for every trial; its own file takes a
    thirtieth of one. Where a release keeps the file elsewhere, scikit-learn finds it.
    """
    package = find_spec("sklearn")
    file = Path(package.origin).parent / FILE if package and package.origin else None
    if file is None or not file.is_file():
        from sklearn.datasets import load_digits  # noqa: PLC0415  late: see above

        bunch = load_digits()
        return bunch.images.astype(np.int64), bunch.target
    rows = np.loadtxt(StringIO(read_bytes(file, most=MOST).decode()), delimiter=",", dtype=np.int64)
    return rows[:, :-1].reshape(-1, SMALL, SMALL), rows[:, -1]


def enlarge(images: NDArray[np.int64]) -> Pixels:
    """Bilinear interpolation from 8x8 values of 0 to 16 to 28x28 of 0 to 255.

    In whole numbers from end to end, rounded half up once, so that no version of any
    library and no processor can change a pixel.

    Args:
        images: (n, 8, 8).

    Returns:
        (n, 28, 28), uint8.
    """
    weights, unit = _weights()
    sums = weights @ images @ weights.T
    whole = unit * unit * DEEPEST
    return ((sums * 255 * 2 + whole) // (2 * whole)).astype(np.uint8)


def _weights() -> tuple[NDArray[np.int64], int]:
    """Weight of each small row in each large row, and what the weights add up to.

    The centre of large row i lies at ((2i + 1) * 8 - 28) / 56 in small rows: pixel centres
    at halves, the border repeated.
    """
    unit = 2 * LARGE
    position = np.clip((2 * np.arange(LARGE) + 1) * SMALL - LARGE, 0, (SMALL - 1) * unit)
    below = np.minimum(position // unit, SMALL - 2)
    weights = np.zeros((LARGE, SMALL), dtype=np.int64)
    weights[np.arange(LARGE), below + 1] = position - below * unit
    weights[np.arange(LARGE), below] = unit - (position - below * unit)
    return weights, unit


READER: Reader[DigitsData] = Reader(
    read=read, shape=lambda _config: SHAPE, num_classes=lambda _config: len(CLASS_NAMES)
)
