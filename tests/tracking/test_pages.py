"""MLflow's pages: which address shows what, and the named view of a sweep."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from http_servers import Request, serving

from cnn_sweeps.errors import UnknownStudyError
from cnn_sweeps.tracking import RunRecord, Store, pages, queries
from cnn_sweeps.tracking.names import KIND, STUDY_NAME

PLAIN = "runs?workflowType=machine_learning"


def sweep(store: Store, name: str = "digits-1") -> RunRecord:
    """The run of a sweep."""
    tags = {KIND: "sweep", STUDY_NAME: name}
    with store.start_run(f"sweep {name}", tags=tags) as run:
        pass
    return store.get(run.run_id)


def view(of: RunRecord, **changes: Any) -> pages.View:
    """Its view."""
    columns = {pages.column("metrics", "val_accuracy"): 12, pages.column("params", "seed"): 4}
    made = pages.View(
        name=of.tags[STUDY_NAME], parent_run_id=of.run_id, columns=columns, rising=True
    )
    return replace(made, **changes)


def stored(store: Store) -> dict[str, dict[str, Any]]:
    """The named views of the experiment, by name, each with its state."""
    tags = store.client.get_experiment(store.experiment_id).tags
    values = [json.loads(tags[tag]) for tag in tags if tag.startswith(pages.TAG)]
    return {value["name"]: json.loads(value["state"]) for value in values}


def save(store: Store, of: RunRecord, **changes: Any) -> None:
    """Write its view."""
    pages.save(store, store.experiment_id, view(of, **changes))


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that only says its version."""

    def answer(asked: Request) -> None:
        asked.send_response(200)
        asked.end_headers()
        asked.wfile.write(request.param.encode())

    with serving(answer) as url:
        yield url


def test_a_view_shows_the_trials_sorted(store: Store) -> None:
    """Of this sweep alone, with these columns and no others, each wide enough for its words."""
    run = sweep(store)
    save(store, run)
    state = stored(store)["digits-1"]
    assert state["searchFilter"] == f"tags.`mlflow.parentRunId` = '{run.run_id}'"
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`val_accuracy`", False)
    assert state["selectedColumns"] == ["metrics.`val_accuracy`", "params.`seed`"]
    assert state["columnOrder"] == ["attributes.`Run Name`", *state["selectedColumns"]]
    assert state["columnWidths"]["metrics.`val_accuracy`"] > state["columnWidths"]["params.`seed`"]


def test_the_next_call_of_a_study_writes_over_its_view(store: Store) -> None:
    """Also after its first run was lost; what is to be small is sorted upwards."""
    save(store, sweep(store))
    again = sweep(store)
    save(store, again, rising=False)
    (state,) = stored(store).values()
    assert again.run_id in state["searchFilter"]
    assert state["orderByAsc"] is True


def test_a_view_goes_with_its_sweep(store: Store) -> None:
    """With the next one that is written; a person's own views stay."""
    store.client.set_experiment_tag(store.experiment_id, f"{pages.TAG}mine", '{"name": "mine"}')
    gone, stays = sweep(store, "gone"), sweep(store, "stays")
    save(store, gone)
    save(store, stays)
    store.client.delete_run(gone.run_id)
    save(store, sweep(store, "new"))
    tags = store.client.get_experiment(store.experiment_id).tags
    keys = {tag.removeprefix(pages.TAG) for tag in tags if tag.startswith(pages.TAG)}
    assert keys == {"mine", pages.key_of("stays"), pages.key_of("new")}


