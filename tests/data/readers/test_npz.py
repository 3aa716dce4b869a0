"""NPZ files: what is read, and every way in which the arrays can be wrong."""

import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.lib import format as npy
from numpy.typing import NDArray

from cnn_sweeps.config.schema import NpzData
from cnn_sweeps.data import load, peek_classes
from cnn_sweeps.errors import DataError

Arrays = dict[str, NDArray[Any]]


@pytest.fixture
def save(tmp_path: Path, arrays: Arrays) -> Callable[..., NpzData]:
    """Write the arrays, some of them replaced or left out (None)."""

    def write(**changes: Any) -> NpzData:
        changed = {k: v for k, v in {**arrays, **changes}.items() if v is not None}
        np.savez_compressed(tmp_path / "my.npz", allow_pickle=True, **changed)
        return NpzData(path=tmp_path / "my.npz")

    return write


def test_arrays_become_a_dataset(save: Callable[..., NpzData], arrays: Arrays) -> None:
    """Shapes, types, names and the parts of the split."""
    data = load(save())
    assert (data.x_train.shape, data.x_val.shape) == ((27, 4, 5, 1), (3, 4, 5, 1))
    assert (data.x_train.dtype.name, data.y_train.dtype.name) == ("uint8", "int64")
    assert (data.name, data.class_names, data.shape) == ("my", ("0", "1", "2"), (4, 5, 1))
    np.testing.assert_array_equal(data.x_test[..., 0], arrays["x_test"])


def test_labels_in_a_column_are_flattened(save: Callable[..., NpzData], arrays: Arrays) -> None:
    """(n, 1) is how Keras gives CIFAR's labels."""
    data = load(save(y_test=arrays["y_test"][:, None]))
    np.testing.assert_array_equal(data.y_test, arrays["y_test"])


def test_any_whole_numbers_that_fit_give_one_digest(
    save: Callable[..., NpzData], arrays: Arrays
) -> None:
    """The stored type is no part of the content."""
    plain = load(save()).digest
    wide = {name: array.astype(np.int32) for name, array in arrays.items()}
    assert load(save(**wide)).digest == plain


def test_colour_images_keep_their_channels(save: Callable[..., NpzData]) -> None:
    """Four dimensions are (n, height, width, channels)."""
    x = np.full((30, 4, 5, 3), 200, np.uint8)
    assert load(save(x_train=x, x_test=x[:9])).shape == (4, 5, 3)


