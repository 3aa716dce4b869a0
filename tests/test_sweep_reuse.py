"""A sweep that trains every epoch once has the results of one that trains them all."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stores
from configs import config
from plans import plan, sweep_of

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.tracking import RunRecord, Store

pytestmark = pytest.mark.slow
GRID = {"model.filters": "choice(2,3,4)"}
CELLS, LONGEST = 3, 3
CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")
TIMES = ("_seconds", "images_per_second", "peak_memory_mb", "test_")
"""What of a metric's name says that it depends on the clock or on the machine.

Of trials that are equally good and equally large, the one that took less time is scored.
"""


@pytest.fixture
def folders(tmp_path: Path, migrated_database: Path) -> Iterator[list[Path]]:
    """Two places to log to: what one knows, the other does not."""
    made = [tmp_path / "reuse", tmp_path / "scratch"]
    for folder in made:
        folder.mkdir()
        shutil.copy(migrated_database, folder / "mlflow.db")
    yield made
    for folder in made:
        stores.close(f"sqlite:///{folder / 'mlflow.db'}")


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


def test_every_epoch_is_trained_once_and_the_results_are_the_same(folders: list[Path]) -> None:
    """With two workers, whoever trains and whoever reads."""
    with_reuse, from_scratch = folders
    runs = swept(with_reuse, f"range(1,{LONGEST + 1})", reuse=True)
    alone = swept(from_scratch, f"range(1,{LONGEST + 1})", reuse=False)
    assert len(runs) == CELLS * LONGEST
    assert results(with_reuse, runs) == results(from_scratch, alone)
    assert list(trained(runs).values()) == [LONGEST] * CELLS
    for run in runs.values():
        told = int(run.tags["epochs_trained"]) + int(run.tags["epochs_reused"])
        assert told == run.metrics["epochs"]
    assert not (from_scratch / "trajectories").exists()


def test_a_longer_sweep_trains_what_a_shorter_one_left(folders: list[Path]) -> None:
    """Its trajectories are gone on with, in other processes, to the same bits."""
    with_reuse, from_scratch = folders
    swept(with_reuse, "choice(1,2)", reuse=True)
    runs = swept(with_reuse, "choice(1,3)", reuse=True)
    alone = swept(from_scratch, "choice(1,3)", reuse=False)
    assert results(with_reuse, runs) == results(from_scratch, alone)
    assert list(trained(runs).values()) == [LONGEST - 2] * CELLS


def test_one_worker_or_two_makes_no_difference(folders: list[Path]) -> None:
    """Where all train with one thread each."""
    one, two = folders
    by_one = swept(one, "choice(1,2)", reuse=True, workers=1)
    by_two = swept(two, "choice(1,2)", reuse=True, workers=2)
    assert results(one, by_one) == results(two, by_two)
    assert trained(by_one) == trained(by_two)


@pytest.mark.parametrize("epoch_mb", [None, 0.0], ids=["small epochs", "large epochs"])
def test_lengths_are_trained_once_by_two_workers(
    folders: list[Path], epoch_mb: float | None
) -> None:
    """A shared part is trained by one of them, and gone on with by both."""
    groups: dict[str, Any] = {
        "tracking": {"dir": str(folders[0]), "log_model": False},
        "trajectory": {"epoch_mb": epoch_mb},
        "trainer": {"threads": 1, "progress": "none", "schedule": {"name": "wsd"}},
    }
    asked = plan({"trainer.epochs": "5,10,20"}, **groups)
    ranking = sweep_of(asked, Budget(n_jobs=2), config(**groups)).ranking
    store = Store.open(Tracking(dir=folders[0]))
    runs = [store.get(str(row.run_id)) for row in ranking.rows]
    assert len(runs) == 3
    assert sum(int(run.tags["epochs_trained"]) for run in runs) == 23
