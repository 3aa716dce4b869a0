"""Whole programs that are killed, interrupted or started twice, on real digits with MLflow."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from optuna.trial import TrialState
from programs import on_a_full_disk
from signals import heard
from waiting import PATIENCE, until

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.tracking import Store

pytestmark = pytest.mark.slow(minutes=1)
ASKED = (
    *("-m", "data=digits", "data.limit=300", "trainer.epochs=3", "model.conv_blocks=1"),
    *("model.filters=2,3,4,5,6,7", "hydra.sweeper.study_name=faults", "hydra.sweeper.n_jobs=2"),
    *("tracking.figures=false", "tracking.log_model=false"),
)


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start the program in a folder, in a session of its own so that all of it can be killed."""
    with heard(signal.SIGINT):
        return subprocess.Popen(
            [sys.executable, "-m", "cnn_sweeps", *ASKED, *more],
            cwd=folder,
            env={**os.environ, "MLFLOW_TRACKING_URI": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def wait_for_a_trial(folder: Path, program: subprocess.Popen[str]) -> None:
    """Wait until a program has finished its first trial."""

    def finished_or_over() -> bool:
        assert program.poll() is None, program.communicate()
        return finished(folder) >= 1

    until(finished_or_over)


def finished(folder: Path) -> int:
    """Trials that the study has finished; 0 while there is no study."""
    found = opened(folder)
    return found.counts().finished if found else 0


def opened(folder: Path) -> SweepStudy | None:
    """The study of the sweep, once it is there."""
    journal = folder / "mlruns" / "studies" / "faults.journal"
    return SweepStudy.existing(StudyAddress(storage=str(journal), name="faults"))


def check_complete(folder: Path) -> None:
    """Six different trials are complete, and nothing runs, in the study or in MLflow."""
    made = opened(folder)
    assert made is not None
    complete = made.trials(TrialState.COMPLETE)
    assert sorted(made.carried_values(t)["model.filters"] for t in complete) == [2, 3, 4, 5, 6, 7]
    assert made.counts().total == 6
    store = Store.open(Tracking(dir=folder / "mlruns"))
    runs = store.client.search_runs([store.experiment_id])
    assert not [run.info.run_id for run in runs if run.info.status == "RUNNING"]
    logged = {run.info.run_id: run.info.status for run in runs}
    assert {logged[trial.user_attrs["mlflow_run_id"]] for trial in complete} == {"FINISHED"}


@pytest.mark.usefixtures("tracking")  # a store that is there: migrating one takes seconds
def test_killed_with_everything_it_continues_to_the_same_total(tmp_path: Path) -> None:
    """Kill -9 of the controller and its workers loses nothing but the epochs in hand."""
    program = start(tmp_path)
    wait_for_a_trial(tmp_path, program)
    os.killpg(program.pid, signal.SIGKILL)
    program.communicate()
    again = start(tmp_path)
    output, error = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, error
    assert "rerun best:" in output
    check_complete(tmp_path)


@pytest.mark.usefixtures("tracking")  # a store that is there: migrating one takes seconds
def test_interrupted_it_says_how_to_continue(tmp_path: Path) -> None:
    """Ctrl-C lets epochs end, puts trials back, leaves nothing running, and exits as such."""
    program = start(tmp_path)
    wait_for_a_trial(tmp_path, program)
    os.killpg(program.pid, signal.SIGINT)
    output, _ = program.communicate(timeout=PATIENCE)
    assert program.returncode == 130
    assert "Run the same command" in output
    made = opened(tmp_path)
    assert made is not None
    counts = made.counts()
    assert counts.running == 0
    assert counts.total == 6
    again = start(tmp_path)
    _, error = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, error
    check_complete(tmp_path)


def test_started_twice_in_the_same_second_both_work(tmp_path: Path) -> None:
    """Two programs in an empty folder share one study: each trial is done once."""
    programs = [start(tmp_path), start(tmp_path)]
    for program in programs:
        output, error = program.communicate(timeout=PATIENCE)
        assert program.returncode == 0, error
        assert "6 trials" in output
    check_complete(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that is always full")
def test_a_full_disk_under_the_output_fails_no_trial(tmp_path: Path) -> None:
    """The trials are there, and the exit code says that what they told is lost."""
    done = on_a_full_disk(tmp_path, *ASKED)
    said = "cnn-sweeps: standard output cannot be written: No space left on device.\n"
    assert (done.returncode, done.stderr) == (1, said)
    found = opened(tmp_path)
    assert found is not None
    assert len(found.trials(TrialState.COMPLETE)) == 6
