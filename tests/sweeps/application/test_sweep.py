"""The sweeper in applications that are not ours: Hydra's launcher runs jobs, a study keeps them."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from applications import Application
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig
from optuna.storages import RDBStorage, get_storage
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from cnn_sweeps.sweeps.hydra_call import HydraCall
from cnn_sweeps.sweeps.study.patient_storage import PatientStorage
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.tracking.patience import patient, waiting

Make = Callable[[Callable[[DictConfig], Any]], Application]
SWEPT = "hydra.sweep.dir=swept"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hydra_restore_singletons: None) -> Make:
    """Makes an application of a task; its config has x and y."""

    def made(task: Callable[[DictConfig], Any]) -> Application:
        app = Application(folder=tmp_path, task=task, monkeypatch=monkeypatch)
        app.write({"x": 1, "y": 1})
        return app

    return made


def load(folder: Path, storage: str, name: str) -> optuna.Study:
    """The study as Optuna reads it."""
    return optuna.load_study(
        study_name=name, storage=StudyAddress(storage=storage, name=name).open()
    )


def square(config: DictConfig) -> float:
    """The task of most tests: least at 0."""
    return float(config.x**2 + config.y**2)


def suggest(config: DictConfig, trial: optuna.Trial) -> None:
    """A search space of the user's own."""
    assert config.y == 2
    assert trial.user_attrs == {"y": "2"}
    trial.suggest_float("+w", 0.0, abs(trial.params["x"]))


