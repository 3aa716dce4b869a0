"""Starting runs and finding them again."""

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import DivergedError, StoreError, UnknownHashError
from cnn_sweeps.tracking import RunRecord, Store, model_files, paging
from cnn_sweeps.tracking import store as experiments
from cnn_sweeps.tracking import store as store_module
from cnn_sweeps.tracking.names import KIND, STUDY_NAME

HASH = "3f2a9c1b7d20" + "0" * 52
OTHER = "3f2b" + "1" * 60


def finished(store: Store, config_hash: str = HASH, name: str = "r") -> RunRecord:
    """A run that has ended, as read back."""
    with store.start_run(name, tags={"config_hash": config_hash}) as run:
        pass
    return record(store, run.run_id)


def record(store: Store, run_id: str) -> RunRecord:
    """One run, as read back."""
    return RunRecord.of(store.client.get_run(run_id))


def test_run_is_running_inside_the_block(store: Store) -> None:
    """While it is being written, a run is RUNNING and has no end."""
    with store.start_run("r", tags={}) as run:
        during = record(store, run.run_id)
    assert (during.status, during.end) == ("RUNNING", None)


def test_run_that_ends_well(store: Store) -> None:
    """A run ends FINISHED, under its name, with its hash and its maker."""
    run = finished(store, name="cnn 64x2 e10 · 3f2a9c1b7d20")
    assert (run.status, run.name, run.config_hash) == (
        "FINISHED",
        "cnn 64x2 e10 · 3f2a9c1b7d20",
        HASH,
    )
    assert run.tags["mlflow.source.name"] == "cnn_sweeps"
    assert run.end is not None
    assert run.end >= run.start


def test_failed_run_tells_why(store: Store) -> None:
    """An exception ends the run FAILED, is written into it in one line, and passes on."""
    with (
        pytest.raises(DivergedError, match="NaN"),
        store.start_run("r", tags={}) as run,
    ):
        raise DivergedError("The loss became NaN in epoch 3.\nLower the learning rate.")
    ended = record(store, run.run_id)
    assert ended.status == "FAILED"
    assert ended.tags["error"] == "The loss became NaN in epoch 3."
    assert ended.tags["error_type"] == "DivergedError"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_stopped_run_is_killed(stop: type[BaseException], store: Store) -> None:
    """Ctrl-C or an exit ends the run KILLED."""
    with pytest.raises(stop), store.start_run("r", tags={}) as run:
        raise stop
    assert record(store, run.run_id).status == "KILLED"


