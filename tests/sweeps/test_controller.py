"""What a sweep's command does before its workers begin."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from fakes import instant
from kills import DEAD
from plans import plan, study
from requests.exceptions import ConnectionError as NoConnection

from cnn_sweeps.errors import RunFailedError, StoreError
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps import controller
from cnn_sweeps.sweeps.controller import (
    _cpu_slots,
    _log_best,
    _open,
    _prepare_parent,
    _store_typed,
    sweep,
)
from cnn_sweeps.sweeps.outcome import Display, SweepOutcome
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.request import SweepRequest
from cnn_sweeps.sweeps.results.results import Trial
from cnn_sweeps.sweeps.study.attributes import OPEN
from cnn_sweeps.sweeps.study.log import LogTarget, logged_sweep
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.worker import Worker
from cnn_sweeps.tracking import Store, TrackedRun
from cnn_sweeps.tracking.names import KIND, PLAN_FILE, PROCESS, STUDY_NAME
from cnn_sweeps.tracking.patience import waiting


class Parent:
    """Stands for the run of a sweep: keeps what is logged to it."""

    def __init__(self) -> None:
        self.logged: list[tuple[str, Any]] = []

    def log_json(self, plain: Any, name: str) -> None:
        """Keep it."""
        self.logged.append((name, plain))


def test_workers_take_settings_as_they_were_typed_last(tmp_path: Path) -> None:
    """Those that make no other experiments may change when a sweep is continued."""
    study(tmp_path)
    typed = {"patience": 7.0, "figures": False}
    again = study(tmp_path, plan(tracking=typed, trajectory={"max_gb": 1.0}))
    parent = Parent()
    for _ in range(2):
        _store_typed(again, cast("TrackedRun", parent))
    first = SweepStudy.load(again.address).plan.first
    assert (first.tracking.patience, first.tracking.figures) == (7.0, False)
    assert first.trajectory.max_gb == 1.0
    assert [name for name, _ in parent.logged] == [PLAN_FILE]
    assert parent.logged[0][1] == again.plan.to_json()


def test_workers_find_where_to_log_as_soon_as_they_find_the_study(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait for its run, and what a worker does not find then it never writes."""
    address, found = study(tmp_path).address, list[LogTarget | None]()

    def prepare_parent(made: SweepStudy, _store: Store) -> None:
        found.append(LogTarget.stored_with(SweepStudy.load(made.address)))

    monkeypatch.setattr(controller, "_prepare_parent", prepare_parent)
    with logged_sweep(address, Budget(), tmp_path, pytest.fail) as announce:
        controller._prepare(address, plan(), store, Budget(), announce)
    assert found == [LogTarget.of(address, Budget(), tmp_path)]


def test_of_an_earlier_best_trial_nothing_stays(store: Store) -> None:
    """Params that the new one does not have are no longer tags of the sweep."""
    with store.start_run("sweep", tags={"best.model.filters": "4", "best_trial": "0"}) as parent:
        params: dict[str, Any] = {"model": "dnn", "model.dense_units": 8}
        best = Trial(number=3, state="complete", params=params, values={}, metrics={})
        _log_best(best, {}, parent, store.get(parent.run_id).tags)
    tags = {k: v for k, v in store.get(parent.run_id).tags.items() if k.startswith("best")}
    assert tags == {"best.model": "dnn", "best.model.dense_units": "8", "best_trial": "3"}


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_a_trial_that_is_left_has_the_threads_that_it_began_with(
    tmp_path: Path, n_jobs: int
) -> None:
    """With more it would be another environment, and its stored epochs lost."""
    made, budget = study(tmp_path), Budget(n_jobs=n_jobs)
    fill_queue(made, budget)
    begun = _cpu_slots(made, budget, workers=n_jobs)
    Worker(study=made, execute=instant).work(most=made.counts().total - 1)
    assert _cpu_slots(made, budget, workers=1) == begun == n_jobs
    assert _cpu_slots(made, Budget(n_jobs=0), workers=1) == 1  # whoever types less wants that


