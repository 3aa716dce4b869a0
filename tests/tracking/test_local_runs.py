"""The runs of a local database are read as MLflow reads them, and without it."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from stores import ready

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import PrunedError, StoreError
from cnn_sweeps.tracking import RunRecord, Store, artifacts, local_runs, queries
from cnn_sweeps.tracking.local_runs import LocalRuns
from cnn_sweeps.tracking.names import CONFIG_HASH, KIND, STUDY_NAME
from cnn_sweeps.tracking.patience import patient
from cnn_sweeps.tracking.selection import Selection

HASH = "3f2a9c1b7d20" + "0" * 52


@pytest.fixture(scope="module")
def filled(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with all kinds of runs, in two experiments and a deleted one."""
    with ready(tmp_path_factory.mktemp("filled"), migrated_database) as tracking:
        store = Store.open(tracking)
        log_sweep(store)
        other = Store.open(Tracking(dir=tracking.dir, experiment='other: "it\'s"'))
        with other.start_run("elsewhere", tags={CONFIG_HASH: HASH}):
            pass
        gone = Store.open(Tracking(dir=tracking.dir, experiment="gone"))
        store.client.delete_experiment(gone.experiment_id)
        yield store


def log_sweep(store: Store) -> None:
    """A sweep that runs, with a trial that ended, one that was pruned and one that was deleted."""
    with store.start_run(
        "sweep", tags={KIND: "sweep", STUDY_NAME: "a 'study' of \"mine\""}
    ) as sweep:
        tags = {CONFIG_HASH: HASH, KIND: "trial"}
        with store.start_run("ended", tags=tags, parent_run_id=sweep.run_id) as run:
            run.log_params({"trainer.precision": "float32", "text": "ä\n€", "number": 1})
            for step, loss in enumerate((0.25, float("nan"), float("inf"), 1e300), 1):
                run.log_metrics({"loss": loss, "val_accuracy": 0.874}, step=step)
            run.log_metrics({"val_accuracy": 0.876}, step=4)  # a second value of one epoch
            run.log_text("a text", "folder/file.txt")
        with (
            pytest.raises(PrunedError),
            store.start_run("", tags={KIND: "trial"}, parent_run_id=sweep.run_id) as run,
        ):
            raise PrunedError(1, "worse than the median")
        with store.start_run("deleted", tags=tags, parent_run_id=sweep.run_id) as run:
            pass
        store.client.delete_run(run.run_id)
        store.client.create_run(store.experiment_id, tags={"%": "50 %"})  # it still runs


def every_run(store: Store) -> list[RunRecord]:
    """As the client has them, deleted ones among them."""
    found = store.search("", [*store.experiments().values()], view=3)
    assert len(found) == 6
    return found


def test_a_run_is_read_value_for_value(filled: Store) -> None:
    """Params, tags, the last values, times and stage; NaN is equal to itself in a text."""
    assert filled.local is not None
    for run in every_run(filled):
        read = filled.local.run(run.run_id)
        assert read is not None
        for name in ("params", "tags", "metrics"):
            ours, theirs = getattr(read, name), getattr(run, name)
            assert repr(sorted(ours.items())) == repr(sorted(theirs.items()))
        assert {**vars(read), "metrics": {}} == {**vars(run), "metrics": {}}


