"""An empty database with MLflow's tables: migrated once for each MLflow, and copied from then on.

MLflow makes a new database by all its migrations, which takes seconds. The first one is kept beside
the decoded images, as `mlflow-VERSION.db`; a copy takes hundredths of a second.
"""

import shutil
import sqlite3
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Final

from cnn_sweeps.provenance.cached_files import keep, kept_file
from cnn_sweeps.tracking import schema
from cnn_sweeps.tracking.imports import quiet_mlflow

OWN: Final = (
    "UPDATE experiments SET artifact_location = ?, creation_time = ?, last_update_time = ? "
    "WHERE experiment_id = 0"
)
"""Where MLflow's own experiment, which every database has, keeps its files; since when it is."""


def write(draft: Path, artifacts: str) -> None:
    """Write an empty database to a path where there is none.

    Args:
        draft: where to.
        artifacts: `file://` URI of the artifacts.

    Raises:
        OSError, sqlite3.Error: the folder cannot be used.
    """
    kept = kept_file(f"mlflow-{version('mlflow')}.db")
    if kept is None or not _copied(kept, draft):
        _migrate(draft, artifacts)
        if kept is not None:
            keep(kept, lambda part: shutil.copyfile(draft, part))
    now = time.time_ns() // 1_000_000
    with closing(sqlite3.connect(draft)) as connection, connection:
        connection.execute(OWN, (f"{artifacts}/0", now, now))


def _copied(kept: Path, draft: Path) -> bool:
    """Copy the kept one; false where there is none, or it is not as it was made."""
    try:
        shutil.copyfile(kept, draft)
        with closing(sqlite3.connect(draft)) as connection:
            whole = connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
            fits = schema.MLFLOW.misfit(*schema.of_file(connection)) is None
            empty = connection.execute("SELECT count(*) FROM experiments").fetchone() == (1,)
            if whole and fits and empty:
                return True
    except (OSError, sqlite3.Error):
        pass  # it is made anew
    draft.unlink(missing_ok=True)
    return False


def _migrate(draft: Path, artifacts: str) -> None:
    """Let MLflow make its tables."""
    with quiet_mlflow():
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        store = SqlAlchemyStore(f"sqlite:///{draft}", artifacts)  # type: ignore[no-untyped-call]
        store.engine.dispose()
