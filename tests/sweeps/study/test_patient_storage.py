"""A storage whose server goes away in the middle of a call: nothing twice, nothing lost."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage, get_storage
from optuna.trial import TrialState
from plans import FakeRun, study
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study.patient_storage import PatientStorage, together
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.worker import Worker
from cnn_sweeps.tracking.patience import patient


class Cut(InMemoryStorage):
    """Cuts the connection once in the next call of a method, before or after it is carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.cuts: dict[str, str] = {}

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            when = self.cuts.pop(name, None)
            if when is None:
                return found(*args, **kwargs)
            if when == "after":
                found(*args, **kwargs)
            try:
                raise OperationalError("", {}, Exception("server closed the connection"))
            except OperationalError as error:
                raise StorageInternalError("An exception is raised during the commit.") from error

        return call


@pytest.fixture(name="cut")
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cut]:
    """A storage inside a patient block that does not sleep."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    with patient(60):
        yield Cut()


def study_of(cut: Cut) -> optuna.Study:
    """A study that waits for its storage."""
    return optuna.create_study(storage=PatientStorage(cut))


WHEN = pytest.mark.parametrize("when", ["before", "after"])


@WHEN
def test_a_trial_is_enqueued_once(cut: Cut, when: str) -> None:
    """Its place would be used twice."""
    study = study_of(cut)
    study.enqueue_trial({"x": 1})
    cut.cuts["create_new_trial"] = when
    study.enqueue_trial({"x": 1})
    assert len(study.trials) == 2


@WHEN
def test_a_trial_that_has_ended_so_has_ended(cut: Cut, when: str) -> None:
    """The answer was lost, the values were not."""
    study = study_of(cut)
    trial = study.ask()
    cut.cuts["set_trial_state_values"] = when
    study.tell(trial, 0.5)
    assert [(trial.state, trial.value) for trial in study.trials] == [(TrialState.COMPLETE, 0.5)]


def test_a_trial_that_another_process_ended_is_told(cut: Cut) -> None:
    """It was requeued meanwhile: whose values it has is not ours to say."""
    study = study_of(cut)
    trial = study.ask()
    number = trial._trial_id
    cut.cuts["set_trial_state_values"] = "before"
    InMemoryStorage.set_trial_state_values(cut, number, TrialState.FAIL)
    with pytest.raises(UpdateFinishedTrialError):
        study._storage.set_trial_state_values(number, TrialState.COMPLETE, [0.5])


@WHEN
@pytest.mark.parametrize(
    "method", ["set_trial_user_attr", "get_all_trials", "set_study_user_attr", "get_trial"]
)
def test_other_calls_are_repeated(cut: Cut, when: str, method: str) -> None:
    """They give the same, however often."""
    study = study_of(cut)
    trial = study.ask()
    cut.cuts[method] = when
    trial.set_user_attr("a", 1)
    study.set_user_attr("b", 2)
    assert study.trials[0].user_attrs == {"a": 1}
    assert study.user_attrs == {"b": 2}
    assert study._storage.get_trial(0).user_attrs == {"a": 1}
    assert cut.cuts == {}


def database(folder: Path) -> RDBStorage:
    """An SQLite database of a study with a waiting trial."""
    address = StudyAddress(storage=f"sqlite:///{folder}/study.db", name="study")
    storage = address.open()
    assert isinstance(storage, RDBStorage)
    optuna.create_study(study_name="study", storage=storage).enqueue_trial({"x": 1})
    return storage


def claim(storage: BaseStorage) -> bool:
    """Two writes."""
    storage.set_trial_user_attr(1, "owner", "me")
    return storage.set_trial_state_values(1, TrialState.RUNNING)


def test_writes_that_belong_together_are_seen_together(tmp_path: Path) -> None:
    """Another process sees none of them before the last is made."""
    storage, seen = database(tmp_path), []

    def writes(inside: BaseStorage) -> bool:
        inside.set_trial_user_attr(1, "owner", "me")
        with closing(sqlite3.connect(tmp_path / "study.db")) as other:
            seen.extend(other.execute("SELECT * FROM trial_user_attributes").fetchall())
        return inside.set_trial_state_values(1, TrialState.RUNNING)

    assert together(storage, writes, lambda: False)
    trial = storage.get_trial(1)
    assert (seen, trial.user_attrs, trial.state) == ([], {"owner": "me"}, TrialState.RUNNING)


def test_of_writes_that_belong_together_none_is_made_where_one_fails(tmp_path: Path) -> None:
    """And the storage can be used as before."""
    storage = database(tmp_path)

    def writes(inside: BaseStorage) -> bool:
        claim(inside)
        raise UpdateFinishedTrialError

    with pytest.raises(UpdateFinishedTrialError):
        together(storage, writes, lambda: False)
    trial = storage.get_trial(1)
    assert (trial.user_attrs, trial.state) == ({}, TrialState.WAITING)
    assert claim(storage)


def test_what_broke_a_transaction_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optuna repeats the creation of a trial, and would tell that the transaction is over."""
    storage = database(tmp_path)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)

    def cut_off(_c: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> tuple[str, Any]:
        return ("cut off" if "INSERT INTO trials " in statement else statement), given

    def writes(inside: BaseStorage) -> bool:
        claim(inside)
        return inside.create_new_trial(1) > 0

    event.listen(storage.engine, "before_cursor_execute", cut_off, retval=True)
    with pytest.raises(StorageInternalError) as raised:
        together(storage, writes, lambda: False)
    assert isinstance(raised.value.__cause__, OperationalError)
    event.remove(storage.engine, "before_cursor_execute", cut_off)
    assert together(storage, writes, lambda: False)


@pytest.mark.parametrize("carried_out", [True, False])
def test_writes_whose_answer_was_lost_are_made_once(cut: Cut, carried_out: bool) -> None:
    """Whether they were carried out is looked up; else they are made again."""
    study = study_of(cut)
    study.enqueue_trial({"x": 1})
    calls = []

    def writes(storage: BaseStorage) -> bool:
        calls.append(1)
        if len(calls) == 1:
            cut.cuts["set_trial_state_values"] = "after" if carried_out else "before"
        return storage.set_trial_state_values(0, TrialState.RUNNING)

    assert together(study._storage, writes, lambda: carried_out)
    assert len(calls) == (1 if carried_out else 2)


def on_a_server(folder: Path) -> tuple[SweepStudy, RDBStorage]:
    """A study with its queue as if its SQLite file were on a server, and its tables."""
    address = StudyAddress(storage=f"sqlite:///{folder}/study.db", name="study")
    tables = address.open()
    assert isinstance(tables, RDBStorage)
    storage = PatientStorage(get_storage(tables), tables)
    optuna.create_study(study_name="study", storage=storage, direction="maximize")
    made = replace(
        study(folder),
        storage=storage,
        optuna_study=optuna.load_study(study_name="study", storage=storage),
        address=address,
    )
    fill_queue(made, Budget(n_jobs=1))
    return made, tables


@pytest.mark.parametrize("which", range(3))
def test_a_place_whose_removal_was_not_answered_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    """None is left that runs for nobody, which would be requeued and trained."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    made, tables = on_a_server(tmp_path)
    first = made.look().standing[0]
    commit, left = tables.engine.dialect.do_commit, iter(range(which))

    def lost(connection: Any) -> None:
        commit(connection)
        if next(left, None) is None:
            patch.undo()
            raise OperationalError("", {}, Exception("server closed the connection"))

    with monkeypatch.context() as patch, patient(60):
        patch.setattr(tables.engine.dialect, "do_commit", lost)
        assert made.drop(first)
    assert TrialState.RUNNING not in {t.state for t in made.optuna_study.get_trials()}
    assert first.number not in {t.number for t in made.look().standing}


def test_a_trial_of_a_transaction_that_fails_is_none_to_optunas_cache(tmp_path: Path) -> None:
    """It would be claimed, and is in no database."""
    made, _ = on_a_server(tmp_path)
    before = [trial.number for trial in made.optuna_study.get_trials()]
    study_id = made.storage.get_study_id_from_name("study")

    def writes(inside: BaseStorage) -> bool:
        inside.create_new_trial(study_id, optuna.create_trial(state=TrialState.WAITING))
        raise UpdateFinishedTrialError

    with pytest.raises(UpdateFinishedTrialError):
        together(made.storage, writes, lambda: False)
    assert [trial.number for trial in made.optuna_study.get_trials()] == before


def test_a_trial_takes_few_statements_and_is_looked_at_once(tmp_path: Path) -> None:
    """Of a database on a server each is a way there and back."""
    made, tables = on_a_server(tmp_path)
    worker = Worker(study=made, execute=FakeRun())
    worker.work(1)
    said: list[str] = []
    event.listen(
        tables.engine, "before_cursor_execute", lambda _c, _r, statement, *_: said.append(statement)
    )
    worker.work(1)
    looks = [one for one in said if "trials.study_id = ?" in one and "ORDER BY" in one]
    begun = [one for one in said if one.startswith("BEGIN")]
    assert (len(looks), len(begun) <= 5, len(said) - len(begun) <= 36) == (1, True, True), said
