"""Sweeps on several hosts with a database and an MLflow server, any of which may be killed.

Six kills, and in a further run as many as CNN_SWEEPS_KILLS; CNN_SWEEPS_KILL_SEED chooses them.
They are shown by `pytest -s`.
"""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from signal import SIGKILL
from typing import Any

import optuna
import psutil
import pytest
from hosts import Command, Network, command, hosts, network
from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from services import MlflowServer, Postgres, mlflow_server, postgres
from sqlalchemy.pool import NullPool
from waiting import PATIENCE, until

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.sweeps.study.attributes import (
    EPOCHS_TRAINED,
    REPLACED,
    RUN_ID,
    metrics_of,
    slot_of,
)
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.names import WEIGHTS

KILLS = int(os.environ.get("CNN_SWEEPS_KILLS", "0"))
SEED = int(os.environ.get("CNN_SWEEPS_KILL_SEED", "29"))
"""Which: this one, of six, a worker in a trial, a worker's host and a controller's among them."""
KINDS = ("worker", "host", "controller", "database", "server")
"""What is killed: each kind as often as the others, in random order."""
MOST_AWAY = 3.0
"""Seconds that a killed database or server stays away, at most."""
EPOCHS = 12
MEASURED = ("second", "memory")
"""In the names of what is measured of a machine, and is another number each time."""


