"""What every test gets: no telemetry, no settings of the person who runs the tests."""

import gc
import itertools
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import absl.logging
import pytest
from composition import remember_what_was_read
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from pictures import leave_undrawn, pictures
from sqlalchemy import Engine, event
from stores import finished, home, migrated_database, store, tracking

__all__ = [
    "finished",
    "home",
    "hydra_restore_singletons",
    "in_tmp",
    "isolated",
    "migrated_database",
    "pictures",
    "store",
    "tracking",
]

# Read when MLflow and TensorFlow are imported, so set before any test module is.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The same kernels on every processor: where TensorFlow chooses oneDNN's, a small residual network
# may end the process, and a graph that differs from Keras' own may get others.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

# Whenever logging is configured, as Hydra does, TensorFlow's log closes the stream that it was
# imported with, unless it is one of the process: in a test that would be pytest's own.
absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__
# Decoded images of the tests stay out of the cache of whoever runs them.
os.environ["CNN_SWEEPS_CACHE"] = str(Path(tempfile.gettempdir(), f"cnn-sweeps-tests-{os.getuid()}"))

remember_what_was_read()
leave_undrawn()


# Nothing that a test writes has to survive the machine, so none waits for a disk.
os.fsync = lambda _file: None


@event.listens_for(Engine, "connect")
def do_not_wait_for_the_disk(connection: object, _record: object) -> None:
    """The same for SQLite; of a file that is no database the first statement says so."""
    with suppress(sqlite3.Error):
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF")


# A search for garbage while collecting finds none, and takes a quarter of the time.
gc.disable()


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups after it
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Let what takes longest begin first: no core is left alone with it at the end.

    Tests that share a fixture of their module are one group for `--dist loadgroup`.
    """
    items.sort(key=minutes, reverse=True)
    for item in items:
        fixtures = itertools.chain(*item._fixtureinfo.name2fixturedefs.values())
        if any(fixture.scope == "module" for fixture in fixtures):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))


def minutes(item: pytest.Item) -> float:
    """About how long a test takes, as its mark says."""
    slow = item.get_closest_marker("slow")
    return float(slow.kwargs.get("minutes", 0.1)) if slow else 0.0


def pytest_collection_finish() -> None:
    """Leave all that is imported and collected out of every later search."""
    gc.freeze()
    gc.set_threshold(5_000, 10, 20)  # graphs are large: searching them so often takes a tenth
    gc.enable()


FOREIGN = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_ENABLE_ASYNC_LOGGING",
)


def forget() -> None:
    """Take the tracking settings out of the environment and of MLflow, where it looks for them."""
    for name in FOREIGN:
        os.environ.pop(name, None)
    if client := sys.modules.get("mlflow.tracking._tracking_service.utils"):
        client._tracking_uri = None  # type: ignore[attr-defined]


forget()  # those of the shell, before any fixture that many tests share opens a store


@pytest.fixture(autouse=True)
def isolated() -> Iterator[None]:
    """Leave nothing of where a test has logged to: `mlflow.set_tracking_uri` writes it there."""
    yield
    forget()


@pytest.fixture
def hydra_restore_singletons() -> Iterator[None]:
    """Hydra's fixture of that name, but for the plugins: they stay, and are not scanned again."""
    plugins = Plugins.instance()
    state = Singleton.get_state()
    yield
    state["instances"][Plugins] = plugins
    Singleton.set_state(state)


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