def test_a_person_has_room_for_views(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow takes 40 in an experiment: of ours the newest stay; one that was edited counts."""
    monkeypatch.setattr(pages, "MOST", 2)
    moments = iter(range(1, 9))
    monkeypatch.setattr(pages.time, "time_ns", lambda: next(moments) * 10**9)
    for name in ("a", "b", "c"):
        save(store, sweep(store, name))
    assert sorted(stored(store)) == ["b", "c"]
    tag = pages.TAG + pages.key_of("c")
    store.client.set_experiment_tag(store.experiment_id, tag, "no JSON")
    save(store, sweep(store, "d"))
    assert tag not in store.client.get_experiment(store.experiment_id).tags


def test_the_page_of_a_sweep_is_its_view(store: Store) -> None:
    """Where it has one; all runs otherwise, and in the menu that has runs."""
    run = sweep(store)
    at = f"http://127.0.0.1:5000/#/experiments/{store.experiment_id}"
    assert pages.page(store, "http://127.0.0.1:5000/", run) == f"{at}/{PLAIN}"
    save(store, run)
    shared = f"{at}/runs?viewStateShareKey={pages.key_of('digits-1')}&{PLAIN.partition('?')[2]}"
    assert pages.page(store, "http://127.0.0.1:5000", run) == shared
    assert pages.page(store, "http://127.0.0.1:5000") == f"{at}/{PLAIN}"
    nowhere = replace(store, experiment_id="")
    assert pages.page(nowhere, "http://x:1") == "http://x:1/#/experiments"


def test_pages_that_nobody_has_seen_get_no_view(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form of a view is MLflow's own; an address with one that it cannot read is an error."""
    run = sweep(store)
    save(store, run)
    monkeypatch.setattr(pages, "version", lambda _: "4.0.0")
    assert pages.page(store, "http://x", run).endswith(f"/{PLAIN}")
    tag = pages.TAG + pages.key_of("digits-1")
    store.client.delete_experiment_tag(store.experiment_id, tag)
    save(store, run)
    assert stored(store) == {}


@pytest.mark.parametrize(
    ("server", "known"),
    [("3.17.9", True), ("3.170.0", False), ("<html>", False)],
    indirect=["server"],
)
def test_a_server_says_which_mlflow_it_is(store: Store, server: str, known: bool) -> None:
    """What is installed here says nothing of it."""
    there = replace(store.address, uri=server.replace("//", "//me:secret@"), artifacts=None)
    assert pages.seen(replace(store, address=there)) is known
    assert pages.seen(replace(store, address=replace(there, uri="http://127.0.0.1:1"))) is False


def test_what_leads_to_the_runs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a local store a command, of a server its page without a password."""
    run = sweep(store)
    assert pages.browse(store) == f"cnn-sweeps ui tracking.dir={store.dir}"
    assert pages.browse(store, run) == f"cnn-sweeps ui digits-1 tracking.dir={store.dir}"
    save(store, run)
    monkeypatch.setattr(pages, "seen", lambda _: True)
    there = replace(store.address, uri="http://me:secret@host:5000", artifacts=None)
    served = replace(store, address=there)
    assert pages.browse(served) == f"http://me:***@host:5000/#/experiments/1/{PLAIN}"
    assert pages.key_of("digits-1") in pages.browse(served, run)
    bricks = replace(store.address, uri="databricks://profile", artifacts=None)
    assert pages.browse(replace(store, address=bricks), run) == "databricks://profile"


def test_a_sweep_is_found_by_its_study(store: Store) -> None:
    """By a unique prefix too; without a name the newest."""
    assert queries.sweep(store, None) is None
    first, second, again = (sweep(store, name) for name in ("ab", "abc", "ab"))
    assert queries.sweep(store, "ab") == again
    assert queries.sweep(store, "abc") == second
    assert queries.sweep(store, None) == again
    assert first.run_id != again.run_id
    with store.start_run("its trial", tags={STUDY_NAME: "c"}, parent_run_id=first.run_id):
        pass
    assert set(queries.sweeps(store).values()) == {"ab", "abc"}
    with pytest.raises(UnknownStudyError, match="a is a prefix of 2 studies .*\n  ab\n  abc$"):
        queries.sweep(store, "a")
    with pytest.raises(UnknownStudyError, match="x is not a study with runs in .*\n  ab\n"):
        queries.sweep(store, "x")