SELECTIONS = {
    "all": Selection(),
    "tags": Selection(tags={KIND: "trial", CONFIG_HASH: HASH}),
    "beginning": Selection(begins={CONFIG_HASH: HASH[:6]}),
    "any value": Selection(begins={STUDY_NAME: ""}, without=["mlflow.parentRunId"]),
    "status": Selection(status="KILLED"),
    "sign": Selection(tags={"%": "50 %"}),
    "nothing": Selection(tags={KIND: "none"}),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_runs_are_found_as_by_a_filter(filled: Store, name: str) -> None:
    """Of all experiments, newest first; deleted runs are in none."""
    selection, chosen = SELECTIONS[name], [*filled.experiments().values()]
    found = [run.run_id for run in filled.select(selection)]
    theirs = filled.search(selection.to_filter(), chosen)
    if "%" not in selection.tags:  # a filter has no way to write it
        assert found == [run.run_id for run in theirs]
    assert (found == []) == (name == "nothing")


@pytest.mark.parametrize(("size", "whole"), [(5, True), (4, False)])
def test_pages_are_left_to_the_client_where_there_are_several(
    filled: Store, monkeypatch: pytest.MonkeyPatch, size: int, whole: bool
) -> None:
    """A large store is not read as a whole; what is found is the same."""
    monkeypatch.setattr(queries, "WHOLE", size)
    order = ["attributes.start_time DESC"]
    asked = [*queries.ordered_runs(filled, "", None, order, size=size)]
    assert asked[0][1] == whole
    found = {run.run_id for page, _ in asked for run in page}
    assert found == {run.run_id for run in queries.matching_runs(filled)}
    assert len(found) == 5
    if whole:
        monkeypatch.setattr(filled.client, "search_runs", None)
        assert next(queries.ordered_runs(filled, "", None, order, size=size))[1]


def test_curves_are_read_point_for_point(filled: Store) -> None:
    """With each value of an epoch, in the order in which they were logged."""
    assert filled.local is not None
    run_ids = [run.run_id for run in every_run(filled)]
    for metric in ("loss", "val_accuracy", "nowhere"):
        theirs = [
            (run_id, point.step, point.value)
            for run_id in sorted(run_ids)
            for point in filled.client.get_metric_history(run_id, metric)
        ]
        assert repr(filled.local.points(run_ids, metric)) == repr(theirs)


def test_experiments_are_read_without_those_that_were_deleted(filled: Store) -> None:
    """By name, as the client lists them."""
    assert filled.local is not None
    listed = filled.client.search_experiments()
    assert filled.experiments() == {e.name: e.experiment_id for e in listed}
    assert filled.local.experiment("gone") is not None
    assert filled.local.experiment("nowhere") is None


def test_a_run_that_is_not_there_is_refused_in_mlflows_words(filled: Store) -> None:
    """Whoever asks for one by its id is told which."""
    assert artifacts.run_by_id(filled, "0" * 32) is None
    with pytest.raises(StoreError, match=f"Run with id={'0' * 32} not found"):
        filled.get("0" * 32)


@pytest.mark.parametrize(("start", "year"), [(None, 1970), (1_764_000_000_000_000_000, 9999)])
def test_a_run_of_another_program_may_have_no_proper_time(start: int | None, year: int) -> None:
    """None, or one in nanoseconds; the runs beside it are read all the same."""
    record = RunRecord.of_values(
        run_id="a" * 32,
        name=None,
        experiment_id="1",
        status="FINISHED",
        start=start,
        end=start,
        artifact_uri="",
        stage="active",
        params={},
        tags={},
        metrics={},
    )
    assert record.start.year == year


@pytest.mark.parametrize("reason", ["version", "workspaces"])
def test_what_another_mlflow_stores_is_left_to_it(
    filled: Store, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """Its tables may mean something else; the same is found all the same."""
    if reason == "version":
        monkeypatch.setattr(local_runs, "version", lambda _: "3.170.0")
    else:
        monkeypatch.setenv(local_runs.WORKSPACES, "true")
    assert filled.address.database is not None
    assert LocalRuns.of(filled.address.database) is None
    store = Store.open(Tracking(dir=filled.dir))
    assert store.local is None
    assert [r.run_id for r in store.find(HASH)] == [r.run_id for r in filled.find(HASH)]


def test_what_a_killed_process_has_left_half_written_is_not_read(
    filled: Store, tmp_path: Path
) -> None:
    """It is taken back, as whoever writes next would take it back."""
    database, left = filled.address.database, tmp_path / "mlflow.db"
    assert database is not None
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 1")  # so that it writes before it commits
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE tags SET value = hex(randomblob(3000))")
        for suffix in ("", "-journal"):
            shutil.copy(f"{database}{suffix}", f"{left}{suffix}")
        writer.execute("ROLLBACK")
    with (
        closing(sqlite3.connect(f"{left.as_uri()}?mode=ro", uri=True)) as reader,
        pytest.raises(sqlite3.OperationalError),  # it cannot take anything back
    ):
        reader.execute("SELECT * FROM tags")
    for run in every_run(filled):
        found = LocalRuns(left).run(run.run_id)
        assert found is not None
        assert found.tags == run.tags


def test_a_database_that_may_only_be_read_is_read(filled: Store, tmp_path: Path) -> None:
    """Such as one on a disk that is mounted so."""
    database = filled.address.database
    assert database is not None
    copy = Path(shutil.copy(database, tmp_path))
    copy.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        assert LocalRuns(copy).experiments() == filled.experiments()
    finally:
        tmp_path.chmod(0o700)


def test_runs_are_read_without_mlflow(filled: Store) -> None:
    """Whose import takes longer than most commands; in a process of its own."""
    program = (
        "import pathlib, sys\n"
        "from cnn_sweeps.config.schema import Tracking\n"
        "from cnn_sweeps.tracking import Store\n"
        f"store = Store.open(Tracking(dir=pathlib.Path({str(filled.dir)!r})))\n"
        "run, _ = store.find('3f2a')\n"
        "store.children(run.run_id), store.histories([run], 'loss')\n"
        "print(*{'mlflow', 'pandas', 'sqlalchemy', 'tensorflow'} & set(sys.modules))"
    )
    environment = {**os.environ, "MLFLOW_TRACKING_URI": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == ""


def test_a_locked_database_is_told_whatever_is_asked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may write for as long as we wait; no question ends in a traceback."""
    monkeypatch.setattr(local_runs, "TIMEOUT", 0.0)
    with closing(sqlite3.connect(store.dir / "mlflow.db", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        asked: list[Callable[[], object]] = [
            lambda: next(queries.ordered_runs(store, "", None, (), size=9)),
            lambda: store.count(["1"]),
            lambda: store.select(Selection(), ["1"]),
            lambda: store.histories([], "loss"),
            lambda: artifacts.run_by_id(store, "a" * 32),
            store.experiments,
        ]
        for ask in asked:
            with pytest.raises(StoreError, match="has been locked by another program"):
                ask()


def test_a_sweep_waits_for_a_locked_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it reads is asked again until the file is free, as what it writes is."""
    monkeypatch.setattr(local_runs, "TIMEOUT", 0.0)
    with store.start_run("a", tags={}) as run:
        pass
    said = list[str]()
    with closing(sqlite3.connect(store.dir / "mlflow.db", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")

        def say(text: str) -> None:
            said.append(text)
            if connection.in_transaction:
                connection.rollback()

        with patient(300, say=say):
            assert store.get(run.run_id).name == "a"
    assert [text.split()[0] for text in said] == ["Waiting", "Back"]
