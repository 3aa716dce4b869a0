"""Published data sets: where they are looked for, and how they are known to be right."""

import gzip
import hashlib
import io
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cnn_sweeps.config.schema import ArchiveData
from cnn_sweeps.data import load
from cnn_sweeps.data.readers import idx
from cnn_sweeps.data.readers import published as archives
from cnn_sweeps.data.readers.catalog import CIFAR10, IDX_FILES, MNIST, PUBLISHED, Published
from cnn_sweeps.errors import DataError

Arrays = dict[str, NDArray[Any]]
Write = Callable[..., Path]
TINY = ArchiveData(name="mnist", download=False)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, arrays: Arrays) -> Published:
    """MNIST and CIFAR-10 shrunk to a few images, with their own digests."""
    digests = [hashlib.sha256(idx.encode(array)).hexdigest() for array in arrays.values()]
    mnist = replace(
        MNIST,
        class_names=("zero", "one", "two"),
        files=dict(zip(IDX_FILES, digests, strict=True)),
    )
    batches = {name: hashlib.md5(batch(name)).hexdigest() for name in CIFAR10.files}  # noqa: S324
    cifar = replace(CIFAR10, files=batches, class_names=("red", "blue"))
    monkeypatch.setitem(PUBLISHED, "mnist", mnist)
    monkeypatch.setitem(PUBLISHED, "cifar10", cifar)
    return mnist


def batch(name: str) -> bytes:
    """A batch of two images of CIFAR's size."""
    value = len(name) + ord(name[-1])
    return pickle.dumps({b"data": np.full((2, 3072), value, np.uint8), b"labels": [0, 1]})


def write_tar(path: Path, names: tuple[str, ...] = tuple(CIFAR10.files)) -> Path:
    """The archive as it is published: all batches in one folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(batch(name))
            tar.addfile(member, io.BytesIO(batch(name)))
    return path


@pytest.mark.parametrize("folder", ["", "mnist", "MNIST/raw"], ids=["loose", "named", "torch"])
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "zipped"])
def test_it_is_found_below_the_root(
    tmp_path: Path, arrays: Arrays, write_idx: Write, folder: str, zipped: bool
) -> None:
    """In the folder itself or under its name there; packed anew or unpacked."""
    write_idx(tmp_path / folder, arrays, zipped=zipped)
    data = load(replace(TINY, root=tmp_path))
    assert (data.name, data.source) == ("MNIST", str(tmp_path / folder))
    assert data.class_names == ("zero", "one", "two")
    np.testing.assert_array_equal(data.x_test[..., 0], arrays["x_test"])


def test_it_is_found_below_the_variable(
    tmp_path: Path, arrays: Arrays, write_idx: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CNN_SWEEPS_DATA stands in for data.root."""
    monkeypatch.setenv(archives.VARIABLE, str(tmp_path))
    source = write_idx(tmp_path / "mnist", arrays)
    assert load(TINY).source == str(source)


