"""What a sweep's command does before its workers begin."""

from pathlib import Path
from typing import Any, cast

from plans import plan, study

from cnn_sweeps.sweeps.controller import _log_best, _store_typed
from cnn_sweeps.sweeps.results.results import Trial
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.tracking import Store, TrackedRun
from cnn_sweeps.tracking.names import PLAN_FILE


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


def test_of_an_earlier_best_trial_nothing_stays(store: Store) -> None:
    """Params that the new one does not have are no longer tags of the sweep."""
    with store.start_run("sweep", tags={"best.model.filters": "4", "best_trial": "0"}) as parent:
        params: dict[str, Any] = {"model": "dnn", "model.dense_units": 8}
        best = Trial(number=3, state="complete", params=params, values={}, metrics={})
        _log_best(best, {}, parent, store.get(parent.run_id).tags)
    tags = {k: v for k, v in store.get(parent.run_id).tags.items() if k.startswith("best")}
    assert tags == {"best.model": "dnn", "best.model.dense_units": "8", "best_trial": "3"}
