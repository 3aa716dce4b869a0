"""What the queue of a study costs as it grows, and what it takes to read a store of many runs.

Trials that do nothing (`benchmarks.trivial`) go through the engine's workers, on a journal and on a
PostgreSQL server of its own where there is one. Then one run is logged and copied for each trial of
such a study in MLflow's database, which takes seconds in the place of an hour, and read by what
ranks runs, shows them, concludes a sweep and reports on it.
"""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial

from benchmarks import engine, overhead
from benchmarks.machine import resident_mb
from benchmarks.table import markdown
from cnn_sweeps.config.loading import to_json
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import RunFailedError
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.sweeps.results.early_runs import PAGE, EarlyRuns
from cnn_sweeps.sweeps.results.runs import Reading as ReadSweep
from cnn_sweeps.sweeps.study.attributes import CONFIG_HASH, PARENT, RUN_ID
from cnn_sweeps.sweeps.study.journal import SUFFIX
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.tracking import Store, flatten
from tests import services

COMPARE_TARGET = 4.0
"""Seconds for `cnn-sweeps compare` over 5,000 runs."""
METRICS = 16
"""Metrics of a run."""
SERVER_WORKERS = 4
"""Processes of the MLflow server: as many as `mlflow server` starts."""
TABLES = ("runs", "params", "tags", "latest_metrics", "metrics")
"""Of MLflow: what a run is there."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is measured.

    Attributes:
        folder: where studies and runs are written.
        trials: on the journal.
        in_database: on PostgreSQL, which takes longer for each.
        sampled: that TPE proposes, on a journal.
        runs: of the store that is read.
        workers: processes.
    """

    folder: Path
    trials: int = 10_000
    in_database: int = 5_000
    sampled: int = 1_000
    runs: int = 5_000
    workers: int = 8


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How long something took that reads a store.

    Attributes:
        what: it was.
        local: seconds of the clock with the database of this machine.
        server: with an MLflow server.
        target: seconds that it may take; None for none.
    """

    what: str
    local: float
    server: float
    target: float | None = None


def studies(task: Task) -> Iterator[str]:
    """A table for each kind of storage, and one for TPE."""
    yield _study(task, "journal", task.trials)
    try:
        with services.postgres() as server:
            yield _study(task, "database", task.in_database, storage=server.url)
    except pytest.skip.Exception as reason:
        yield f"PostgreSQL was not measured: {reason}"
    yield _study(task, "TPE, journal", task.sampled, sampler="tpe")


def _study(
    task: Task, name: str, trials: int, *, sampler: str = "grid", storage: str | None = None
) -> str:
    folder = task.folder / name.replace(", ", "-")
    ended = engine.measure(
        folder, trials=trials, workers=task.workers, sampler=sampler, storage=storage
    )
    curve = overhead.curve(list(overhead.pieces(ended)), "database" if storage else "journal")
    if sampler != "grid":  # what it costs is Optuna's: no target of ours
        curve, _, _ = curve.partition("\n\n")
    return f"{name}, {task.workers} workers\n\n{curve}\ncontroller: {resident_mb():.0f} MiB"


def readings(task: Task) -> list[Reading]:
    """Read a store of many runs by each way, from its own database and from a server."""
    folder = task.folder / "served"
    engine.measure(task.folder / "swept", trials=task.runs, workers=task.workers, sampler="grid")
    address = StudyAddress(
        storage=str(task.folder / "swept" / f"{engine.NAME}{SUFFIX}"), name=engine.NAME
    )
    study = SweepStudy.load(address)
    one = study.trials()[0].user_attrs[CONFIG_HASH]
    with _served(folder, study) as addresses:
        ranked = [_seconds(["compare", *where]) for where in addresses]
        shown = [_seconds(["show", one, *where]) for where in addresses]
        both = [_sweep_read(address, where) for where in addresses]
    ended, whole = zip(*both, strict=True)
    return [
        Reading(
            what="cnn-sweeps compare", local=ranked[0], server=ranked[1], target=COMPARE_TARGET
        ),
        Reading(what="cnn-sweeps show HASH", local=shown[0], server=shown[1]),
        Reading(what="the runs of a sweep, at its end", local=ended[0], server=ended[1]),
        Reading(what="the runs of a sweep, for a report", local=whole[0], server=whole[1]),
    ]


def to_markdown(found: Sequence[Reading], runs: int) -> str:
    """The readings as a table, and whether the targets are met."""
    head = (f"seconds, {runs:,} runs", "own database", "MLflow server")
    rows = [(each.what, each.local, each.server) for each in found]
    verdicts = [
        f"{each.what}: {max(each.local, each.server):.1f} s, target {each.target:.0f}: "
        f"{'met' if max(each.local, each.server) <= each.target else 'missed'}"
        for each in found
        if each.target is not None
    ]
    return "\n".join([markdown(head, rows), "", *verdicts])


@contextmanager
def _served(folder: Path, study: SweepStudy) -> Iterator[list[list[str]]]:
    """A store with a run for each trial of a study: how to type each way to it."""
    with services.mlflow_server(folder, workers=SERVER_WORKERS) as server:
        store = Store.open(Tracking(dir=folder))
        with store.start_run("sweep many", tags={"study_name": "many", "kind": "sweep"}) as sweep:
            study.optuna_study.set_user_attr(PARENT, sweep.run_id)
        tags = {"config_hash": f"{0:064x}", "kind": "trial", "study_name": "many", "trial": "0"}
        with store.start_run("cnn 8x2 e1", tags=tags, parent_run_id=sweep.run_id) as first:
            config = validate.make_config(validate.plain_values(validate.compose(["data=digits"])))
            first.log_params(flatten(to_json(config)))
            first.log_metrics({f"metric_{number}": 0.5 for number in range(METRICS - 1)})
            first.log_metrics({"val_accuracy": 0.0})
        copy_run(folder / "mlflow.db", first.run_id, [*map(_as_run, study.trials())])
        store.client.delete_run(first.run_id)
        yield [[f"tracking.dir={folder}"], [f"tracking.uri={server.url}"]]


def _as_run(trial: FrozenTrial) -> dict[str, object]:
    """What the run of a trial has for itself, by the names of columns, tags, params and metrics."""
    return {
        "run_uuid": trial.user_attrs[RUN_ID],
        "config_hash": trial.user_attrs[CONFIG_HASH],
        "trial": str(trial.number),
        "seed": str(trial.params["seed"]),
        "val_accuracy": trial.value,
    }


def copy_run(database: Path, run_id: str, others: Sequence[Mapping[str, object]]) -> None:
    """Log a run again and again with other values, in MLflow's own tables.

    Args:
        database: MLflow's.
        run_id: the run.
        others: for each copy its `run_uuid`, and the values of tags, params and metrics by name.
    """
    with closing(sqlite3.connect(database)) as connection, connection:
        for table in TABLES:
            query = f"SELECT * FROM {table} WHERE run_uuid = ?"  # noqa: S608 -- a name of ours
            cursor = connection.execute(query, (run_id,))
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
            insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})"  # noqa: S608
            for number, other in enumerate(others, 1):
                copies = [_copy(row, other, number) for row in rows]
                connection.executemany(insert, [tuple(copy.values()) for copy in copies])


def _copy(row: Mapping[str, Any], other: Mapping[str, object], number: int) -> dict[str, object]:
    """A row of one run as that of another one, which began later."""
    key = str(row.get("key"))
    changed = {"value": other[key]} if key in other else {}
    if "start_time" in row:
        changed["start_time"] = row["start_time"] + number
    return {**row, **changed, "run_uuid": other["run_uuid"]}


def _seconds(words: Sequence[str]) -> float:
    """How long a command takes, its start included."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "cnn_sweeps", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 -- our own
    return time.perf_counter() - begun


def _sweep_read(address: StudyAddress, where: Sequence[str]) -> tuple[float, float]:
    """How long the runs of a sweep take to be read and compared with it: at its end, and whole.

    At its end all but the last of them were read while others trained.
    """
    key, _, value = where[0].partition("=")
    tracking = Tracking(uri=value) if key == "tracking.uri" else Tracking(dir=Path(value))
    store, study = Store.open(tracking), SweepStudy.load(address)
    early, ended = EarlyRuns(study, store), len(study.trials())
    for _ in range(0, ended - PAGE, PAGE):
        early.look(ended)
    begun = time.perf_counter()
    reads = [early.reading()]
    at_its_end = time.perf_counter() - begun
    reads.append(ReadSweep.of(study, store))
    whole = time.perf_counter() - begun - at_its_end
    if any(read.differences or len(read.runs.by_id) != ended for read in reads):
        raise RunFailedError(f"the runs in {where[0]} are not those of {study.address}.")
    return at_its_end, whole