def test_the_root_comes_before_the_variable(
    tmp_path: Path, arrays: Arrays, write_idx: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was typed wins."""
    typed = write_idx(tmp_path / "typed", arrays)
    monkeypatch.setenv(archives.VARIABLE, str(write_idx(tmp_path / "set", arrays)))
    assert load(replace(TINY, root=typed)).source == str(typed)


@pytest.mark.parametrize("folder", ["mnist", "cnn_sweeps/mnist"], ids=["keras", "own"])
def test_it_is_found_in_the_cache(
    tmp_path: Path, arrays: Arrays, write_idx: Write, folder: str
) -> None:
    """KERAS_HOME says where that is."""
    source = write_idx(tmp_path / "keras" / "datasets" / folder, arrays)
    assert load(TINY).source == str(source)


def test_the_npz_file_of_keras_is_known(tmp_path: Path, arrays: Arrays) -> None:
    """Keras stores MNIST as one file; its content is checked the same way."""
    folder = tmp_path / "keras" / "datasets"
    folder.mkdir(parents=True)
    np.savez(folder / "mnist.npz", allow_pickle=True, **arrays)
    np.testing.assert_array_equal(load(TINY).x_test[..., 0], arrays["x_test"])


@pytest.mark.parametrize(
    "place",
    [
        "cifar-10-batches-py-target_archive",
        "cifar-10-batches-py.tar.gz",
        "cifar10/cifar-10-python.tar.gz",
        "cnn_sweeps/cifar10/cifar-10-python.tar.gz",
    ],
)
def test_cifar_is_read_from_an_archive(tmp_path: Path, place: str) -> None:
    """Under any of the names that it is stored with."""
    write_tar(tmp_path / "keras" / "datasets" / place)
    data = load(ArchiveData(name="cifar10", download=False))
    assert (data.x_train.shape, data.x_val.shape) == ((9, 32, 32, 3), (1, 32, 32, 3))
    assert data.class_names == ("red", "blue")


def test_cifar_is_read_from_its_unpacked_folder(tmp_path: Path) -> None:
    """As Keras unpacks it; the digest is the archive's."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in CIFAR10.files:
        (folder / name).write_bytes(batch(name))
    write_tar(tmp_path / "other" / "cifar-10-python.tar.gz")
    unpacked, packed = (
        load(ArchiveData(name="cifar10", root=root, download=False))
        for root in (tmp_path, tmp_path / "other")
    )
    assert unpacked.digest == packed.digest


def test_a_root_that_does_not_exist_is_told(tmp_path: Path) -> None:
    """A misspelt folder is not passed over."""
    with pytest.raises(DataError, match=r"data\.root=.*nowhere does not exist; name the folder"):
        load(replace(TINY, root=tmp_path / "nowhere"))


def test_a_variable_that_names_a_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named, since nothing was typed."""
    (tmp_path / "x.gz").touch()
    monkeypatch.setenv(archives.VARIABLE, str(tmp_path / "x.gz"))
    with pytest.raises(DataError, match=r"CNN_SWEEPS_DATA=.*x\.gz is a file; name the folder"):
        load(TINY)


def test_without_download_the_places_are_told(tmp_path: Path) -> None:
    """All that were looked in, and what to set."""
    with pytest.raises(DataError, match=r"MNIST was not found and data\.download=false; set data"):
        load(replace(TINY, root=tmp_path))
    with pytest.raises(
        DataError, match=rf"Looked in {tmp_path}, .*keras/datasets and there in mnist, MNIST/raw\.$"
    ):
        load(replace(TINY, root=tmp_path))


def test_a_missing_file_in_the_root_is_told(
    tmp_path: Path, arrays: Arrays, write_idx: Write
) -> None:
    """Three of four files are not passed over."""
    (write_idx(tmp_path, arrays) / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="has part of MNIST, but not t10k-labels-idx1-ubyte; add"):
        load(replace(TINY, root=tmp_path))


def test_a_changed_file_in_the_root_is_told(
    tmp_path: Path, arrays: Arrays, write_idx: Write
) -> None:
    """One flipped bit."""
    path = write_idx(tmp_path, arrays) / "train-images-idx3-ubyte"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte is not MNIST's \(its SHA256 dif"):
        load(replace(TINY, root=tmp_path))


def test_a_truncated_archive_in_the_root_is_told(
    tmp_path: Path, arrays: Arrays, write_idx: Write
) -> None:
    """The file is named."""
    path = write_idx(tmp_path, arrays, zipped=True) / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is truncated"):
        load(replace(TINY, root=tmp_path))


def test_the_files_of_another_set_are_named(
    tmp_path: Path, arrays: Arrays, write_idx: Write
) -> None:
    """MNIST in the folder where Fashion-MNIST should be."""
    write_idx(tmp_path / "fashion_mnist", arrays)
    with pytest.raises(DataError, match="train-images.* belongs to MNIST, not to Fashion-MNIST"):
        load(ArchiveData(name="fashion_mnist", root=tmp_path, download=False))


def test_a_broken_copy_in_the_cache_is_passed_over(
    tmp_path: Path, arrays: Arrays, write_idx: Write
) -> None:
    """An interrupted download of another program is nobody's fault; it is told at the end."""
    keras = tmp_path / "keras" / "datasets"
    broken = write_idx(keras / "mnist", arrays) / "train-images-idx3-ubyte"
    broken.write_bytes(broken.read_bytes()[:-1])
    with pytest.raises(
        DataError, match=r"Looked in .* Skipped: .*/mnist/train-images.* is not MNIST's"
    ):
        load(TINY)
    good = write_idx(keras / "cnn_sweeps" / "mnist", arrays)
    assert load(TINY).source == str(good)


@pytest.mark.parametrize("kept", [100, 300], ids=["start", "most"])
def test_a_truncated_tar_is_told(tmp_path: Path, kept: int) -> None:
    """The archive is named."""
    path = write_tar(tmp_path / "cifar-10-python.tar.gz")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz is damaged"):
        load(ArchiveData(name="cifar10", root=tmp_path, download=False))


@pytest.mark.parametrize("mode", ["w:xz", "w:bz2", "w:gz"])
def test_a_damaged_tar_of_any_compression_is_told(tmp_path: Path, mode: str) -> None:
    """Its name says gzip; its bytes say what it is, and some of them are others."""
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        member.size = 2**20
        tar.addfile(member, io.BytesIO(np.random.default_rng(0).bytes(2**20)))
    content = bytearray(path.read_bytes())
    content[2**19 : 2**19 + 64] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"cifar-10-python\.tar\.gz (is damaged|cannot be read|has no)"
    ):
        load(ArchiveData(name="cifar10", root=tmp_path, download=False))


