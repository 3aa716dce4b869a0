"""Several writes of Optuna's in one transaction, which knows what it has read."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import event

from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.transaction import transaction

TRIAL = 1


@pytest.fixture(name="database")
def made(tmp_path: Path) -> RDBStorage:
    """An SQLite database of a study with a running trial."""
    storage = StudyAddress(storage=f"sqlite:///{tmp_path}/study.db", name="study").open()
    assert isinstance(storage, RDBStorage)
    optuna.create_study(study_name="study", storage=storage).ask()
    return storage


@pytest.fixture(name="said")
def listened(database: RDBStorage) -> list[str]:
    """Statements that ask for a trial, as they are made."""
    said: list[str] = []

    def note(_c: Any, _r: Any, statement: str, *_: Any) -> None:
        said.extend([statement] if "FROM trials" in statement else [])

    event.listen(database.engine, "before_cursor_execute", note)
    return said


def note(database: RDBStorage, number: int) -> None:
    """Write a few attributes of a trial."""
    for key in range(number):
        database.set_trial_user_attr(TRIAL, f"key {key}", key)


def end_elsewhere(database: RDBStorage) -> None:
    """Let another process end the trial."""
    connection = database.scoped_session().connection()
    connection.exec_driver_sql("UPDATE trials SET state = 'FAIL'")


def test_a_trial_is_read_once_however_many_attributes_it_gets(
    database: RDBStorage, said: list[str]
) -> None:
    """Of a database on a server each time is a way there and back."""
    with transaction(database):
        note(database, 5)
    assert len(said) == 1
    assert len(database.get_trial(TRIAL).user_attrs) == 5


def test_a_trial_that_was_locked_is_known(database: RDBStorage, said: list[str]) -> None:
    """Nobody can change it then."""
    with transaction(database):
        database.set_trial_state_values(TRIAL, TrialState.RUNNING)
        note(database, 5)
    assert len(said) == 1


def test_a_trial_is_locked_as_it_is_then(database: RDBStorage) -> None:
    """Another process may have ended it since the transaction first read it."""

    def writes() -> None:
        with transaction(database):
            note(database, 2)
            end_elsewhere(database)
            database.set_trial_state_values(TRIAL, TrialState.COMPLETE, [0.5])

    with pytest.raises(UpdateFinishedTrialError):
        writes()
    trial = database.get_trial(TRIAL)
    assert (trial.state, trial.user_attrs) == (TrialState.RUNNING, {})


def test_what_the_transaction_has_done_to_a_trial_is_known(database: RDBStorage) -> None:
    """It has ended it: no attribute can follow."""

    def writes() -> None:
        with transaction(database):
            note(database, 1)
            database.set_trial_state_values(TRIAL, TrialState.COMPLETE, [0.5])
            note(database, 1)

    with pytest.raises(UpdateFinishedTrialError):
        writes()


def test_each_trial_is_known_by_its_own_number(database: RDBStorage) -> None:
    """One that has ended is not taken for one that runs."""
    study = optuna.load_study(study_name="study", storage=database)
    other = study.ask()
    study.tell(other, 0.5)

    def writes() -> None:
        with transaction(database):
            note(database, 1)
            database.set_trial_user_attr(other._trial_id, "key", 1)

    with pytest.raises(UpdateFinishedTrialError):
        writes()


def test_the_next_transaction_reads_anew(database: RDBStorage) -> None:
    """What another process has done between two of them is found."""
    with transaction(database):
        note(database, 1)
    with transaction(database):
        end_elsewhere(database)
    with pytest.raises(UpdateFinishedTrialError), transaction(database):
        note(database, 1)
