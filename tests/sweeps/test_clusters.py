"""Workers as jobs of a cluster of one node, Slurm or Ray, where jobs are ended at any time."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from clusters import Ray, Slurm, ray, slurm
from optuna.trial import FrozenTrial, TrialState
from programs import running
from waiting import PATIENCE, until

from cnn_sweeps.sweeps.study.attributes import ATTEMPT, CONFIG_HASH, EPOCHS_TRAINED
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy

pytestmark = [
    pytest.mark.slow(minutes=2),
    pytest.mark.xdist_group("clusters"),  # one at a time is enough for a host
]

DOCS = Path(__file__).resolve().parents[2] / "docs" / "scale.md"
EPOCHS = 40
STOP = "asked to stop after"
"""What a worker logs when it has heard a signal."""
SWEEP = [
    *("-m", "search=null", "data=digits", "data.limit=200", "trainer.batch_size=1"),
    *(f"trainer.epochs={EPOCHS}", "trainer.threads=1", "model.filters=2,3", "model.conv_blocks=1"),
    *("tracking.figures=false", "tracking.log_model=false", "hydra.sweeper.study_name=lab"),
]


def in_docs(start: str) -> str:
    """The block of the docs that begins so."""
    pattern = rf"```bash\n({re.escape(start)}.*?)```"
    (found,) = re.findall(pattern, DOCS.read_text(), re.DOTALL)
    return str(found)


def controller(
    cluster: Slurm | Ray, folder: Path, *words: str, uri: str = ""
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """The sweep's own command, which writes to `said.txt`."""
    variables = {**cluster.variables, "MLFLOW_TRACKING_URI": uri}
    return running(folder, *SWEEP, *words, variables=variables)


def trials(folder: Path, *states: TrialState) -> list[FrozenTrial]:
    """The trials of the study in these states; none before it is there."""
    address = StudyAddress(storage=f"{folder}/mlruns/studies/lab.journal", name="lab")
    made = SweepStudy.existing(address)
    return made.optuna_study.get_trials(states=states or None) if made else []


@contextmanager
def paused(folder: Path, after: int = -1) -> Iterator[FrozenTrial]:
    """A trial, with a larger number than another one, whose worker rests in the middle of it.

    Slurm lets a process go on when it sends it a signal.
    """
    found: list[FrozenTrial] = []

    def in_hand() -> bool:
        running = trials(folder, TrialState.RUNNING)
        found[:] = [trial for trial in running if trial.number > after and trial.last_step]
        return bool(found)

    until(in_hand)
    worker = psutil.Process(found[0].user_attrs["owner"]["pid"])
    worker.suspend()
    try:
        yield found[0]
    finally:
        with suppress(psutil.NoSuchProcess):
            worker.resume()


def times_logged(folder: Path, said: str) -> int:
    """How often the sweep's log says something."""
    return (folder / "mlruns" / "studies" / "lab.log").read_text().count(said)


def check_undisturbed(folder: Path, *, attempts: int) -> None:
    """Every cell is there once, with no more attempts, and one was resumed."""
    complete = trials(folder, TrialState.COMPLETE)
    assert sorted(trial.params["model.filters"] for trial in complete) == [2, 3]
    assert max(trial.user_attrs.get(ATTEMPT, 1) for trial in complete) == attempts
    assert any(0 < trial.user_attrs[EPOCHS_TRAINED] < EPOCHS for trial in complete)


@pytest.mark.usefixtures("tracking")  # a store that is there: migrating one takes seconds
def test_jobs_that_are_ended_give_their_trials_back(tmp_path: Path) -> None:
    """The script of the docs: at its time limit, preempted, and cancelled."""
    (tmp_path / "job.sh").write_text(in_docs("#!/bin/bash\n#SBATCH"))

    def submit(*words: str) -> str:
        return cluster.run("sbatch", "--parsable", *words, "job.sh", cwd=tmp_path)

    with slurm() as cluster, controller(cluster, tmp_path, "--no-workers") as sweep:
        job = submit("--array=1")
        with paused(tmp_path) as trial:
            cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=2")
            until(lambda: times_logged(tmp_path, STOP) == 1)
        until(lambda: not cluster.jobs())

        job = submit("--array=1")
        with paused(tmp_path, after=trial.number) as trial:
            urgent = ["--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=true"]
            cluster.run("sbatch", *urgent)
            until(lambda: times_logged(tmp_path, STOP) == 2)
        with paused(tmp_path, after=trial.number):  # the job has come back by itself
            cluster.run("scancel", job)
            until(lambda: times_logged(tmp_path, STOP) == 3)
        until(lambda: not cluster.jobs())

        submit("--array=1-2")
        assert sweep.wait(timeout=PATIENCE) == 0, (tmp_path / "said.txt").read_text()
    check_undisturbed(tmp_path, attempts=1)
    disturbed = max(trials(tmp_path, TrialState.COMPLETE), key=lambda trial: trial.number)
    words = ["-m", "cnn_sweeps", "reproduce", disturbed.user_attrs[CONFIG_HASH]]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_TRACKING_URI": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("tracking")  # a store that is there: migrating one takes seconds
def test_a_launcher_places_workers_again_after_their_jobs_have_ended(tmp_path: Path) -> None:
    """By `submitit_slurm`: at the time limit, and killed; without a word of it on the terminal."""
    words = ["hydra/launcher=submitit_slurm", "hydra.sweeper.n_jobs=1"]
    with slurm() as cluster, controller(cluster, tmp_path, *words) as sweep:
        with paused(tmp_path) as trial:
            (job,) = cluster.jobs()
            cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=2")
            until(lambda: times_logged(tmp_path, "interrupted after epoch") > 0)
        with paused(tmp_path, after=trial.number) as trial:
            os.kill(trial.user_attrs["owner"]["pid"], signal.SIGKILL)
        said = tmp_path / "said.txt"
        assert sweep.wait(timeout=PATIENCE) == 0, said.read_text()
        assert "requeued: interrupted after epoch" in said.read_text()
        assert "submitit" not in said.read_text()
        assert "accounting" not in said.read_text()
    check_undisturbed(tmp_path, attempts=2)


def test_jobs_of_ray_end_with_the_sweep_or_give_their_trials_back(
    tmp_path: Path, migrated_database: Path
) -> None:
    """The command of the docs; the first job is stopped in the middle of a trial."""
    uri, storage = f"sqlite:///{tmp_path}/mlflow.db", f"{tmp_path}/mlruns/studies/lab.journal"
    shutil.copy(migrated_database, tmp_path / "mlflow.db")
    command = in_docs("ray job submit").replace("http://db:5000", uri)
    words = ["--no-workers", f"hydra.sweeper.storage={storage}"]
    with ray(tmp_path) as cluster, controller(cluster, tmp_path, *words, uri=uri) as sweep:

        def submit(name: str) -> None:
            named = command.replace("submit", f"submit --submission-id {name}")
            cluster.run(named, STORAGE=storage)

        with ThreadPoolExecutor(1) as beside:  # the command may return when all is trained
            submitted = beside.submit(submit, "first")
            with paused(tmp_path):
                submitted.result()
                cluster.run("ray job stop --no-wait first")
        until(lambda: cluster.job("first") == "STOPPED")
        assert "terminated" in cluster.log("first")
        submit("second")
        assert sweep.wait(timeout=PATIENCE) == 0, (tmp_path / "said.txt").read_text()
        until(lambda: cluster.job("second") == "SUCCEEDED")
        assert "2 of 2 trials done; nothing waits." in cluster.log("second")
    check_undisturbed(tmp_path, attempts=1)
