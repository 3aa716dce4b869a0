"""Every kind of data by its registry: what is known before loading is what loading gives."""

import dataclasses
import hashlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from numpy.typing import NDArray

from cnn_sweeps.config.fields import dataclasses_of, locations
from cnn_sweeps.config.schema import (
    ArchiveData,
    Data,
    DigitsData,
    FolderData,
    IdxData,
    NpzData,
    TableData,
)
from cnn_sweeps.data import check_there, load, peek_classes, peek_shape
from cnn_sweeps.data.readers import READERS, catalog, cifar
from cnn_sweeps.errors import ConfigError, DataError

Arrays = dict[str, NDArray[Any]]
Make = Callable[[], Data]


@pytest.fixture
def made(
    tmp_path: Path,
    arrays: Arrays,
    write_idx: Callable[..., Path],
    write_images: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Make]:
    """For each kind of data, what writes a small set and says how to read it."""

    def published(name: Any, files: dict[str, bytes]) -> ArchiveData:
        """A data set that is small, published with the digests that it has."""
        known = catalog.PUBLISHED[name]
        folder = tmp_path / "sets" / known.folders[0]
        folder.mkdir(parents=True)
        for file, data in files.items():
            (folder / file).write_bytes(data)
        digests = {
            file: hashlib.new(known.algorithm, data, usedforsecurity=False).hexdigest()
            for file, data in files.items()
        }
        small = dataclasses.replace(known, files=digests)
        monkeypatch.setitem(catalog.PUBLISHED, name, small)
        return ArchiveData(name=name, root=tmp_path / "sets", download=False)

    def idx_set(name: Any) -> ArchiveData:
        y = np.arange(30, dtype=np.uint8) % 10
        x = np.zeros((30, 28, 28), np.uint8)
        folder = write_idx(tmp_path / "small", {"x": x, "y": y, "x_test": x, "y_test": y})
        return published(name, {file.name: file.read_bytes() for file in folder.iterdir()})

    def cifar_set() -> ArchiveData:
        batch = {b"data": np.zeros((10, 3072), np.uint8), b"labels": list(range(10))}
        data = pickle.dumps(batch, protocol=3)
        return published("cifar10", dict.fromkeys((*cifar.TRAIN, cifar.TEST), data))

    def npz() -> NpzData:
        np.savez(tmp_path / "a.npz", allow_pickle=True, **arrays)
        return NpzData(path=tmp_path / "a.npz")

    def table() -> TableData:
        files = sorted(write_images(tmp_path / "t", {"a": 9, "b": 9}).glob("*/*"))
        rows = "".join(f"{f.parent.name}/{f.name},{f.parent.name}\n" for f in files)
        (tmp_path / "t" / "table.csv").write_text(f"path,label\n{rows}")
        return TableData(path=tmp_path / "t" / "table.csv")

    return {
        "fashion_mnist": lambda: idx_set("fashion_mnist"),
        "mnist": lambda: idx_set("mnist"),
        "cifar10": cifar_set,
        "digits": DigitsData,
        "image_folder": lambda: FolderData(path=write_images(tmp_path / "p", {"a": 9, "b": 9})),
        "table": table,
        "idx": lambda: IdxData(path=write_idx(tmp_path / "idx", arrays)),
        "npz": npz,
    }


@pytest.mark.parametrize("name", READERS)
def test_what_is_known_before_loading_is_what_loading_gives(
    name: str, made: dict[str, Make]
) -> None:
    """Shape and number of classes, of every kind."""
    config = made[name]()
    check_there(config)
    dataset = load(config)
    assert config.name == name
    assert peek_shape(config) == dataset.shape
    assert peek_classes(config) == dataset.num_classes


def test_every_kind_of_the_schema_has_a_reader() -> None:
    """And every reader can be asked for."""
    names = [
        name for cls in dataclasses_of(Data, None) for name in get_args(get_type_hints(cls)["name"])
    ]
    assert names == list(READERS)


def test_a_kind_without_a_reader_is_refused_with_those_that_have_one() -> None:
    """What was forgotten is not read as something else."""
    config = DigitsData()
    object.__setattr__(config, "name", "forgotten")
    known = ", ".join(READERS)
    for ask in (load, peek_shape, peek_classes):
        with pytest.raises(ConfigError, match=f"=forgotten has no reader; there are {known}."):
            ask(config)


@pytest.mark.parametrize("cls", dataclasses_of(Data, None), ids=lambda cls: cls.__name__)
def test_every_path_is_marked_as_a_location(cls: type) -> None:
    """It is looked for before anything starts, and may be another when a run is reproduced."""
    paths = [name for name, annotation in get_type_hints(cls).items() if Path in _parts(annotation)]
    assert locations(cls) == paths


def _parts(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    return get_args(annotation) or (annotation,)


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
    config = IdxData(path=write_idx(tmp_path, arrays, zipped=zipped))
    assert (peek_shape(config), peek_classes(config)) == ((4, 5, 1), 3)


def test_npz_headers_are_read(tmp_path: Path, arrays: Arrays) -> None:
    """Also of colour images."""
    x = np.zeros((30, 6, 7, 3), np.uint8)
    np.savez(tmp_path / "a.npz", allow_pickle=True, **{**arrays, "x_train": x})
    config = NpzData(path=tmp_path / "a.npz")
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
    ("kind", "make"),
    [
        pytest.param(NpzData, lambda p: None, id="npz-missing"),
        pytest.param(NpzData, lambda p: p.mkdir(), id="npz-folder"),
        pytest.param(NpzData, lambda p: p.write_bytes(b"PK"), id="npz-broken"),
        pytest.param(NpzData, bad_npz, id="npz-shapes"),
        pytest.param(IdxData, lambda p: None, id="idx-missing"),
        pytest.param(IdxData, lambda p: p.touch(), id="idx-file"),
        pytest.param(IdxData, lambda p: p.mkdir(), id="idx-empty"),
    ],
)
def test_what_cannot_be_known_is_none(
    tmp_path: Path, kind: Any, make: Callable[[Path], Any]
) -> None:
    """`load` will say why."""
    make(tmp_path / "data.npz")
    config = kind(path=tmp_path / "data.npz")
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
    config = IdxData(path=tmp_path)
    assert (peek_shape(config), peek_classes(config)) == (None, None)


def test_a_missing_image_folder_has_no_known_classes(tmp_path: Path) -> None:
    """Its shape is known all the same."""
    config = FolderData(path=tmp_path / "nowhere")
    assert (peek_shape(config), peek_classes(config)) == ((28, 28, 3), None)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(FolderData(path=Path("no where")), id="folder"),
        pytest.param(NpzData(path=Path("no where")), id="npz"),
        pytest.param(IdxData(path=Path("no where")), id="idx"),
    ],
)
def test_a_missing_path_is_refused_as_it_was_typed(tmp_path: Path, config: Data) -> None:
    """The refusal also says where that is."""
    with pytest.raises(DataError, match=r"data\.path=https:/x is an address; download"):
        check_there(FolderData(path=Path("https://x")))
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
