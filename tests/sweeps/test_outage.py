"""A database and a tracking server that are away for a while in the middle of a sweep."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState

from tests.services import mlflow_server, postgres

SWEEP = [
    *("-m", "data=digits", "model=dnn", "model.dense_units=8,12,16,20"),
    *(
        "trainer.optimizer.learning_rate=0.001,0.002",
        "trainer.epochs=150",
        "hydra.sweeper.n_jobs=1",
    ),
    *("hydra.sweeper.study_name=lab", "trajectory.reuse=false"),
]


def command(*words: str, folder: Path, variables: Mapping[str, str]) -> subprocess.Popen[str]:
    """A command of this program that runs."""
    return subprocess.Popen(
        [sys.executable, "-m", "cnn_sweeps", *words],
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(what: str, study: optuna.Study, state: TrialState, number: int) -> None:
    """Wait until so many trials of a study are in a state."""
    until = time.monotonic() + 240
    while sum(trial.state == state for trial in study.get_trials(deepcopy=False)) < number:
        assert time.monotonic() < until, f"{what}: too few trials are {state.name}"
        time.sleep(0.3)


@pytest.mark.slow
def test_a_sweep_and_its_workers_outlast_their_servers(tmp_path: Path) -> None:
    """Every trial is there once, with its run, and with the values of a sweep without an outage."""
    here, there = tmp_path / "controller", tmp_path / "worker"
    here.mkdir()
    there.mkdir()
    with postgres(tmp_path) as database, mlflow_server(tmp_path / "server") as server:
        variables = {"MLFLOW_TRACKING_URI": server.url, "CNN_SWEEPS_STORAGE": database.url}
        storage = f"hydra.sweeper.storage={database.url}"
        sweep = command(*SWEEP, storage, folder=here, variables=variables)
        worker = command("worker", "lab", "--count", "1", folder=there, variables=variables)
        try:
            until = time.monotonic() + 240
            while "lab" not in optuna.get_all_study_names(database.url):
                assert time.monotonic() < until
                assert sweep.poll() is None, sweep.stdout and sweep.stdout.read()
                time.sleep(1)
            study = optuna.load_study(study_name="lab", storage=database.url)
            wait_for("begin", study, TrialState.COMPLETE, 1)
            database.stop()
            time.sleep(30)
            database.start()
            study = optuna.load_study(study_name="lab", storage=database.url)
            wait_for("after the database", study, TrialState.COMPLETE, 3)
            server.stop()
            time.sleep(60)
            server.start()
            said, helped = sweep.communicate(timeout=400)[0], worker.communicate(timeout=100)[0]
        finally:
            sweep.kill()
            worker.kill()
        assert (sweep.returncode, worker.returncode) == (0, 0), said + helped
        trials = optuna.load_study(study_name="lab", storage=database.url).get_trials()
        assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 8
        assert len({(str(trial.params)) for trial in trials}) == 8
        assert said.count("Waiting for up to 300 s") == 2, said
        client = MlflowClient(server.url)
        (experiment,) = client.search_experiments(filter_string="name = 'cnn_sweeps'")
        runs = client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")
        assert sorted(run.info.status for run in runs) == ["FINISHED"] * 8
        for run in runs:
            logged = client.get_metric_history(run.info.run_id, "val_accuracy")
            assert {point.step for point in logged} >= set(range(1, 151))
