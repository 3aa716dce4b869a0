"""The runs of a server are what MLflow's client makes of them."""

import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import signals
from served import as_served
from stores import ready

from cnn_sweeps.errors import ConfigError, StoreError
from cnn_sweeps.tracking import Store, children, queries
from cnn_sweeps.tracking.children import children_beside, children_of, runs_of_ids


@pytest.fixture
def store(migrated_database: Path, tmp_path: Path) -> Iterator[Store]:
    """An empty one."""
    with ready(tmp_path, migrated_database) as tracking:
        yield Store.open(tracking)


def logged(store: Store, count: int) -> tuple[str, list[str]]:
    """A sweep of so many trials: its run, and theirs, the oldest first."""
    with store.start_run("sweep", tags={"kind": "sweep"}) as sweep:
        made = [store.start_run(f"{n}", tags={}, parent_run_id=sweep.run_id) for n in range(count)]
        ids = []
        for begun in made:
            with begun as run:
                ids.append(run.run_id)
    return sweep.run_id, [run.run_id for run in store.children(sweep.run_id)]


def test_a_run_is_read_value_for_value(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Params, tags, the last values, times and stage; NaN is equal to itself in a text."""
    with store.start_run("", tags={"note": "", "more": "ä\n€"}) as run:
        run.log_params({"trainer.precision": "float32", "text": "ä\n€", "number": 1, "none": ""})
        for step, loss in enumerate((0.25, float("nan"), float("inf"), 1e300), 1):
            run.log_metrics({"loss": loss, "val_accuracy": 0.874, "top": 0.1 + 0.2}, step=step)
        run.log_metrics({"nan": float("nan"), "least": -1e-300, "infinite": float("-inf")})
    with store.start_run("deleted", tags={}) as run:
        pass
    store.client.delete_run(run.run_id)
    store.client.create_run(store.experiment_id)  # it still runs
    served, _ = as_served(store, monkeypatch)
    found = served.search("", [store.experiment_id], view=3)
    theirs = store.search("", [store.experiment_id], view=3)
    assert len(found) == 3
    for read, run in zip(found, theirs, strict=True):
        for name in ("params", "tags", "metrics"):
            ours, other = getattr(read, name), getattr(run, name)
            assert repr(sorted(ours.items())) == repr(sorted(other.items()))
        assert replace(read, metrics={}) == replace(run, metrics={})


def test_all_pages_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run once, in the order that was asked for; a page is asked for when it is wanted."""
    _, ids = logged(store, 5)
    served, brought = as_served(store, monkeypatch)
    where = "tags.`mlflow.parentRunId` LIKE '%'"
    pages = served.in_order(
        where, [store.experiment_id], ["attributes.start_time ASC", "run_id ASC"], size=2
    )
    first, last = next(pages)
    assert (brought, last) == ([2], False)
    rest = [*pages]
    assert [last for _, last in rest] == [False, True]
    assert [run.run_id for runs in (first, *(runs for runs, _ in rest)) for run in runs] == ids


def test_a_filter_that_the_server_cannot_read_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the words of MLflow, as its client does."""
    served, _ = as_served(store, monkeypatch)
    with pytest.raises(ConfigError, match="cannot be read"):
        queries.runs_within(served, "metrics.x ~ 3", [store.experiment_id])


@pytest.mark.parametrize("most", [1, 2, 500])
def test_trials_that_are_known_are_not_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """All are there, in their order, but one that was deleted; some begin in one millisecond."""
    monkeypatch.setattr(children, "MOST", most)
    sweep, ids = logged(store, 8)
    served, brought = as_served(store, monkeypatch)
    known = runs_of_ids(served, [ids[n] for n in (0, 2, 3, 5, 6)], store.experiment_id)
    assert sum(brought) == len(known) == 5
    known = [replace(run, name="as it was read") for run in known]
    store.client.delete_run(ids[3])
    brought.clear()
    found = children_beside(served, sweep, known)
    assert [run.run_id for run in found] == [run_id for n, run_id in enumerate(ids) if n != 3]
    assert sum(run.name == "as it was read" for run in found) + sum(brought) == 8


def test_of_a_sweep_of_which_nothing_is_known_all_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by `Store.children`."""
    sweep, ids = logged(store, 3)
    served, _ = as_served(store, monkeypatch)
    assert [run.run_id for run in children_beside(served, sweep, [])] == ids


@pytest.mark.parametrize("most", [2, 500])
def test_many_trials_are_asked_for_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Also one that the study does not know; not one that was deleted; in their order."""
    monkeypatch.setattr(children, "MOST", most)
    sweep, ids = logged(store, 9)
    store.client.delete_run(ids[4])
    there = store.children(sweep)
    served, brought = as_served(store, monkeypatch)
    assert children_of(served, sweep, ids[:-1]) == there
    assert [run.run_id for run in there] == [*ids[:4], *ids[5:]]
    if most == 2:
        assert sorted(brought[:4]) == [1, 2, 2, 2]
        assert sum(brought) == 9, "each was read once, and the deleted one to leave it out"
    else:
        assert brought == [8]


@pytest.mark.parametrize("heard", [StoreError, KeyboardInterrupt])
def test_nobody_waits_for_a_server_that_hangs_when_another_request_has_failed(
    store: Store, monkeypatch: pytest.MonkeyPatch, heard: type[BaseException]
) -> None:
    """Nor after Ctrl-C; neither here nor at the end of the process."""
    monkeypatch.setattr(children, "MOST", 1)
    sweep, ids = logged(store, 9)
    served, _ = as_served(store, monkeypatch)
    goes_on, asked = threading.Event(), []

    def search(_: Store, part: list[str], experiment: str) -> list[object]:
        asked.append(threading.current_thread())
        if part == ids[1:2]:
            if heard is StoreError:
                raise StoreError("it refuses")
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        goes_on.wait(10)
        return []

    monkeypatch.setattr(children, "runs_of_ids", search)
    try:
        with signals.heard(signal.SIGINT, signal.default_int_handler), pytest.raises(heard):
            children_of(served, sweep, ids)
        assert any(thread.is_alive() for thread in asked)
        assert all(thread.daemon for thread in asked)
    finally:
        goes_on.set()
    for thread in asked:
        thread.join(10)
    assert len(asked) < len(ids), "no more are asked for"
