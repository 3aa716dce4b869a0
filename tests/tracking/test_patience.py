"""Waiting for a server that is away: how long, what is told, and what is not waited for."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from http_servers import Request, serving
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests.exceptions import ConnectionError as NoConnection
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError

from cnn_sweeps.errors import StoppedError, StoreError
from cnn_sweeps.tracking import patience
from cnn_sweeps.tracking.errors import as_store_error, is_away
from cnn_sweeps.tracking.patience import (
    RUNS,
    STUDY,
    Attempts,
    patient,
    patiently,
    tried,
    waiting,
)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """What it says."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move it."""
        self.now += seconds


def _with_state(sqlstate: str) -> Exception:
    """An error as psycopg has it."""
    error = Exception(f"SQLSTATE {sqlstate}")
    error.sqlstate = sqlstate  # type: ignore[attr-defined]
    return error


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The time that passes while something is waited for."""
    made = Time()
    monkeypatch.setattr(patience, "time", made)
    return made


def away_until(moment: float, clock: Time) -> Callable[[], str]:
    """Something that answers from a moment on."""

    def answer() -> str:
        if clock.now < moment:
            raise NoConnection("Connection refused")
        return "here"

    return answer


def test_nothing_waits_by_default(clock: Time) -> None:
    """Who types a command wants to be told at once."""
    with pytest.raises(NoConnection):
        waiting(away_until(1, clock))
    assert clock.now == 0


def test_what_comes_back_in_time_is_waited_for_and_told_once(clock: Time) -> None:
    """Two lines for an outage, not one for each attempt."""
    told: list[str] = []
    with patient(300, say=told.append):
        assert waiting(away_until(30, clock)) == "here"
        assert waiting(away_until(0, clock)) == "here"
    assert 30 <= clock.now <= 30 + patience.LONGEST
    assert told[0] == "Waiting for up to 300 s (tracking.patience): Connection refused"
    assert told[1:] == [f"Back after {clock.now:.0f} s."]


def test_an_outage_has_one_time_however_many_calls_are_made_in_it(clock: Time) -> None:
    """Else a requeue after the time is up would wait for as long again."""
    with patient(60):
        for _ in range(3):
            with pytest.raises(NoConnection):
                waiting(away_until(1e9, clock))
    assert clock.now <= 60 + patience.LONGEST


def test_calls_in_calls_do_not_wait_twice(clock: Time) -> None:
    """A store that is opened makes calls of its own."""
    with patient(60), pytest.raises(NoConnection):
        waiting(lambda: waiting(away_until(1e9, clock)))
    assert clock.now <= 60 + patience.LONGEST


def test_the_next_outage_has_its_own_time(clock: Time) -> None:
    """What was waited for before does not count."""
    with patient(60):
        waiting(away_until(50, clock))
        assert waiting(away_until(clock.now + 50, clock)) == "here"


def test_that_a_database_can_be_read_says_nothing_of_writing(clock: Time) -> None:
    """What is told of it is told once, and the time is up as in any other outage."""
    told: list[str] = []

    def write(until: float) -> str:
        assert clock.now < 500, "it waits for ever"
        assert waiting(lambda: "here", STUDY) == "here"
        if clock.now < until:
            raise _standby()
        return "written"

    with patient(60, say=told.append):
        assert waiting(lambda: write(30), STUDY) == "written"
        assert len(told) == 2, told
        with pytest.raises(InternalError):
            waiting(lambda: write(1e9), STUDY)
    assert len(told) == 3, told
    assert clock.now <= 30 + 60 + 2 * patience.LONGEST


@pytest.mark.parametrize(
    "orig",
    [
        pytest.param(Exception(1213, "Deadlock found"), id="MySQL"),
        pytest.param(Exception(1205, "Lock wait timeout exceeded"), id="MySQL, waited"),
        pytest.param(_with_state("40P01"), id="PostgreSQL"),
        pytest.param(_with_state("40001"), id="PostgreSQL, serialization"),
    ],
)
def test_what_was_undone_for_the_sake_of_another_is_made_again_without_a_word(
    orig: Exception, clock: Time
) -> None:
    """It is no outage: nobody has to be patient for it. If it never ends, it is an error."""
    undone = [OperationalError("UPDATE", {}, orig)] * 3

    def attempt() -> str:
        if undone:
            raise undone.pop()
        return "written"

    assert waiting(attempt) == "written"
    assert clock.now <= 3 * patience.PAUSE
    undone += [OperationalError("UPDATE", {}, orig)] * 1000
    with pytest.raises(OperationalError):
        waiting(attempt)
    assert len(undone) == 1000 - patience.DEADLOCKS - 1


def test_that_one_server_answers_says_nothing_of_another(clock: Time) -> None:
    """Heartbeats reach the study's database while the server of the runs is away for good."""
    told: list[str] = []

    def attempt() -> None:
        assert clock.now < 200, "it waits for ever"
        assert waiting(lambda: "here", STUDY) == "here"
        raise NoConnection("Connection refused")

    with patient(60, say=told.append), pytest.raises(NoConnection):
        waiting(attempt, RUNS)
    assert clock.now <= 60 + patience.LONGEST
    assert told == ["Waiting for up to 60 s (tracking.patience): Connection refused"]


def test_waiting_is_broken_off_by_who_asks_to_stop(clock: Time) -> None:
    """Ctrl-C ends a sweep whose database is away."""

    def heed() -> None:
        """Stop after three seconds."""
        if clock.now > 3:
            raise StoppedError("asked to stop")

    with patient(300, heed=heed), pytest.raises(StoppedError):
        waiting(away_until(1e9, clock))
    assert clock.now < 10


