"""Stores for tests: a migrated, empty MLflow database is made once and copied.

Migrating takes seconds, copying 0.05 s. A test asks for `tracking` (settings of a ready
folder of its own) or `store` (the same, opened).
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.tracking import Store, database


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with MLflow's tables; copy it, do not write to it."""
    folder = tmp_path_factory.mktemp("migrated")
    path = folder / "mlflow.db"
    with database.quietly():
        database.prepare(path, artifacts=(folder / "artifacts").as_uri())
    return path


@pytest.fixture
def tracking(tmp_path: Path, migrated_database: Path) -> Iterator[Tracking]:
    """Settings of a local store in a folder of the test's own, with its database in place."""
    folder = tmp_path / "mlruns"
    folder.mkdir()
    shutil.copy(migrated_database, folder / "mlflow.db")
    yield Tracking(dir=folder)
    close(f"sqlite:///{folder / 'mlflow.db'}")


@pytest.fixture
def store(tracking: Tracking) -> Store:
    """An open, empty store."""
    return Store.open(tracking)


def close(uri: str) -> None:
    """Close the connections that MLflow keeps for the life of the process."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    engine = SqlAlchemyStore._engine_map.pop(uri, None)
    if engine is not None:
        engine.dispose()
