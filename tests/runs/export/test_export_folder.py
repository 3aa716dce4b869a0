"""The folder of an export."""

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cnn_sweeps.errors import RecordError
from cnn_sweeps.runs.export.export import read
from cnn_sweeps.runs.export.export_folder import filled


def write_and_fail(folder: Path, fault: BaseException) -> None:
    """As an export that has no room for its last file."""
    (folder / "source").mkdir()
    (folder / "source" / "net.py").touch()
    (folder / "record.json").touch()
    raise fault


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("there", [True, False], ids=["an empty folder", "a new one"])
def test_what_fails_midway_can_be_typed_again(
    tmp_path: Path, fault: BaseException, there: bool
) -> None:
    """Nothing is left that would be taken for somebody's own files."""
    folder = tmp_path / "out"
    if there:
        folder.mkdir()
    with pytest.raises((RecordError, KeyboardInterrupt)), filled(folder):
        write_and_fail(folder, fault)
    assert folder.exists() == there
    with filled(folder):
        (folder / "record.json").touch()
    assert [path.name for path in folder.iterdir()] == ["record.json"]


def test_a_folder_behind_a_link_is_emptied_and_stays(tmp_path: Path) -> None:
    """It may be a disk of its own."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    with pytest.raises(RecordError, match="cannot be written"), filled(tmp_path / "out"):
        write_and_fail(tmp_path / "out", OSError(errno.EIO, "Input/output error"))
    assert not list((tmp_path / "out").iterdir())


def test_what_was_there_is_left_alone(tmp_path: Path) -> None:
    """A folder in use, and a file in its place."""
    (tmp_path / "mine.txt").write_text("mine")
    for place in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(RecordError, match=r"not empty|a file"), filled(place):
            pytest.fail("it was begun")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_what_was_killed_midway_looks_like_it(tmp_path: Path) -> None:
    """It is not taken for a whole export, and whoever exports again is told what to do."""
    folder = tmp_path / "out of mind"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from cnn_sweeps.runs.export.export_folder import filled\n"
        "with filled(Path(sys.argv[1])):\n"
        "    (Path(sys.argv[1]) / 'record.json').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    told = rf"has not come to its end .*\n.* type rm -r '{folder}' and export it again"
    with pytest.raises(RecordError, match=told), filled(folder):
        pytest.fail("it was begun")
    with pytest.raises(RecordError, match=told):
        read(folder)