X = np.zeros((30, 4, 5))
Y = np.arange(30) % 3
BAD = {
    "missing-array": ({"y_test": None}, r"my\.npz has no y_test \(it holds .*data=npz reads"),
    "float-0-1": ({"x_train": X}, r"x_train in .*float64.*0 to 1.*\(x \* 255\)\.round"),
    "float-0-255": ({"x_train": X + 200}, r"0 to 255, so convert: x = x\.round\(\)"),
    "float-other": ({"x_train": X - 3}, r"values lie in -3 to -3: scale"),
    "float-nan": ({"x_train": X * np.nan}, "some values are not numbers"),
    "bool": ({"x_train": X.astype(bool)}, r"is bool.*x\.astype\('uint8'\) \* 255"),
    "text": ({"x_train": X.astype(str)}, "images are integers from 0 to 255"),
    "too-large": ({"x_train": X.astype(int) + 256}, "values from 256 to 256"),
    "negative-pixels": ({"x_train": X.astype(int) - 1}, "values from -1 to -1"),
    "flat": ({"x_train": np.zeros((30, 16), np.uint8)}, r"x\.reshape\(-1, 4, 4\)"),
    "flat-odd": ({"x_train": np.zeros((30, 15), np.uint8)}, r"\(30, 15\); images are .*els\)\."),
    "five-dimensions": ({"x_train": np.zeros((30, 1, 1, 1, 1))}, "images are"),
    "channels-first": (
        {"x_train": np.zeros((30, 3, 32, 32), np.uint8)},
        r"channels first.*np\.moveaxis\(x, 1, -1\)",
    ),
    "no-image": ({"x_test": np.zeros((0, 4, 5), np.uint8)}, "x_test in .* it holds no images"),
    "shapes-differ": (
        {"x_test": np.zeros((9, 5, 4), np.uint8)},
        r"x_train in .*\(4, 5, 1\), but x_test in .*\(5, 4, 1\)",
    ),
    "train-count": ({"y_train": Y[:-1]}, "30 images, but y_train in .* has 29 labels"),
    "test-count": ({"y_test": Y}, "9 images, but y_test in .* has 30 labels"),
    "one-hot": ({"y_train": np.eye(3, dtype=int)[Y]}, r"\(30, 3\).*y = y\.argmax\(axis=1\)"),
    "labels-3d": ({"y_train": Y[:, None, None]}, r"labels are \(n,\)"),
    "float-labels": ({"y_train": Y + 0.5}, "y_train in .*float64; labels are classes: integers"),
    "text-labels": (
        {"y_train": Y.astype(str)},
        "labels are integers from 0: type data.lab",
    ),
    "negative-label": ({"y_train": Y - 1}, "y_train in .* has the label -1"),
    "huge-label": ({"y_train": Y.astype(np.uint64) + 2**63}, "has the label 9223372036854775810"),
    "from-one": (
        {"y_train": Y + 1},
        r"labels from 1 to 3, but none is 0.*type data\.labels",
    ),
    "class-without-image": ({"y_train": Y * 2}, "labels from 0 to 4, but none is 1.*renumber"),
    "test-label": ({"y_test": np.arange(9)}, "y_test in .* the label 8.*0 to 2"),
    "one-class": ({"y_train": Y * 0}, "only the label 0; .* at least two classes"),
    "half-a-validation": ({"x_val": X[:3]}, "holds x_val; validation images are one array x_val"),
    "two-validations": (
        {"x_val": X[:3], "y_val": Y[:3], "x_valid": X[:3], "y_valid": Y[:3]},
        "holds x_val y_val x_valid y_valid; validation images are one array",
    ),
    "validation-label": (
        {"x_val": np.full((3, 4, 5), 99, np.uint8), "y_val": Y[:3] + 5},
        "y_val in .* the label 7, which no training image has",
    ),
    "four-channels-first": (
        {"x_train": np.full((30, 4, 12, 12), 99, np.uint8)},
        r"\(30, 4, 12, 12\), channels first.*np\.moveaxis",
    ),
    "spectra-first": ({"x_train": np.zeros((30, 13, 64, 64), np.uint8)}, "channels first"),
    "two-channels-first": ({"x_train": np.zeros((30, 2, 9, 14), np.uint8)}, "channels first"),
    "zero-or-one": (
        {"x_train": (X + np.eye(4, 5)).astype(np.uint8)},
        r"values from 0 to 1, which is black: 255 is white; scale them: x = \(x \* \(255 / 1\)",
    ),
    "zero-to-16": ({"x_train": (X + 16).astype(np.int32)}, "values from 16 to 16, which is black"),
    "only-zeros": ({"x_test": np.zeros((9, 4, 5), np.uint8)}, "x_test in .* nothing in them"),
    "12-bit": ({"x_train": (X + 3000).astype(np.int16)}, r"3000; .*x = \(x \* \(255 / 4095\)\)"),
    "minus-one-to-one": ({"x_train": X - 0.5}, r"x = \(\(x \+ 1\) \* 127\.5\)\.round\(\)"),
    "text-objects": ({"y_train": np.array(["a", "b"], object)[Y % 2]}, r"or text: np\.array\("),
    "objects": ({"x_train": np.array([{}, []], object)}, "x_train in .* holds Python objects"),
}


