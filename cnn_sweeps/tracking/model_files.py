"""The files of a run's stored model, held against what was recorded when they were stored."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cnn_sweeps.errors import RecordError, StoreError
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.tracking.errors import as_store_error
from cnn_sweeps.tracking.models import digests
from cnn_sweeps.tracking.names import MODEL_FILES
from cnn_sweeps.tracking.records import RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from cnn_sweeps.tracking.store import Store


def models_of(client: "MlflowClient", run_id: str) -> list[str]:
    """The ids of the models that a run has stored and nobody has deleted, the newest last."""
    from mlflow.exceptions import MlflowException

    outputs = client.get_run(run_id).outputs  # in no order
    found: list[tuple[int, str]] = []
    for model in outputs.model_outputs if outputs else []:
        try:
            logged = client.get_logged_model(model.model_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        else:
            found.append((logged.creation_timestamp, logged.model_id))
    return [model_id for _, model_id in sorted(found)]


def has_model(store: "Store", run: RunRecord) -> bool:
    """Whether a run has stored its model."""
    with as_store_error(store.address):
        return bool(models_of(store.client, run.run_id))


def model_of(store: "Store", run: RunRecord) -> str:
    """The id of the model that a run has stored, the newest one.

    Raises:
        StoreError: it has none, or the store refuses.
    """
    with as_store_error(store.address):
        models = models_of(store.client, run.run_id)
    if not models:
        raise StoreError(
            f"Run {run.run_id} has no stored model; run it again with tracking.log_model=true."
        )
    return models[-1]


def is_recorded(store: "Store", run: RunRecord) -> bool:
    """Whether digests were recorded; earlier versions recorded none."""
    return bool(_recorded(store, run))


def check(store: "Store", run: RunRecord) -> str:
    """The id of a run's model, none of whose files was changed since they were recorded.

    Further files are let pass: MLflow leaves one beside a model that it loads, and none of those
    that are checked names another.

    Raises:
        RecordError: one was changed, or is gone.
        StoreError: the run has no stored model, or the store refuses.
    """
    with downloaded_model(store, run) as folder:
        found = digests(folder)
        for path, digest in _recorded(store, run).items():
            if found.get(path) != digest:
                raise RecordError(f"{path} is not the file that was stored")
    return model_of(store, run)


@contextmanager
def downloaded_model(store: "Store", run: RunRecord) -> Iterator[Path]:
    """The files of a run's model, for as long as the block lasts.

    A `RecordError` of the block says whose model it is, and what to do.

    Raises:
        RecordError: they are gone.
        StoreError: the run has no stored model, or the store refuses.
    """
    from mlflow.artifacts import download_artifacts, list_artifacts

    model_id = model_of(store, run)
    try:
        with TemporaryDirectory() as scratch:
            with as_store_error(store.address):
                place = store.client.get_logged_model(model_id).artifact_location
                # By its address: MLflow's client remembers where a model was before it was moved.
                if not list_artifacts(place, tracking_uri=store.uri):
                    raise RecordError("its files are gone")
                folder = download_artifacts(place, dst_path=scratch, tracking_uri=store.uri)
            yield Path(folder)
    except RecordError as error:
        raise RecordError(
            f"The stored model of run {run.run_id} ({run.name}) was changed or damaged: {error}.\n"
            f"Type cnn-sweeps reproduce {(run.config_hash or 'HASH')[:SHOWN]} to train it again; "
            "--run-id chooses the new run."
        ) from error


def _recorded(store: "Store", run: RunRecord) -> dict[str, str]:
    model_id = model_of(store, run)
    with as_store_error(store.address):
        text = store.client.get_logged_model(model_id).tags.get(MODEL_FILES, "{}")
    recorded: dict[str, str] = json.loads(text)
    return recorded
