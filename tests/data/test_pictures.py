"""Which picture files are meant."""

import os
from pathlib import Path

import pytest

from cnn_sweeps.data.pictures import picture_files
from cnn_sweeps.errors import DataError


def made(folder: Path, *names: str) -> list[Path]:
    """Files, with the folders that they need."""
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def test_a_folder_stands_for_its_pictures_at_any_depth(tmp_path: Path) -> None:
    """Sorted; hidden files and others are left out."""
    made(tmp_path, "b/2.JPG", "b/1.png", "a.webp", "notes.txt", ".hidden.png", "b/c/deep.tiff")
    found = [path.relative_to(tmp_path).as_posix() for path in picture_files([tmp_path])]
    assert found == ["a.webp", "b/1.png", "b/2.JPG", "b/c/deep.tiff"]


def test_a_file_is_taken_by_whatever_name(tmp_path: Path) -> None:
    """In the order in which they were typed."""
    paths = made(tmp_path, "z", "a.png")
    assert picture_files(paths) == paths


def test_a_pattern_stands_for_its_files(tmp_path: Path) -> None:
    """Where quotes kept it from the shell."""
    for name in ("b.jpg", "a.jpg", "c.png"):
        (tmp_path / name).touch()
    assert picture_files([tmp_path / "*.jpg"]) == [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    with pytest.raises(DataError, match="does not exist"):
        picture_files([tmp_path / "*.gif"])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param("*", ["1.png", "a/2.jpg", "a/b/3.gif"], id="all"),
        pytest.param("**", ["1.png", "a/2.jpg", "a/b/3.gif"], id="at any depth"),
        pytest.param("**/*", ["1.png", "a/2.jpg", "a/b/3.gif"], id="whatever is at any depth"),
        pytest.param("a*", ["a/2.jpg", "a/b/3.gif"], id="a folder"),
        pytest.param("**/*.gif", ["a/b/3.gif"], id="an ending at any depth"),
        pytest.param("*.dat", ["4.dat"], id="by whatever name"),
        pytest.param(".h*", [], id="hidden"),
    ],
)
def test_a_pattern_stands_for_pictures_once(
    tmp_path: Path, pattern: str, expected: list[str]
) -> None:
    """Folders that it fits are their pictures, and files beside them are left out."""
    made(tmp_path, "1.png", "a/2.jpg", "a/b/3.gif", "4.dat", "a/notes.txt", ".hidden/5.png")
    if not expected:
        with pytest.raises(DataError, match="does not exist"):
            picture_files([tmp_path / pattern])
        return
    found = [path.relative_to(tmp_path).as_posix() for path in picture_files([tmp_path / pattern])]
    assert sorted(found) == expected


def test_what_cannot_be_read_is_left_to_whoever_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link to nothing or to itself, a pipe, a folder that is closed: the others go on."""
    (readable,) = made(tmp_path, "a.png")
    (closed,) = made(tmp_path, "closed/b.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "round.png").symlink_to(tmp_path / "round.png")
    os.mkfifo(tmp_path / "pipe.png")
    scandir = os.scandir

    def refusing(folder: Path) -> object:
        if folder == closed.parent:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    names = ["a.png", "closed", "gone.png", "pipe.png", "round.png"]
    expected = [tmp_path / name for name in names]
    assert picture_files([tmp_path]) == expected
    assert picture_files(expected) == expected
    assert readable in expected


@pytest.mark.parametrize("name", ["missing", "missing.png"])
def test_nothing_there_is_refused(tmp_path: Path, name: str) -> None:
    """With the path in full."""
    with pytest.raises(DataError, match="does not exist"):
        picture_files([tmp_path / name])


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    """With the endings that are looked for."""
    made(tmp_path, "notes.txt")
    with pytest.raises(DataError, match="contains no pictures .*png"):
        picture_files([tmp_path])


def test_links_that_go_round_in_circles_are_not_followed(tmp_path: Path) -> None:
    """A folder that links to the one above it."""
    (path,) = made(tmp_path, "a/1.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert picture_files([tmp_path]) == [path]
