"""Reading bytes: what the system says becomes one sentence that names the file."""

import gzip
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from cnn_sweeps.data.files import (
    as_data_error,
    check_memory,
    expand_user,
    first_bytes,
    kind,
    links_out,
    read_bytes,
    visible_entries,
    written_whole,
)
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
    with pytest.raises(DataError, match=text) as caught, as_data_error(Path("x.bin")):
        raise error
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_read_permission_is_told(tmp_path: Path) -> None:
    """A real file that may not be read."""
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(DataError, match="is not readable"):
        read_bytes(path, most=9999)


@pytest.mark.parametrize("name", ["a.bin", "a.gz"])
def test_the_first_bytes_decide_whether_a_file_is_zipped(tmp_path: Path, name: str) -> None:
    """The ending of the name does not count."""
    (tmp_path / name).write_bytes(b"plain")
    assert read_bytes(tmp_path / name, most=9) == b"plain"
    (tmp_path / name).write_bytes(gzip.compress(b"zipped"))
    assert read_bytes(tmp_path / name, most=9) == b"zipped"


def test_a_gzip_file_that_is_cut_off_is_told(tmp_path: Path) -> None:
    """Truncation."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(1000))[:-9])
    with pytest.raises(DataError, match=r"a\.gz is truncated; copy or download it again"):
        read_bytes(path, most=9999)


@pytest.mark.parametrize("place", [-6, 12], ids=["checksum", "stream"])
def test_a_damaged_gzip_file_is_told(tmp_path: Path, place: int) -> None:
    """A flipped byte in the stream or in its checksum."""
    data = bytearray(gzip.compress(os.urandom(1000)))
    data[place] ^= 0xFF
    path = tmp_path / "a.gz"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.gz is (damaged|truncated)"):
        read_bytes(path, most=9999)


def test_visible_leaves_out_what_systems_leave_behind(tmp_path: Path) -> None:
    """Hidden files and the like, and the rest is sorted."""
    for name in (".DS_Store", "Thumbs.db", "b", "a", "__MACOSX"):
        (tmp_path / name).touch()
    assert [path.name for path in visible_entries(tmp_path)] == ["a", "b"]


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
    assert expand_user(Path("~/x")) == Path("/home/ada/x")
    assert expand_user(Path("~nobody-has-this-name/x")) == Path("~nobody-has-this-name/x")


@pytest.mark.parametrize("parts", [1, 3], ids=["one", "several members"])
def test_a_small_file_that_unpacks_to_a_large_one_is_not_unpacked(
    tmp_path: Path, parts: int
) -> None:
    """Not beyond what belongs in it: 30 MB out of 30 KB."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(30_000_000 // parts)) * parts)
    with pytest.raises(DataError, match=r"a\.gz has more than the 1,000 bytes"):
        read_bytes(path, most=1000)
    assert first_bytes(path, 10) == bytes(10)


def test_gzip_files_of_several_members_are_read_whole(tmp_path: Path) -> None:
    """Also with the zeros that some tools put behind."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"one") + gzip.compress(b"two") + bytes(9))
    assert read_bytes(path, most=6) == b"onetwo"


def make_pipe(path: Path) -> None:
    """A FIFO: whoever opens it waits for a writer."""
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    """A socket."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(path.name)  # a full path may be longer than sockets have
    server.close()


def make_device(path: Path) -> None:
    """A link to what never ends."""
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "name"), [(make_pipe, "a pipe"), (make_socket, "a socket"), (make_device, "a device")]
)
def test_what_is_no_regular_file_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], name: str
) -> None:
    """Reading it would wait, or go on, for ever."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.png"
    make(path)
    for read in (kind, lambda path: read_bytes(path, most=9), lambda path: first_bytes(path, 9)):
        with pytest.raises(DataError, match=rf"x\.png is {name}, not a regular file"):
            read(path)


def test_what_does_not_fit_into_memory_is_refused_before_it_is_read() -> None:
    """With both sizes."""
    check_memory(1, "a.npz")
    with pytest.raises(
        DataError, match=r"a\.npz needs 1,000,000\.0 GB of memory, and .* GB are free"
    ):
        check_memory(10**15, "a.npz")


def test_links_to_outside_are_told(tmp_path: Path) -> None:
    """Files that are links, and files in folders that are; links that stay inside are no news."""
    home, other = tmp_path / "home", tmp_path / "other"
    for folder in (home / "a", other):
        folder.mkdir(parents=True)
        (folder / "x").touch()
    (home / "inside").symlink_to(home / "a" / "x")
    assert links_out(home, [home / "a" / "x", home / "inside"]) == ()
    (home / "link").symlink_to(other / "x")
    (home / "b").symlink_to(other)
    (said,) = links_out(home, [home / "a" / "x", home / "link", home / "b" / "x"])
    assert said.startswith(f"2 of the files that are read lie outside of {home}, reached by links")
    assert said.endswith(f"such as {home / 'link'}.")


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    """Containers that share a folder have the same process numbers; the last one's file stays."""
    file = tmp_path / "new" / "history.json"
    with written_whole(file) as first:
        first.write_text("first")
        with written_whole(file) as second:
            second.write_text("second")
        assert file.read_text() == "second"
    assert file.read_text() == "first"
    assert list(file.parent.iterdir()) == [file]


def test_what_is_not_written_whole_leaves_nothing(tmp_path: Path) -> None:
    """Whatever ended it, a file that was there stays."""
    file = tmp_path / "history.json"
    file.write_text("before")

    def interrupted() -> None:
        with written_whole(file) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [(path, path.read_text()) for path in tmp_path.iterdir()] == [(file, "before")]
