"""A sweep that trains every epoch once has the results of one that trains them all."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from configs import config
from plans import plan, sweep_of
from stores import ready

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.tracking import RunRecord, Store

pytestmark = pytest.mark.slow(minutes=1)
GRID = {"model.filters": "choice(2,3)"}
CELLS, LONGEST = 2, 3
CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")
TIMES = ("_seconds", "images_per_second", "peak_memory_mb", "test_")
"""What of a metric's name says that it depends on the clock or on the machine.

Of trials that are equally good and equally large, the one that took less time is scored.
"""


@pytest.fixture
def folder(tracking: Tracking) -> Path:
    """A place to log to, which knows nothing."""
    return tracking.dir


@pytest.fixture(scope="module")
def from_scratch(
    migrated_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """The results of every cell and length, each trained by itself from its first epoch."""
    with ready(tmp_path_factory.mktemp("scratch"), migrated_database) as tracking:
        runs = swept(tracking.dir, f"range(1,{LONGEST + 1})", reuse=False)
        assert not (tracking.dir / "trajectories").exists()
        yield results(tracking.dir, runs)


def swept(folder: Path, epochs: str, *, reuse: bool, workers: int = 2) -> dict[str, RunRecord]:
    """Sweep the grid; the run of each trial by its values."""
    groups: dict[str, Any] = {
        "tracking": {"dir": str(folder), "log_model": False},
        "trajectory": {"reuse": reuse},
        "trainer": {"threads": 1, "progress": "none"},
    }
    asked = plan({**GRID, "trainer.epochs": epochs}, **groups)
    ranking = sweep_of(asked, Budget(n_jobs=workers), config(**groups)).ranking
    store = Store.open(Tracking(dir=folder))
    return {str(sorted(row.params.items())): store.get(str(row.run_id)) for row in ranking.rows}


def results(folder: Path, runs: dict[str, RunRecord]) -> dict[str, Any]:
    """All of each trial that is not a time: its metrics, epoch by epoch too, and its weights."""
    store = Store.open(Tracking(dir=folder))
    return {
        cell: {
            "weights": run.tags["weights_sha256"],
            "stopped": run.tags["stop_reason"],
            "config": run.tags["config_hash"],
            "metrics": {k: v for k, v in run.metrics.items() if not any(t in k for t in TIMES)},
            "curves": {
                name: [
                    (point.step, point.value)
                    for point in store.client.get_metric_history(run.run_id, name)
                ]
                for name in CURVES
            },
        }
        for cell, run in runs.items()
    }


def trained(runs: dict[str, RunRecord]) -> Counter[str]:
    """How many epochs of each trajectory were trained."""
    counts: Counter[str] = Counter()
    for run in runs.values():
        counts[run.tags["trajectory_hash"]] += int(run.tags["epochs_trained"])
    return counts


def test_every_epoch_is_trained_once_and_the_results_are_the_same(
    folder: Path, from_scratch: dict[str, Any]
) -> None:
    """With two workers, whoever trains and whoever reads."""
    runs = swept(folder, f"range(1,{LONGEST + 1})", reuse=True)
    assert len(runs) == CELLS * LONGEST
    assert results(folder, runs) == from_scratch
    assert list(trained(runs).values()) == [LONGEST] * CELLS
    for run in runs.values():
        told = int(run.tags["epochs_trained"]) + int(run.tags["epochs_reused"])
        assert told == run.metrics["epochs"]


def test_a_longer_sweep_trains_what_a_shorter_one_left(
    folder: Path, from_scratch: dict[str, Any]
) -> None:
    """Its trajectories are gone on with, in other processes, to the same bits."""
    swept(folder, "choice(1,2)", reuse=True)
    runs = swept(folder, "choice(1,3)", reuse=True)
    assert results(folder, runs) == {cell: from_scratch[cell] for cell in runs}
    assert list(trained(runs).values()) == [LONGEST - 2] * CELLS


def test_one_worker_or_two_makes_no_difference(folder: Path, from_scratch: dict[str, Any]) -> None:
    """Where all train with one thread each."""
    runs = swept(folder, "choice(1,2)", reuse=True, workers=1)
    assert results(folder, runs) == {cell: from_scratch[cell] for cell in runs}
    assert list(trained(runs).values()) == [2] * CELLS


@pytest.mark.parametrize("epoch_mb", [None, 0.0], ids=["small epochs", "large epochs"])
def test_lengths_are_trained_once_by_two_workers(folder: Path, epoch_mb: float | None) -> None:
    """A shared part is trained by one of them, and gone on with by both."""
    groups: dict[str, Any] = {
        "tracking": {"dir": str(folder), "log_model": False},
        "trajectory": {"epoch_mb": epoch_mb},
        "trainer": {"threads": 1, "progress": "none", "schedule": {"name": "wsd"}},
    }
    asked = plan({"trainer.epochs": "5,10,20"}, **groups)
    ranking = sweep_of(asked, Budget(n_jobs=2), config(**groups)).ranking
    store = Store.open(Tracking(dir=folder))
    runs = [store.get(str(row.run_id)) for row in ranking.rows]
    assert len(runs) == 3
    assert sum(int(run.tags["epochs_trained"]) for run in runs) == 23
