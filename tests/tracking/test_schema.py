"""Databases of another version, or of another program: refused, and left as they are."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import StoreError
from cnn_sweeps.tracking import Store, database

OLDER = (
    # What MLflow 2.22 had not yet; its own downgrades fail on SQLite.
    "UPDATE alembic_version SET version_num = '0584bdc529eb'",
    "DROP TABLE webhooks",
    "DROP TABLE spans",
)
NEWER = ("UPDATE alembic_version SET version_num = 'fffffffffff0'",)
OPTUNAS = (
    "CREATE TABLE alembic_version (version_num)",
    "INSERT INTO alembic_version VALUES ('v3.2.0.a')",
    "CREATE TABLE studies (study_id)",
)
OF_MLFLOW = [
    pytest.param(
        OLDER, r"by an older MLflow .* unasked.\nCopy it, .*mlflow db upgrade", id="older"
    ),
    pytest.param(NEWER, r"by a newer MLflow .*\nType pip install --upgrade mlflow", id="newer"),
    pytest.param(OPTUNAS, "is not an MLflow database", id="Optuna's"),
]
SOMEBODYS = pytest.param(("CREATE TABLE mine (a)",), "is not an MLflow database", id="somebody's")


def altered(file: Path, migrated_database: Path, statements: tuple[str, ...]) -> bytes:
    """Make a database that does not fit; its content."""
    if statements in (OLDER, NEWER):
        shutil.copy(migrated_database, file)
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return file.read_bytes()


@pytest.mark.parametrize("opened", [Store.open, Store.open_existing], ids=["writing", "reading"])
@pytest.mark.parametrize(("statements", "said"), [*OF_MLFLOW, SOMEBODYS])
def test_it_is_refused_and_left_as_it_is(
    opened: Callable[[Tracking], Store | None],
    statements: tuple[str, ...],
    said: str,
    tmp_path: Path,
    migrated_database: Path,
) -> None:
    """By who reads as by who writes, in two lines; not a byte of it changes."""
    file = tmp_path / "mlflow.db"
    before = altered(file, migrated_database, statements)
    with pytest.raises(StoreError, match=said) as refused:
        opened(Tracking(dir=tmp_path))
    assert (file.read_bytes(), str(refused.value).count("\n")) == (before, 1)


@pytest.mark.parametrize(("statements", "said"), OF_MLFLOW)
def test_a_server_is_asked_before_mlflow_connects(
    statements: tuple[str, ...], said: str, tmp_path: Path, migrated_database: Path
) -> None:
    """SQLite stands in for it."""
    file = tmp_path / "mlflow.db"
    before = altered(file, migrated_database, statements)
    with pytest.raises(StoreError, match=said):
        database.ping(f"sqlite:///{file}")
    assert file.read_bytes() == before


def test_the_installed_version_fits(tracking: Tracking) -> None:
    """And so does a server without tables."""
    assert Store.open_existing(tracking)
    database.ping("sqlite://")
