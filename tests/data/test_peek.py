"""Shape and classes before loading: cheap, and never an error."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cnn_sweeps.config.schema import ArchiveData, Data, DigitsData, FileData, FolderData
from cnn_sweeps.data import peek_classes, peek_shape
from cnn_sweeps.data.loading import check_there
from cnn_sweeps.errors import DataError

Arrays = dict[str, NDArray[Any]]


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        (ArchiveData(name="fashion_mnist"), (28, 28, 1)),
        (ArchiveData(name="mnist"), (28, 28, 1)),
        (ArchiveData(name="cifar10"), (32, 32, 3)),
        (DigitsData(), (28, 28, 1)),
    ],
    ids=["fashion_mnist", "mnist", "cifar10", "digits"],
)
def test_built_in_sets_are_known(config: Data, shape: tuple[int, int, int]) -> None:
    """Without a file."""
    assert (peek_shape(config), peek_classes(config)) == (shape, 10)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "zipped"])
def test_idx_headers_are_read(
    tmp_path: Path, arrays: Arrays, write_idx: Callable[..., Path], zipped: bool
) -> None:
    """The shape from the header, the classes from the labels."""
    config = FileData(name="idx", path=write_idx(tmp_path, arrays, zipped=zipped))
    assert (peek_shape(config), peek_classes(config)) == ((4, 5, 1), 3)


def test_npz_headers_are_read(tmp_path: Path, arrays: Arrays) -> None:
    """Also of colour images."""
    x = np.zeros((30, 6, 7, 3), np.uint8)
    np.savez(tmp_path / "a.npz", allow_pickle=True, **{**arrays, "x_train": x})
    config = FileData(name="npz", path=tmp_path / "a.npz")
    assert (peek_shape(config), peek_classes(config)) == ((6, 7, 3), 3)


def test_image_folders_have_the_shape_that_was_asked_for(tmp_path: Path) -> None:
    """And as many classes as training folders."""
    for name in ("train/a", "train/b", "train/c", "test/a", "train/.git"):
        (tmp_path / name).mkdir(parents=True)
    config = FolderData(path=tmp_path, image_size=(20, 30), color="grayscale")
    assert (peek_shape(config), peek_classes(config)) == ((20, 30, 1), 3)


def bad_npz(path: Path) -> None:
    """An archive without the arrays."""
    np.savez(path, x_train=np.zeros(3), y_train=np.eye(3))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        pytest.param("npz", lambda p: None, id="npz-missing"),
        pytest.param("npz", lambda p: p.mkdir(), id="npz-folder"),
        pytest.param("npz", lambda p: p.write_bytes(b"PK"), id="npz-broken"),
        pytest.param("npz", bad_npz, id="npz-shapes"),
        pytest.param("idx", lambda p: None, id="idx-missing"),
        pytest.param("idx", lambda p: p.touch(), id="idx-file"),
        pytest.param("idx", lambda p: p.mkdir(), id="idx-empty"),
    ],
)
def test_what_cannot_be_known_is_none(
    tmp_path: Path, name: Any, make: Callable[[Path], Any]
) -> None:
    """`load` will say why."""
    make(tmp_path / "data.npz")
    config = FileData(name=name, path=tmp_path / "data.npz")
    assert (peek_shape(config), peek_classes(config)) == (None, None)


@pytest.mark.parametrize(
    "data",
    [b"", b"no idx file at all", b"\x1f\x8bbroken", b"\x1f\x8b\x08\0\0\0\0\0\0\3broken"],
    ids=["empty", "other", "no-gzip", "broken-gzip"],
)
def test_broken_idx_files_are_none(tmp_path: Path, data: bytes) -> None:
    """Whatever is in them."""
    for name in ("train-images", "train-labels"):
        (tmp_path / name).write_bytes(data)
    config = FileData(name="idx", path=tmp_path)
    assert (peek_shape(config), peek_classes(config)) == (None, None)


def test_a_missing_image_folder_has_no_known_classes(tmp_path: Path) -> None:
    """Its shape is known all the same."""
    config = FolderData(path=tmp_path / "nowhere")
    assert (peek_shape(config), peek_classes(config)) == ((28, 28, 3), None)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(FolderData(path=Path("no where")), id="folder"),
        pytest.param(FileData(name="npz", path=Path("no where")), id="npz"),
        pytest.param(FileData(name="idx", path=Path("no where")), id="idx"),
    ],
)
def test_a_missing_path_is_refused_as_it_was_typed(tmp_path: Path, config: Data) -> None:
    """The refusal also says where that is."""
    with pytest.raises(DataError, match=r"data\.path=no where does not exist.*\(/.*no where\)"):
        check_there(config)
    check_there(FolderData(path=tmp_path))
    check_there(DigitsData())


def test_nothing_heavy_is_imported() -> None:
    """Neither by the package nor by a look."""
    code = (
        "import sys; from cnn_sweeps.data import peek_shape; "
        "from cnn_sweeps.config.schema import DigitsData; peek_shape(DigitsData()); "
        "print({'tensorflow', 'keras', 'sklearn', 'scipy', 'PIL', 'rich'} & set(sys.modules))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert output.stdout.strip() == "set()"
