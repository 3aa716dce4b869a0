"""Image folders: order, split, decoding, and every way in which they can be wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cnn_sweeps.config.schema import FolderData
from cnn_sweeps.data import load
from cnn_sweeps.data.readers import image_folder, picture
from cnn_sweeps.errors import DataError

Write = Callable[..., Path]


def decode(path: Path, color: Literal["rgb", "grayscale"] = "rgb") -> NDArray[np.uint8]:
    """The image in 2x2."""
    return picture.read(path, (2, 2), color=color)


def test_one_folder_of_classes_is_divided(tmp_path: Path, write_images: Write) -> None:
    """A share of each class makes the test split."""
    data = load(FolderData(path=write_images(tmp_path / "pets", {"dog": 10, "cat": 20})))
    assert (data.name, data.class_names, data.shape) == ("pets", ("cat", "dog"), (28, 28, 3))
    assert np.bincount(data.y_test).tolist() == [4, 2]
    assert len(data.y_train) + len(data.y_val) == 24


def test_train_and_test_folders_are_taken_as_they_are(tmp_path: Path, write_images: Write) -> None:
    """With `test/` nothing is drawn; other folders beside are not read."""
    write_images(tmp_path / "train", {"a": 6, "b": 6})
    write_images(tmp_path / "test", {"a": 2, "b": 3})
    write_images(tmp_path / "val", {"c": 1})
    data = load(FolderData(path=tmp_path, validation_fraction=0.0, color="grayscale"))
    assert (len(data.y_train), len(data.y_test), data.shape) == (12, 5, (28, 28, 1))


def test_a_train_folder_alone_is_divided(tmp_path: Path, write_images: Write) -> None:
    """Without `test/`, the fraction counts."""
    write_images(tmp_path / "train", {"a": 10, "b": 10})
    data = load(FolderData(path=tmp_path, test_fraction=0.5))
    assert (data.class_names, len(data.y_test)) == (("a", "b"), 10)


def test_a_class_may_be_called_train(tmp_path: Path, write_images: Write) -> None:
    """A folder of images is a class, whatever its name."""
    data = load(FolderData(path=write_images(tmp_path, {"train": 9, "bus": 9})))
    assert data.class_names == ("bus", "train")


def test_the_classes_take_turns(tmp_path: Path, write_images: Write) -> None:
    """So that `data.limit` takes of each, and the order is the same everywhere."""
    write_images(tmp_path / "train", {"a": 3, "b": 5})
    write_images(tmp_path / "test", {"a": 1, "b": 1})
    data = load(FolderData(path=tmp_path, validation_fraction=0.0))
    assert data.y_train.tolist() == [0, 1, 0, 1, 0, 1, 1, 1]
    assert data.x_train[:, 0, 0, 1].tolist() == [0, 0, 1, 1, 2, 2, 3, 4]
    limited = load(FolderData(path=tmp_path, validation_fraction=0.0, limit=4))
    assert limited.y_train.tolist() == [0, 1, 0, 1]
    assert limited.digest == data.digest


def test_hidden_files_are_ignored(tmp_path: Path, write_images: Write) -> None:
    """Whatever a system or an editor leaves."""
    write_images(tmp_path, {"a": 5, "b": 5})
    for place in (tmp_path, tmp_path / "a"):
        (place / ".DS_Store").touch()
        (place / ".ipynb_checkpoints").mkdir()
    (tmp_path / "README.txt").touch()
    assert load(FolderData(path=tmp_path)).num_classes == 2


@pytest.mark.parametrize(
    "suffix", [".png", ".JPG", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".PGM"]
)
def test_each_format_is_read(tmp_path: Path, suffix: str) -> None:
    """In any case of letters; lossy formats come close."""
    path = tmp_path / f"x{suffix}"
    mode = "L" if suffix == ".PGM" else "RGB"
    Image.new("L", (8, 8), 100).convert(mode).save(path)
    assert image_folder._is_image(path)
    assert np.abs(decode(path).astype(int) - 100).max() <= 2


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(lambda: Image.new("RGBA", (4, 4), (9, 9, 9, 0)), 255, id="transparent"),
        pytest.param(lambda: Image.new("RGBA", (4, 4), (0, 0, 0, 128)), 127, id="half"),
        pytest.param(lambda: Image.new("LA", (4, 4), (0, 0)), 255, id="gray-alpha"),
        pytest.param(lambda: Image.new("P", (4, 4), 0), 0, id="palette"),
        pytest.param(lambda: Image.new("1", (4, 4), 1), 255, id="one-bit"),
        pytest.param(lambda: Image.fromarray(np.full((4, 4), 65535, "u2")), 255, id="16-bit"),
        pytest.param(lambda: Image.fromarray(np.full((4, 4), 257 * 40, "u2")), 40, id="16-bit-40"),
        pytest.param(lambda: Image.fromarray(np.full((4, 4), 300, "u2")), 1, id="16-bit-dark"),
    ],
)
def test_every_mode_becomes_eight_bits(
    tmp_path: Path, make: Callable[[], Image.Image], expected: int
) -> None:
    """Transparency is white paper; 16 bits are scaled, not cut."""
    make().save(tmp_path / "x.png")
    assert np.unique(decode(tmp_path / "x.png")).tolist() == [expected]


def test_a_transparent_palette_colour_is_white(tmp_path: Path) -> None:
    """The usual form of a GIF."""
    Image.new("P", (4, 4), 3).save(tmp_path / "x.gif", transparency=3)
    assert np.unique(decode(tmp_path / "x.gif")).tolist() == [255]


def test_the_first_frame_of_an_animation_counts(tmp_path: Path) -> None:
    """The others are not looked at."""
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert np.unique(decode(tmp_path / "x.gif")).tolist() == [10]


def test_the_camera_orientation_is_applied(tmp_path: Path) -> None:
    """Orientation 3 is upside down."""
    image = Image.fromarray(np.array([[0, 0], [255, 255]], np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 3
    image.save(tmp_path / "x.png", exif=exif)
    assert decode(tmp_path / "x.png", "grayscale")[..., 0].tolist() == [[255, 255], [0, 0]]


def test_shrinking_is_antialiased(tmp_path: Path) -> None:
    """A fine chequerboard becomes gray, not stripes."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "x.png")
    assert np.abs(decode(tmp_path / "x.png", "grayscale").astype(int) - 128).max() <= 2


