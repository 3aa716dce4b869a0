"""Connecting to the store; a local database is made once, whole, whoever comes first.

One that was moved or copied with its folder keeps its files. MLflow writes absolute addresses of
artifacts into the database. A folder that is copied would go on pointing to the place that it was
copied from: runs would be read there, and new ones even written there. So a database that we make
knows the folder that it stands in; opened in another one, it has the addresses below the old folder
rewritten, in one transaction. Addresses anywhere else stay. Where it cannot be written, who only
reads it gets a copy that is treated so; also where another host, which reaches the same file by
another path, logs to it at that moment.
"""

import atexit
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from filelock import FileLock

from cnn_sweeps.data.files import written_whole
from cnn_sweeps.errors import StoreError
from cnn_sweeps.text.redact import without_password
from cnn_sweeps.tracking import schema, template
from cnn_sweeps.tracking.address import Address
from cnn_sweeps.tracking.errors import as_store_error
from cnn_sweeps.tracking.imports import quiet_mlflow
from cnn_sweeps.tracking.local_runs import LocalRuns
from cnn_sweeps.tracking.names import PROCESS
from cnn_sweeps.tracking.patience import patiently
from cnn_sweeps.tracking.schema import MLFLOW

if TYPE_CHECKING:
    from mlflow import MlflowClient

MIGRATION_SECONDS: Final = 120
PORTS: Final = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}

MANY_RUNS: Final = 500
SAMPLED: Final = 400
"""From so many runs on SQLite is told how many there are, by so many rows of each index."""
TABLE: Final = "cnn_sweeps_folder"
"""A table of our own with one row; MLflow's migrations leave it alone."""
ADDRESSES: Final = (
    ("experiments", "artifact_location", ""),
    ("runs", "artifact_uri", ""),
    ("logged_models", "artifact_location", ""),
    ("model_versions", "source", ""),
    ("model_versions", "storage_location", ""),
    ("trace_tags", "value", "key = 'mlflow.artifactLocation' AND "),
)
"""Where MLflow 3.17 keeps addresses of files: table, column, and which rows."""

LOGGING: Final = """
    SELECT json_extract(tags.value, '$.host') FROM runs JOIN tags USING (run_uuid)
    WHERE runs.status = 'RUNNING' AND runs.lifecycle_stage = 'active' AND tags.key = ?
    AND json_valid(tags.value)
"""
"""The hosts of the runs that are RUNNING, as their processes have said."""
READ_ONLY: Final = "SQLITE_READONLY"
WRITE_VERSION: Final = 18
"""Where an SQLite file says by which rules it is written (sqlite.org/fileformat.html)."""
NOT_TO_WRITE: Final = b"\x03"
"""Rules that SQLite does not know: it reads such a file and refuses to write it."""


class InUseElsewhereError(StoreError):
    """Another host logs to the same file, which it reaches by another path."""


def connect(address: Address, *, to_read: bool = False) -> "tuple[MlflowClient, LocalRuns | None]":
    """A client of the store, and its runs where they can be read without one.

    A local database is made ready for use, and MLflow is imported when the client is first used: it
    is not to read.

    Args:
        address: of the store.
        to_read: whether nothing is to be written; then one that was moved to where it cannot be
            written is read, too.

    Raises:
        StoreError: the folder, the file, its tables or the server cannot be used.
    """
    with as_store_error(address):
        if address.database is None:
            if address.artifacts:
                ping(address.uri)
            client = _made(address.uri)  # at once: it may not answer
            return patiently(lambda: client), None
        database, uri = address.database, address.uri
        try:
            prepare(database, artifacts=address.artifacts or "")
        except (sqlite3.OperationalError, InUseElsewhereError) as error:
            name = getattr(error, "sqlite_errorname", READ_ONLY)
            if not (to_read and name.startswith(READ_ONLY)):
                raise
            database = _moved_copy(database)
            uri = f"sqlite:///{database}"
        local = LocalRuns.of(database)
        return patiently(partial(_made, uri)), local and patiently(lambda: local)