@pytest.mark.parametrize(("changes", "text"), BAD.values(), ids=BAD.keys())
def test_wrong_arrays_are_told(
    save: Callable[..., NpzData], changes: dict[str, Any], text: str
) -> None:
    """One line that names the array, the file and the remedy."""
    with pytest.raises(DataError, match=text) as caught:
        load(save(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (lambda y: y + 1, ("1", "2", "3")),
        (lambda y: y.astype(int) - 1, ("-1", "0", "1")),
        (lambda y: y * 5, ("0", "5", "10")),
        (lambda y: y + 1.0, ("1", "2", "3")),
        (lambda y: np.array(["cat", "dog", "emu"])[y], ("cat", "dog", "emu")),
        (lambda y: np.array([b"cat", b"dog", b"emu"])[y, None], ("cat", "dog", "emu")),
    ],
    ids=["from-one", "negative", "gaps", "whole-floats", "text", "column-of-bytes"],
)
def test_labels_are_renumbered_when_asked(
    save: Callable[..., NpzData],
    arrays: Arrays,
    labels: Callable[[NDArray[Any]], NDArray[Any]],
    names: tuple[str, ...],
) -> None:
    """Each different label is a class, in sorted order, with its own name."""
    plain = load(save())
    config = save(y_train=labels(arrays["y_train"]), y_test=labels(arrays["y_test"]))
    with pytest.raises(DataError, match=r"type data\.labels=renumber"):
        load(config)
    data = load(replace(config, labels="renumber"))
    assert (data.class_names, peek_classes(replace(config, labels="renumber"))) == (names, 3)
    assert data.digest != plain.digest
    np.testing.assert_array_equal(data.y_train, plain.y_train)
    np.testing.assert_array_equal(data.y_test, plain.y_test)


def test_labels_from_0_are_the_same_experiment_renumbered(save: Callable[..., NpzData]) -> None:
    """There is nothing to renumber."""
    assert load(replace(save(), labels="renumber")).digest == load(save()).digest


def test_a_test_label_that_no_training_image_has_is_refused(
    save: Callable[..., NpzData], arrays: Arrays
) -> None:
    """It would have no number."""
    config = save(y_test=arrays["y_test"] + 1)
    with pytest.raises(DataError, match="y_test in .* has the label 3, which no training image"):
        load(replace(config, labels="renumber"))


def test_labels_of_two_kinds_are_not_renumbered(
    save: Callable[..., NpzData], arrays: Arrays
) -> None:
    """Of eleven classes `10` is the last number, and the third text."""
    config = replace(save(y_test=arrays["y_test"].astype(str)), labels="renumber")
    with pytest.raises(DataError, match=r"y_test.* holds text, and .*y_train.* numbers; write"):
        load(config)


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_labels_that_are_no_numbers_are_refused(
    save: Callable[..., NpzData], arrays: Arrays, value: float
) -> None:
    """They are no class of their own."""
    labels = arrays["y_train"].astype(float)
    labels[0] = value
    with pytest.raises(DataError, match="y_train.* labels are classes: integers or text"):
        load(replace(save(y_train=labels), labels="renumber"))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """The path that was typed is in the message."""
    with pytest.raises(DataError, match=r"no\.npz does not exist"):
        load(NpzData(path=tmp_path / "no.npz"))


def test_a_folder_is_told_apart(tmp_path: Path) -> None:
    """The other readers are named."""
    with pytest.raises(DataError, match="is a folder; data=npz reads one .npz file.*data=idx"):
        load(NpzData(path=tmp_path))


@pytest.mark.parametrize("kept", [0, 10, 400], ids=["empty", "start", "most"])
def test_a_truncated_file_is_told(save: Callable[..., NpzData], kept: int) -> None:
    """The end of a zip archive is its table of contents."""
    config = save()
    config.path.write_bytes(config.path.read_bytes()[:kept])
    with pytest.raises(DataError, match="is not an NPZ file, or is truncated"):
        load(config)


def test_a_single_npy_array_is_told(tmp_path: Path) -> None:
    """np.save writes another format."""
    np.save(tmp_path / "my.npz.npy", np.zeros(3))
    with pytest.raises(DataError, match="is not an NPZ file.*savez_compressed"):
        load(NpzData(path=tmp_path / "my.npz.npy"))


@pytest.mark.parametrize("part", [b"x_train", b"NUMPY"], ids=["table", "header"])
def test_a_damaged_file_is_told(
    save: Callable[..., NpzData], arrays: Arrays, part: bytes, tmp_path: Path
) -> None:
    """A changed name or header inside the archive."""
    path = tmp_path / "my.npz"
    np.savez(path, allow_pickle=True, **arrays)
    data = path.read_bytes()
    path.write_bytes(re.sub(part, b"?" * len(part), data, count=1))
    with pytest.raises(DataError, match=r"my\.npz is damaged .*copy or write it again"):
        load(NpzData(path=path))


