"""Image folders: order, split, decoding, and every way in which they can be wrong."""

import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cnn_sweeps.config.schema import FolderData
from cnn_sweeps.data import load, peek_classes, progress
from cnn_sweeps.data.readers import listed, picture
from cnn_sweeps.errors import ConfigError, DataError

Write = Callable[..., Path]


def decode(path: Path, color: Literal["rgb", "grayscale"] = "rgb") -> NDArray[np.uint8]:
    """The image in 2x2."""
    return picture.read(path, (2, 2), color=color).pixels


def test_one_folder_of_classes_is_divided(tmp_path: Path, write_images: Write) -> None:
    """A share of each class makes the test split."""
    data = load(FolderData(path=write_images(tmp_path / "pets", {"dog": 10, "cat": 20})))
    assert (data.name, data.class_names, data.shape) == ("pets", ("cat", "dog"), (28, 28, 3))
    assert np.bincount(data.y_test).tolist() == [4, 2]
    assert len(data.y_train) + len(data.y_val) == 24


def test_train_and_test_folders_are_taken_as_they_are(tmp_path: Path, write_images: Write) -> None:
    """With `test/` nothing is drawn; other folders beside are not read, and that is said."""
    write_images(tmp_path / "train", {"a": 6, "b": 6})
    write_images(tmp_path / "test", {"a": 2, "b": 3})
    write_images(tmp_path / "more", {"c": 1})
    data = load(FolderData(path=tmp_path, validation_fraction=0.0, color="grayscale"))
    assert (len(data.y_train), len(data.y_test), data.shape) == (12, 5, (28, 28, 1))
    assert f"{tmp_path} also holds more: not read." in data.notices


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
    assert listed.is_image(path.name)
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
    assert picture.read(tmp_path / "x.png", (3, 5), color="rgb").pixels.shape == (3, 5, 3)


@pytest.mark.parametrize("kind", ["RGB", "L", "I;16"])
@pytest.mark.parametrize(
    ("size", "resize", "corners", "middle"),
    [
        ((12, 4), "stretch", (200, 200), 100),
        ((12, 4), "crop", (100, 100), 100),
        ((12, 4), "pad", (0, 0), 100),
        ((4, 12), "crop", (200, 200), 100),
        ((8, 8), "pad", (200, 200), 100),
        ((8, 8), "crop", (200, 200), 100),
    ],
)
def test_another_aspect_ratio_is_stretched_cut_or_padded(
    tmp_path: Path, kind: str, size: tuple[int, int], resize: Any, corners: Any, middle: int
) -> None:
    """A quarter of the width on each side is bright; 8 and 16 bits alike."""
    width, height = size
    values = np.full((height, width), 100)
    values[:, : width // 4] = values[:, -(width // 4) :] = 200
    if kind == "I;16":
        image = Image.fromarray((values * 257).astype("u2"))
    else:
        image = Image.fromarray(values.astype("u1")).convert(kind)
    image.save(tmp_path / "x.png")
    found = picture.read(tmp_path / "x.png", (8, 8), color="grayscale", resize=resize).pixels
    assert found.shape == (8, 8, 1)
    assert (found[0, 0, 0], found[-1, -1, 0]) == corners
    assert abs(int(found[4, 4, 0]) - middle) <= 1


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(400, 1), (1, 400)])
def test_the_narrowest_image_is_brought_to_size(
    tmp_path: Path, size: tuple[int, int], resize: Any
) -> None:
    """At least a pixel of it is seen."""
    Image.new("RGB", size, (90, 90, 90)).save(tmp_path / "x.png")
    found = picture.read(tmp_path / "x.png", (8, 8), color="rgb", resize=resize).pixels
    assert (found.shape, found.max()) == ((8, 8, 3), 90)


def test_odd_metadata_is_no_fault(tmp_path: Path) -> None:
    """Pillow warns about it; the pixels are there."""
    Image.new("RGB", (4, 4)).save(tmp_path / "x.jpg", exif=b"Exif\0\0broken")
    assert decode(tmp_path / "x.jpg").shape == (2, 2, 3)


