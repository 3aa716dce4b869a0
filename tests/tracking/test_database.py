"""Connecting to a store, and everything that can be wrong with one."""

import errno
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow.exceptions import MlflowException, RestException
from mlflow.utils.rest_utils import verify_rest_response
from requests import Response
from requests.exceptions import HTTPError, RetryError
from stores import logged_text
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, ResponseError
from waiting import PATIENCE

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import StoreError
from cnn_sweeps.tracking import Store, database
from cnn_sweeps.tracking.errors import as_store_error
from cnn_sweeps.tracking.patience import patient, short_timeouts

ONE_RUN = """
import sys
from pathlib import Path
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.tracking import Store

store = Store.open(Tracking(dir=Path(sys.argv[1])))
with store.start_run("one", tags={"config_hash": "ab" * 32}) as run:
    run.log_metrics({"loss": 1.0})
"""


def test_first_open_makes_folder_and_experiment(
    tmp_path: Path, migrated_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store in a folder that does not exist yet is made, ready for runs."""
    monkeypatch.setattr(
        database, "_create", lambda path, _artifacts: shutil.copy(migrated_database, path)
    )
    store = Store.open(Tracking(dir=tmp_path / "new" / "runs", experiment="mine"))
    experiment = store.client.get_experiment_by_name("mine")
    assert experiment.experiment_id == store.experiment_id
    assert experiment.artifact_location == f"file://{tmp_path}/new/runs/artifacts"


def test_second_open_finds_the_same_experiment(tracking: Tracking) -> None:
    """Opening again makes nothing new."""
    assert Store.open(tracking).experiment_id == Store.open(tracking).experiment_id


@pytest.mark.parametrize("name", ["with space", "ünïcode", "hash#tag"])
def test_folder_may_have_an_unusual_name(
    name: str, tmp_path: Path, migrated_database: Path
) -> None:
    """Runs and files are written and read back under names that need quoting in a URI."""
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(migrated_database, folder / "mlflow.db")
    store = Store.open(Tracking(dir=folder))
    with store.start_run("r", tags={}) as run:
        run.log_text("hello", "a.txt")
    assert logged_text(store, run.run_id, "a.txt") == "hello"
    assert (folder / "artifacts" / run.run_id / "artifacts" / "a.txt").exists()


def test_nothing_is_printed(tracking: Tracking, capfd: pytest.CaptureFixture[str]) -> None:
    """Opening, writing and reading leave the terminal alone."""
    store = Store.open(tracking)
    with store.start_run("r", tags={}) as run:
        run.log_text("hello", "a.txt")
    logged_text(store, run.run_id, "a.txt")
    assert capfd.readouterr() == ("", "")


def test_interrupted_creation_leaves_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the migration leaves neither half a database nor its draft."""

    def interrupted(uri: str, _artifacts: str) -> None:
        Path(uri.removeprefix("sqlite:///")).touch()
        raise KeyboardInterrupt

    monkeypatch.setenv("CNN_SWEEPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore", interrupted)
    with pytest.raises(KeyboardInterrupt):
        database.prepare(tmp_path / "mlflow.db", artifacts="file:///x")
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db.lock"]


def test_whoever_waited_for_the_lock_makes_no_second_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that appeared while the lock was waited for is used as it is."""
    path = tmp_path / "mlflow.db"

    def create(path: Path, _artifacts: str) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 1")
        database.prepare(path, artifacts="")  # as the one who waited would, now

    monkeypatch.setattr(database, "_create", create)
    database.prepare(path, artifacts="")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)


def test_lock_keeps_others_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits too long for another to make the database gives up with a plain message."""
    monkeypatch.setattr(database, "MIGRATION_SECONDS", 0.1)
    with (
        FileLock(tmp_path / "mlflow.db.lock"),
        pytest.raises(StoreError, match="locked by another program"),
        as_store_error("X"),
    ):
        database.prepare(tmp_path / "mlflow.db", artifacts="file:///x")


@pytest.mark.slow
def test_processes_that_start_together_in_an_empty_folder(tmp_path: Path) -> None:
    """Three programs that meet in an empty folder all log their run."""
    command = [sys.executable, "-W", "error::UserWarning", "-c", ONE_RUN, str(tmp_path / "mlruns")]
    programs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(3)
    ]
    printed = [program.communicate(timeout=PATIENCE)[0] for program in programs]
    assert printed == ["", "", ""]
    assert [program.returncode for program in programs] == [0, 0, 0]
    assert len(Store.open(Tracking(dir=tmp_path / "mlruns")).find("abab")) == 3


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    """A file where the folder should be is named, with the way out."""
    (tmp_path / "mlruns").write_text("not a folder")
    with pytest.raises(StoreError, match=r"mlflow\.db cannot be written.*tracking\.dir=FOLDER"):
        Store.open(Tracking(dir=tmp_path / "mlruns"))


