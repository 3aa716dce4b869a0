"""The journal file outlives processes that are killed while they write."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plans import plan, study

from cnn_sweeps.search import journal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks of this kind are POSIX")
HOLDER = """
import sys, time
from cnn_sweeps.search.journal import ProcessLock
ProcessLock(sys.argv[1]).acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_a_killed_holder_gives_the_lock_back(tmp_path: Path) -> None:
    """Nobody waits for a process that was killed while it held the lock."""
    path = str(tmp_path / "study.journal")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    began = time.monotonic()
    lock = journal.ProcessLock(path)
    assert lock.acquire()
    lock.release()
    assert time.monotonic() - began < 10


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    """What a write that was cut short left behind does not spoil the journal."""
    made = study(tmp_path)
    made.put({"model.filters": 4})
    file = tmp_path / "study.journal"
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"op_code":4,"worker')
    again = study(tmp_path)
    assert again.counts().waiting == 1
    again.put({"model.filters": 8})
    assert study(tmp_path).counts().waiting == 2
    assert file.read_bytes().startswith(whole)


def test_a_new_journal_is_made(tmp_path: Path) -> None:
    """Where there is no journal yet, an empty one is no broken one."""
    (tmp_path / "study.journal").touch()
    assert study(tmp_path, plan()).counts().total == 0