def test_a_flipped_pixel_is_noticed(arrays: Arrays, tmp_path: Path) -> None:
    """The archive's own checksum is checked."""
    path = tmp_path / "my.npz"
    np.savez(path, allow_pickle=True, **arrays)
    data = path.read_bytes()
    pixels = arrays["x_train"].tobytes()
    path.write_bytes(data.replace(pixels, pixels[::-1], 1))
    with pytest.raises(DataError, match="is damaged.*CRC"):
        load(NpzData(path=path))


def test_pickled_objects_are_never_executed(tmp_path: Path, arrays: Arrays) -> None:
    """An array of objects could run code on loading; a file must not do anything."""
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (marker,)

    path = tmp_path / "evil.npz"
    np.savez(path, allow_pickle=True, **{**arrays, "y_train": np.array([Evil()], object)})
    with pytest.raises(DataError, match="holds Python objects"):
        load(NpzData(path=path))
    assert not marker.exists()


@pytest.mark.parametrize("suffix", ["val", "valid", "validation", "VAL"])
def test_own_validation_images_are_the_split(
    save: Callable[..., NpzData], arrays: Arrays, suffix: str
) -> None:
    """Whatever they are called; they are in the digest, and the first rules do not know them."""
    x, y = arrays["x_train"][:6] ^ 1, arrays["y_train"][:6]
    config = save(**{f"x_{suffix}": x, f"y_{suffix}": y})
    data = load(config)
    np.testing.assert_array_equal(data.x_val[..., 0], x)
    assert (len(data.x_train), data.rules) == (30, 2)
    first = load(replace(config, rules=1))
    assert (len(first.x_train), len(first.x_val), first.rules) == (27, 3, 1)
    assert first.digest != data.digest == load(config).digest


def test_where_the_rules_make_no_difference_nothing_moves(save: Callable[..., NpzData]) -> None:
    """Images, digest and number are those of the first rules."""
    config = save()
    first, second = load(replace(config, rules=1)), load(replace(config, rules=2))
    assert (first.digest, first.rules) == (second.digest, second.rules)
    np.testing.assert_array_equal(first.x_val, second.x_val)


def test_the_first_rules_read_as_they_did(save: Callable[..., NpzData]) -> None:
    """Dark images, and any number of channels."""
    x = np.ones((30, 4, 12, 12), np.uint8)
    assert load(replace(save(x_train=x, x_test=x[:9]), rules=1)).shape == (4, 12, 12)


def test_arrays_that_are_not_read_are_named(save: Callable[..., NpzData]) -> None:
    """Nothing is left out without a word."""
    config = save(class_names=np.array(["a", "b"]))
    assert load(config).notices == (f"{config.path} also holds class_names: not read.",)


def test_channels_that_stand_last_are_channels(save: Callable[..., NpzData]) -> None:
    """However many."""
    x = np.full((30, 12, 12, 13), 99, np.uint8)
    assert load(save(x_train=x, x_test=x[:9])).shape == (12, 12, 13)


@pytest.mark.parametrize("name", ["x_train", "y_train"])
def test_a_header_that_promises_too_much_is_told(
    save: Callable[..., NpzData], name: str, tmp_path: Path
) -> None:
    """NumPy would first make room for all of it."""
    header = io.BytesIO()
    npy.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 28, 28)}
    )
    path = tmp_path / "huge.npz"
    with zipfile.ZipFile(save().path) as whole, zipfile.ZipFile(path, "w") as changed:
        for each in whole.namelist():
            same = whole.read(each)
            changed.writestr(each, header.getvalue() if each == f"{name}.npy" else same)
    config = NpzData(path=path)
    with pytest.raises(DataError, match=rf"is damaged \({name} has shape .* too short"):
        load(config)
    assert peek_classes(config) == (None if name == "y_train" else 3)


def test_an_archive_that_unpacks_to_more_than_the_memory_is_told(
    save: Callable[..., NpzData], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is unpacked."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=300))
    with pytest.raises(DataError, match=r"x_train in .*my\.npz needs .* GB of memory"):
        load(save())