def test_results_are_stored_and_shown(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """The least value counts where nobody says otherwise; the file is the official sweeper's."""
    app = make(square)
    assert app.run(SWEPT, "x=choice(3,1,2)") == 0
    assert app.results() == {"name": "optuna", "best_params": {"x": 1}, "best_value": 2.0}
    assert (app.folder / "swept" / "multirun.yaml").exists()
    assert "rank  value  x  job\n  1*      2  1    1\n" in capsys.readouterr().out


@dataclass
class Typed:
    """The config of an application with a structured config."""

    lr: float = 0.1
    depth: int = 2


def test_structured_config_is_resumed_to_a_total(make: Make) -> None:
    """The same command with a higher total runs the trials that are missing, in new folders."""
    app = make(lambda config: config.lr)
    app.write({"defaults": ["typed", "_self_"]})
    ConfigStore.instance().store(name="typed", node=Typed)
    sweeper = ("hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.study_name=tree")
    space = ("lr=tag(log,interval(0.001,1))", "depth=int(interval(1,9))")
    typed = (*space, "hydra/sweeper/sampler=tpe", "hydra.sweeper.sampler.seed=3")
    assert app.run(*sweeper, *typed, "hydra.sweeper.n_trials=2", "hydra.sweep.dir=first") == 0
    assert app.run(*sweeper, *typed, "hydra.sweeper.n_trials=3", "hydra.sweep.dir=then") == 0
    assert len(app.calls) == 3
    assert {type(call["depth"]) for call in app.calls} == {int}
    assert sorted(path.name for path in (app.folder / "then").glob("[0-9]*")) == ["2"]
    trials = load(app.folder, f"sqlite:///{app.folder}/study.db", "tree").trials
    assert [trial.value for trial in trials] == [call["lr"] for call in app.calls]


def test_a_new_study_is_not_named_as_an_option(
    make: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that an earlier version has begun goes on to its total."""
    app, name = make(square), "hydra.sweeper.study_name=-tree"
    assert app.run(SWEPT, name, "x=choice(1,2)") == 1
    assert "study_name=-tree is invalid for a new study" in capsys.readouterr().err
    with monkeypatch.context() as earlier:
        earlier.setattr(
            "cnn_sweeps.sweeps.application.request.refuse_as_option", lambda *_, **__: None
        )
        assert app.run(SWEPT, name, "x=choice(1,2)", "hydra.sweeper.n_trials=1") == 0
    assert app.run(SWEPT, name, "x=choice(1,2)") == 0
    assert len(app.calls) == 2


def test_application_that_changes_its_folder(make: Make) -> None:
    """A relative storage lies where the sweep was started, whatever folder a job is in."""
    folders = []

    def task(config: DictConfig) -> np.float32:
        folders.append(str(Path.cwd()))
        return np.float32(config.x)

    app = make(task)
    chdir = ("hydra.job.chdir=true", SWEPT, "hydra.sweeper.direction=maximize")
    assert app.run(*chdir, "hydra.sweeper.storage=study.journal", "x=choice(1,2)") == 0
    assert folders == [str(app.folder / "swept" / number) for number in "01"]
    assert [file.name for file in app.folder.glob("**/*.journal")] == ["study.journal"]
    assert app.results()["best_params"] == {"x": 2}


@pytest.mark.parametrize(
    ("task", "goal"),
    [
        pytest.param(
            lambda c: (c.x, -c.x, 0), "direction=[minimize,minimize,maximize]", id="positions"
        ),
        pytest.param(
            lambda c: {"cost": c.x, "loss": -c.x, "note": "text"},
            "objectives={cost: minimize, loss: minimize}",
            id="names",
        ),
    ],
)
def test_application_with_several_objectives(
    make: Make, task: Callable[[DictConfig], Any], goal: str
) -> None:
    """The file has the Pareto front."""
    app = make(task)
    assert app.run(SWEPT, f"hydra.sweeper.{goal}", "x=choice(1,2)") == 0
    assert [solution["params"]["x"] for solution in app.results()["solutions"]] == [1, 2]


def test_a_config_for_the_official_sweeper_runs(make: Make) -> None:
    """Its keys mean what they mean there: sampler and seed, direction, rate, own search space."""
    app = make(lambda config: config.w)
    app.write(
        {
            "defaults": [
                {"override hydra/sweeper": "cnn_sweeps"},
                {"override hydra/sweeper/sampler": "random"},
            ],
            "hydra": {
                "sweeper": {
                    "sampler": {"seed": 123},
                    "direction": "minimize",
                    "study_name": "own",
                    "storage": None,
                    "n_trials": 3,
                    "n_jobs": 2,
                    "max_failure_rate": 0.0,
                    "params": {"x": "range(-5.5, 5.5, step=0.5)"},
                    "custom_search_space": f"{__name__}.suggest",
                }
            },
            "x": 1,
            "y": 1,
        }
    )
    app.monkeypatch.setattr("applications.SWEEPER", ("--multirun",))
    assert app.run(SWEPT, "y=2") == 0
    best = app.results()["best_params"]
    assert set(best) == {"x", "+w"}
    assert len(app.calls) == 3
    assert all(0 <= call["w"] <= abs(call["x"]) for call in app.calls)


def same_for_all(config: DictConfig, trial: optuna.Trial) -> None:
    """A search space of the user's own with one value."""
    trial.suggest_float("z", 3, 3)


def suggest_nothing(config: DictConfig, trial: optuna.Trial) -> None:
    """A search space of the user's own that is empty."""


@pytest.mark.parametrize("function", [same_for_all, suggest_nothing])
def test_a_space_that_always_gives_the_same_job_ends(
    make: Make, capsys: pytest.CaptureFixture[str], function: Callable[..., None]
) -> None:
    """It is run once, and a sentence names the function."""
    app = make(square)
    app.write({"x": 1, "y": 1, "z": 1})
    name = f"{__name__}.{function.__name__}"
    typed = (f"hydra.sweeper.custom_search_space={name}", "hydra.sweeper.n_trials=3")
    assert app.run(SWEPT, *typed) == 0
    assert f"2 trials given up: {name} gives no other job" in capsys.readouterr().out
    assert len(app.calls) == 1


@pytest.mark.parametrize("jobs", [1, 3])
def test_interrupted_sweep_goes_on(
    make: Make, capsys: pytest.CaptureFixture[str], jobs: int
) -> None:
    """Ctrl-C ends it without a traceback; the job in hand is done again, the others are not."""
    interrupts = [KeyboardInterrupt()]

    def task(config: DictConfig) -> float:
        if config.x == 2 and interrupts:
            raise interrupts.pop()
        return float(config.x)

    app = make(task)
    assert app.run(SWEPT, "x=choice(1,2,3)", f"hydra.sweeper.n_jobs={jobs}") == 130
    said = capsys.readouterr()
    assert "Stopped with 1 of 3 trials done" in said.out
    assert "Traceback" not in said.out + said.err
    assert app.run(SWEPT, "x=choice(1,2,3)") == 0
    assert sorted(call["x"] for call in app.calls) == [1, 2, 2, 3]


@pytest.mark.parametrize(
    ("rate", "together", "code", "jobs"),
    [("0.0", 1, 1, 1), ("1.0", 1, 0, 3), ("0.5", 2, 0, 3), ("0.4", 2, 1, 2), ("0.3", 5, 1, 3)],
)
def test_jobs_may_fail(make: Make, rate: str, together: int, code: int, jobs: int) -> None:
    """Above the rate of so many a failure ends the sweep with the job's own error."""

    def task(config: DictConfig) -> float:
        if config.x == 1:
            raise RuntimeError("no luck")
        return float(config.x)

    app = make(task)
    typed = (f"hydra.sweeper.max_failure_rate={rate}", f"hydra.sweeper.n_jobs={together}")
    assert app.run(SWEPT, *typed, "x=choice(1,2,3)") == code
    assert len(app.calls) == jobs


def test_a_job_that_failed_is_not_tried_again(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was done is told from what failed, with what to type; another name is a new study."""

    def task(config: DictConfig) -> float:
        if config.x == 1:
            raise RuntimeError("no luck")
        return float(config.x)

    app, typed = make(task), (SWEPT, "x=choice(1,2,3)", "hydra.sweeper.max_failure_rate=1.0")
    assert app.run(*typed) == 0
    assert app.run(*typed, "hydra.sweeper.dry_run=true") == 0
    said = capsys.readouterr().out
    assert "0 jobs, 2 done before, 1 failed before" in said
    assert "not tried again; type hydra.sweeper.study_name=NAME" in " ".join(said.split())
    assert app.run(*typed) == 0
    assert len(app.calls) == 3
    assert app.run(*typed, "hydra.sweeper.study_name=again") == 0
    assert len(app.calls) == 6


def test_duplicates_and_enqueued_points(make: Make) -> None:
    """A point of the user's is first; the sampler repeats none, and a small space is exhausted."""
    app = make(square)
    typed = ("x=choice(1,2,3,4)", "hydra/sweeper/sampler=random", "hydra.sweeper.n_trials=3")
    assert app.run(SWEPT, *typed, "hydra.sweeper.enqueue=['x=4']") == 0
    xs = [call["x"] for call in app.calls]
    assert xs[0] == 4
    assert len(set(xs)) == 3


def test_time_ends_a_sweep(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """After the time no further job is launched, and how many were left out is said."""
    app = make(square)
    assert app.run(SWEPT, "x=choice(1,2,3)", "hydra.sweeper.timeout=1e-9") == 0
    assert len(app.calls) == 0
    assert "timeout=1e-09 s are over: 3 of 3 trials not begun. Type" in capsys.readouterr().out


def test_interval_is_hydras(make: Make) -> None:
    """Whole ends do not make whole numbers in an application, as nowhere in Hydra."""
    app = make(square)
    assert app.run(SWEPT, "x=interval(1,5)", "hydra.sweeper.n_trials=1") == 0
    assert isinstance(app.calls[0]["x"], float)


def test_dry_run_launches_and_leaves_nothing(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what would be done."""
    app = make(square)
    assert app.run(SWEPT, "x=choice(1,2)", "hydra.sweeper.dry_run=true") == 0
    assert "2 jobs, 0 done before" in capsys.readouterr().out
    assert not app.calls
    assert not (app.folder / "swept").exists()


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        pytest.param(["hydra/sweeper/pruner=median"], "pruner=median is for", id="pruner"),
        pytest.param(["hydra.sweeper.log_level=debug"], "log_level=debug is for", id="log"),
        pytest.param(["hydra.sweeper.max_failures=1"], "max_failure_rate", id="failures"),
        pytest.param(["hydra.sweeper.n_jobs=0"], "n_jobs=0 is invalid", id="jobs"),
        pytest.param(["hydra.sweeper.max_failure_rate=2"], "from 0 to 1", id="rate"),
        pytest.param(["hydra.sweeper.patience=-1"], "patience=-1 is invalid", id="patience"),
        pytest.param(["hydra.sweeper.n_trials=0"], "n_trials=0 is invalid", id="trials"),
        pytest.param(["hydra.sweeper.direction=up"], "direction=up", id="direction"),
        pytest.param(["hydra/sweeper/sampler=motpe"], "removed in Optuna 4.0", id="motpe"),
        pytest.param(
            ["hydra.sweeper.custom_search_space=no.where"], "custom_search_space=no", id="function"
        ),
        pytest.param(
            ["hydra.launcher._target_=hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"],
            "Type hydra/launcher=joblib",
            id="ray",
        ),
        pytest.param(["x=choice(2,3)"], "x is swept twice (choice(1,2) and", id="twice"),
        pytest.param(["nosuch=choice(1,2)"], "nosuch", id="key"),
        pytest.param(["hydra.sweeper.objectives={a: minimize}"], "returned None", id="no value"),
    ],
)
def test_refusals_are_plain(
    make: Make, typed: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refusal is a sentence and exit code 1; no traceback."""
    app = make(lambda config: None)
    assert app.run(SWEPT, "x=choice(1,2)", *typed) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert "Traceback" not in said.err + said.out


def test_another_sweep_of_that_name_is_refused(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """A study holds one sweep."""
    app = make(square)
    assert app.run(SWEPT, "hydra.sweeper.study_name=one", "x=choice(1,2)") == 0
    assert app.run(SWEPT, "hydra.sweeper.study_name=one", "x=choice(1,3)") == 1
    assert "holds another sweep" in capsys.readouterr().err


class UncompletedJobError(RuntimeError):
    """What submitit raises for a job whose process has left no result."""


class DeadlyLauncher:
    """A launcher whose jobs return their x, but for those that x=1 kills."""

    def launch(self, job_overrides: Sequence[list[str]], initial_job_idx: int) -> list[JobReturn]:
        """Return nothing of a batch in which one dies."""
        if ["x=1"] in job_overrides:
            raise UncompletedJobError("Job 17 has not produced any output")
        returned = [JobReturn(status=JobStatus.COMPLETED) for _ in job_overrides]
        for job, (override,) in zip(returned, job_overrides, strict=True):
            job.return_value = int(override.partition("=")[2])
        return returned


@pytest.mark.parametrize(("rate", "code"), [("0.0", 1), ("0.5", 0)])
def test_a_job_whose_process_dies_has_failed(
    make: Make, capsys: pytest.CaptureFixture[str], rate: str, code: int
) -> None:
    """A launcher tells it of a whole batch; the other jobs of it are launched without that one."""
    app = make(square)
    app.monkeypatch.setattr(HydraCall, "launcher", lambda _: DeadlyLauncher())
    app.monkeypatch.setattr(HydraCall, "is_local", False)
    typed = ("hydra.sweeper.n_jobs=2", f"hydra.sweeper.max_failure_rate={rate}")
    storage = ("hydra.sweeper.storage=s.journal", "hydra.sweeper.study_name=s")
    assert app.run(SWEPT, *typed, *storage, "x=choice(1,2)") == code
    said = capsys.readouterr()
    assert "the process of the job died: UncompletedJobError: Job 17" in said.out + said.err
    assert "Traceback" not in said.out + said.err
    found = load(app.folder, str(app.folder / "s.journal"), "s").trials
    assert [trial.state.name for trial in found] == ["FAIL", "COMPLETE"]


def test_the_end_of_a_job_in_hand_is_reused(make: Make) -> None:
    """Of five jobs at a time some are the same: they wait for it, and no other values are tried."""
    app, launched = make(square), list[list[str]]()

    class Keeping(DeadlyLauncher):
        def launch(self, job_overrides: Sequence[list[str]], initial_job_idx: int) -> Any:
            launched.extend(job_overrides)
            return super().launch(job_overrides, initial_job_idx)

    app.monkeypatch.setattr(HydraCall, "launcher", lambda _: Keeping())
    app.monkeypatch.setattr(HydraCall, "is_local", False)
    typed = ["hydra.sweeper.n_jobs=5", "hydra.sweeper.duplicates=reuse", "x=choice(2,3,4,5,6,7)"]
    typed += ["hydra/sweeper/sampler=random", "hydra.sweeper.n_trials=5"]
    storage = ("hydra.sweeper.storage=s.journal", "hydra.sweeper.study_name=s")
    assert app.run(SWEPT, *typed, *storage) == 0
    found = load(app.folder, str(app.folder / "s.journal"), "s").trials
    assert [trial.state.name for trial in found] == ["COMPLETE"] * 5
    assert all(trial.value == trial.params["x"] for trial in found)
    assert len(launched) == len({trial.params["x"] for trial in found}) < 5


def test_a_launcher_that_fails_costs_no_trial(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no job's fault; the next call launches them all."""
    app = make(square)
    app.monkeypatch.setattr(HydraCall, "launcher", lambda _: object())
    storage = ("hydra.sweeper.storage=s.journal", "hydra.sweeper.study_name=s")
    assert app.run(SWEPT, *storage, "x=choice(1,2)") == 1
    said = capsys.readouterr()
    assert "the launcher failed: AttributeError" in said.err
    assert "Traceback" not in said.out + said.err
    found = load(app.folder, str(app.folder / "s.journal"), "s").trials
    assert [trial.state.name for trial in found] == ["FAIL", "WAITING", "WAITING"]


def test_why_jobs_have_no_value_is_said_once(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to type, where they return more than one thing."""
    app = make(lambda config: {"loss": 1, "accuracy": 2})
    assert app.run(SWEPT, "x=choice(1,2,3)") == 0
    said = capsys.readouterr().out
    assert said.count("hydra.sweeper.objectives={loss: minimize}") == 1
    assert "3 trials: the application returned loss, accuracy" in said


class Database:
    """An SQLite database as if it were on a server, whose connections can be cut."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tables = StudyAddress(storage=f"sqlite:///{folder}/server.db", name="study").open()
        assert isinstance(tables, RDBStorage)
        self.storage = PatientStorage(get_storage(tables), tables)
        self._cuts = Counter[str]()
        commit = tables.engine.dialect.do_commit

        def committed(connection: Any) -> None:
            commit(connection)
            self._cut("after")

        monkeypatch.setattr(tables.engine.dialect, "do_commit", committed)
        event.listen(tables.engine, "before_cursor_execute", lambda *_: self._cut("before"))

    def goes_away(self, when: str, times: int = 2) -> None:
        """Cut the next connections: before a statement, or before the answer to a commit."""
        self._cuts[when] = times

    def _cut(self, when: str) -> None:
        if self._cuts[when] > 0:
            self._cuts[when] -= 1
            raise OperationalError("", {}, Exception("server closed the connection"))


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Every study is on it; what waits does not sleep."""
    made = Database(tmp_path, monkeypatch)
    monkeypatch.setattr(StudyAddress, "open", lambda _, **__: made.storage)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return made


ON_SERVER = (SWEPT, "hydra.sweeper.storage=postgresql+psycopg://me@nowhere/studies")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_database_that_goes_away_is_waited_for(
    make: Make, database: Database, capsys: pytest.CaptureFixture[str], when: str
) -> None:
    """Each job is run once, in its place; the outage is told with what sets the wait."""

    def task(config: DictConfig) -> float:
        database.goes_away(when)
        return float(config.x)

    app = make(task)
    assert app.run(*ON_SERVER, "x=choice(3,1,2)", "hydra.sweeper.patience=60") == 0
    assert [call["x"] for call in app.calls] == [3, 1, 2]
    assert app.results() == {"name": "optuna", "best_params": {"x": 1}, "best_value": 1.0}
    assert "Waiting for up to 60 s (hydra.sweeper.patience): " in capsys.readouterr().out


def test_a_sweep_without_patience_ends_in_one_line(
    make: Make, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same command goes on with it."""

    def task(config: DictConfig) -> float:
        if len(app.calls) == 2:
            database.goes_away("before", 1_000)
        return float(config.x)

    app = make(task)
    typed = (*ON_SERVER, "x=choice(3,1,2)", "hydra.sweeper.patience=0")
    assert app.run(*typed) == 1
    said = capsys.readouterr()
    assert "server closed the connection" in said.err
    assert "Traceback" not in said.out + said.err
    database.goes_away("before", 0)
    assert app.run(*typed) == 0
    assert {call["x"] for call in app.calls} == {1, 2, 3}


def test_jobs_wait_as_they_are_told_themselves(
    make: Make, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's retries are left to them, and what they say of their patience counts."""
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    told: list[str] = []
    answers = iter([ConnectionRefusedError("not yet"), None])

    def answer() -> None:
        if (error := next(answers)) is not None:
            raise error

    def task(config: DictConfig) -> float:
        assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ
        with patient(7, say=told.append):
            waiting(answer)
        return 0.0

    assert make(task).run(*ON_SERVER, "x=choice(1)") == 0
    assert told[0] == "Waiting for up to 7 s (tracking.patience): not yet"