def test_height_comes_before_width(tmp_path: Path) -> None:
    """`image_size` is (height, width)."""
    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    assert picture.read(tmp_path / "x.png", (3, 5), color="rgb").shape == (3, 5, 3)


def test_odd_metadata_is_no_fault(tmp_path: Path) -> None:
    """Pillow warns about it; the pixels are there."""
    Image.new("RGB", (4, 4)).save(tmp_path / "x.jpg", exif=b"Exif\0\0broken")
    assert decode(tmp_path / "x.jpg").shape == (2, 2, 3)


def put(folder: Path, name: str, data: bytes = b"") -> None:
    """A file that should not be there."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "text-file": (lambda p: put(p, "a/notes.txt"), r"notes\.txt is not an image \(png jpg"),
    "nested": (lambda p: put(p, "a/more/x.png"), "a/more is a folder inside a class folder"),
    "empty-class": (lambda p: (p / "c").mkdir(), "c contains no images; add images or remove"),
    "loose-image": (lambda p: put(p, "x.png"), r"x\.png lies outside the class folders"),
    "empty-image": (lambda p: put(p, "a/x.png"), r"a/x\.png cannot be read .*not a known image"),
    "no-image": (lambda p: put(p, "a/x.jpg", b"GIF"), r"a/x\.jpg cannot be read .*fix or remove"),
    "only-train": (lambda p: put(p, "train/a/x.png"), "train has 1 sub-folders; .*at least two"),
}


@pytest.mark.parametrize(("spoil", "text"), BAD.values(), ids=BAD.keys())
def test_a_spoilt_folder_is_told(
    tmp_path: Path, write_images: Write, spoil: Callable[[Path], Any], text: str
) -> None:
    """Each fault names the file or folder and the remedy."""
    spoil(write_images(tmp_path, {"a": 5, "b": 5}))
    with pytest.raises(DataError, match=text) as caught:
        load(FolderData(path=tmp_path))
    assert "\n" not in str(caught.value)


def test_a_folder_without_sub_folders_is_told(tmp_path: Path) -> None:
    """There is nothing to learn from."""
    with pytest.raises(DataError, match="has 0 sub-folders; it needs at least two"):
        load(FolderData(path=tmp_path))


@pytest.mark.parametrize(
    ("train", "test", "text"),
    [
        ({"a": 2, "b": 2}, {"a": 2, "c": 2}, "test lacks the class folder b"),
        ({"a": 2, "b": 2}, {"a": 2, "b": 1, "c": 2}, "train lacks the class folder c"),
    ],
    ids=["test", "train"],
)
def test_class_folders_that_differ_are_told(
    tmp_path: Path, write_images: Write, train: dict[str, int], test: dict[str, int], text: str
) -> None:
    """With the folder that is lacking."""
    write_images(tmp_path / "train", train)
    write_images(tmp_path / "test", test)
    with pytest.raises(DataError, match=f"{text}; train/ and test/ must have the same ones"):
        load(FolderData(path=tmp_path))


def test_a_truncated_image_is_told(tmp_path: Path, write_images: Write) -> None:
    """Even where most of it is there."""
    write_images(tmp_path, {"a": 3, "b": 3}, suffix=".bmp")
    path = tmp_path / "b" / "001.bmp"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"b/001\.bmp cannot be read as an image \(.*truncated"):
        load(FolderData(path=tmp_path))


def test_a_decompression_bomb_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image of a size that no camera makes."""
    Image.new("1", (100, 100)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match=r"x\.png is too large .*scale it down"):
        decode(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("array", "text"),
    [
        pytest.param(np.zeros((4, 4), np.float32), "floating-point values", id="float"),
        pytest.param(np.full((4, 4), 70000, np.int32), "more than 16 bits", id="32-bit"),
    ],
)
def test_values_without_a_known_range_are_told(
    tmp_path: Path, array: NDArray[Any], text: str
) -> None:
    """What white is in such a file cannot be known."""
    Image.fromarray(array).save(tmp_path / "x.tif")
    with pytest.raises(DataError, match=rf"x\.tif has {text}; save it with 8 bits"):
        decode(tmp_path / "x.tif")


def test_a_vanished_image_is_told(tmp_path: Path) -> None:
    """It is missing, not damaged."""
    with pytest.raises(DataError, match=r"x\.png does not exist"):
        decode(tmp_path / "x.png")


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """The path that was typed is in the message."""
    with pytest.raises(DataError, match="nowhere does not exist"):
        load(FolderData(path=tmp_path / "nowhere"))


def test_a_file_is_told_apart(tmp_path: Path) -> None:
    """A folder is expected."""
    (tmp_path / "x.zip").touch()
    with pytest.raises(DataError, match=r"x\.zip is a file; data=image_folder reads a folder"):
        load(FolderData(path=tmp_path / "x.zip"))