def test_a_database_with_many_runs_is_searched_by_an_index(
    tmp_path: Path, migrated_database: Path
) -> None:
    """Joined row by row, 5,000 runs in the order of a metric took seconds; few need nothing."""
    file = Path(shutil.copy(migrated_database, tmp_path / "mlflow.db"))
    plans = []
    for many in (10, 600):
        with closing(sqlite3.connect(file)) as made, made:
            ids = [(f"{number:032x}",) for number in range(many)]
            made.executemany("INSERT OR IGNORE INTO runs (run_uuid) VALUES (?)", ids)
            value = "INSERT OR IGNORE INTO latest_metrics VALUES ('loss', 0.5, 0, 0, 0, ?)"
            made.executemany(value, ids)
        database.prepare(file, artifacts="")
        with closing(sqlite3.connect(file)) as read:
            joined = "(SELECT run_uuid, value FROM latest_metrics WHERE key = 'loss')"
            query = f"SELECT * FROM runs LEFT JOIN {joined} m ON runs.run_uuid = m.run_uuid"  # noqa: S608
            steps = read.execute(f"EXPLAIN QUERY PLAN {query} ORDER BY m.value").fetchall()
            counted = read.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'")
            plans.append((counted.fetchone() is not None, " ".join(step[3] for step in steps)))
    (few, _), (told, plan) = plans
    assert (few, told) == (False, True)
    assert "SEARCH m" in plan or "SEARCH latest_metrics" in plan


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    """A folder without write permission is refused at once."""
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot be written"):
        Store.open(Tracking(dir=tmp_path / "mlruns"))
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"this is no database" * 100, id="text"),
        pytest.param(b"SQLite format 3\x00" + b"\xff" * 4096, id="broken-header"),
    ],
)
def test_corrupt_database(content: bytes, tmp_path: Path) -> None:
    """A file that is no database is refused at once and left as it is."""
    path = tmp_path / "mlflow.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is not a valid SQLite database. Move the file"):
        Store.open(Tracking(dir=tmp_path))
    assert path.read_bytes() == content


def test_deleted_experiment_stays_deleted(store: Store, tracking: Tracking) -> None:
    """What the user has deleted is not brought back without being asked for."""
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(StoreError, match="was deleted. Type tracking.experiment=ANOTHER_NAME"):
        Store.open(tracking)


@pytest.mark.parametrize("name", ["cnn_sweeps", "never_made"], ids=["deleted", "missing"])
def test_who_only_reads_makes_no_experiment(store: Store, tracking: Tracking, name: str) -> None:
    """A wrong name, or an experiment that was deleted, leaves the store as it is, and readable."""
    store.client.delete_experiment(store.experiment_id)
    before = store.experiments()
    opened = Store.open_existing(replace(tracking, experiment=name))
    assert opened is not None
    assert (opened.experiment_id, opened.experiments()) == ("", before)