def test_the_outer_block_decides(clock: Time) -> None:
    """A run inside a sweep waits as the sweep does."""
    with patient(60), patient(0):
        assert waiting(away_until(30, clock)) == "here"
    with patient(0), patient(60), pytest.raises(NoConnection):
        waiting(away_until(90, clock))


def test_an_attempt_that_must_not_wait_is_made_again_later(clock: Time) -> None:
    """Training goes on while its epochs cannot be logged."""
    with patient(300):
        assert not tried(away_until(30, clock))
        assert clock.now == 0
        clock.now = 31
        assert tried(away_until(30, clock))


def test_an_attempt_that_must_not_wait_has_seconds(clock: Time) -> None:
    """Of MLflow too, which gives a server that says nothing minutes; without patience they stay."""
    found: list[str | None] = []
    with patient(300):
        assert tried(lambda: found.append(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT")))
    tried(lambda: found.append(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT")))
    assert found == ["10", None]


def test_what_cannot_be_told_between_epochs_is_told_later(clock: Time) -> None:
    """A network that swallows what is sent costs a tenth of the time, one that refuses nothing."""
    attempts, made = Attempts(pause=0.5), list[float]()

    def attempt() -> None:
        made.append(clock.now)
        clock.now += 3
        away_until(60, clock)()

    with patient(300):
        for _ in range(300):
            clock.now += 0.25
            attempts.make(attempt)
    assert made[:4] == [0.25, 33.25, 66.25, 69.75]


def test_without_patience_an_attempt_fails(clock: Time) -> None:
    """As every other call does."""
    with pytest.raises(NoConnection):
        tried(away_until(30, clock))


def test_a_client_waits_in_each_of_its_calls(clock: Time) -> None:
    """None of them knows of it."""

    class Client:
        """Stands for MLflow's."""

        _tracking_client = "inner"

        def get_run(self, run_id: str) -> str:
            """A call like any other."""
            return f"{run_id} {away_until(20, clock)()}"

    client: Any = patiently(Client)  # type: ignore[arg-type]
    with patient(300):
        assert client.get_run("r") == "r here"
    assert client._tracking_client == "inner"


@contextmanager
def _breaking_off(times: int) -> Iterator[str]:
    """A tracking server that stops so often in the middle of its answer; its address."""
    whole = json.dumps({"run": {"info": {"run_id": "r", "lifecycle_stage": "active"}, "data": {}}})
    left = [whole[:9]] * times

    def answer(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(whole)))
        request.end_headers()
        request.wfile.write((left.pop() if left else whole).encode())

    with serving(answer) as url:
        yield url


def test_an_answer_that_breaks_off_is_asked_for_again() -> None:
    """The server was stopped in the middle of it, as if it had been before."""
    with _breaking_off(2) as url:
        client = patiently(lambda: MlflowClient(url))
        with patient(300, say=lambda _: None):
            assert client.get_run("r").info.run_id == "r"


def test_an_answer_that_breaks_off_is_told() -> None:
    """Where nothing waits."""
    with (
        _breaking_off(1) as url,
        pytest.raises(StoreError, match="does not respond"),
        as_store_error(url),
    ):
        MlflowClient(url).get_run("r")


def _database(original: Exception) -> OperationalError:
    return OperationalError("SELECT 1", {}, original)


def _standby() -> DBAPIError:
    """A server that another one is about to take over from."""
    return InternalError("UPDATE", {}, _with_state("25006"))


def _unavailable() -> MlflowException:
    error = MlflowException("bad gateway")
    error.get_http_status_code = lambda: 502  # type: ignore[method-assign]
    return error


def _locked() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorname = "SQLITE_BUSY"
    return error


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        NoConnection("refused"),
        ConnectionResetError("reset by peer"),
        _database(Exception("the database system is starting up")),
        _database(Exception("FATAL:  sorry, too many clients already")),
        _database(Exception("failed to resolve host 'db': Name or service not known")),
        _database(Exception(2003, "Can't connect to MySQL server on 'db'")),
        _caused(StoreError("The tracking store x does not respond."), NoConnection("refused")),
        _caused(MlflowException("request failed"), NoConnection("refused")),
        _caused(_unavailable(), _database(_locked())),
        _locked(),
        _unavailable(),
        _standby(),
    ],
    ids=lambda error: f"{type(error).__name__}-{error!s:.20}",
)
def test_servers_that_are_away(error: Exception) -> None:
    """Stopped, restarting, behind a proxy, or cut off."""
    assert is_away(error)


@pytest.mark.parametrize(
    "error",
    [
        _database(sqlite3.OperationalError("database or disk is full")),
        _caused(
            _unavailable(),
            _database(sqlite3.OperationalError("attempt to write a readonly database")),
        ),
        _database(Exception('FATAL:  password authentication failed for user "lab"')),
        _database(Exception("fe_sendauth: no password supplied")),
        _database(Exception('FATAL:  database "sweeps" does not exist')),
        _database(Exception('FATAL:  role "lab" does not exist')),
        _database(Exception('FATAL:  no pg_hba.conf entry for host "10.0.0.2"')),
        _database(Exception(1045, "Access denied for user 'lab'")),
        _database(Exception(1049, "Unknown database 'sweeps'")),
        StoreError("another store"),
        MlflowException("Run 'x' not found"),
        OSError(28, "No space left on device"),
        ValueError("a mistake"),
    ],
    ids=lambda error: f"{type(error).__name__}-{error!s:.20}",
)
def test_what_waiting_would_not_mend(error: Exception) -> None:
    """A full disk, whatever MLflow calls it, or a server that refuses the user, is told at once."""
    assert not is_away(error)