def test_first_error_is_the_one_reported(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that refuses the last word does not hide what went wrong before."""

    def refuse(*_: object) -> None:
        raise OSError("gone")

    monkeypatch.setattr(store.client, "set_terminated", refuse)
    with pytest.raises(ValueError, match="first"), store.start_run("r", tags={}):
        raise ValueError("first")
    with pytest.raises(KeyboardInterrupt), store.start_run("r", tags={}):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("denied", "status"),
    [
        pytest.param(("log_batch",), "FAILED", id="one-route"),
        pytest.param(("log_batch", "set_terminated"), "RUNNING", id="its-end-too"),
        pytest.param(("set_terminated",), "RUNNING", id="its-end"),
    ],
)
def test_a_run_whose_last_words_are_refused_is_ended_where_that_can_be(
    denied: tuple[str, ...], status: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the error says that it stays as it is, and what ends it."""

    def refuse(*_: object, **__: object) -> None:
        raise MlflowException("no", error_code=ErrorCode.Value("PERMISSION_DENIED"))

    for route in denied:
        monkeypatch.setattr(store.client, route, refuse)
    with pytest.raises(StoreError, match="no") as caught, store.start_run("r", tags={}) as run:
        pass
    assert record(store, run.run_id).status == status
    notes = getattr(caught.value, "__notes__", [])
    assert [run.run_id in note and "doctor --close-runs" in note for note in notes] == (
        [True] if status == "RUNNING" else []
    )


def test_run_id_of_the_shell_does_not_leak_in(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLFLOW_RUN_ID of an outer program is not taken for our run."""
    outer = finished(store).run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", outer)
    assert finished(store).run_id != outer


def test_user_without_a_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare user number, as in a container, is no obstacle."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(store_module.getpass, "getuser", nameless)
    assert finished(store).tags["mlflow.user"] == "unknown"


def test_children_are_found_oldest_first(store: Store) -> None:
    """A sweep's trials are its children, and only they."""
    with store.start_run("sweep", tags={}) as sweep:
        for name in ("first", "second"):
            with store.start_run(name, tags={}, parent_run_id=sweep.run_id):
                time.sleep(0.002)  # MLflow's clock has milliseconds
    finished(store)
    children = store.children(sweep.run_id)
    assert [child.name for child in children] == ["first", "second"]
    assert {child.parent_id for child in children} == {sweep.run_id}


def test_children_of_one_status_are_asked_for(store: Store) -> None:
    """The store sends those that run, and not all of them."""
    with store.start_run("sweep", tags={}) as sweep:
        finished = store.start_run("finished", tags={}, parent_run_id=sweep.run_id)
        with finished, store.start_run("running", tags={}, parent_run_id=sweep.run_id) as run:
            pass
        with store.start_run("running", tags={}, parent_run_id=sweep.run_id) as run:
            found = store.children(sweep.run_id, status="RUNNING")
    assert [child.run_id for child in found] == [run.run_id]


@pytest.mark.parametrize("prefix", ["3f2a", "3F2A9C", HASH, " 3f2a9c1b "])
def test_find_takes_any_prefix(prefix: str, store: Store) -> None:
    """A hash is found by its first digits, in either case; another hash is not."""
    run = finished(store)
    finished(store, OTHER)
    assert [found.run_id for found in store.find(prefix)] == [run.run_id]


def test_find_is_newest_first_and_across_experiments(store: Store, tracking: Tracking) -> None:
    """A hash is one experiment wherever it was run."""
    old = finished(store)
    time.sleep(0.002)
    other = Store.open(Tracking(dir=tracking.dir, experiment="other"))
    new = finished(other)
    assert [found.run_id for found in store.find("3f2a")] == [new.run_id, old.run_id]


def test_find_leaves_deleted_runs_out(store: Store) -> None:
    """What the user has deleted is not found."""
    store.client.delete_run(finished(store).run_id)
    assert store.find("3f2a") == []


def test_find_reads_every_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """More runs than one search returns are all found."""
    monkeypatch.setattr(paging, "PAGE", 2)
    runs = {finished(store).run_id for _ in range(5)}
    assert {found.run_id for found in store.find("3f2a")} == runs


@pytest.mark.parametrize("prefix", ["3f2", "xyz1", "", "0" * 65, "ab' OR '1'='1"])
def test_find_refuses_what_is_no_hash(prefix: str, store: Store) -> None:
    """A prefix that is too short or not of hex digits is refused before any search."""
    with pytest.raises(UnknownHashError, match="type 4 to 64 hex digits"):
        store.find(prefix)


def test_reopened_run_keeps_its_end(store: Store) -> None:
    """Adding to an ended run changes neither its status nor when it ended."""
    before = finished(store)
    store.reopen(before.run_id).log_metrics({"test_accuracy": 0.9})
    after = record(store, before.run_id)
    assert (after.status, after.end) == (before.status, before.end)
    assert after.metrics == {"test_accuracy": 0.9}


def test_unknown_run(store: Store) -> None:
    """A run id that is not in the store is refused plainly."""
    with pytest.raises(StoreError, match="refuses: Run with id=0{32} not found"):
        store.reopen("0" * 32)


def test_run_without_model(store: Store) -> None:
    """A run whose model was not stored says how to get one."""
    with pytest.raises(StoreError, match="tracking.log_model=true"):
        model_files.model_of(store, finished(store))


def test_what_leads_to_a_store_is_only_what_is_needed(
    store: Store, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside its folder nothing; elsewhere its folder; the experiment is no matter for a hash."""
    assert replace(store, experiment="mine").whereabouts == []
    (in_tmp / "elsewhere").mkdir()
    monkeypatch.chdir(in_tmp / "elsewhere")
    assert store.whereabouts == [f"tracking.dir={store.dir}"]


def test_folder_of_the_store(store: Store, tracking: Tracking) -> None:
    """Studies and other files find their place beside the database."""
    assert store.dir == tracking.dir


def test_get_reads_one_run(store: Store) -> None:
    """A run is read back by its id, whole."""
    run = finished(store)
    assert store.get(run.run_id) == run


def test_resumed_run_is_running_and_ends_again(store: Store) -> None:
    """A run that is gone on with is RUNNING inside the block and ended after it."""
    run_id = finished(store).run_id
    with store.resume_run(run_id):
        during = record(store, run_id).status
    with pytest.raises(KeyboardInterrupt), store.resume_run(run_id):
        raise KeyboardInterrupt
    assert (during, record(store, run_id).status) == ("RUNNING", "KILLED")


def test_a_resumed_run_is_not_left_with_an_old_error(store: Store) -> None:
    """A sweep that failed once and then ends well does not say that it failed."""
    with pytest.raises(ValueError, match="once"), store.start_run("x", tags={"kept": "yes"}) as run:
        raise ValueError("once")
    assert record(store, run.run_id).tags["error"] == "once"
    with store.resume_run(run.run_id):
        pass
    again = record(store, run.run_id)
    assert (again.status, again.tags["kept"]) == ("FINISHED", "yes")
    assert not {"error", "error_type"} & again.tags.keys()


def test_a_live_run_that_was_taken_for_dead_ends_as_it_does(store: Store) -> None:
    """What was said of its end is not left behind."""
    with store.start_run("x", tags={}) as run:
        store.close_run(run.run_id, "FAILED", "its sweep was killed")
    ended = record(store, run.run_id)
    assert (ended.status, ended.tags["state"]) == ("FINISHED", "complete")
    assert "error" not in ended.tags


class SlowClient:
    """A client that first sees no experiment, then fails to make it for the given reason."""

    def __init__(self, reason: str, later: object) -> None:
        self.reason, self.answers = reason, [None, later]

    def get_experiment_by_name(self, _name: str) -> object:
        """None first, then what another process has made."""
        return self.answers.pop(0)

    def create_experiment(self, _name: str, **_: object) -> str:
        """Refused."""
        raise MlflowException("no", error_code=ErrorCode.Value(self.reason))


def seen_through(client: SlowClient, store: Store) -> Store:
    """A store of which only the client answers."""
    return replace(store, client=client, local=None)  # type: ignore[arg-type]


def test_experiment_that_another_process_makes_first(store: Store) -> None:
    """Two that make the same experiment at once end up in one."""
    made = SimpleNamespace(experiment_id="7", lifecycle_stage="active")
    client = SlowClient("RESOURCE_ALREADY_EXISTS", made)
    assert experiments.made_experiment(seen_through(client, store)) == "7"


def test_a_deleted_experiment_is_refused_with_the_whole_command(
    store: Store, tracking: Tracking
) -> None:
    """Which restores it and its runs, in this store: address and id stand in it."""
    run = finished(store)
    store.client.delete_experiment(run.experiment_id)
    with pytest.raises(StoreError, match="was deleted") as refused:
        Store.open(tracking)
    *_, command = str(refused.value).splitlines()
    assert command == (
        f"MLFLOW_TRACKING_URI={store.uri} "
        f"mlflow experiments restore --experiment-id {run.experiment_id}"
    )


def test_an_experiment_that_was_renamed_is_made_by_nobody_who_logs_beside_its_runs(
    store: Store, tracking: Tracking
) -> None:
    """Nor is one of another name; where the run is gone, or is in another store, one is made."""
    run = finished(store)
    store.client.rename_experiment(run.experiment_id, "course")
    before = store.experiments()
    beside = Store.open(replace(tracking, experiment="typed"), beside=run.run_id)
    assert beside.experiment_id == run.experiment_id
    assert store.experiments() == before
    assert Store.open(tracking, beside="0" * 32).experiment_id not in before.values()


def test_experiment_that_cannot_be_made(store: Store) -> None:
    """Any other refusal of the experiment is not mistaken for that."""
    client = SlowClient("PERMISSION_DENIED", None)
    with pytest.raises(MlflowException, match="no"):
        experiments.made_experiment(seen_through(client, store))


@pytest.mark.parametrize("name", ["o'brien", "a \"b\" 'c'", "back\\\\", "plain", "50%"])
def test_runs_are_found_by_any_text_of_a_tag(store: Store, name: str) -> None:
    """Also by one that MLflow's filters have no way to write."""
    for text in (name, "another"):
        with store.start_run("a run", tags={STUDY_NAME: text, KIND: "sweep"}):
            pass
    assert [r.tags[STUDY_NAME] for r in store.tagged({STUDY_NAME: name, KIND: "sweep"})] == [name]
