"""Image files are decoded once, kept as one array in a file, and named by what the files hold."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnn_sweeps.config.schema import FolderData
from cnn_sweeps.data import Dataset, decoded, load
from cnn_sweeps.data.arrays import View
from cnn_sweeps.data.files import PART
from cnn_sweeps.data.folder_cache import DECODED, GB, FolderCache, cache_folder
from cnn_sweeps.data.readers import picture
from cnn_sweeps.data.row_file import RowFile
from cnn_sweeps.errors import DataError

Write = Callable[..., Path]
Spoil = Callable[[Path], Any]


@pytest.fixture
def config(tmp_path: Path, write_images: Write) -> FolderData:
    """Twenty images of two classes, and a cache of their own."""
    folder = write_images(tmp_path / "pets", {"a": 10, "b": 10})
    return FolderData(path=folder, image_size=(5, 7), cache=tmp_path / "cache")


def entries(config: FolderData) -> list[decoded.Entry]:
    """What the cache of a config has, the least recently used first."""
    found = FolderCache(cache_folder(config.cache)).folders(DECODED)
    return [decoded.Entry(each.folder) for each in found]


def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever decodes an image from here on fails."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(picture, "read", refuse)


def pixels(dataset: Dataset) -> list[Any]:
    """All images of all splits."""
    return [np.asarray(x).tolist() for x in (dataset.x_train, dataset.x_val, dataset.x_test)]


def test_what_was_decoded_stays_in_its_file(
    config: FolderData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time nothing is decoded, nothing is copied, and the images are the same."""
    first = load(config)
    no_decoding(monkeypatch)
    again = load(config)
    assert pixels(again) == pixels(first) == pixels(load(replace(config, rules=2, split_seed=0)))
    assert (again.digest, again.decoded) == (first.digest, first.decoded)
    for x in (again.x_train, again.x_val, again.x_test):
        assert isinstance(x, View)
        assert isinstance(x.base, RowFile)
    assert len(entries(config)) == 1


@pytest.mark.parametrize("changes", [{}, {"cache_gb": 0}], ids=["cached", "in memory"])
def test_a_file_that_is_changed_while_it_is_decoded_is_told(
    config: FolderData, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """Its pixels are not kept under the digest of what it was."""
    config, read = replace(config, **changes), picture.read
    file = next(config.path.rglob("*.png"))

    def rewritten(path: Path, *given: Any, **how: Any) -> Any:
        if path == file:
            Image.new("RGB", (7, 5), "red").save(file)
        return read(path, *given, **how)

    monkeypatch.setattr(picture, "read", rewritten)
    with pytest.raises(DataError, match=f"{file} was changed while the images were read"):
        load(config)
    assert entries(config) == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE, errno.EACCES])
def test_what_the_system_cannot_read_now_is_no_fault_of_the_image(
    config: FolderData, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It is told, never left out, and nothing of it is kept: the next time it may be read."""
    config, opened = replace(config, skip_unreadable=True), Image.open

    def broken(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Image, "open", broken)
    with pytest.raises(DataError):
        load(config)
    assert entries(config) == []
    monkeypatch.setattr(Image, "open", opened)
    assert len(load(config).x_train) > 0


def test_the_second_start_looks_at_each_file_once(
    tmp_path: Path, write_images: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a hundred thousand files, a second look takes a second of a core."""
    config = FolderData(
        path=write_images(tmp_path / "pets", {"a": 60, "b": 60}), cache=tmp_path / "c"
    )
    load(config)
    looks, stat = list[Any](), os.stat

    def counted(path: Any, *typed: Any, **options: Any) -> Any:
        looks.append(path)
        return stat(path, *typed, **options)

    monkeypatch.setattr(os, "stat", counted)
    load(config)
    files = [path for path in looks if str(path).endswith(".png")]
    assert len(files) == len(set(files)) == 120


@pytest.mark.parametrize("earlier", [False, True], ids=["as stored now", "by an earlier version"])
def test_what_was_taken_as_white_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: bool
) -> None:
    """Also of images that an earlier version decoded, which said it in a sentence only."""
    for number in range(12):
        file = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), 1000 + number, np.uint16)).save(file)
    config = FolderData(path=tmp_path / "images", cache=tmp_path / "cache", color="grayscale")
    before = load(config)
    assert before.white == 1023
    if earlier:
        (about,) = (tmp_path / "cache").glob("decoded/*/about.json")
        stored = json.loads(about.read_text())
        del stored["white"]
        about.write_text(json.dumps(stored))
    else:
        no_decoding(monkeypatch)
    again = load(config)
    assert again.white == 1023
    assert again.digest == before.digest


@pytest.mark.parametrize("rules", [1, 2])
def test_the_cache_changes_nothing(config: FolderData, rules: int) -> None:
    """Decoded into memory, the images, splits and digests are those of the cache."""
    held = load(replace(config, cache_gb=0.0, rules=rules))
    assert entries(config) == []
    kept = load(replace(config, rules=rules))
    assert pixels(kept) == pixels(held)
    assert (kept.digest, kept.decoded) == (held.digest, held.decoded)


