"""Downloads from a server on this machine: complete and verified, or not there at all."""

import errno
import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_servers import Request, serving
from waiting import PATIENCE

from cnn_sweeps.data import download
from cnn_sweeps.errors import DataError

BODY = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(BODY).hexdigest()
BOTH = threading.Barrier(2)


def mirror(request: Request) -> None:
    """Answer by the path: complete, cut off, other content, both at once, or not at all."""
    if request.path == "/missing":
        request.send_error(404)
        return
    if request.path == "/both":
        BOTH.wait(timeout=PATIENCE)
    body = b"<html>" if request.path == "/other" else BODY
    request.send_response(200)
    if request.path != "/unannounced":
        request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[:5000] if request.path == "/cut" else body)


@pytest.fixture
def url() -> Iterator[str]:
    """The address of the mirror."""
    with serving(mirror) as address:
        yield address


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the file should go; its folder is not there yet."""
    return tmp_path / "new" / "file.gz"


def left(target: Path) -> list[str]:
    """Names of whatever is in the folder."""
    return sorted(path.name for path in target.parent.iterdir()) if target.parent.exists() else []


@pytest.mark.parametrize("name", ["good", "unannounced"])
def test_a_file_arrives_whole(url: str, target: Path, name: str) -> None:
    """With or without an announced length; nothing else is left in the folder."""
    download.fetch([f"{url}/{name}"], target, digest=SHA256)
    assert target.read_bytes() == BODY
    assert left(target) == ["file.gz"]
    assert target.stat().st_mode & 0o777 == 0o644


def test_a_file_that_is_there_is_not_downloaded_again(target: Path) -> None:
    """No connection is made."""
    target.parent.mkdir()
    target.write_bytes(BODY)
    download.fetch([], target, digest=SHA256)
    assert target.read_bytes() == BODY


def test_a_damaged_file_is_replaced(url: str, target: Path) -> None:
    """What is in our own cache is ours to mend."""
    target.parent.mkdir()
    target.write_bytes(BODY[:-1])
    download.fetch([f"{url}/good"], target, digest=SHA256)
    assert target.read_bytes() == BODY


def test_the_next_mirror_is_tried(url: str, target: Path) -> None:
    """After a missing, a cut off and a changed file."""
    names = ("missing", "cut", "other", "good")
    download.fetch([f"{url}/{name}" for name in names], target, digest=SHA256)
    assert left(target) == ["file.gz"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("missing", "HTTP 404 Not Found", id="missing"),
        pytest.param("cut", f"ended after 5000 of {len(BODY)} bytes", id="cut-off"),
        pytest.param("other", r"its SHA-256 is \w{12}\.\.\., not \w{12}", id="wrong-content"),
    ],
)
def test_a_failed_download_leaves_nothing(url: str, target: Path, name: str, text: str) -> None:
    """The message has the file, the URL, the reason and a remedy."""
    with pytest.raises(DataError, match=rf"file\.gz could not be .*/{name}: .*{text}.*data\.root"):
        download.fetch([f"{url}/{name}"], target, digest=SHA256)
    assert left(target) == []


def test_no_network_is_told(target: Path) -> None:
    """A port where nobody listens."""
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/x: .*; check the network"):
        download.fetch(["http://127.0.0.1:9/x"], target, digest=SHA256)
    assert left(target) == []


def test_a_full_disk_is_told(url: str, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other mirror is tried, and nothing is left."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\).*KERAS_H"):
        download.fetch([f"{url}/good"], target, digest=SHA256)
    assert left(target) == []


def test_a_folder_that_cannot_be_made_is_told(url: str, tmp_path: Path) -> None:
    """A file stands in the way of the cache."""
    (tmp_path / "cache").touch()
    with pytest.raises(DataError, match=r"cache/file\.gz cannot be written .*name another folder"):
        download.fetch([f"{url}/good"], tmp_path / "cache" / "file.gz", digest=SHA256)


def test_an_interruption_leaves_nothing(
    url: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the bytes arrive."""

    class Interrupted:
        def update(self, block: bytes) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("hashlib.new", lambda _: Interrupted())
    with pytest.raises(KeyboardInterrupt):
        download.fetch([f"{url}/good"], target, digest=SHA256)
    assert left(target) == []


def test_two_processes_at_once_both_succeed(url: str, target: Path) -> None:
    """The server answers only when both have asked."""
    code = (
        "import sys; from pathlib import Path; from cnn_sweeps.data.download import fetch; "
        "fetch([sys.argv[1]], Path(sys.argv[2]), digest=sys.argv[3])"
    )
    command = [sys.executable, "-c", code, f"{url}/both", str(target), SHA256]
    with subprocess.Popen(command) as first, subprocess.Popen(command) as second:
        assert (first.wait(300), second.wait(300)) == (0, 0)
    assert target.read_bytes() == BODY
    assert left(target) == ["file.gz"]


class Terminal:
    """A standard error that people watch."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        """It is one."""
        return True

    def write(self, text: str) -> int:
        """Keep what is shown."""
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""


def test_a_terminal_shows_a_bar(url: str, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of the file and how much there is."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    download.fetch([f"{url}/good"], target, digest=SHA256)
    assert "file.gz" in terminal.text
    assert "1.0 MB" in terminal.text


def test_a_pipe_shows_nothing(url: str, target: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Logs stay clean."""
    download.fetch([f"{url}/good"], target, digest=SHA256)
    assert capfd.readouterr() == ("", "")
