"""One process trains a trajectory, and whoever dies gives it back."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from signals import heard

from cnn_sweeps.errors import StoreError
from cnn_sweeps.trajectories import lock as locks
from cnn_sweeps.trajectories.lock import Lock, hold_lock

HOLDER = """
import sys
from pathlib import Path
from cnn_sweeps.trajectories.lock import Lock
lock = Lock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


def test_one_has_it_at_a_time(tmp_path: Path) -> None:
    """The second gets it when the first gives it back."""
    first, second = Lock(tmp_path), Lock(tmp_path)
    assert first.acquire()
    assert not second.acquire()
    assert (first.held, second.held) == (True, False)
    first.release()
    assert not first.held
    assert second.acquire()
    second.release()


def test_who_has_it_may_take_it_again(tmp_path: Path) -> None:
    """Asking twice is no deadlock."""
    with Lock(tmp_path) as lock:
        assert lock.acquire()
        assert lock.acquire()


def test_leaving_gives_it_back(tmp_path: Path) -> None:
    """Also when it was never taken."""
    with Lock(tmp_path) as lock:
        assert lock.acquire()
    assert not lock.held
    with Lock(tmp_path):
        pass
    with Lock(tmp_path) as other:
        assert other.acquire()


def test_entering_does_not_take_it(tmp_path: Path) -> None:
    """Reading needs none, and leaves no file."""
    with Lock(tmp_path / "folder") as lock:
        assert not lock.held
    assert not (tmp_path / "folder").exists()


def test_a_process_that_is_killed_gives_it_back(tmp_path: Path) -> None:
    """The system takes it back; there is no file to clean up first."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with Lock(tmp_path) as lock:
            assert not lock.acquire()
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            assert lock.acquire()


def test_a_lock_whose_folder_was_removed_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was locked must be what others find: the folder may be deleted in between."""
    folder = tmp_path / "folder"
    flock = fcntl.flock

    def removed_meanwhile(file: object, how: int) -> None:
        shutil.rmtree(folder)
        flock(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    with Lock(folder) as lock:
        assert not lock.acquire()
        monkeypatch.setattr(fcntl, "flock", flock)
        assert lock.acquire()


def test_a_folder_removed_before_the_file_is_opened_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever removes an entry does it at any moment."""
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: None)
    with Lock(tmp_path / "folder") as lock:
        assert not lock.acquire()
        monkeypatch.undo()
        assert lock.acquire()


def test_a_folder_made_anew_has_another_lock(tmp_path: Path) -> None:
    """A lock on what was deleted keeps nobody off."""
    folder = tmp_path / "folder"
    with Lock(folder) as first, Lock(folder) as second:
        assert first.acquire()
        shutil.rmtree(folder)
        assert second.acquire()


def test_a_drive_without_locks_lets_everybody_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is double work and nothing worse."""

    def none(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with Lock(tmp_path) as first, Lock(tmp_path) as second:
        assert first.acquire()
        assert second.acquire()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """One clear message instead of a traceback."""
    (tmp_path / "folder").write_text("a file in its place")
    with (
        Lock(tmp_path / "folder") as lock,
        pytest.raises(StoreError, match=r"folder/lock cannot be written: [^\n]*\n.*reuse=false"),
    ):
        lock.acquire()


def test_a_forked_child_does_not_release_the_lock_of_its_parent(tmp_path: Path) -> None:
    """Workers are forked; what a child has copied it neither holds nor gives back."""
    code = """
import os, sys
from pathlib import Path
from cnn_sweeps.trajectories.lock import Lock
lock, other = Lock(Path(sys.argv[1])), Lock(Path(sys.argv[1]))
assert lock.acquire()
if os.fork() == 0:
    lock.release()
    sys.exit()
os.wait()
print(lock.held, other.acquire())
"""
    told = subprocess.check_output([sys.executable, "-c", code, str(tmp_path)], text=True)
    assert told == "True False\n"


def test_a_file_that_is_locked_for_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said how to find the program that holds it."""
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    with (
        hold_lock(tmp_path / "x.lock"),
        pytest.raises(StoreError, match=r"x\.lock has been locked .* for 0\.1 s\.\n.*fuser"),
        hold_lock(tmp_path / "x.lock"),
    ):
        pytest.fail("the lock was given twice")


def test_waiting_for_a_file_ends_with_ctrl_c(tmp_path: Path) -> None:
    """An interrupt does not wait for the other process."""
    with heard(signal.SIGINT, signal.default_int_handler), hold_lock(tmp_path / "x.lock"):
        timer = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt), hold_lock(tmp_path / "x.lock"):
            pytest.fail("the lock was given twice")
        timer.join()


def test_a_lock_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """One clear message instead of a traceback."""
    (tmp_path / "folder").write_text("a file in its place")
    with (
        pytest.raises(
            StoreError, match=r"x\.lock cannot be created: [^\n]*\n.*tracking\.dir=FOLDER"
        ),
        hold_lock(tmp_path / "folder" / "x.lock"),
    ):
        pytest.fail("there is no lock")