def test_a_tar_without_a_batch_is_told(tmp_path: Path) -> None:
    """The batch is named."""
    write_tar(tmp_path / "cifar-10-python.tar.gz", tuple(CIFAR10.files)[:-1])
    with pytest.raises(
        DataError, match=r"tar\.gz has no test_batch; delete it or download it again"
    ):
        load(ArchiveData(name="cifar10", root=tmp_path, download=False))


def test_a_file_that_is_no_tar_is_told(tmp_path: Path) -> None:
    """A web page that was saved under the name."""
    (tmp_path / "cifar-10-python.tar.gz").write_text("<!DOCTYPE html>")
    with pytest.raises(DataError, match=r"tar\.gz is damaged"):
        load(ArchiveData(name="cifar10", root=tmp_path, download=False))


def test_it_is_downloaded_when_it_is_nowhere(
    tmp_path: Path,
    arrays: Arrays,
    write_idx: Write,
    monkeypatch: pytest.MonkeyPatch,
    tiny: Published,
) -> None:
    """From the mirrors into a folder of our own in the cache; the next time it is there."""
    mirror = write_idx(tmp_path / "mirror", arrays, zipped=True)
    published = replace(
        tiny,
        mirrors=(f"{mirror.as_uri()}/",),
        downloads={
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in mirror.iterdir()
        },
    )
    monkeypatch.setitem(PUBLISHED, "mnist", published)
    own = tmp_path / "keras" / "datasets" / "cnn_sweeps" / "mnist"
    assert load(replace(TINY, download=True)).source == str(own)
    assert sorted(path.name for path in own.iterdir()) == sorted(published.downloads)
    assert load(TINY).source == str(own)


def test_every_published_digest_is_well_formed() -> None:
    """64 hexadecimal digits, or 32 of MD5; no two alike, since a copied line is easily missed."""
    for published in (PUBLISHED["fashion_mnist"], MNIST, CIFAR10):
        size = hashlib.new(published.algorithm).digest_size * 2
        assert {len(digest) for digest in published.files.values()} == {size}
        assert {len(digest) for digest in published.downloads.values()} == {64}
        assert len({*published.files.values(), *published.downloads.values()}) == len(
            published.files
        ) + len(published.downloads)


GOLDEN = {
    "fashion_mnist": "494157b6c98c3c7072341f7eedcd09635ac3fb0f09e658294bd3f3f5d6b4680b",
    "mnist": "8d30d368973b4fbd25aa5a0f2ba98c41e045dcb6215cd19e4e7491f8785bd1b1",
}
COUNTS = {
    "fashion_mnist": [5400] * 10,
    "mnist": [5331, 6068, 5362, 5518, 5258, 4879, 5326, 5638, 5266, 5354],
}


@pytest.mark.parametrize("name", ["fashion_mnist", "mnist"])
def test_the_real_data_are_frozen(
    real_data: Path, monkeypatch: pytest.MonkeyPatch, name: Any
) -> None:
    """Shapes, counts, digest and split of the real archives."""
    monkeypatch.setitem(PUBLISHED, "mnist", MNIST)
    data = load(ArchiveData(name=name, root=real_data, download=False))
    assert (data.shape, data.num_classes) == ((28, 28, 1), 10)
    assert [len(part) for part in (data.x_train, data.x_val, data.x_test)] == [54000, 6000, 10000]
    assert data.digest == GOLDEN[name]
    assert np.bincount(data.y_train).tolist() == COUNTS[name]


def test_an_archive_that_was_packed_anew_is_known(tmp_path: Path, arrays: Arrays) -> None:
    """Another level of compression is another archive with the same content."""
    for name, array in zip(IDX_FILES, arrays.values(), strict=True):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx.encode(array), 1, mtime=1))
    assert load(replace(TINY, root=tmp_path)).num_classes == 3


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_in_an_archive_are_not_followed(tmp_path: Path, kind: bytes) -> None:
    """A link to nothing, or a pipe, in the place of a batch."""
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        member.type, member.linkname = kind, "nowhere"
        archive.addfile(member)
    with pytest.raises(DataError, match="has no data_batch_1, .*; delete it"):
        load(ArchiveData(name="cifar10", root=tmp_path, download=False))
