"""A local database that was moved or copied with its folder keeps its files.

MLflow writes absolute addresses of artifacts into the database. A folder that is copied would
go on pointing to the place that it was copied from: runs would be read there, and new ones even
written there. So a database that we make knows the folder that it stands in; opened in another
one, it has the addresses below the old folder rewritten, in one transaction. Addresses anywhere
else stay.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

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


def remember(connection: sqlite3.Connection, folder: Path) -> None:
    """Write down in which folder a database stands that was just made."""
    connection.execute(f"CREATE TABLE {TABLE} (path TEXT NOT NULL)")
    connection.execute(f"INSERT INTO {TABLE} VALUES (?)", (str(folder),))  # noqa: S608 our own name


def follow(connection: sqlite3.Connection, folder: Path) -> None:
    """Bring the addresses to the folder that the database stands in now.

    Call it inside a transaction. A database of somebody else's making is left as it is, and so
    is one that was moved away from its files.

    Raises:
        sqlite3.Error: the database cannot be written.
    """
    old = _remembered(connection)
    if old is None or old == folder or _is_same(old, folder):
        return
    if _left_its_files(old, folder) and connection.execute("SELECT 1 FROM runs").fetchone():
        return
    for before, after in _beginnings(old, folder):
        for table, column, where in ADDRESSES:
            if _has(connection, table, column):
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 as above
                    f"WHERE {where}substr({column}, 1, ?) = ?",
                    (after, len(before) + 1, len(before), before),
                )
    connection.execute(f"UPDATE {TABLE} SET path = ?", (str(folder),))  # noqa: S608 as above


def _remembered(connection: sqlite3.Connection) -> Path | None:
    if not _has(connection, TABLE, "path"):
        return None
    row = connection.execute(f"SELECT path FROM {TABLE}").fetchone()  # noqa: S608 as above
    return Path(row[0]) if row else None


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