def sweep(cells: int, *more: str) -> tuple[str, ...]:
    """A command that trains so many networks, an even number."""
    units = ",".join(map(str, range(4, 4 + cells // 2)))
    return (
        *("-m", "data=digits", "data.limit=300", "model=dnn", f"model.dense_units={units}"),
        *("trainer.optimizer.learning_rate=0.001,0.002", f"trainer.epochs={EPOCHS}"),
        *("trainer.threads=1", "tracking.figures=false", "tracking.log_model=false"),
        *("hydra.sweeper.study_name=lab", "hydra.sweeper.retries=100", *more),
    )


@dataclass(frozen=True)
class Lab:
    """A network with a database and an MLflow server, and somebody who looks at both.

    Attributes:
        network: that they are on.
        database: of studies.
        server: of runs.
        folder: that hosts share.
    """

    network: Network
    database: Postgres
    server: MlflowServer
    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """What a command needs to reach both."""
        return {
            "MLFLOW_TRACKING_URI": self.server.url,
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "120",  # this machine may be busy
            "CNN_SWEEPS_STORAGE": self.database.url,
        }

    @cached_property
    def storage(self) -> RDBStorage:
        """The database; no connection is kept."""
        return RDBStorage(self.database.url, engine_kwargs={"poolclass": NullPool})

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """The trials of the study; none before it is there."""
        if "lab" not in optuna.get_all_study_names(self.storage):
            return []
        study = optuna.load_study(study_name="lab", storage=self.storage)
        return study.get_trials(deepcopy=False, states=states or None)

    def done(self) -> int:
        """How many trials are complete."""
        return len(self.trials(TrialState.COMPLETE))

    def runs(self, kind: str) -> list[Run]:
        """The runs of a kind."""
        return runs_of(MlflowClient(self.server.url), kind)


def runs_of(client: MlflowClient, kind: str) -> list[Run]:
    """The runs of a kind in a store."""
    (experiment,) = client.search_experiments(filter_string="name = 'cnn_sweeps'")
    return list(client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'"))


@pytest.fixture
def lab(tmp_path: Path, migrated_database: Path) -> Iterator[Lab]:
    """A lab of this test's own."""
    shared = tmp_path / "shared"
    shared.mkdir()
    with (
        network() as made,
        postgres(made.address) as database,
        mlflow_server(tmp_path / "server", made.address, migrated_database) as server,
    ):
        yield Lab(made, database, server, shared)


@contextmanager
def undisturbed(
    folder: Path, cells: int, database: Path
) -> Iterator[Callable[[], dict[str, tuple[Any, ...]]]]:
    """The same sweep in one process, beside the block, which asks what it comes to.

    It has a store of its own, with a copy of a database: the hosts would reuse what it has trained.
    """
    (folder / "mlruns").mkdir(parents=True)
    shutil.copy(database, folder / "mlruns" / "mlflow.db")
    words = sweep(cells, "hydra.sweeper.n_jobs=0", "hydra.sweeper.storage=sqlite:///alone.db")
    with subprocess.Popen(
        [sys.executable, "-m", "cnn_sweeps", *words],
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": ""},
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            yield partial(_found_by, process, folder)
        finally:
            process.kill()


def _found_by(process: subprocess.Popen[bytes], folder: Path) -> dict[str, tuple[Any, ...]]:
    """What the trials of a sweep have found, by their params."""
    assert process.wait(timeout=PATIENCE) == 0
    storage = RDBStorage(f"sqlite:///{folder}/alone.db", engine_kwargs={"poolclass": NullPool})
    trials = optuna.load_study(study_name="lab", storage=storage).get_trials()
    client = Store.open(Tracking(dir=folder / "mlruns")).client
    runs = {run.info.run_id: run for run in runs_of(client, "trial")}
    return {str(t.params): outcome(t, runs[t.user_attrs[RUN_ID]]) for t in trials}


def outcome(trial: FrozenTrial, run: Run) -> tuple[Any, ...]:
    """What a trial has found that no clock has measured, its weights among it."""
    known = metrics_of(trial.user_attrs)
    told = {n: value for n, value in known.items() if not any(word in n for word in MEASURED)}
    return trial.values, told, run.data.tags[WEIGHTS]


def assert_every_cell_once(lab: Lab, alone: dict[str, Any]) -> None:
    """Each cell has one trial and one finished run with all epochs, and the values of `alone`."""
    complete = lab.trials(TrialState.COMPLETE)
    others = [trial for trial in lab.trials() if trial.state != TrialState.COMPLETE]
    assert [trial for trial in others if REPLACED not in trial.user_attrs] == []
    assert sorted(map(slot_of, complete)) == list(range(len(alone)))
    runs = {run.info.run_id: run for run in lab.runs("trial")}
    finished = {key: run for key, run in runs.items() if run.info.status == "FINISHED"}
    assert set(finished) == {trial.user_attrs[RUN_ID] for trial in complete}
    assert {run.info.status for run in runs.values()} <= {"FINISHED", "FAILED", "KILLED"}
    assert [run.info.status for run in lab.runs("sweep")].count("FINISHED") == 1
    client = MlflowClient(lab.server.url)
    for key in finished:
        logged = client.get_metric_history(key, "val_accuracy")
        steps = [point.step for point in logged if point.step > 0]
        assert sorted(set(steps)) == list(range(1, EPOCHS + 1))
    found = {str(t.params): outcome(t, finished[t.user_attrs[RUN_ID]]) for t in complete}
    assert found == alone


def assert_trained_once(lab: Lab) -> None:
    """What a dead worker had logged of a trial, but for its last epoch, was not trained again."""
    client, again = MlflowClient(lab.server.url), 0
    for trial in lab.trials(TrialState.COMPLETE):
        slot, known = slot_of(trial), EPOCHS - trial.user_attrs[EPOCHS_TRAINED]
        for dead in lab.trials(TrialState.FAIL):
            if slot_of(dead) == slot and (run_id := dead.user_attrs.get(RUN_ID)):
                logged = client.get_metric_history(run_id, "val_accuracy")
                trained = max((point.step for point in logged), default=0)
                assert known >= trained - 1, (trial.number, dead.number, known, trained)
                again += trained > known
    dead_trials = len(lab.trials(TrialState.FAIL))
    print(f"{dead_trials} trials requeued, {again} epochs trained again", flush=True)


@dataclass
class Killer:
    """Kills at random what a sweep consists of, at random moments spread over its life.

    Attributes:
        lab: whose database and server it kills.
        bosses: the controllers that it kills.
        workers: those that it kills; of all the hosts as well.
        chance: everything that is random.
    """

    lab: Lab
    bosses: list[Command]
    workers: list[Command]
    chance: random.Random
    begun: float = field(default_factory=time.monotonic)

    def kill(self, kind: str) -> None:
        """Kill something of a kind, and start it again."""
        what: Callable[[], str] = getattr(self, kind)
        now, done = time.monotonic() - self.begun, self.lab.done()
        print(f"{now:6.1f} s, {done} trials done: killed {what()}", flush=True)

    def worker(self) -> str:
        """A process of a worker."""
        chosen = self.chance.choice(self.workers)
        return f"{self._one_of(chosen)} of {chosen.host.name}"

    def host(self) -> str:
        """A host with all that works there, which boots again."""
        chosen = self.chance.choice([*self.workers, *self.bosses])
        chosen.kill()
        chosen.host.power_off()
        chosen.host.boot()
        chosen.start()
        return f"host {chosen.host.name}"

    def controller(self) -> str:
        """A process of the controller."""
        chosen = self.chance.choice(self.bosses)
        return f"{self._one_of(chosen)} of {chosen.host.name}"

    def _one_of(self, chosen: Command) -> str:
        """One process of a command, which is typed again when it was its first."""
        until(lambda: chosen.is_over() or bool(chosen.processes()))
        running = chosen.processes()
        if not running:
            return "nothing"
        number = self.chance.randrange(len(running))
        try:
            running[number].send_signal(SIGKILL)
        except psutil.NoSuchProcess:
            return "nothing"
        return f"process {number + 1} of {len(running)}"

    def database(self) -> str:
        """The database, as a crash ends it."""
        self.lab.database.stop("immediate")
        away = self._away()
        self.lab.database.start()
        return f"the database for {away:.1f} s"

    def server(self) -> str:
        """The MLflow server."""
        self.lab.server.stop()
        away = self._away()
        self.lab.server.start()
        return f"the server for {away:.1f} s, and until it answers"

    def _away(self) -> float:
        away = self.chance.uniform(0, MOST_AWAY)
        time.sleep(away)
        return away


@pytest.mark.slow(minutes=2)
@pytest.mark.parametrize(
    ("kills", "bosses", "labs"), [(6, 2, 2), *([(KILLS, 1, 3)] if KILLS else [])]
)
def test_every_cell_is_there_once_whoever_dies(
    lab: Lab, tmp_path: Path, migrated_database: Path, kills: int, bosses: int, labs: int
) -> None:
    """Hosts that work come to what one process comes to; two may type the sweep at one moment."""
    cells = kills + kills % 2
    chance = random.Random(SEED)  # noqa: S311 -- no secret
    moments = sorted(chance.uniform(0, cells - 1) for _ in range(kills))
    kinds = [kind for _ in moments for kind in chance.sample(KINDS, len(KINDS))]
    print(f"seed {SEED}: {kills} kills while {cells} trials are done", flush=True)
    storage = f"hydra.sweeper.storage={lab.database.url}"
    words = sweep(cells, storage, f"trajectory.store={lab.folder}", "--no-workers")
    names = [f"boss-{n}" for n in range(bosses)] + [f"lab-{n}" for n in range(labs)]
    with ExitStack() as ends:
        everybody = [
            ends.enter_context(command(host, *typed, variables=lab.variables))
            for host, typed in zip(
                ends.enter_context(hosts(lab.network, tmp_path, *names)),
                [words] * bosses + [("worker", "lab", "--count", "1")] * labs,
                strict=True,
            )
        ]
        alone = ends.enter_context(undisturbed(tmp_path / "alone", cells, migrated_database))
        killer = Killer(lab, everybody[:bosses], everybody[bosses:], chance)

        def said() -> str:
            return "\n".join(f"{one.host.name} {one.ends}: {one.said}" for one in everybody)

        for moment, kind in zip(moments, kinds, strict=False):
            until(partial(_reached, lab, moment, everybody), said)
            time.sleep(moment % 1)
            killer.kill(kind)
        until(lambda: _all_over(everybody), said)
        assert "Traceback" not in said(), said()
        assert_every_cell_once(lab, alone())
    assert_trained_once(lab)


def _all_over(everybody: list[Command]) -> bool:
    """Whether every command has ended as it should; what has failed is typed again."""
    return all([one.is_over() for one in everybody])  # noqa: C419 -- each is looked at


def _reached(lab: Lab, moment: float, everybody: list[Command]) -> bool:
    """Whether so many trials are done; what has failed meanwhile is typed again."""
    over = [one.is_over() for one in everybody]
    assert not over[0], "the sweep is over"
    return lab.done() >= int(moment)