def put(folder: Path, name: str, data: bytes = b"") -> None:
    """A file that should not be there."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0"

BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "text-file": (lambda p: put(p, "a/notes.txt"), r"notes\.txt cannot be read as an image \(an"),
    "nested": (lambda p: put(p, "a/more/x.png"), "a/more is a folder inside a class folder"),
    "empty-class": (lambda p: (p / "c").mkdir(), "c contains no images; add images or remove"),
    "loose-image": (lambda p: put(p, "x.png"), r"x\.png lies outside the class folders"),
    "empty-image": (lambda p: put(p, "a/x.png"), r"a/x\.png cannot be read .*an empty file, 0"),
    "no-image": (lambda p: put(p, "a/x.jpg", b"GIF"), r"a/x\.jpg cannot be read .*fix or remove"),
    "postscript": (lambda p: put(p, "a/x.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n"), "a PostScript doc"),
    "heic": (lambda p: put(p, "a/x.jpg", HEIC), "a HEIC photograph.; convert it to JPEG"),
    "heic-by-name": (lambda p: put(p, "a/x.HEIC", HEIC), "a HEIC photograph.; convert it"),
    "web-page": (lambda p: put(p, "a/x.jpg", b"\n<!DOCTYPE html>"), "an HTML page.; download the"),
    "lfs": (lambda p: put(p, "a/x.png", b"version https://git-lfs.github.com"), "git lfs pull"),
    "icon": (lambda p: Image.new("L", (16, 16)).save(p / "a/x.png", "ICO"), "not a known image"),
    "pipe": (lambda p: os.mkfifo(p / "a/x.png"), r"a/x\.png is a pipe, not a regular file"),
    "device": (lambda p: (p / "a/x.png").symlink_to("/dev/zero"), r"x\.png is a device"),
    "link-to-itself": (lambda p: (p / "a/x.png").symlink_to("x.png"), "too many levels|Too many"),
    "class-is-a-link-to-nothing": (lambda p: (p / "c").symlink_to("no"), "c is a link to nothing"),
    "class-is-a-loop": (lambda p: (p / "c").symlink_to("."), "c/a is a folder inside a class"),
    "only-train": (lambda p: put(p, "train/a/x.png"), "train has 1 sub-folder; .*at least two"),
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


def spoilt(folder: Path) -> Path:
    """A folder with 13 files of five kinds that are no images."""
    for number in range(8):
        put(folder, f"a/e{number}.png")
    for number in range(2):
        put(folder, f"b/page{number}.jpg", b"<html>")
    put(folder, "a/00.heic", HEIC)
    put(folder, "b/notes.txt", b"text")
    put(folder, "b/cut.png", (folder / "a" / "000.png").read_bytes()[:45])
    return folder


def test_all_bad_files_are_told_at_once(tmp_path: Path, write_images: Write) -> None:
    """Kinds, how many of each, the first ten, and how to go on without them."""
    with pytest.raises(DataError) as caught:
        load(FolderData(path=spoilt(write_images(tmp_path, {"a": 6, "b": 6}))))
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"13 of 25 files in {tmp_path} cannot be read as images: an empty file")
    for kind in ("0 bytes (8)", "HTML page (2)", "HEIC photograph (1)", "kind of file (1)"):
        assert kind in first
    assert "damaged (1)" in first
    assert "data.skip_unreadable=true" in first
    assert second.split(", ")[0] == "  a/00.heic"
    assert second.endswith("a/e7.png, b/cut.png and 3 more")


def test_one_kind_of_bad_files_has_its_own_remedy(tmp_path: Path, write_images: Write) -> None:
    """Photographs of a telephone are converted, not fixed."""
    write_images(tmp_path, {"a": 6, "b": 6})
    put(tmp_path, "a/x.jpg", HEIC)
    put(tmp_path, "b/x.jpg", HEIC)
    with pytest.raises(DataError, match=r"photograph \(2\); convert them to JPEG or PNG, or type"):
        load(FolderData(path=tmp_path))


@pytest.mark.parametrize("rules", [1, 2])
def test_unreadable_files_are_left_out_when_asked(
    tmp_path: Path, write_images: Write, rules: int
) -> None:
    """As if they were not there; how many is recorded."""
    whole = load(FolderData(path=write_images(tmp_path / "p", {"a": 6, "b": 6}), rules=rules))
    left = FolderData(path=spoilt(tmp_path / "p"), rules=rules, skip_unreadable=True)
    data = load(left)
    assert data.digest == whole.digest
    assert any(line.startswith("13 of 25 files were left out") for line in data.notices)


def test_a_class_without_an_image_that_can_be_read_is_refused(
    tmp_path: Path, write_images: Write
) -> None:
    """Left out, it would leave a class of nothing."""
    write_images(tmp_path, {"a": 6, "b": 6})
    put(tmp_path, "c/x.png")
    with pytest.raises(DataError, match=r"c has no image that can be read; .*an empty file"):
        load(FolderData(path=tmp_path, skip_unreadable=True))


def test_jfif_is_a_jpeg(tmp_path: Path, write_images: Write) -> None:
    """A browser's name for the same format."""
    write_images(tmp_path, {"a": 6, "b": 6})
    Image.new("L", (8, 8), 9).save(tmp_path / "a" / "x.jfif", "JPEG")
    data = load(FolderData(path=tmp_path))
    assert sum(map(len, (data.y_train, data.y_val, data.y_test))) == 13