def test_another_decoder_gives_another_environment_and_the_same_name(
    config: FolderData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files name the data; what became of them is recorded beside."""
    first, read = load(config), picture.read

    def other(*typed: Any, **options: Any) -> picture.Picture:
        found = read(*typed, **options)
        return replace(found, pixels=found.pixels ^ np.uint8(1))

    monkeypatch.setattr(picture, "read", other)
    monkeypatch.setattr("PIL.__version__", "99.0")
    second = load(config)
    assert second.digest == first.digest
    assert second.decoded != first.decoded
    assert len(entries(config)) == 2  # neither is taken for the other
    old = load(replace(config, rules=1))
    assert (old.digest == first.digest, old.decoded) == (False, None)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: Image.new("RGB", (6, 4), (1, 2, 3)).save(c.path / "a" / "000.png"),
        lambda c: (c.path / "a" / "000.png").rename(c.path / "b" / "999.png"),
        lambda c: (c.path / "a").rename(c.path / "c"),
        lambda c: (c.path / "a" / "000.png").unlink(),
    ],
    ids=["content", "label", "class-name", "fewer"],
)
def test_files_labels_and_names_are_in_the_digest(config: FolderData, change: Any) -> None:
    """Each makes another data set."""
    before = load(config).digest
    change(config)
    assert load(config).digest != before


def test_settings_are_in_the_digest_and_places_are_not(config: FolderData, tmp_path: Path) -> None:
    """The same files in another folder are the same data."""
    before = load(config)
    for other in ({"image_size": (4, 4)}, {"color": "grayscale"}, {"resize": "pad"}):
        assert load(replace(config, **other)).digest != before.digest
    moved = config.path.rename(tmp_path / "moved")
    (moved / "a" / "000.png").rename(moved / "a" / "00.png")
    assert load(replace(config, path=moved)).digest == before.digest


def cut(folder: Path) -> None:
    """A disk has lost the end of the images."""
    os.truncate(folder / decoded.IMAGES, 300)


SPOILT: dict[str, Spoil] = {
    "cut": cut,
    "no-prints": lambda folder: (folder / decoded.PRINTS).unlink(),
    "no-about": lambda folder: (folder / decoded.ABOUT).write_text("{"),
    "killed-before-the-end": lambda folder: folder.rename(f"{folder}{PART}123"),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_what_is_not_whole_is_decoded_again(config: FolderData, spoil: Spoil) -> None:
    """And what a killed process has left goes."""
    first = pixels(load(config))
    spoil(entries(config)[0].folder)
    assert pixels(load(config)) == first
    (entry,) = entries(config)
    assert entry.verify() == []
    assert not list(entry.folder.parent.glob(f"*{PART}*"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_without_room_on_the_disk_the_images_are_held_in_memory(
    config: FolderData, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """With a sentence; nothing is left behind."""

    def full(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    whole = load(replace(config, cache_gb=0.0))
    monkeypatch.setattr(os, "posix_fallocate", full)
    data = load(config)
    assert pixels(data) == pixels(whole)
    (said,) = [line for line in data.notices if "kept in memory" in line]
    assert os.strerror(number) in said
    assert "data.cache" in said
    assert config.cache is not None
    assert not [path for path in (config.cache / DECODED).iterdir() if path.is_dir()]


def test_a_cache_that_is_a_file_is_told(config: FolderData, tmp_path: Path) -> None:
    """The training goes on, in memory."""
    (tmp_path / "file").touch()
    data = load(replace(config, cache=tmp_path / "file"))
    assert any("kept in memory" in line for line in data.notices)


def test_images_that_fit_nowhere_are_refused(
    config: FolderData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the setting that makes room on the disk."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("", (), {"available": 9}))
    with pytest.raises(DataError, match=r"or type data\.cache_gb=1\.$"):
        load(replace(config, cache_gb=1e-9))


def test_the_least_recently_used_images_go_first(config: FolderData) -> None:
    """Never those that were just decoded; a process that has them goes on using them."""
    first = load(config)
    one = entries(config)[0].size / GB
    load(replace(config, image_size=(4, 7), cache_gb=3 * one))
    load(config)  # used again
    load(replace(config, image_size=(3, 7), cache_gb=2.5 * one))
    heights = {entry.about["image_size"][0] for entry in entries(config)}
    assert heights == {5, 3}
    load(replace(config, image_size=(6, 7), cache_gb=1.3 * one))
    assert [entry.about["image_size"][0] for entry in entries(config)] == [6]
    assert len(pixels(first)[0]) == len(first.y_train)


def test_a_damaged_image_is_found(config: FolderData) -> None:
    """`verify` reads all of them again."""
    load(config)
    (entry,) = entries(config)
    path = entry.folder / decoded.IMAGES
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert entry.verify() == [19]


def test_unreadable_files_are_remembered(
    config: FolderData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused twice, decoded once; and left out when that is asked for."""
    (config.path / "a" / "bad.png").write_bytes(b"<html>")
    with pytest.raises(DataError, match="an HTML page"):
        load(config)
    no_decoding(monkeypatch)
    with pytest.raises(DataError, match=r"a/bad\.png cannot be read.*an HTML page"):
        load(config)
    assert len(load(replace(config, skip_unreadable=True)).y_train) == 14


def test_two_files_that_decode_to_the_same_are_copies(config: FolderData) -> None:
    """Told by the prints, without reading the images again."""
    for file in sorted(config.path.glob("*/*.png")):
        Image.new("RGB", (6, 4), (200, 0, 0)).save(file)
    (said,) = [line for line in load(config).notices if "copies of training" in line][:1]
    assert said.startswith("2 of 2 validation images are exact copies")
