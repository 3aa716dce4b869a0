"""Finished runs of an experiment: found, and copied into new runs."""

import math
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from cnn_sweeps import figures
from cnn_sweeps.config.metrics import PREFIX
from cnn_sweeps.provenance import environment
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.tracking import artifacts, model_files
from cnn_sweeps.tracking.address import local_folder
from cnn_sweeps.tracking.errors import as_store_error
from cnn_sweeps.tracking.names import (
    ENVIRONMENT_FILE,
    NETWORK_SHA256,
    REPRODUCES,
    SOFTWARE,
    WEIGHTS,
)
from cnn_sweeps.tracking.params import PRECISION, exact_value
from cnn_sweeps.tracking.records import RunRecord, stop_reason
from cnn_sweeps.tracking.run import TrackedRun
from cnn_sweeps.tracking.store import Store
from cnn_sweeps.training.epoch import Epoch

FIELDS = {
    "loss": "loss",
    "accuracy": "accuracy",
    "val_loss": "val_loss",
    "val_accuracy": "val_accuracy",
    "epoch_seconds": "seconds",
    "images_per_second": "images_per_second",
}
"""Metrics that are logged with each epoch, and the fields of `Epoch` that they hold."""


def find_finished_runs(
    store: Store,
    config_hash: str,
    *,
    network: str | None = None,
    loss: str | None = None,
    like: Environment | None = None,
) -> Iterator[RunRecord]:
    """The runs of an experiment that came to their end, from any sweep or none, newest first.

    One that was made to be compared with another does not count: it may be the one that is off.
    Nor does one that a callback stopped, or whose files somebody has deleted: a copy of it would
    be incomplete. Nor one that other software has trained, or that was trained with other variables
    by which TensorFlow chooses what it runs: they might give other values today.

    Args:
        store: where to look, in all its experiments.
        config_hash: 64 hex digits.
        network: digest of a user's own network as it is built now; None for one of ours.
        loss: digest of a user's own loss as it is now; None without one.
        like: where its seconds were measured, as far as they depend on that; None for anywhere.
    """
    runs = (run for run in store.find(config_hash) if REPRODUCES not in run.tags)
    ours = _software_here()
    ended = (run for run in runs if run.is_whole and run.tags.get(SOFTWARE) in ours)
    ended = (run for run in ended if run.tags.get(NETWORK_SHA256) == network)
    whole = (run for run in ended if WEIGHTS in run.tags and stop_reason(run.tags))
    with as_store_error(store.address):
        yield from (run for run in whole if _was_trained_as_here(store, run, loss, like))


def epochs_of(opened: Store | TrackedRun, run: RunRecord) -> tuple[Epoch, ...]:
    """The epochs of a run as they were logged, the last value of each where there are several.

    Args:
        opened: the store, or another run of it.
        run: whose epochs.
    """
    curves: dict[str, dict[int, float]] = {}
    precision, count = run.params.get(PRECISION), run.metrics.get("epochs", math.inf)
    further = [n for n in run.metrics if n.startswith(PREFIX) and n not in FIELDS]
    with as_store_error(opened.address):
        for metric in (*FIELDS, *further):
            history = opened.client.get_metric_history(run.run_id, metric)
            curves[FIELDS.get(metric, metric)] = {
                point.step: exact_value(metric, point.value, precision=precision)
                for point in history
                if 0 < point.step <= count  # beyond: once more what the weights of the run give
            }
    numbers = sorted(curves["loss"])
    return tuple(
        Epoch(
            number=number,
            loss=curves["loss"][number],
            accuracy=curves["accuracy"][number],
            val_loss=curves["val_loss"].get(number),
            val_accuracy=curves["val_accuracy"].get(number),
            seconds=curves["seconds"][number],
            images_per_second=curves["images_per_second"][number],
            measured={name: curves[name][number] for name in further if number in curves[name]},
        )
        for number in numbers
    )


def take_over(known: RunRecord, tracked: TrackedRun) -> None:
    """Give a run the files of a finished one, and its model, which is not copied.

    The pictures stay behind: they show the test split, which a search must not see.
    """
    client = tracked.client
    with as_store_error(tracked.address), TemporaryDirectory() as scratch:
        folder = local_folder(known.artifact_uri)
        folder = folder or Path(client.download_artifacts(known.run_id, "", scratch))
        without = Path(scratch) / "taken over"
        shutil.copytree(folder, without)
        shutil.rmtree(without / figures.FOLDER, ignore_errors=True)
        client.log_artifacts(tracked.run_id, str(without))
    share_model(known.run_id, tracked)


def share_model(run_id: str, tracked: TrackedRun) -> None:
    """Give a run the model of another one, which is not copied; nothing where that has none."""
    from mlflow.entities import LoggedModelOutput

    client = tracked.client
    with as_store_error(tracked.address):
        found = model_files.models_of(client, run_id)
        models = [LoggedModelOutput(each.model_id, step=0) for each in found]
        if models:
            client.log_outputs(tracked.run_id, models)


def _was_trained_as_here(
    store: Store, run: RunRecord, loss: str | None, like: Environment | None
) -> bool:
    """Whether a run's record of its environment is there, and names no other variables or loss.

    Nor, where it is to be like another one, anything that its seconds depend on.
    """
    try:
        stored = artifacts.read_json(store, run, ENVIRONMENT_FILE)
        if stored is None:
            return False
        recorded = Environment.from_dict(stored)
    except (ValueError, KeyError, TypeError):  # it was changed, or damaged
        return False
    same = recorded.flags_are_here and recorded.loss == loss
    return same and (like is None or like.is_as_fast_as(recorded))


def _software_here() -> frozenset[str]:
    """The software that may have trained a run, with what makes networks and without."""
    python, alone = platform.python_version(), environment.PACKAGES
    both = [environment.versions_of(each) for each in (alone, (*alone, *environment.NETWORKS))]
    return frozenset().union(*(environment.same_software(python, each) for each in both))
