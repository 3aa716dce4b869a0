"""The runs of a local database, read without MLflow: to import that takes longer than to read.

What is read here is what `MlflowClient` reads from the same tables, value for value. These tables
are nobody's promise, so that it is done only for the versions of MLflow whose answers
`tests/tracking/test_local_runs.py` has compared; with another one the client reads.
"""

import json
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from cnn_sweeps.tracking.records import RunRecord, find_record
from cnn_sweeps.tracking.selection import Selection

if TYPE_CHECKING:
    from mlflow import MlflowClient

COMPARED: Final = ("3.17",)
"""Versions of MLflow whose answers are known to be these."""
WORKSPACES: Final = "MLFLOW_ENABLE_WORKSPACES"
"""With this variable MLflow shows some runs only."""
TIMEOUT: Final = 20.0
"""Seconds to wait for who writes."""

ROW: Final = (
    "runs.run_uuid, runs.name, runs.experiment_id, runs.status, runs.start_time, runs.end_time, "
    "runs.artifact_uri, runs.lifecycle_stage"
)
VALUES: Final = {
    "params": "value",
    "tags": "value",
    "latest_metrics": "CASE WHEN is_nan THEN NULL ELSE value END",
}
"""The tables of what a run has by name, and how a value stands there; MLflow writes NaN apart."""
LISTED: Final = "IN (SELECT value FROM json_each(?))"
ACTIVE_IN: Final = f"runs.lifecycle_stage = 'active' AND runs.experiment_id {LISTED}"


@dataclass(frozen=True)
class LocalRuns:
    """The runs in a database of this machine; every method raises `sqlite3.Error` if it cannot.

    Attributes:
        database: the file, with the tables of the installed MLflow.
    """

    database: Path

    @classmethod
    def of(cls, database: Path) -> Self | None:
        """The runs of a database; None where only MLflow knows how they are read."""
        known = version("mlflow").startswith(tuple(f"{each}." for each in COMPARED))
        return cls(database) if known and WORKSPACES not in os.environ else None

    def experiment(self, name: str) -> tuple[str, str] | None:
        """Id and stage of life of an experiment; None where there is none of that name."""
        asked = "SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = ?"
        with self._opened() as connection:
            row = connection.execute(asked, (name,)).fetchone()
        return (str(row[0]), row[1]) if row else None

    def experiments(self) -> dict[str, str]:
        """The ids of the active experiments by name, the last that was changed in front."""
        asked = (
            "SELECT name, experiment_id FROM experiments WHERE lifecycle_stage = 'active' "
            "ORDER BY last_update_time DESC, experiment_id"
        )
        with self._opened() as connection:
            return {name: str(number) for name, number in connection.execute(asked)}

    def run(self, run_id: str) -> RunRecord | None:
        """One run, also a deleted one; None where there is none of that id."""
        with self._opened() as connection:
            return next(iter(_records(connection, "runs.run_uuid = ?", [run_id])), None)

    def select(self, selection: Selection, experiments: Collection[str]) -> list[RunRecord]:
        """The active runs of some experiments that are sought, in no order."""
        condition, values = selection.to_sql()
        with self._opened() as connection:
            where = f"{ACTIVE_IN} AND {condition}"
            return _records(connection, where, [_numbers(experiments), *values])

    def count(self, experiments: Collection[str]) -> int:
        """How many active runs some experiments have."""
        asked = f"SELECT count(*) FROM runs WHERE {ACTIVE_IN}"  # noqa: S608 -- ours
        with self._opened() as connection:
            (found,) = connection.execute(asked, (_numbers(experiments),)).fetchone()
        return int(found)

    def points(self, run_ids: Sequence[str], metric: str) -> list[tuple[str, int, float]]:
        """All that was logged of a metric, by the time of logging: run id, step and value."""
        asked = (
            f"SELECT run_uuid, step, {VALUES['latest_metrics']} FROM metrics "  # noqa: S608 ours
            f"WHERE key = ? AND run_uuid {LISTED} ORDER BY run_uuid, timestamp, step, value"
        )
        with self._opened() as connection:
            rows = connection.execute(asked, (metric, json.dumps(list(run_ids)))).fetchall()
        return [(run_id, step, _number(value)) for run_id, step, value in rows]

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        # Not `mode=ro`: what a killed process has left half written has to be taken back first.
        uri = f"{self.database.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=TIMEOUT)) as connection:
            connection.execute("PRAGMA query_only = ON")
            yield connection


def find_run(client: "MlflowClient", local: LocalRuns | None, run_id: str) -> RunRecord | None:
    """One run, also a deleted one, read without the client if that can be; None if not there."""
    return local.run(run_id) if local else find_record(client, run_id)


def _records(connection: sqlite3.Connection, where: str, values: list[str]) -> list[RunRecord]:
    """The runs for which a condition holds, read in one transaction."""
    connection.execute("BEGIN")
    asked = f"SELECT {ROW} FROM runs WHERE {where}"  # noqa: S608 -- ours; values are apart
    rows = connection.execute(asked, values).fetchall()
    found = {table: _by_run(connection, table, [row[0] for row in rows]) for table in VALUES}
    return [
        RunRecord.of_values(
            run_id=run_id,
            name=name,
            experiment_id=str(experiment),
            status=status,
            start=start,
            end=end,
            artifact_uri=artifacts,
            stage=stage,
            params=found["params"].get(run_id, {}),
            tags=found["tags"].get(run_id, {}),
            metrics={n: _number(v) for n, v in found["latest_metrics"].get(run_id, {}).items()},
        )
        for run_id, name, experiment, status, start, end, artifacts, stage in rows
    ]


def _by_run(
    connection: sqlite3.Connection, table: str, run_ids: list[str]
) -> dict[str, dict[str, Any]]:
    """What runs have by name in one of the tables."""
    asked = f"SELECT run_uuid, key, {VALUES[table]} FROM {table} WHERE run_uuid {LISTED}"  # noqa: S608
    found: dict[str, dict[str, Any]] = {}
    for run_id, name, value in connection.execute(asked, (json.dumps(run_ids),)):
        found.setdefault(run_id, {})[name] = value
    return found


def _numbers(experiments: Collection[str]) -> str:
    """The ids of experiments as they stand in the tables."""
    return json.dumps([*map(int, experiments)])


def _number(value: float | None) -> float:
    """A value of a metric; SQLite has no NaN."""
    return float("nan") if value is None else float(value)