def _made(uri: str) -> "MlflowClient":
    """MLflow's own client."""
    with quiet_mlflow(database=not uri.startswith("http")):
        from mlflow import MlflowClient

        try:
            return MlflowClient(uri, registry_uri=uri)
        except ValueError as error:
            raise _unreadable(uri) from error


def prepare(database: Path, *, artifacts: str) -> None:
    """Make the database if there is none, and see that it can be opened.

    One that was moved or copied with its folder is told where it stands now. One that may only
    be read is opened too, so that its runs can be found; the first attempt to write is refused.

    MLflow migrates a fresh file in place, 2 to 5 s long; processes that meet there crash,
    and one killed there leaves a file that no longer opens. So it is made under another
    name behind a lock, and appears whole.

    Raises:
        OSError, sqlite3.Error: the folder or the file cannot be used, or somebody has the lock.
        StoreError: its tables are not those of the installed MLflow; they are left as they are.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    if not database.exists():
        with FileLock(
            database.with_name(f"{database.name}.lock"),
            timeout=MIGRATION_SECONDS,
            fallback_to_soft=False,  # a marker of a killed process would stay for ever
        ):
            if not database.exists():
                _create(database, artifacts)
    with closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as connection:
        # Asked here since MLflow answers a file that it cannot open with 100 s of retries.
        connection.execute("BEGIN IMMEDIATE")
        url = f"sqlite:///{database}"
        MLFLOW.check(*schema.of_file(connection), place=str(database), url=url)
        follow_folder(connection, database)
        count_rows(connection)
        connection.execute("COMMIT")


def ping(uri: str) -> None:
    """See that a database server answers and lets us in; MLflow would retry for 100 s.

    Raises:
        OSError, SQLAlchemyError: it does not.
        StoreError: its tables are not those of the installed MLflow; they are left as they are.
    """
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.pool import NullPool

    try:
        url = make_url(uri)
    except ValueError as error:
        raise _unreadable(uri) from error
    if url.host:
        port = url.port or PORTS[url.get_backend_name()]
        socket.create_connection((url.host, port), timeout=5).close()
    with create_engine(url, poolclass=NullPool).connect() as connection:
        shown = without_password(uri)
        MLFLOW.check(*schema.of_database(connection, MLFLOW), place=shown, url=shown)


def _unreadable(uri: str) -> StoreError:
    return StoreError(
        f"The tracking URI {without_password(uri)!r} cannot be read.\n"
        "Its port is a number; in a name or a password type %40 for @, %2F for /, %3A for :, "
        "%5B for [ and %25 for %."
    )


def _create(database: Path, artifacts: str) -> None:
    """Write a migrated, empty database under its final name in one step."""
    with written_whole(database) as draft:
        template.write(draft, artifacts)
        with closing(sqlite3.connect(draft)) as connection, connection:
            connection.execute(f"CREATE TABLE {TABLE} (path TEXT NOT NULL, file TEXT)")
            connection.execute(f"INSERT INTO {TABLE} VALUES ('', NULL)")  # noqa: S608 our own name
            _remember_folder(connection, database.parent, draft)


def _moved_copy(database: Path) -> Path:
    """A copy with the addresses of where a database stands now; it ends with this process.

    It can be read and not written, like what it is copied from.
    """
    folder = TemporaryDirectory(prefix="cnn-sweeps-")
    atexit.register(folder.cleanup)
    copy = Path(folder.name, database.name)
    read = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    with closing(read), closing(sqlite3.connect(copy)) as connection, connection:
        read.backup(connection)
        if path := _remembered(connection)[0]:
            _move_addresses(connection, Path(path), database.parent)
    with copy.open("r+b") as opened:
        opened.seek(WRITE_VERSION)
        opened.write(NOT_TO_WRITE)
    return copy


def follow_folder(connection: sqlite3.Connection, database: Path) -> None:
    """Bring the addresses to the folder that the database stands in now.

    Call it inside a transaction. A database of somebody else's making is left as it is, and so
    is one that was moved away from its files.

    Raises:
        sqlite3.Error: the database cannot be written.
        InUseElsewhereError: another host logs to it, under another path.
    """
    path, file = _remembered(connection)
    old, folder = Path(path), database.parent
    if not path:
        return
    if old == folder or _is_same(old, folder):
        if file != _number(database):
            with suppress(sqlite3.OperationalError):  # it can only be read
                _remember_folder(connection, old, database)
        return
    if _left_its_files(old, folder) and connection.execute("SELECT 1 FROM runs").fetchone():
        return
    if file == _number(database) and (host := _logging_host(connection)):
        raise InUseElsewhereError(
            f"{database} is {old / database.name} on {host}, which logs to it.\n"
            f"  Mount the folder at {old} here, too, or wait for the end of what {host} trains."
        )
    _move_addresses(connection, old, folder)
    _remember_folder(connection, folder, database)


def _move_addresses(connection: sqlite3.Connection, old: Path, folder: Path) -> None:
    """Let addresses below the old folder begin with the new one."""
    for before, after in _beginnings(old, folder):
        for table, column, where in ADDRESSES:
            if _has(connection, table, column):
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 as above
                    f"WHERE {where}substr({column}, 1, ?) = ?",
                    (after, len(before) + 1, len(before), before),
                )


def _remember_folder(connection: sqlite3.Connection, folder: Path, database: Path) -> None:
    """Write down in which folder a database stands, and which file it is."""
    if not _has(connection, TABLE, "file"):  # an earlier version made it
        connection.execute(f"ALTER TABLE {TABLE} ADD COLUMN file TEXT")
    known = (str(folder), _number(database))
    connection.execute(f"UPDATE {TABLE} SET path = ?, file = ?", known)  # noqa: S608 as above


def _number(file: Path) -> str:
    """What a file has on whichever host and path it is reached by, and a copy of it has not."""
    return str(file.stat().st_ino)


def _logging_host(connection: sqlite3.Connection) -> str | None:
    """Another host that has a run which is RUNNING; None where there is none."""
    hosts = connection.execute(LOGGING, (PROCESS,)).fetchall()
    names = (str(host).partition(":")[0] for (host,) in hosts)
    return next((name for name in names if name != socket.gethostname()), None)


def count_rows(connection: sqlite3.Connection) -> None:
    """Let SQLite know how many rows there are, once there are many more than when it last did.

    Without that it joins the metric that runs are ordered by row by row: 5,000 runs take seconds.
    """
    if not _has(connection, "runs", "run_uuid"):
        return
    (runs,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM runs").fetchone()
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone()
    counts = "SELECT max(CAST(stat AS INTEGER)) FROM sqlite_stat1 WHERE tbl = 'runs'"
    known = connection.execute(counts).fetchone()[0] if there else None
    if runs >= MANY_RUNS and runs > 2 * (known or 0):
        with suppress(sqlite3.OperationalError):  # one that can only be read is slow, and no more
            connection.execute(f"PRAGMA analysis_limit = {SAMPLED}")
            connection.execute("ANALYZE")


def _remembered(connection: sqlite3.Connection) -> tuple[str, str | None]:
    """The folder that a database stood in, and which file it was; no folder where none is known."""
    if not _has(connection, TABLE, "path"):
        return "", None
    file = "file" if _has(connection, TABLE, "file") else "NULL"
    row = connection.execute(f"SELECT path, {file} FROM {TABLE}").fetchone()  # noqa: S608 as above
    return row or ("", None)


def _has(connection: sqlite3.Connection, table: str, column: str) -> bool:
    """Whether this release of MLflow has that column."""
    found = connection.execute(
        "SELECT 1 FROM pragma_table_info(?) WHERE name = ?", (table, column)
    ).fetchone()
    return found is not None


def _is_same(old: Path, new: Path) -> bool:
    """Whether both paths lead to one folder, by a link or a mount."""
    try:
        return old.samefile(new)
    except OSError:  # the old one is gone, or not ours to look at
        return False


def _left_its_files(old: Path, new: Path) -> bool:
    """Whether the database alone was moved, so that its files are still where they were."""
    return not (new / "artifacts").exists() and (old / "artifacts").exists()


def _beginnings(old: Path, new: Path) -> Iterator[tuple[str, str]]:
    """How an address below the folder begins, before and after: as a URI, and as a path."""
    yield f"{old.as_uri()}/", f"{new.as_uri()}/"
    yield f"{old}/", f"{new}/"
