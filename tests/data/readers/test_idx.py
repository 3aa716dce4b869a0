"""IDX files: what is read, and every way in which they can be wrong."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cnn_sweeps.config.schema import IdxData, NpzData
from cnn_sweeps.data import load
from cnn_sweeps.data.readers import idx
from cnn_sweeps.errors import DataError

Arrays = dict[str, NDArray[Any]]


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "zipped"])
def test_four_files_become_a_dataset(
    tmp_path: Path, arrays: Arrays, write_idx: Callable[..., Path], zipped: bool
) -> None:
    """Zipped or not, the content is the same."""
    data = load(IdxData(path=write_idx(tmp_path / "own", arrays, zipped=zipped)))
    np.testing.assert_array_equal(data.x_test[..., 0], arrays["x_test"])
    assert (data.name, data.num_classes, len(data.x_train)) == ("own", 3, 27)


def test_an_npz_file_of_the_same_arrays_has_the_same_digest(
    tmp_path: Path, arrays: Arrays, write_idx: Callable[..., Path]
) -> None:
    """The digest is of the content, not of the format."""
    np.savez(tmp_path / "a.npz", allow_pickle=True, **arrays)
    from_npz = load(NpzData(path=tmp_path / "a.npz"))
    from_idx = load(IdxData(path=write_idx(tmp_path / "own", arrays)))
    assert from_npz.digest == from_idx.digest


def test_a_file_beside_its_archive_is_read_once(
    tmp_path: Path, arrays: Arrays, write_idx: Callable[..., Path]
) -> None:
    """People unzip and keep the archive."""
    write_idx(tmp_path, arrays)
    write_idx(tmp_path, arrays, zipped=True)
    assert idx.locate(tmp_path, ("train-images",)).suffix == ""


@pytest.mark.parametrize(
    "name",
    ["train-images.idx3-ubyte", "emnist-letters-train-images-idx3-ubyte", "Train-Images.idx"],
)
def test_other_names_in_use_are_known(
    tmp_path: Path, arrays: Arrays, write_idx: Callable[..., Path], name: str
) -> None:
    """The part that says what a file is suffices."""
    write_idx(tmp_path, arrays)
    (tmp_path / "train-images-idx3-ubyte").rename(tmp_path / name)
    assert len(load(IdxData(path=tmp_path)).x_train) == 27


def test_wider_types_are_read(tmp_path: Path) -> None:
    """32-bit labels, as some tools write them."""
    data = bytes((0, 0, 0x0C, 1)) + (2).to_bytes(4, "big") + b"\0\0\0\1\0\0\1\0"
    np.testing.assert_array_equal(idx.parse(data, "x"), [1, 256])


GOOD = idx.encode(np.zeros((2, 3), np.uint8))
BAD = {
    "empty": (b"", "is not an IDX file"),
    "web-page": (b"<!DOCTYPE html>", r"is not an IDX file \(it starts with b'<!DO'"),
    "unknown-type": (b"\0\0\x07\1" + bytes(8), "is not an IDX file"),
    "no-dimensions": (b"\0\0\x08\0" + bytes(8), "is not an IDX file"),
    "header-cut-off": (GOOD[:8], "is not an IDX file"),
    "cut-off": (GOOD[:-1], "is truncated: 5 bytes but its header declares 6"),
    "too-long": (GOOD + b"\0", "is too long: 7 bytes .* declares 6"),
}


@pytest.mark.parametrize(("data", "text"), BAD.values(), ids=BAD.keys())
def test_bytes_that_are_no_idx_file_are_told(data: bytes, text: str) -> None:
    """The message names the file."""
    with pytest.raises(DataError, match=f"the-file {text}"):
        idx.parse(data, "the-file")


def test_images_in_place_of_labels_are_told(
    tmp_path: Path, arrays: Arrays, write_idx: Callable[..., Path]
) -> None:
    """Two files that were swapped."""
    write_idx(tmp_path, arrays)
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    data = images.read_bytes()
    images.write_bytes(labels.read_bytes())
    labels.write_bytes(data)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte has shape \(30,\)"):
        load(IdxData(path=tmp_path))


def test_labels_of_another_set_are_told(
    tmp_path: Path, arrays: Arrays, write_idx: Callable[..., Path]
) -> None:
    """The counts differ."""
    write_idx(tmp_path, {**arrays, "y_train": arrays["y_test"]})
    with pytest.raises(DataError, match="30 images, but .*train-labels.* has 9 labels"):
        load(IdxData(path=tmp_path))


@pytest.mark.parametrize("role", ["train-images", "train-labels", "t10k-images", "t10k-labels"])
def test_a_missing_file_is_told(
    tmp_path: Path, arrays: Arrays, write_idx: Callable[..., Path], role: str
) -> None:
    """The message says which one and what the names are."""
    write_idx(tmp_path, arrays)
    next(tmp_path.glob(f"{role}*")).unlink()
    with pytest.raises(DataError, match=f"has no file for {role}; data=idx reads train-images"):
        load(IdxData(path=tmp_path))


def test_two_files_for_one_role_are_told(
    tmp_path: Path, arrays: Arrays, write_idx: Callable[..., Path]
) -> None:
    """Which one is meant cannot be guessed."""
    write_idx(tmp_path, arrays)
    (tmp_path / "old-train-images").touch()
    with pytest.raises(DataError, match="more than one file for train-images: old-train-images, "):
        load(IdxData(path=tmp_path))


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """The path that was typed is in the message."""
    with pytest.raises(DataError, match="nowhere does not exist"):
        load(IdxData(path=tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("name", "text"), [("a.npz", "read by data=npz"), ("a.bin", r"reads a folder\.")]
)
def test_a_file_is_told_apart(tmp_path: Path, name: str, text: str) -> None:
    """For an NPZ file the right reader is named."""
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=f"is a file; data=idx reads a folder.*{text}|{text}"):
        load(IdxData(path=tmp_path / name))


@pytest.mark.parametrize("prefix", ["val", "valid", "Validation"])
def test_own_validation_images_are_the_split(
    tmp_path: Path, arrays: Arrays, write_idx: Callable[..., Path], prefix: str
) -> None:
    """A third pair of files; one of the pair alone is refused."""
    config = IdxData(path=write_idx(tmp_path / "own", arrays))
    (config.path / f"{prefix}-images-idx3").write_bytes(idx.encode(arrays["x_test"] ^ 1))
    with pytest.raises(DataError, match="has no file for val-labels"):
        load(config)
    (config.path / f"{prefix}-labels-idx1").write_bytes(idx.encode(arrays["y_test"]))
    data = load(config)
    assert (len(data.x_train), len(data.x_val), data.rules) == (30, 9, 2)
    np.testing.assert_array_equal(data.x_val[..., 0], arrays["x_test"] ^ 1)


def test_files_that_are_not_read_are_named(
    tmp_path: Path, arrays: Arrays, write_idx: Callable[..., Path]
) -> None:
    """Images that play no known role."""
    config = IdxData(path=write_idx(tmp_path / "own", arrays))
    (config.path / "dev-images-idx3").touch()
    assert load(config).notices == (f"{config.path} also holds dev-images-idx3: not read.",)


HUGE = b"\xff" * 4


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\0\0\x08\3" + HUGE * 3, id="declared"),
        pytest.param(gzip.compress(b"\0\0\x08\1\0\0\0\x1e" + bytes(10**7)), id="unpacked"),
        pytest.param(b"\0\0\x08\3" + bytes(4) + HUGE * 2, id="no images"),
        pytest.param(b"\0\0\x08\x46" + b"\0\0\0\1" * 70 + b"\1", id="70 dimensions"),
    ],
)
def test_a_header_that_claims_too_much_is_refused(
    tmp_path: Path, arrays: Arrays, write_idx: Callable[..., Path], data: bytes
) -> None:
    """In one line, before there is room made for it."""
    config = IdxData(path=write_idx(tmp_path, arrays))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(data)
    with pytest.raises(DataError, match="train-images") as caught:
        load(config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "change", "advice"),
    [
        ("x_train", lambda x: (x / 255).astype(">f4"), "x = (x * 255).round().astype('uint8')"),
        ("x_train", lambda x: x.reshape(len(x), -1)[:, :16], "x = x.reshape(-1, 4, 4)"),
        ("x_test", lambda x: np.stack([x] * 3, axis=1), "x = np.moveaxis(x, 1, -1)"),
        ("y_train", lambda y: np.eye(3, dtype=np.uint8)[y], "y = y.argmax(axis=1)"),
    ],
)
def test_advice_for_arrays_says_where_to_find_them(
    tmp_path: Path,
    arrays: Arrays,
    write_idx: Callable[..., Path],
    part: str,
    change: Callable[[NDArray[Any]], NDArray[Any]],
    advice: str,
) -> None:
    """In a file there is no x; the script of docs/data.md makes one, and the rest works."""
    codes = {np.dtype(kind): code for code, kind in idx.TYPES.items()}
    folder = write_idx(tmp_path / "clothes", arrays, zipped=True)
    wrong = change(arrays[part])
    (file,) = folder.glob(f"{idx.ROLES[part][0]}*")
    head = bytes((0, 0, codes[wrong.dtype], wrong.ndim)) + np.array(wrong.shape, ">u4").tobytes()
    file.write_bytes(gzip.compress(head + wrong.tobytes()))
    with pytest.raises(DataError) as caught:
        load(IdxData(path=folder))
    assert advice in str(caught.value)
    assert str(caught.value).endswith(idx.CONVERT)


def test_the_script_of_the_documents_converts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arrays: Arrays,
    write_idx: Callable[..., Path],
) -> None:
    """Images as fractions become what they were."""
    folder = write_idx(tmp_path / "clothes", arrays, zipped=True)
    for part in ("x_train", "x_test"):
        (file,) = folder.glob(f"{idx.ROLES[part][0]}*")
        x = (arrays[part] / 255).astype(">f4")
        head = bytes((0, 0, 0x0D, x.ndim)) + np.array(x.shape, ">u4").tobytes()
        file.with_name(file.name).write_bytes(gzip.compress(head + x.tobytes()))
    text = (Path(__file__).parents[3] / "docs" / "data.md").read_text()
    script = text.partition("### Convert IDX files")[2].split("```py\n")[1].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "docs/data.md", "exec"), {})  # noqa: S102 -- our own document
    made = load(NpzData(path=tmp_path / "clothes.npz"))
    np.testing.assert_array_equal(made.x_test[..., 0], arrays["x_test"])
