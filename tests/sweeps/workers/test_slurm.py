"""Which jobs of submitit's launcher have ended, as Slurm's queue has it."""

from pathlib import Path

import pytest

pytest.importorskip("submitit")

from submitit.slurm.slurm import SlurmJob

from cnn_sweeps.sweeps.workers import slurm


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The queue of a cluster: a file with the numbers of its jobs; without it, `squeue` fails."""
    queue, program = tmp_path / "queue", tmp_path / "squeue"
    program.write_text(f"#!/bin/sh\nexec cat {queue}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(SlurmJob, "watcher", SlurmJob.watcher)
    slurm.watch_queue()
    return queue


def job(folder: Path, number: str) -> "SlurmJob[None]":
    """A job that has written no result."""
    (folder / number).mkdir()
    return SlurmJob(folder / "%j", number)


def test_a_job_that_has_left_the_queue_has_ended(squeue: Path, tmp_path: Path) -> None:
    """Cancelled or killed, it leaves no result; one that waits or runs is waited for."""
    squeue.write_text("7_0\n9\n")
    waits, gone = job(tmp_path, "7_0"), job(tmp_path, "7_1")
    assert not waits.done(force_check=True)
    assert gone.done(force_check=True)


def test_a_queue_that_does_not_answer_ends_no_job(
    squeue: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The scheduler may be restarted; submitit writes nothing to the terminal."""
    assert not job(tmp_path, "7").done(force_check=True)
    assert "submitit" not in "".join(capfd.readouterr())
