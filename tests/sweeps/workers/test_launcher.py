"""Hydra's launchers place the workers of a sweep, through a seam that needs no code of theirs."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from optuna.trial import TrialState
from plans import plan, study

from cnn_sweeps.errors import ConfigError, RunFailedError
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.from_hydra import composed_call
from cnn_sweeps.sweeps.live_view import View
from cnn_sweeps.sweeps.plan.budget import STORAGE_VARIABLE, Budget
from cnn_sweeps.sweeps.study.attributes import ATTEMPT
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.supervisor import Interrupts, Supervisor
from cnn_sweeps.sweeps.workers import launcher
from cnn_sweeps.sweeps.workers.launcher import (
    Launch,
    Placement,
    place_by_launcher,
    work_as_job,
)


class Leaving:
    """Workers that end within a step."""

    pids: frozenset[int] = frozenset()
    idle = False

    def step(self, show: Any, *, waiting: Any) -> dict[int, str]:
        """End."""
        self.idle = True
        return {}

    def ask_to_stop(self) -> None:
        """They have gone."""

    def kill(self) -> None:
        """They have gone."""


class FakeLauncher:
    """A launcher that keeps what it is given, and whose jobs end as told."""

    def __init__(self, status: JobStatus) -> None:
        self.status = status
        self.given: list[list[str]] = []
        self.inherited: str | None = None

    def launch(self, job_overrides: list[list[str]], initial_job_idx: int) -> list[JobReturn]:
        """Run nothing."""
        self.given, self.inherited = job_overrides, os.environ.get(STORAGE_VARIABLE)
        returned = JobReturn(overrides=[], status=self.status)
        returned.return_value = ValueError("no such queue")
        return [returned]


def test_each_worker_is_one_job_that_knows_its_study(tmp_path: Path) -> None:
    """A launcher gets one job a worker, told by one override which study to pull from."""
    launcher = FakeLauncher(JobStatus.COMPLETED)
    address = StudyAddress(storage=str(tmp_path / "a b.journal"), name="study")
    place_by_launcher(launcher, address, workers=2, cpu_slots=3)  # type: ignore[arg-type]
    assert launcher.given == [
        [f"hydra.sweeper.worker='0/3@{tmp_path}/a%20b.journal@study'"],
        [f"hydra.sweeper.worker='1/3@{tmp_path}/a%20b.journal@study'"],
    ]


@pytest.mark.parametrize(
    ("variables", "threads"),
    [
        pytest.param({}, 2, id="of one host"),
        pytest.param({"SUBMITIT_EXECUTOR": "slurm", "SLURM_CPUS_PER_TASK": "4"}, 4, id="asked for"),
        pytest.param({"SUBMITIT_EXECUTOR": "slurm", "SLURM_CPUS_ON_NODE": "1"}, 1, id="given"),
        pytest.param({"SUBMITIT_EXECUTOR": "slurm", "SLURM_CPUS_PER_TASK": "64"}, 16, id="not all"),
        pytest.param({"SUBMITIT_EXECUTOR": "local", "SLURM_CPUS_PER_TASK": "4"}, 2, id="in a job"),
    ],
)
def test_the_cores_of_a_slurm_job_are_its_own(
    variables: dict[str, str], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight jobs may be on eight nodes; those of another launcher share this host, or its job."""
    for name in ("SUBMITIT_EXECUTOR", *launcher.OF_A_JOB):
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(launcher, "cores", lambda: 16)
    assert launcher.threads_of_job(8) == threads


def test_workers_are_told_which_code_they_may_run(tmp_path: Path) -> None:
    """By its digest, in the override that names the study: all that a job is told."""
    launcher = FakeLauncher(JobStatus.COMPLETED)
    address = StudyAddress(storage="x.journal", name="study")
    place_by_launcher(launcher, address, 1, 1, code="ab" * 32)  # type: ignore[arg-type]
    assert launcher.given == [[f"hydra.sweeper.worker='0/1@x.journal@study@{'ab' * 32}'"]]


STORAGE = "postgresql://me:secret@host/db"


def test_the_password_of_a_storage_is_inherited_and_not_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job names the storage without it, and finds it in the variable."""
    launcher = FakeLauncher(JobStatus.COMPLETED)
    place_by_launcher(launcher, StudyAddress(storage=STORAGE, name="study"), 1, 1)  # type: ignore[arg-type]
    assert launcher.inherited == STORAGE
    assert STORAGE_VARIABLE not in os.environ
    ((told,),) = launcher.given
    assert "secret" not in told
    worker = told.partition("=")[2].strip("'")
    with pytest.raises(ConfigError, match=f"no password for postgresql.*\nSet {STORAGE_VARIABLE}"):
        work_as_job(worker)
    opened: list[StudyAddress] = []
    monkeypatch.setattr(SweepStudy, "load", lambda address, **_: opened.append(address))
    monkeypatch.setenv(STORAGE_VARIABLE, STORAGE)
    with pytest.raises(AttributeError):  # of no study
        work_as_job(worker)
    assert opened == [StudyAddress(storage=STORAGE, name="study")]


@pytest.mark.parametrize(
    "typed",
    [
        [f"hydra.sweeper.storage={STORAGE}"],
        ["hydra.sweeper.storage='postgresql://h/db?password=secret&x=1'"],
        ["tracking.uri=http://me:secret@host", "hydra.sweeper.storage=s.journal"],
        ["tracking.uri='https://host/?token=secret'"],
    ],
)
def test_what_a_launcher_writes_down_holds_no_password(typed: list[str], tmp_path: Path) -> None:
    """Neither the job, nor the launcher, nor Hydra's own state, nor the config of the sweep."""
    cloudpickle = pytest.importorskip("cloudpickle")
    pytest.importorskip("submitit")
    words = ["hydra/launcher=submitit_local", f"hydra.sweep.dir={tmp_path}", "model.filters=2,3"]
    words += typed
    with composed_call(words) as (call, _):
        HydraConfig.instance().set_config(call.config)
        try:
            launcher = call.launcher()
            written = cloudpickle.dumps((launcher, Singleton.get_state()))
            composed = launcher.hydra_context.config_loader.load_sweep_config(  # type: ignore[attr-defined]
                launcher.config,  # type: ignore[attr-defined]
                ["hydra.sweeper.worker='0/1@x@y'"],
            )
        finally:
            HydraConfig.instance().cfg = None
        call.save_multirun()
    assert b"secret" not in written
    assert composed.hydra.sweeper.worker == "0/1@x@y"
    assert "secret" not in OmegaConf.to_yaml(composed) + (tmp_path / "multirun.yaml").read_text()


