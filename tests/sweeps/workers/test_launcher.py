"""Hydra's launchers place the workers of a sweep, through a seam that needs no code of theirs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn, JobStatus
from plans import plan, study

from cnn_sweeps.errors import RunFailedError
from cnn_sweeps.sweeps.study.storage import Address
from cnn_sweeps.sweeps.workers.launcher import place_by_launcher, work_as_job


class FakeLauncher:
    """A launcher that keeps what it is given, and whose jobs end as told."""

    def __init__(self, status: JobStatus) -> None:
        self.status = status
        self.given: list[list[str]] = []

    def launch(self, job_overrides: list[list[str]], initial_job_idx: int) -> list[JobReturn]:
        """Run nothing."""
        self.given = job_overrides
        returned = JobReturn(overrides=[], status=self.status)
        returned.return_value = ValueError("no such queue")
        return [returned]


def test_each_worker_is_one_job_that_knows_its_study(tmp_path: Path) -> None:
    """A launcher gets one job a worker, told by one override which study to pull from."""
    launcher = FakeLauncher(JobStatus.COMPLETED)
    address = Address(storage=str(tmp_path / "a b.journal"), name="study")
    place_by_launcher(launcher, address, workers=2, cpu_slots=3)  # type: ignore[arg-type]
    assert launcher.given == [
        [f"hydra.sweeper.worker='0/3@{tmp_path}/a%20b.journal@study'"],
        [f"hydra.sweeper.worker='1/3@{tmp_path}/a%20b.journal@study'"],
    ]


def test_a_launcher_that_fails_is_a_failed_sweep(tmp_path: Path) -> None:
    """What a launcher could not run is said with its reason."""
    launcher = FakeLauncher(JobStatus.FAILED)
    with pytest.raises(RunFailedError, match="no such queue"):
        place_by_launcher(launcher, Address(storage="x", name="y"), 1, 1)  # type: ignore[arg-type]


def test_a_job_with_nothing_to_do_ends(tmp_path: Path) -> None:
    """A worker that finds an empty queue goes home."""
    made = study(tmp_path, plan(tracking={"dir": str(tmp_path)}))
    work_as_job(f"0/1@{tmp_path}/study.journal@study")
    assert made.counts().total == 0


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_launcher_runs_the_sweep(tmp_path: Path, launcher: str) -> None:
    """With a launcher of Hydra's, two worker jobs carry out a real sweep to its table."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "cnn_sweeps", "-m", f"hydra/launcher={launcher}"),
            *("hydra.sweeper.n_jobs=2", "data=digits", "data.limit=200", "trainer.epochs=1"),
            *("model.conv_blocks=1", "model.filters=2,3,4,5"),
        ],
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_TRACKING_URI": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "4 trials" in done.stdout
    assert "test_accuracy" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["mlruns"]
