"""Connecting to the store; a local database is made once, whole, whoever comes first."""

import logging
import os
import socket
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cnn_sweeps.errors import StoreError
from cnn_sweeps.passwords import without_password
from cnn_sweeps.tracking import place
from cnn_sweeps.tracking.address import Address
from cnn_sweeps.tracking.refusals import ELSEWHERE, first_line, refusing

if TYPE_CHECKING:
    from mlflow import MlflowClient

MIGRATION_SECONDS: Final = 120
PORTS: Final = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
SILENCE: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
PATIENCE: Final = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "4"}


def connect(address: Address) -> "MlflowClient":
    """A client of the store, made ready for use if it is a local database.

    Raises:
        StoreError: the folder, the file, its schema or the server cannot be used.
    """
    with refusing(address), quietly():
        if address.database:
            prepare(address.database, artifacts=address.artifacts or "")
        elif address.artifacts:
            knock(address.uri)
        return _client(address)


def _client(address: Address) -> "MlflowClient":
    """A client, once whatever could make MLflow retry for minutes has been ruled out."""
    from alembic.util import CommandError
    from mlflow import MlflowClient, __version__
    from mlflow.exceptions import MlflowException

    try:
        return MlflowClient(address.uri, registry_uri=address.uri)
    except (CommandError, MlflowException) as error:
        if error.__cause__ is not None or address.artifacts is None:
            raise
        # No cause underneath: MLflow itself judged the schema.
        raise StoreError(
            f"The database {address} does not fit the installed MLflow {__version__}: "
            f"{first_line(error)}\nInstall the MLflow that wrote it, run "
            f"`mlflow db upgrade {without_password(address.uri)}`, or {ELSEWHERE}."
        ) from error


def prepare(database: Path, *, artifacts: str) -> None:
    """Make the database if there is none, and see that it can be opened.

    One that was moved or copied with its folder is told where it stands now. One that may only
    be read is opened too, so that its runs can be found; the first attempt to write is refused.

    MLflow migrates a fresh file in place, 2 to 5 s long; processes that meet there crash,
    and one killed there leaves a file that no longer opens. So it is made under another
    name behind a lock, and appears whole.

    Raises:
        OSError, sqlite3.Error: the folder or the file cannot be used.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    if not database.exists():
        with locked(database.with_name(f"{database.name}.lock")):
            if not database.exists():
                _create(database, artifacts)
    with closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as connection:
        # Asked here since MLflow answers a file that it cannot open with 100 s of retries.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SELECT count(*) FROM sqlite_master")
        place.follow(connection, database.parent)
        connection.execute("COMMIT")


def knock(uri: str) -> None:
    """See that a database server answers and lets us in; MLflow would retry for 100 s.

    Raises:
        OSError, SQLAlchemyError: it does not.
    """
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.pool import NullPool

    url = make_url(uri)
    if url.host:
        port = url.port or PORTS[url.get_backend_name()]
        socket.create_connection((url.host, port), timeout=5).close()
    create_engine(url, poolclass=NullPool).connect().close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes while the block runs.

    It is a transaction on an empty SQLite file: the same on every system, and gone with
    the process that held it.
    """
    with closing(sqlite3.connect(path, timeout=MIGRATION_SECONDS, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield


def _create(database: Path, artifacts: str) -> None:
    """Write a migrated, empty database under its final name in one step."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    draft = database.with_name(f"{database.name}.{os.getpid()}.draft")
    try:
        store = SqlAlchemyStore(f"sqlite:///{draft}", artifacts)  # type: ignore[no-untyped-call]
        store.engine.dispose()
        with closing(sqlite3.connect(draft)) as connection, connection:
            place.remember(connection, database.parent)
        draft.replace(database)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def impatient() -> Iterator[None]:
    """Let MLflow give a server up within seconds; its own default is minutes of retries.

    For the first contact only: later, in the middle of a run, patience is right. What the
    user has set stays.
    """
    ours = {name: value for name, value in PATIENCE.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def quietly() -> Iterator[None]:
    """Import MLflow with telemetry off, and keep its notes off the user's terminal."""
    for name, value in SILENCE.items():
        os.environ.setdefault(name, value)
    # SQLAlchemy's deprecations inside MLflow: nothing that a user could act on.
    with warnings.catch_warnings(action="ignore"):
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 the part that warns

        if "MLFLOW_LOGGING_LEVEL" not in os.environ:
            logging.getLogger("mlflow").setLevel(logging.WARNING)
        # It logs the traceback of each error that it raises; ours says it in one line.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        yield