def test_a_launcher_that_fails_is_a_failed_sweep(tmp_path: Path) -> None:
    """What a launcher could not run is said with its reason."""
    launcher = FakeLauncher(JobStatus.FAILED)
    with pytest.raises(RunFailedError, match="no such queue"):
        place_by_launcher(launcher, StudyAddress(storage="x", name="y"), 1, 1)  # type: ignore[arg-type]


def test_a_job_with_nothing_to_do_ends(tmp_path: Path) -> None:
    """A worker that finds an empty queue goes home."""
    made = study(tmp_path, plan(tracking={"dir": str(tmp_path)}))
    work_as_job(f"0/1@{tmp_path}/study.journal@study")
    assert made.counts().total == 0


@pytest.mark.slow(minutes=1)
@pytest.mark.usefixtures("tracking")  # a store that is there: migrating one takes seconds
def test_a_launcher_runs_the_sweep(tmp_path: Path) -> None:
    """With a launcher of Hydra's, two worker jobs carry out a real sweep to its table.

    With submitit's they do in `test_clusters`.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-m", "cnn_sweeps", "-m", "hydra/launcher=joblib"),
            *("hydra.sweeper.n_jobs=2", "data=digits", "data.limit=200", "trainer.epochs=1"),
            *("model.conv_blocks=1", "model.filters=2,3", "tracking.figures=false"),
        ],
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_TRACKING_URI": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2 trials" in done.stdout
    assert "test_accuracy" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["mlruns"]


def test_ctrl_c_reaches_no_process_that_a_launcher_starts(tmp_path: Path) -> None:
    """A terminal tells it to all of them; a worker would die of it, with a traceback."""
    masks: list[str] = []

    def launch() -> None:
        asked = [sys.executable, "-S", "-c", "import signal; print(signal.pthread_sigmask(0, []))"]
        masks.append(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)

    placed(tmp_path, launch)
    assert "SIGINT" in masks[0]
    assert "SIGHUP" in masks[0]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_launcher_that_fails_when_it_is_to_stop_is_no_failure(tmp_path: Path) -> None:
    """It may have heard the Ctrl-C that ends the sweep; without one it is a failed sweep."""

    def launch() -> None:
        raise RuntimeError("interrupted")

    placed(tmp_path, launch, stopping=True)
    with pytest.raises(RunFailedError, match="interrupted"):
        placed(tmp_path, launch)


def test_other_workers_are_not_doubled_where_one_has_died(tmp_path: Path) -> None:
    """A launcher gives up for one dead job; it is asked again when the others have ended."""
    launched: list[int] = []

    def launch() -> None:
        launched.append(1)
        if len(launched) == 1:
            claimed.append(made.claim(Owner.here()))
            raise RuntimeError("a job was cancelled")

    made, claimed = study(tmp_path), list[Any]()
    for filters in (4, 8):
        made.enqueue({"model.filters": filters, "model.conv_blocks": 1})
    placement = Placement(study=made, launch=launch)
    for _ in range(2):
        placement.step(lambda _: None, waiting=lambda: True)
    assert placement.idle
    assert launched == [1]
    made.done(claimed[0], [0.5])
    placement.step(lambda _: None, waiting=lambda: True)
    assert launched == [1, 1]


def test_jobs_that_a_scheduler_has_not_begun_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When every trial is done; they would find nothing."""
    monkeypatch.setattr(launcher, "TICK", 0.01)
    monkeypatch.setattr(launcher, "LEAVING", 0.05)
    begins = threading.Event()
    placement = Placement(study=study(tmp_path), launch=lambda: begins.wait() and None)
    placement.step(lambda _: None, waiting=lambda: True)
    assert not placement.idle
    while not placement.idle:
        placement.step(lambda _: None, waiting=lambda: False)
    begins.set()


def test_a_worker_that_dies_of_ctrl_c_costs_no_attempt(tmp_path: Path) -> None:
    """Its trial waits for the next call as it was, however often that happens."""
    made = study(tmp_path)
    made.enqueue({"model.filters": 4, "model.conv_blocks": 1})
    gone = Owner(host=Owner.here().host, pid=2**22 + 1, started="1")
    for _ in range(4):
        assert made.claim(gone) is not None
        Supervisor(study=made, store=None, budget=Budget(retries=2), view=View()).run(
            Leaving(), Interrupts(count=1)
        )
    (waiting,) = made.trials()
    assert waiting.state == TrialState.WAITING
    assert waiting.user_attrs.get(ATTEMPT, 1) == 1


def placed(folder: Path, launch: Launch, *, stopping: bool = False) -> None:
    """Let a launcher work to its end."""
    placement = Placement(study=study(folder), launch=launch)
    if stopping:
        placement.ask_to_stop()
    placement.step(lambda _: None, waiting=lambda: True)
    while not placement.idle:
        placement.step(lambda _: None, waiting=lambda: False)
