"""The journal file outlives processes that are killed while they write."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from plans import plan, study

from cnn_sweeps.errors import DENIALS, StoreError
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.study import journal
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.tracking.errors import as_store_error

HOLDER = """
import fcntl, sys, time
held = open(sys.argv[1], "a")
fcntl.flock(held, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program that holds the journal."""
    program = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "study.journal")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "held\n"
    yield program
    program.kill()
    program.communicate()


def test_a_killed_holder_gives_the_lock_back(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    """Nobody waits for a process that was killed while it held the lock."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    study(tmp_path).enqueue()
    assert study(tmp_path).counts().waiting == 1


def test_a_journal_that_is_held_for_too_long_is_refused(
    tmp_path: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another program keeps the lock, that is said, and how to find the program."""
    monkeypatch.setattr(journal, "PATIENCE", 0.2)
    with pytest.raises(StoreError, match=r"locked by another program for 0\.2 s\.\n.*fuser"):
        study(tmp_path)


def test_what_is_held_can_be_read(tmp_path: Path) -> None:
    """A study can be looked at while another program writes."""
    study(tmp_path).enqueue()
    with (tmp_path / "study.journal").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert (
            SweepStudy.load(StudyAddress(storage=str(held.name), name="study")).counts().waiting
            == 1
        )


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    """What a write that was cut short left behind does not spoil the journal."""
    made = study(tmp_path)
    made.enqueue({"model.filters": 4})
    file = tmp_path / "study.journal"
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"op_code":4,"worker')
    again = study(tmp_path)
    assert again.counts().waiting == 1
    again.enqueue({"model.filters": 8})
    assert study(tmp_path).counts().waiting == 2
    assert file.read_bytes().startswith(whole)


def test_a_new_journal_is_made(tmp_path: Path) -> None:
    """Where there is no journal yet, an empty one is no broken one."""
    (tmp_path / "study.journal").touch()
    assert study(tmp_path, plan()).counts().total == 0


@pytest.mark.parametrize(
    "line",
    [b"garbage\n", b"\0\0\0\0\n", b"[1]\n", b'{"a": 1}\n'],
    ids=["text", "nul", "list", "dict"],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    """A journal that cannot be read says which line, and what to do."""
    study(tmp_path).enqueue()
    file = tmp_path / "study.journal"
    first, *rest = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([first, line, *rest]))
    with pytest.raises(StoreError, match=r"study\.journal cannot be read: its line 2 is damaged"):
        study(tmp_path)


def test_a_torn_line_is_cut_off_before_each_entry(tmp_path: Path) -> None:
    """A process that goes on mends what another one left when it was killed."""
    made = study(tmp_path)
    with (tmp_path / "study.journal").open("ab") as file:
        file.write(b'{"op_code":4,"worker')
    made.enqueue({"model.filters": 8})
    assert study(tmp_path).counts().waiting == 1


def test_a_journal_that_was_removed_does_not_begin_in_the_middle(tmp_path: Path) -> None:
    """What is gone is said to be gone, and is not made again by a worker."""
    made = study(tmp_path)
    (tmp_path / "study.journal").unlink()
    with pytest.raises(StoreError, match=r"study\.journal was deleted"):
        made.enqueue()
    assert not (tmp_path / "study.journal").exists()


def test_a_journal_that_became_shorter_is_refused(tmp_path: Path) -> None:
    """A copy that was restored while the study is in use would be read from its middle."""
    made = study(tmp_path)
    os.truncate(tmp_path / "study.journal", 10)
    with pytest.raises(StoreError, match="was truncated while it was in use"):
        made.counts()


def test_a_full_disk_is_said_in_plain_words() -> None:
    """What the system refuses is one clear error with a way out."""
    with pytest.raises(StoreError, match=r"/dev/full cannot be written: the disk is full"):
        journal.Journal("/dev/full").append_logs([{"op_code": 0, "worker_id": ""}])


@pytest.mark.parametrize("code", DENIALS)
def test_what_the_system_denies_is_told_of_a_study_as_of_a_store(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same advice, and with what names another place for each."""

    def denied(*_: object) -> int:
        raise OSError(code, "no", "file")

    opened = journal.Journal(str(tmp_path / "x.journal"))
    monkeypatch.setattr(os, "open", denied)
    told = f"{DENIALS[code]}, or choose another"
    with pytest.raises(StoreError, match=rf"x\.journal {told} place with hydra"):
        opened.append_logs([{"op_code": 0, "worker_id": ""}])
    with pytest.raises(StoreError, match=f"store here {told} folder"), as_store_error("here"):
        denied()


def test_a_journal_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A place where there can be no file is refused with what the system says."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"x\.journal cannot be used: .*hydra\.sweeper\.storage"):
        journal.Journal(str(tmp_path / "file" / "x.journal"))


def test_entries_that_are_added_together_are_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their order, in the form that Optuna reads, and in two writes for a claim."""
    made = study(tmp_path)
    made.enqueue({"model.filters": 4, "model.conv_blocks": 1})
    writes, append = list[int](), journal.Journal._append

    def counted(file: journal.Journal, logs: list[dict[str, Any]]) -> None:
        writes.append(len(logs))
        append(file, logs)

    monkeypatch.setattr(journal.Journal, "_append", counted)
    trial = made.claim(Owner.here())
    assert trial is not None
    assert writes == [1, 3], "that it runs; whose it is, and its two values"
    made.done(trial, [0.5], {"a": 1, "b": 2})
    assert writes == [1, 3, 3]
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
    (read,) = optuna.load_study(study_name="study", storage=storage).trials
    assert (read.values, read.params) == ([0.5], {"model.filters": 4, "model.conv_blocks": 1})
    assert (read.user_attrs["a"], read.user_attrs["b"]) == (1, 2)


def test_a_trial_that_ended_elsewhere_takes_nothing_of_what_is_added_together(
    tmp_path: Path,
) -> None:
    """Whoever comes too late is told once, and can go on."""
    made = study(tmp_path)
    made.enqueue({"model.filters": 4, "model.conv_blocks": 1})
    trial = made.claim(Owner.here())
    assert trial is not None
    other = SweepStudy.load(made.address)
    other.optuna_study.tell(trial.number, state=TrialState.FAIL)
    with pytest.raises(UpdateFinishedTrialError):
        made.done(trial, [0.5], {"a": 1, "b": 2})
    made.enqueue()
    assert made.frozen(trial).user_attrs.keys().isdisjoint({"a", "b"})
    assert (made.counts().finished, made.counts().waiting) == (1, 1)
