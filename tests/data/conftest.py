"""Small data sets, made anew for each test."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cnn_sweeps.data import folder_cache
from cnn_sweeps.data.readers import idx, published
from cnn_sweeps.data.readers.catalog import IDX_FILES

Arrays = dict[str, NDArray[Any]]
DATA = os.environ.get("CNN_SWEEPS_DATA")


@pytest.fixture(autouse=True)
def _no_data_from_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test finds data by chance, or touches the cache of whoever runs it."""
    monkeypatch.delenv(published.VARIABLE, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv(folder_cache.VARIABLE, str(tmp_path / ".cache"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real data sets."""
    if not DATA:
        pytest.skip("CNN_SWEEPS_DATA does not name a folder with the real data sets")
    return Path(DATA)


@pytest.fixture
def arrays() -> Arrays:
    """Thirty training and nine test images of 4x5, three classes in turn."""
    rng = np.random.RandomState(7)
    return {
        "x_train": rng.randint(0, 256, (30, 4, 5)).astype(np.uint8),
        "y_train": np.arange(30, dtype=np.uint8) % 3,
        "x_test": rng.randint(0, 256, (9, 4, 5)).astype(np.uint8),
        "y_test": np.arange(9, dtype=np.uint8) % 3,
    }


@pytest.fixture
def write_idx() -> Callable[..., Path]:
    """Write four arrays of bytes as IDX files into a folder."""

    def write(folder: Path, arrays: Arrays, *, zipped: bool = False) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in zip(IDX_FILES, arrays.values(), strict=True):
            data = idx.encode(array)
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))
            else:
                (folder / name).write_bytes(data)
        return folder

    return write


@pytest.fixture
def write_images() -> Callable[..., Path]:
    """Write a folder of class folders; the gray value of an image grows with its place."""

    def write(folder: Path, classes: dict[str, int], *, suffix: str = ".png") -> Path:
        for place, (name, count) in enumerate(classes.items()):
            (folder / name).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                image = Image.new("RGB", (6, 4), (150 + 50 * place, number, 200))
                image.save(folder / name / f"{number:03}{suffix}")
        return folder

    return write
