"""Read-only checks of a store: nothing is created, migrated or repaired."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.text.untrusted import json_of
from cnn_sweeps.tracking.address import Address
from cnn_sweeps.tracking.database import connect
from cnn_sweeps.tracking.names import PROCESS
from cnn_sweeps.tracking.patience import short_timeouts
from cnn_sweeps.tracking.records import RunRecord
from cnn_sweeps.tracking.selection import Selection
from cnn_sweeps.tracking.store import Store

DIED = "its process died without closing the run"
"""Why such a run is closed by another process."""
PATIENCE = 1.0
"""Seconds to wait for a database that is locked."""
ACTIVE = """
    SELECT runs.run_uuid, runs.name, runs.start_time, tags.value FROM runs
    LEFT JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = ?
    WHERE runs.status = 'RUNNING' AND runs.lifecycle_stage = 'active' ORDER BY runs.start_time
"""


@dataclass(frozen=True, kw_only=True)
class ActiveRun:
    """A run that is RUNNING, as far as the store knows.

    Attributes:
        run_id: MLflow's id.
        name: for a person.
        start: when it began, UTC.
        process: who writes to it; None where nobody said so.
    """

    run_id: str
    name: str
    start: datetime
    process: Owner | None

    @classmethod
    def of(cls, run: RunRecord) -> "ActiveRun":
        """A stored run as such a one."""
        process = _owner(run.tags.get(PROCESS))
        return cls(run_id=run.run_id, name=run.name, start=run.start, process=process)

    @property
    def lives(self) -> bool | None:
        """Whether its process lives; None where that cannot be known from here."""
        if self.process is None:
            return None
        if self.process.is_here:
            return self.process.lives(None)
        return False if self.process.ended_with_a_boot else None


@contextmanager
def read_only(database: Path) -> Iterator[sqlite3.Connection]:
    """An SQLite database that cannot be written through this connection.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    uri = f"{database.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE)) as connection:
        yield connection


def check_writable(database: Path) -> None:
    """See that a transaction could begin; it ends at once and has written nothing.

    Raises:
        sqlite3.Error: the file cannot be written, or another program has it locked.
    """
    uri = f"{database.absolute().as_uri()}?mode=rw"
    with closing(
        sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
    ) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def database_fault(connection: sqlite3.Connection) -> str | None:
    """What SQLite finds wrong with a database; None where it is sound."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return None if found == "ok" else str(found)


def active_runs(address: Address) -> list[ActiveRun]:
    """The runs that are RUNNING, the oldest first.

    Raises:
        sqlite3.Error: a local database cannot be read.
        StoreError: a server cannot.
    """
    if address.database is None:
        with short_timeouts():
            client, _ = connect(address)
            store = Store(address=address, experiment="", experiment_id="", client=client)
            found = store.select(Selection(status="RUNNING"))
        return [ActiveRun.of(run) for run in reversed(found)]
    with read_only(address.database) as connection:
        rows = connection.execute(ACTIVE, (PROCESS,)).fetchall()
    return [
        ActiveRun(
            run_id=run_id,
            name=name or "",
            start=datetime.fromtimestamp((start or 0) / 1000, tz=UTC),
            process=_owner(process),
        )
        for run_id, name, start, process in rows
    ]


def _owner(told: str | None) -> Owner | None:
    try:
        return None if told is None else Owner.from_json(json_of(told))
    except (ValueError, KeyError, TypeError):
        return None