@pytest.mark.parametrize(
    ("pragma", "message"),
    [
        ("max_page_count=1", "the disk is full. Free some space"),
        ("query_only=ON", "Make it writable"),
    ],
    ids=["full", "read-only"],
)
def test_a_disk_that_refuses_in_the_middle_of_a_run(
    store: Store, pragma: str, message: str
) -> None:
    """It comes out as one plain error, at once, also where a server that is away is waited for."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import event

    engine, said = SqlAlchemyStore._engine_map[store.uri], list[str]()
    with (  # noqa: PT012 the block is what a run does
        pytest.raises(StoreError, match=message),
        patient(5, say=said.append),
        store.start_run("r", tags={}) as run,
    ):
        # SQLite's own way to say that a file may not grow, or not be written.
        event.listen(engine, "connect", lambda c, _: c.execute(f"PRAGMA {pragma}"))
        engine.dispose()
        for number in range(50):
            run.log_params({f"p{number}.{i}": "x" * 6000 for i in range(100)})
    assert said == []


def _page(status: int) -> MlflowException:
    """What MLflow makes of a page of HTML."""
    answer = Response()
    answer.status_code, answer._content = status, b"<html>\n<h1>nginx</h1>"
    with pytest.raises(MlflowException) as raised:
        verify_rest_response(answer, "/api/2.0/mlflow/runs/get")
    return raised.value


def _file(status: int) -> HTTPError:
    """The same for a file of a run."""
    answer = Response()
    answer.status_code, answer.url = status, "http://h/a/x.json"
    return HTTPError(f"{status} Client Error. Response text: <html>", response=answer)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param(OSError(errno.ENOSPC, "no space"), "the disk is full", id="full"),
        pytest.param(OSError(errno.EROFS, "read only"), "cannot be written", id="read-only"),
        pytest.param(OSError(errno.EIO, "input/output"), "refuses: .*input/output", id="other"),
        pytest.param(ConnectionResetError("reset"), "does not respond", id="reset"),
        pytest.param(socket.gaierror(-2, "unknown name"), "does not respond", id="host"),
        pytest.param(
            OSError("403: 'Invalid Host header'"), "the name that it was called", id="name"
        ),
        pytest.param(sqlite3.OperationalError("odd"), "refuses: odd", id="sqlite-other"),
        pytest.param(
            sqlite3.OperationalError("no http://me:secret@h"),
            r"no http://me:\*{3}@h",
            id="password",
        ),
        pytest.param(_page(401), "this login.*MLFLOW_TRACKING_TOKEN .HTTP 401", id="login"),
        pytest.param(_page(403), "allow this login .*HTTP 403", id="forbidden"),
        pytest.param(
            _page(404), "know /api/2.0/mlflow/runs/get .HTTP 404.*static prefix", id="elsewhere"
        ),
        pytest.param(_page(200), "know what is asked .HTTP 200.*no MLflow server", id="page"),
        pytest.param(_file(401), "this login.*HTTP 401", id="login-for-files"),
        pytest.param(_file(404), r"know /a/x\.json .HTTP 404", id="no-files"),
        pytest.param(
            RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No run 'x'"}),
            "refuses: .*No run 'x'",
            id="own-refusal",
        ),
        pytest.param(
            RetryError(MaxRetryError(HTTPConnectionPool("h"), "/", ResponseError("500, again"))),
            r"answers with errors \(500, again\)\. Look into its log",
            id="errors",
        ),
        pytest.param(
            ModuleNotFoundError("no", name="psycopg2"), "package 'psycopg2'", id="no-driver"
        ),
    ],
)
def test_failure_in_plain_words(error: Exception, message: str) -> None:
    """Each failure of disk or server names the store and says what it means."""
    with (
        pytest.raises(StoreError, match=f"^The tracking store HERE .*{message}"),
        as_store_error("HERE"),
    ):
        raise error


def test_long_message_is_cut() -> None:
    """Of a message of many lines only the start of the first is shown."""
    with pytest.raises(StoreError) as caught, as_store_error("HERE"):
        raise OSError("x" * 1000 + "\nmore")
    assert len(str(caught.value)) < 400
    assert "more" not in str(caught.value)


def test_own_mistakes_pass_unchanged() -> None:
    """An error in our own code is not blamed on the store."""
    with pytest.raises(TypeError, match="ours"), as_store_error("HERE"):
        raise TypeError("ours")


def _unused_port() -> int:
    """A port on which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize("scheme", ["http", "postgresql", "mysql+pymysql"])
def test_server_that_is_not_there(scheme: str, tmp_path: Path) -> None:
    """A server that refuses the connection is given up within seconds, its password hidden."""
    uri = f"{scheme}://ann:secret@127.0.0.1:{_unused_port()}/x"
    start = time.monotonic()
    with pytest.raises(StoreError, match=r"ann:\*\*\*@127.0.0.1:\d+/x does not respond"):
        Store.open(Tracking(uri=uri, dir=tmp_path))
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "uri",
    [
        "http://me:[secret@127.0.0.1:1",
        "http://me:secret@[::1",
        "postgresql://me:secret@127.0.0.1:port/db",
        "me:secret@127.0.0.1:5000",
    ],
)
def test_an_address_that_cannot_be_read(uri: str, tmp_path: Path) -> None:
    """One refusal without the password, and how to write what is in it."""
    with pytest.raises(StoreError, match="cannot be read.*\n.*%5B|unknown scheme") as caught:
        Store.open(Tracking(uri=uri, dir=tmp_path))
    assert "secret" not in str(caught.value)


def test_database_that_lets_us_in() -> None:
    """A database that can be connected to passes; SQLite stands in for a server here."""
    database.ping("sqlite://")


@pytest.mark.slow
def test_server_that_never_answers(tmp_path: Path) -> None:
    """A server that takes the connection and stays silent is given up within 15 s."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        start = time.monotonic()
        with pytest.raises(StoreError, match="does not respond"):
            Store.open(Tracking(uri=f"http://127.0.0.1:{port}", dir=tmp_path))
        assert time.monotonic() - start < 15


def test_patience_is_back_after_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's retries are shortened for the first contact only; a user's setting stays."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    with short_timeouts():
        during = {name: text for name, text in os.environ.items() if "HTTP_REQUEST" in name}
    assert during == {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "77"}
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_importing_the_package_imports_nothing_heavy() -> None:
    """The command line may import the package before it knows that a run will start."""
    program = (
        "import sys, cnn_sweeps.tracking, cnn_sweeps.provenance.environment, cnn_sweeps.figures\n"
        "print(*{'mlflow', 'tensorflow', 'keras', 'matplotlib', 'sqlalchemy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
