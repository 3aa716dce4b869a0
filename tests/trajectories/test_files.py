"""Files that are whole or not there."""

import errno
import hashlib
from pathlib import Path

import pytest

from cnn_sweeps.errors import StoreError
from cnn_sweeps.trajectories import files


def test_a_file_is_read_with_the_digest_of_its_writing(tmp_path: Path) -> None:
    """Folders are made on the way; nothing else is left there."""
    path = tmp_path / "a" / "b" / "file"
    digest = files.write(path, b"some bytes")
    assert digest == hashlib.sha256(b"some bytes").hexdigest()
    assert files.read(path, digest) == b"some bytes"
    assert [path for path, _ in files.sizes(tmp_path)] == [path]


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(b"some bytez", id="a flipped bit"),
        pytest.param(b"some", id="truncated"),
        pytest.param(b"", id="empty"),
        pytest.param(b"some bytes more", id="longer"),
    ],
)
def test_a_damaged_file_is_set_aside_and_never_read(tmp_path: Path, damaged: bytes) -> None:
    """It is kept under another name, for whoever wants to know what happened."""
    path = tmp_path / "file"
    digest = files.write(path, b"some bytes")
    path.write_bytes(damaged)
    assert files.is_damaged(path)
    assert files.read(path, digest) is None
    assert files.is_damaged(path)
    assert not path.exists()
    assert (tmp_path / "file.damaged").read_bytes() == damaged


def test_a_file_that_is_lost_is_not_damaged(tmp_path: Path) -> None:
    """There is nothing to set aside."""
    assert files.read(tmp_path / "file", "0" * 64) is None
    assert not files.is_damaged(tmp_path / "file")


def test_a_full_disk_is_one_clear_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there stays, what was half written goes."""
    path = tmp_path / "file"
    digest = files.write(path, b"before")

    def full(part: Path, data: bytes) -> int:
        with part.open("wb") as file:
            file.write(data[:3])
        raise OSError(errno.ENOSPC, "No space left on device", str(part))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match=r"cannot be written: No space left on device\.\n  Free"):
        files.write(path, b"after")
    assert files.read(path, digest) == b"before"
    assert [path for path, _ in files.sizes(tmp_path)] == [path]


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    """The system's own word is passed on."""
    (tmp_path / "folder").write_text("no folder")
    with pytest.raises(StoreError, match="Not a directory|File exists"):
        files.write(tmp_path / "folder" / "file", b"")


def test_sizes_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Nothing has no size; it may have been removed a moment ago."""
    assert list(files.sizes(tmp_path / "nothing")) == []


def test_a_file_that_vanishes_has_no_size(tmp_path: Path) -> None:
    """Somebody may delete while somebody counts: a link to nothing stands for it."""
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "there").write_bytes(b"123")
    assert list(files.sizes(tmp_path)) == [(tmp_path / "there", 3)]


def test_deleting_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    """Two may tidy at once."""
    files.delete(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []
