"""Reading bytes: what the system says becomes one sentence that names the file."""

import gzip
import os
from pathlib import Path

import pytest

from cnn_sweeps.data.files import expanded, kind, read_bytes, told, visible
from cnn_sweeps.errors import DataError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(FileNotFoundError(2, "no"), "x.bin does not exist", id="missing"),
        pytest.param(PermissionError(13, "no"), "x.bin is not readable", id="permission"),
        pytest.param(IsADirectoryError(21, "no"), "x.bin is a folder", id="folder"),
        pytest.param(NotADirectoryError(20, "no"), "x.bin is not a folder", id="not-a-folder"),
        pytest.param(MemoryError(), "x.bin does not fit into memory", id="memory"),
        pytest.param(OSError(5, "Input/output error"), "Input/output error", id="disk"),
    ],
)
def test_told_names_the_file_and_a_remedy(error: Exception, text: str) -> None:
    """Every error of the system becomes one line with the path."""
    with pytest.raises(DataError, match=text) as caught, told(Path("x.bin")):
        raise error
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_read_permission_is_told(tmp_path: Path) -> None:
    """A real file that may not be read."""
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(DataError, match="is not readable"):
        read_bytes(path)


@pytest.mark.parametrize("name", ["a.bin", "a.gz"])
def test_the_first_bytes_decide_whether_a_file_is_zipped(tmp_path: Path, name: str) -> None:
    """The ending of the name does not count."""
    (tmp_path / name).write_bytes(b"plain")
    assert read_bytes(tmp_path / name) == b"plain"
    (tmp_path / name).write_bytes(gzip.compress(b"zipped"))
    assert read_bytes(tmp_path / name) == b"zipped"


def test_a_gzip_file_that_is_cut_off_is_told(tmp_path: Path) -> None:
    """Truncation."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(1000))[:-9])
    with pytest.raises(DataError, match=r"a\.gz is truncated; copy or download it again"):
        read_bytes(path)


@pytest.mark.parametrize("place", [-6, 12], ids=["checksum", "stream"])
def test_a_damaged_gzip_file_is_told(tmp_path: Path, place: int) -> None:
    """A flipped byte in the stream or in its checksum."""
    data = bytearray(gzip.compress(os.urandom(1000)))
    data[place] ^= 0xFF
    path = tmp_path / "a.gz"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.gz is (damaged|truncated)"):
        read_bytes(path)


def test_visible_leaves_out_what_systems_leave_behind(tmp_path: Path) -> None:
    """Hidden files and the like, and the rest is sorted."""
    for name in (".DS_Store", "Thumbs.db", "b", "a", "__MACOSX"):
        (tmp_path / name).touch()
    assert [path.name for path in visible(tmp_path)] == ["a", "b"]


def test_kind_tells_files_folders_and_nothing_apart(tmp_path: Path) -> None:
    """Three answers."""
    (tmp_path / "file").touch()
    assert [kind(tmp_path / name) for name in ("file", "", "no")] == ["file", "folder", "nothing"]


def test_a_path_that_no_system_takes_is_told(tmp_path: Path) -> None:
    """A name that is too long is refused, not shown as a traceback."""
    with pytest.raises(DataError, match="cannot be read"):
        kind(tmp_path / ("x" * 5000))


def test_expanded_replaces_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the home; an unknown user's home stays as typed."""
    monkeypatch.setenv("HOME", "/home/ada")
    assert expanded(Path("~/x")) == Path("/home/ada/x")
    assert expanded(Path("~nobody-has-this-name/x")) == Path("~nobody-has-this-name/x")
