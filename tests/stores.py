"""Stores for tests: a migrated, empty MLflow database is made once and copied.

Migrating takes seconds, copying 0.05 s. A test asks for `tracking` (settings of a ready
folder of its own) or `store` (the same, opened), or for `finished` (a run, trained once)
and copies that, or for `home` (its copy, opened).
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from configs import with_figures

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.tracking import Store, artifacts, database


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with MLflow's tables; copy it, do not write to it.

    Of several processes that run the tests the first makes it for all. From then on MLflow knows
    the version of its tables; opening a store, it would import all its migrations for that.
    """
    from mlflow.store.db import utils

    utils._get_latest_schema_revision = cache(utils._get_latest_schema_revision)
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "migrated"
    folder.mkdir(exist_ok=True)
    path = folder / "mlflow.db"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            database.prepare(path, artifacts=(folder / "artifacts").as_uri())
    return path


@contextmanager
def ready(folder: Path, migrated_database: Path) -> Iterator[Tracking]:
    """Settings of a local store in `mlruns` of a folder, with its database in place."""
    home = folder / "mlruns"
    home.mkdir()
    shutil.copy(migrated_database, home / "mlflow.db")
    yield Tracking(dir=home)
    close(f"sqlite:///{home / 'mlflow.db'}")


@pytest.fixture
def tracking(tmp_path: Path, migrated_database: Path) -> Iterator[Tracking]:
    """Settings of a local store in a folder of the test's own, with its database in place."""
    with ready(tmp_path, migrated_database) as made:
        yield made


@pytest.fixture
def store(tracking: Tracking) -> Store:
    """An open, empty store."""
    return Store.open(tracking)


@contextmanager
def copy_of(home: Path, folder: Path) -> Iterator[Store]:
    """A copy of a store's folder as `mlruns` of another one, opened."""
    from mlflow.tracking._tracking_service.utils import _artifact_repos_cache as places

    shutil.copytree(home, folder / "mlruns")
    places.clear()  # they go by run id, and that is the same in all copies
    yield Store.open(Tracking(dir=folder / "mlruns"))
    places.clear()
    close(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run that was trained for many tests.

    Attributes:
        home: the folder of its store; copy it, do not write to it.
        result: what it returned.
    """

    home: Path
    result: RunResult


@pytest.fixture(scope="session")
def finished(
    migrated_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Finished]:
    """A single run of two epochs, with its figures."""
    from cnn_sweeps.runs.run import run

    with ready(tmp_path_factory.mktemp("finished"), migrated_database) as tracking:
        result = run(with_figures(trainer={"epochs": 2}), Store.open(tracking))
        yield Finished(home=tracking.dir, result=result)


@pytest.fixture
def home(finished: Finished, tmp_path: Path) -> Iterator[Store]:
    """A copy of the store in which that run has finished."""
    with copy_of(finished.home, tmp_path) as copied:
        yield copied


def logged_text(store: Store, run_id: str, path: str) -> str:
    """The text of a file that a run has logged."""
    content = artifacts.read_file(store, store.get(run_id), path)
    assert content is not None, path
    return content.decode()


def close(uri: str) -> None:
    """Close the connections that MLflow keeps for the life of the process."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    engine = SqlAlchemyStore._engine_map.pop(uri, None)
    if engine is not None:
        engine.dispose()
