"""A database and a tracking server that are away for a while in the middle of a sweep."""

import os
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from programs import running
from services import Postgres, mlflow_server, postgres
from sqlalchemy.pool import NullPool
from waiting import PATIENCE, until

from cnn_sweeps.provenance.process import LEASE_SECONDS

EPOCHS, TRIALS = 40, 8
SWEEP = [
    *("-m", "data=digits", "model=dnn", "model.dense_units=8,12,16,20"),
    *("trainer.optimizer.learning_rate=0.001,0.002", f"trainer.epochs={EPOCHS}"),
    *("hydra.sweeper.n_jobs=1", "hydra.sweeper.study_name=lab", "trajectory.reuse=false"),
    "tracking.figures=false",
]


def trials_of(database: Postgres) -> list[FrozenTrial]:
    """The trials of the study; none before it is there. No connection is kept."""
    storage = RDBStorage(database.url, engine_kwargs={"poolclass": NullPool})
    if "lab" not in optuna.get_all_study_names(storage):
        return []
    return optuna.load_study(study_name="lab", storage=storage).get_trials()


def wait_for(database: Postgres, number: int, sweep: subprocess.Popen[bytes]) -> None:
    """Wait until so many trials are complete."""

    def are_complete() -> bool:
        assert sweep.poll() is None, "the sweep has ended"
        states = [trial.state for trial in trials_of(database)]
        return states.count(TrialState.COMPLETE) >= number

    until(are_complete, lambda: f"too few of {number} trials are complete", pause=2)


@pytest.mark.slow(minutes=3)
def test_a_sweep_and_its_workers_outlast_their_servers(
    tmp_path: Path, migrated_database: Path
) -> None:
    """Every trial is there once, with its run and all of its epochs."""
    here, there = tmp_path / "controller", tmp_path / "worker"
    for folder in (here, there):
        folder.mkdir()
    with (
        postgres() as database,
        mlflow_server(tmp_path / "server", database=migrated_database) as server,
    ):
        own = {"MLFLOW_TRACKING_URI": server.url, "CNN_SWEEPS_STORAGE": database.url}
        storage = f"hydra.sweeper.storage={database.url}"
        variables = {**os.environ, **own}
        with (
            running(here, *SWEEP, storage, variables=variables) as sweep,
            running(there, "worker", "lab", "--count", "1", variables=variables) as worker,
        ):
            wait_for(database, 1, sweep)
            database.stop()
            time.sleep(LEASE_SECONDS + 5)  # of which nobody is to conclude that trials are dead
            database.start()
            wait_for(database, 3, sweep)
            server.stop()
            time.sleep(20)
            server.start()
            ends = sweep.wait(timeout=PATIENCE), worker.wait(timeout=PATIENCE)
        said = (here / "said.txt").read_text()
        assert ends == (0, 0), said + (there / "said.txt").read_text()
        trials = trials_of(database)
        assert [trial.state for trial in trials] == [TrialState.COMPLETE] * TRIALS
        assert len({str(trial.params) for trial in trials}) == TRIALS
        # Once for each outage that the controller itself has met.
        assert said.count("Waiting for up to 300 s") == said.count("Back after") in (1, 2), said
        client = MlflowClient(server.url)
        (experiment,) = client.search_experiments(filter_string="name = 'cnn_sweeps'")
        runs = client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")
        assert sorted(run.info.status for run in runs) == ["FINISHED"] * TRIALS
        for run in runs:
            logged = client.get_metric_history(run.info.run_id, "val_accuracy")
            assert {point.step for point in logged} >= set(range(1, EPOCHS + 1))


APPLICATION = """
import time

import hydra


@hydra.main(version_base="1.3", config_path=None)
def main(config):
    time.sleep(1)
    return float(config.x)


main()
"""


@pytest.mark.slow(minutes=1)
def test_a_sweep_of_an_application_outlasts_its_database(tmp_path: Path) -> None:
    """Every job is run once; the outage is told once."""
    (tmp_path / "app.py").write_text(APPLICATION)
    with postgres() as database:
        sweeper = f"hydra.sweeper.storage={database.url}", "hydra.sweeper.study_name=lab"
        words = ("-m", "hydra/sweeper=cnn_sweeps", *sweeper, "+x=range(0,12)")
        with (tmp_path / "said.txt").open("wb") as said:
            sweep = subprocess.Popen(
                [sys.executable, "app.py", *words], cwd=tmp_path, stdout=said, stderr=said
            )
        wait_for(database, 2, sweep)
        database.stop()
        time.sleep(10)
        database.start()
        assert sweep.wait(timeout=PATIENCE) == 0, (tmp_path / "said.txt").read_text()
        trials = trials_of(database)
    assert sorted(trial.value for trial in trials) == list(range(12))
    told = (tmp_path / "said.txt").read_text()
    assert told.count("Waiting for up to 300 s (hydra.sweeper.patience)") == 1, told
    assert told.count("Back after") == 1