def test_slots_that_were_given_up_change_no_threads(tmp_path: Path) -> None:
    """Fewer trials than workers came of a space that was used up."""
    space = {"model.filters": "choice(4,8,16)", "model.conv_blocks": "choice(0,1)"}
    made, budget = study(tmp_path, plan(space, sampler="random")), Budget(n_jobs=5, n_trials=5)
    fill_queue(made, budget)
    begun = _cpu_slots(made, budget, workers=5)
    Worker(study=made, execute=instant).work()
    assert made.counts().total == 4
    assert _cpu_slots(made, budget, workers=1) == begun == 5


def begun_by(store: Store, owner: Owner) -> str:
    """The run of a sweep of the name `study` that a process began, and has not ended."""
    process = json.dumps(owner.to_json())
    tags = {STUDY_NAME: "study", KIND: "sweep", PROCESS: process}
    return str(store.client.create_run(store.experiment_id, tags=tags).info.run_id)


def test_only_the_run_of_a_dead_sweep_is_closed(tmp_path: Path, store: Store) -> None:
    """One of the same name may live, with its study in another storage, or on another host."""
    owners = {"dead": DEAD, "here": Owner.here(), "far": replace(DEAD, host="lab-2:0a1b2c3d")}
    runs = {name: begun_by(store, owner) for name, owner in owners.items()}
    _prepare_parent(replace(study(tmp_path), new=True), store)
    found = {name: store.get(run_id).status for name, run_id in runs.items()}
    assert found == {"dead": "FAILED", "here": "RUNNING", "far": "RUNNING"}


def test_a_sweep_whose_own_run_was_deleted_is_refused(tmp_path: Path, store: Store) -> None:
    """With what restores it: nothing more can be logged to it."""
    made = study(tmp_path)
    _prepare_parent(replace(made, new=True), store)
    store.client.delete_run(made.parent_run_id)
    with pytest.raises(StoreError, match=f"mlflow runs restore --run-id {made.parent_run_id}"):
        _prepare_parent(made, store)


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        pytest.param(None, False, id="done"),
        pytest.param(RunFailedError("max_failures"), False, id="given up"),
        pytest.param(KeyboardInterrupt(), False, id="stopped"),
        pytest.param(StoreError("the database is away"), True, id="typed again"),
    ],
)
def test_workers_elsewhere_are_told_when_a_sweep_has_ended(
    tmp_path: Path, error: BaseException | None, waits: bool
) -> None:
    """They wait for a controller only where the same command will go on with the sweep."""
    made = study(tmp_path)
    made.optuna_study.set_user_attr(OPEN, True)
    with suppress(BaseException), _open(made):
        if error is not None:
            raise error
    assert made.is_open is waits


def test_a_report_waits_for_a_server_that_is_away(
    tmp_path: Path, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the last thing that a sweep does, and no less likely to meet an outage."""
    made, missing = study(tmp_path), [NoConnection("Connection refused")]

    class Late:
        """A publisher whose server answers at the second attempt."""

        def publish(self, *_: Any) -> str:
            """Write the report."""
            return waiting(self.write)

        def write(self) -> str:
            """Make an attempt."""
            if missing:
                raise missing.pop()
            return "report.html"

    parts = dict.fromkeys(("store", "ranking", "answer", "epochs", "rerun_best", "read"))
    outcome = SweepOutcome(study=made, **cast("Any", parts))
    monkeypatch.setattr(controller, "_complete", lambda *_: made)
    monkeypatch.setattr(controller, "_concluded", lambda *_: outcome)
    for name in ("_begin", "_tell"):
        monkeypatch.setattr(controller, name, lambda *_: None)
    monkeypatch.setattr("time.sleep", lambda _: None)
    request = SweepRequest(plan=made.plan, budget=Budget(), config=made.plan.first)
    assert sweep(request, Display(), cast("Any", Late())).report == "report.html"
