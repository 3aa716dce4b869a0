"""What MLflow keeps of a run that was given up or stopped in mid-training."""

from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from configs import config
from plans import epoch

from cnn_sweeps.errors import PrunedError, RunFailedError, StoppedError
from cnn_sweeps.sweeps.plan.pruners import PrunerSpec, PruningCallback, build_pruner
from cnn_sweeps.tracking import RunRecord, Store
from cnn_sweeps.training.epoch import Epoch

FALLING = [0.5, 0.4, 0.3, 0.2]


def ended(store: Store, error: BaseException) -> RunRecord:
    """A run that an error has ended, as read back."""
    with pytest.raises(type(error)), store.start_run("r", tags={}) as run:
        raise error
    return store.get(run.run_id)


def test_a_pruned_run_is_killed(store: Store) -> None:
    """Pruning is no failure: the run has an epoch and a reason, and no error."""
    run = ended(store, PrunedError(3, "pruned by median at epoch 3: val_accuracy 0.1"))
    assert run.status == "KILLED"
    assert run.tags["pruned_epoch"] == "3"
    assert run.tags["pruned_reason"] == "pruned by median at epoch 3: val_accuracy 0.1"
    assert "error" not in run.tags


def test_a_run_that_was_asked_to_stop_is_killed(store: Store) -> None:
    """Stopping is no failure: the run has a reason, and no error."""
    run = ended(store, StoppedError("the sweep was interrupted"))
    assert (run.status, run.tags["stopped_reason"]) == ("KILLED", "the sweep was interrupted")
    assert "error" not in run.tags


def test_any_other_end_of_training_is_a_failure(store: Store) -> None:
    """The class above both still ends a run FAILED."""
    run = ended(store, RunFailedError("memory ran out on http://me:secret@h/x"))
    assert (run.status, run.tags["error"]) == ("FAILED", "memory ran out on http://me:***@h/x")


def test_a_reporter_ends_the_run_it_watches(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pruner's word passes through training and run; the epochs so far stay logged."""
    from cnn_sweeps.runs import run
    from cnn_sweeps.training import loop

    def epochs(*args: Any, **options: Any) -> Iterator[Epoch]:
        return (epoch(number, accuracy=value) for number, value in enumerate(FALLING, start=1))

    monkeypatch.setattr(loop.Trainer, "epochs", epochs)
    spec = PrunerSpec.parse({"name": "threshold", "lower": 0.35})
    trial = optuna.create_study(direction="maximize", pruner=build_pruner(spec, max_epochs=4)).ask()
    with pytest.raises(PrunedError, match="epoch 3"):
        run.run(
            config(trainer={"epochs": 4}),
            store,
            callbacks=[PruningCallback(trial, "val_accuracy", spec)],
        )
    (found,) = store.client.search_runs([store.experiment_id])
    curve = store.client.get_metric_history(found.info.run_id, "val_accuracy")
    assert (found.info.status, found.data.tags["pruned_epoch"]) == ("KILLED", "3")
    assert [metric.value for metric in curve] == FALLING[:3]