@pytest.mark.parametrize(
    ("where", "typed", "meant"),
    [
        ("in/pets", "in", "in/pets"),
        ("in/in/pets", "in", "in/in/pets"),
        ("in/train", "", "in"),
        ("pets", "pets/a", "pets"),
    ],
    ids=["one-too-many", "two-too-many", "splits", "a-class"],
)
def test_the_folder_that_is_meant_is_named(
    tmp_path: Path, write_images: Write, where: str, typed: str, meant: str
) -> None:
    """Archives put one folder into another, and a class is not the whole."""
    write_images(tmp_path / where, {"a": 5, "b": 5})
    with pytest.raises(DataError) as caught:
        load(FolderData(path=tmp_path / typed))
    assert str(caught.value).endswith(f"type data.path={tmp_path / meant}.")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda p: (p / "test").mkdir(), "test holds no images; add some, or remove it: without"),
        (lambda p: (p / "test/a").mkdir(parents=True), "test holds no images; add some, or"),
        (lambda p: put(p, "test/0.png", b"x"), "labels of its images are not known; make them"),
        (lambda p: put(p, "test/all/0.png", b"x"), "labels of its images are not known; make"),
        (lambda p: put(p, "val/0.png", b"x"), "move val/ elsewhere: .*data.validation_fraction"),
    ],
    ids=["empty", "empty-classes", "loose", "one-folder", "val"],
)
def test_a_split_without_labels_is_told(
    tmp_path: Path, write_images: Write, make: Callable[[Path], Any], text: str
) -> None:
    """It is said what becomes of the split without it."""
    write_images(tmp_path / "train", {"a": 5, "b": 5})
    make(tmp_path)
    with pytest.raises(DataError, match=text):
        load(FolderData(path=tmp_path))


def test_reading_gives_a_sign_of_life(tmp_path: Path, write_images: Write) -> None:
    """Each file is counted where somebody shows it; those just written are looked at twice."""
    told: list[tuple[str, int, int]] = []
    with progress.shown_by(lambda *each: told.append(each)):
        load(FolderData(path=write_images(tmp_path, {"a": 5, "b": 5})))
    looked = [("files looked at", number, 10) for number in range(10)]
    decoded = [("images decoded", number, 10) for number in range(10)]
    assert told == [*looked, *decoded, *looked]


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "val", "test"),
        ("Train", "valid", "Test"),
        ("training", "validation", "testing"),
        ("TRAINING", "Val", "test_set"),
    ],
)
def test_own_splits_are_known_by_their_names(
    tmp_path: Path, write_images: Write, train: str, val: str, test: str
) -> None:
    """In any case; nothing is drawn, and the first rules know `train` and `test` alone."""
    for number, name in enumerate((train, val, test), 3):
        write_images(tmp_path / name, {"a": number, "b": number})
    data = load(FolderData(path=tmp_path))
    assert data.images_per_class == {"train": (3, 3), "validation": (4, 4), "test": (5, 5)}
    assert (peek_classes(FolderData(path=tmp_path)), data.rules) == (2, 2)
    shutil.rmtree(tmp_path / test)
    alone = load(FolderData(path=tmp_path))
    assert alone.images_per_class == {"train": (2, 2), "validation": (4, 4), "test": (1, 1)}


