"""Which picture files are meant."""

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