def test_every_process_decodes_in_one_order(tmp_path: Path, write_images: Write) -> None:
    """Strings hash otherwise in each; what is kept, and the decoder's digest, go by the order."""
    for count, name in enumerate(("train", "val", "test"), 3):
        write_images(tmp_path / "pets" / name, {"a": count, "b": count})
    reading = (
        "import sys; from pathlib import Path; from cnn_sweeps import data; "
        "from cnn_sweeps.config.schema import FolderData; "
        "read = data.load(FolderData(path=Path(sys.argv[1]), cache=Path(sys.argv[2]))); "
        "print(read.decoded)"
    )
    cache = tmp_path / "cache"
    command = [sys.executable, "-c", reading, str(tmp_path / "pets"), str(cache)]
    decoded = {
        subprocess.check_output(command, env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in "01"
    }
    assert len(decoded) == len(list((cache / "decoded").glob("*/about.json"))) == 1


def test_the_first_rules_read_as_they_did(tmp_path: Path, write_images: Write) -> None:
    """`val/` is not read, and the names of the classes are no part of the digest."""
    for name in ("train", "val", "test"):
        write_images(tmp_path / name, {"a": 10, "b": 10})
    first, second = (FolderData(path=tmp_path, rules=number) for number in (1, 2))
    assert [len(load(config).x_val) for config in (first, second)] == [2, 20]
    before = {config.rules: load(config).digest for config in (first, second)}
    for name in ("train", "val", "test"):
        (tmp_path / name / "b").rename(tmp_path / name / "bees")
    assert load(first).digest == before[1]
    assert load(second).digest != before[2]


@pytest.mark.parametrize(
    ("folders", "text"),
    [
        pytest.param(
            ("val/a", "val/b", "test/a", "test/b"), "there is no train/ beside", id="none"
        ),
        pytest.param(("train/a", "val/a", "valid/a"), "the same split; keep one", id="twice"),
        pytest.param(
            ("train", "test"), "no class folders; make one sub-folder for each", id="flat"
        ),
        pytest.param(("a", "b", "test/a", "test/b"), "there is no train/ beside", id="beside"),
        pytest.param(("set1/a", "set2/a"), "a folder inside a class folder; class", id="other"),
    ],
)
def test_splits_are_never_read_as_classes(
    tmp_path: Path, write_images: Write, folders: tuple[str, ...], text: str
) -> None:
    """Nor does a refusal advise to merge them."""
    for name in folders:
        write_images((tmp_path / name).parent, {Path(name).name: 3})
    with pytest.raises(DataError, match=text) as caught:
        load(FolderData(path=tmp_path))
    assert "images up" not in str(caught.value)


@pytest.mark.parametrize(
    ("beside", "setting"),
    [
        ("val", {"validation_fraction": 0.2}),
        ("val", {"validation_fraction": 0.0}),
        ("val", {"split_seed": 3}),
        ("test", {"test_fraction": 0.5}),
    ],
)
def test_settings_of_a_split_that_is_not_drawn_are_refused(
    tmp_path: Path, write_images: Write, beside: str, setting: dict[str, Any]
) -> None:
    """Beside the user's own images they would have no effect."""
    for name in ("train", beside):
        write_images(tmp_path / name, {"a": 5, "b": 5})
    with pytest.raises(ConfigError, match=f"data.{next(iter(setting))}=.* has no effect: .*Leave"):
        load(FolderData(path=tmp_path, **setting))


def test_a_rare_class_is_in_every_split(tmp_path: Path, write_images: Write) -> None:
    """And where it cannot be, that is said."""
    data = load(FolderData(path=write_images(tmp_path / "few", {"a": 60, "b": 3})))
    assert [counts[1] for counts in data.images_per_class.values()] == [1, 1, 1]
    scarce = load(FolderData(path=write_images(tmp_path / "two", {"a": 60, "b": 2})))
    assert [counts[1] for counts in scarce.images_per_class.values()] == [1, 0, 1]
    assert "The validation split has no image of b (1 for training)." in scarce.notices


def deep(folder: Path, brightest: int, *, kind: str = "u2", suffix: str = ".png") -> Path:
    """Two classes of deep gray images, whose greatest value is this one."""
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for number in range(6):
            values = np.full((4, 4), brightest * (number + 1) // 6, kind)
            Image.fromarray(values).save(folder / name / f"{number}{suffix}")
    return folder


@pytest.mark.parametrize(
    ("brightest", "white"),
    [(1, 1), (255, 255), (1000, 1023), (4095, 4095), (12000, 16383), (40000, 65535)],
)
def test_the_range_of_the_whole_set_tells_the_depth(
    tmp_path: Path, brightest: int, white: int
) -> None:
    """12 bits in files of 16 are no night; where the files say enough, nothing is told."""
    data = load(FolderData(path=deep(tmp_path, brightest), color="grayscale"))
    every = np.concatenate([data.x_train, data.x_val, data.x_test])
    assert every.max() == (brightest * 510 + white) // (2 * white)
    told = f"12 16-bit gray images have values up to {brightest}: {white} was taken as white."
    assert (told in data.notices) is (white < 65535)
    assert data.white == white
    first = load(FolderData(path=tmp_path, color="grayscale", rules=1))
    assert max(first.x_train[:].max(), first.x_test[:].max()) <= (brightest + 128) // 257
    assert first.white == 65535


def test_integers_of_any_width_are_scaled_alike(tmp_path: Path) -> None:
    """32-bit TIFF files that hold 0 to 255, beside ordinary images."""
    deep(tmp_path, 255, kind="i4", suffix=".tif")
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "a" / "x.png")
    assert "12 16-bit gray images have values up to 255" in " ".join(
        load(FolderData(path=tmp_path)).notices
    )


@pytest.mark.parametrize(
    ("make", "text"),
    [
        pytest.param(
            lambda: Image.fromarray(np.ones((4, 4), "u1")), "8-bit .* up to 1,", id="mask"
        ),
        pytest.param(
            lambda: Image.fromarray(np.full((4, 4), 3, "u2")), "gray .* up to 3,", id="16"
        ),
        pytest.param(lambda: Image.new("RGB", (4, 4)), "8-bit images .* up to 0,", id="black"),
    ],
)
def test_black_images_are_refused_with_their_range(
    tmp_path: Path, make: Callable[[], Image.Image], text: str
) -> None:
    """There is nothing to be learnt from them; a line drawing is not black."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(6):
            make().save(tmp_path / name / f"{number}.png")
    with pytest.raises(DataError, match=f"{text} which is black: scale them"):
        load(FolderData(path=tmp_path))
    thin = Image.new("L", (300, 300))
    thin.putpixel((9, 9), 255)
    for file in tmp_path.glob("*/*.png"):
        thin.save(file)
    assert load(FolderData(path=tmp_path)).num_classes == 2


def test_deep_colour_that_was_cut_to_black_is_refused(tmp_path: Path) -> None:
    """Pillow keeps the high byte alone: 12 bits in 16-bit colour leave 15 of 255."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + name + data + check

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(6):
            pixel = zlib.compress(b"\0" + struct.pack(">3H", 4095, 4000, 100 * number))
            parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
            (tmp_path / name / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    with pytest.raises(DataError, match="16-bit colour images .* which is black"):
        load(FolderData(path=tmp_path))


def test_links_to_outside_are_told(tmp_path: Path, write_images: Write) -> None:
    """A person knows whose images were trained on."""
    home = write_images(tmp_path / "home", {"a": 5, "b": 5})
    other = write_images(tmp_path / "other", {"a": 1})
    (home / "a" / "link.png").symlink_to(other / "a" / "000.png")
    said = f"1 of the files that are read lie outside of {home}, reached by links"
    assert any(each.startswith(said) for each in load(FolderData(path=home)).notices)


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


@pytest.mark.parametrize("most", [1000, 9999], ids=["ten times", "one pixel"])
def test_a_decompression_bomb_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """An image of a size that no camera makes."""
    Image.new("1", (100, 100)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
    with pytest.raises(
        DataError,
        match=r"x\.png .*\(too large: 100 x 100; at most 0\.\d+ million.*\); scale it down\.$",
    ):
        decode(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("array", "text"),
    [
        pytest.param(np.zeros((4, 4), np.float32), "floating-point values", id="float"),
        pytest.param(
            np.full((4, 4), 70000, np.int32),
            "values from 70000 to 70000, more than 16 bits",
            id="32-bit",
        ),
    ],
)
def test_values_without_a_known_range_are_told(
    tmp_path: Path, array: NDArray[Any], text: str
) -> None:
    """What white is in such a file cannot be known."""
    Image.fromarray(array).save(tmp_path / "x.tif")
    with pytest.raises(DataError, match=rf"x\.tif .* \({text}\); save it with 8 bits"):
        decode(tmp_path / "x.tif")


def test_a_vanished_image_is_told(tmp_path: Path) -> None:
    """It is missing, not damaged."""
    with pytest.raises(DataError, match=r"x\.png does not exist"):
        decode(tmp_path / "x.png")


def test_a_link_to_nothing_among_the_images_is_told(tmp_path: Path, write_images: Write) -> None:
    """It is there to be seen, so that checking the path would find nothing."""
    folder = write_images(tmp_path / "pets", {"a": 3, "b": 3})
    (folder / "a" / "l.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"a/l\.png is a link to nothing; fix or remove it"):
        load(FolderData(path=folder, cache=tmp_path / "cache"))


def test_hidden_folders_of_images_are_told(tmp_path: Path, write_images: Write) -> None:
    """They may have been meant as classes; those of systems and editors hold no images."""
    folder = write_images(tmp_path / "pets", {"a": 8, "b": 8, ".c": 2})
    (folder / ".git").mkdir()
    (folder / ".DS_Store").touch()
    data = load(FolderData(path=folder, cache=tmp_path / "cache"))
    assert data.class_names == ("a", "b")
    assert f"{folder} also holds .c: not read." in data.notices


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """The path that was typed is in the message."""
    with pytest.raises(DataError, match="nowhere does not exist"):
        load(FolderData(path=tmp_path / "nowhere"))


def test_a_file_is_told_apart(tmp_path: Path) -> None:
    """A folder is expected."""
    (tmp_path / "x.zip").touch()
    with pytest.raises(DataError, match=r"x\.zip is a file; data=image_folder reads a folder"):
        load(FolderData(path=tmp_path / "x.zip"))


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes UTF-8 only")
def test_a_class_needs_a_name_that_is_text(tmp_path: Path, write_images: Write) -> None:
    """It could be neither logged nor shown; a file may be called whatever it is."""
    folder = write_images(tmp_path / "pets", {"a": 6, "b": 6})
    first = min(path for path in folder.rglob("*") if path.is_file())
    first.rename(os.fsdecode(os.fsencode(first.parent) + b"/\xff" + os.fsencode(first.suffix)))
    load(FolderData(path=folder))
    named = first.parent
    named.rename(os.fsdecode(os.fsencode(named.parent) + b"/\xff"))
    with pytest.raises(DataError, match=r"class folder .*udcff is no UTF-8 text; rename it"):
        load(FolderData(path=folder))
