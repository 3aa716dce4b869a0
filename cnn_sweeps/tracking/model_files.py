"""The files of a run's stored model, compared with what was recorded when they were stored."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cnn_sweeps.errors import RecordError, StoreError
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.text.argument_names import option
from cnn_sweeps.text.untrusted import json_of
from cnn_sweeps.tracking.address import local_folder
from cnn_sweeps.tracking.errors import as_store_error
from cnn_sweeps.tracking.models import digests
from cnn_sweeps.tracking.names import MODEL_FILES
from cnn_sweeps.tracking.records import RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

    from cnn_sweeps.tracking.store import Store


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A model that a run has stored.

    Attributes:
        model_id: MLflow's id of it.
        place: the address of its files.
        recorded: the SHA-256 of each of its files by its path as JSON, from when they were stored;
            empty where an earlier version stored them.
        created: when, in milliseconds since 1970.
    """

    model_id: str
    place: str
    recorded: str
    created: int

    @classmethod
    def of(cls, logged: "LoggedModel") -> "StoredModel":
        """What the store knows of it."""
        return cls(
            model_id=logged.model_id,
            place=logged.artifact_location,
            recorded=logged.tags.get(MODEL_FILES, ""),
            created=logged.creation_timestamp,
        )

    def recorded_digests(self) -> Mapping[str, str]:
        """The SHA-256 of each of its files by its path, as recorded.

        Raises:
            RecordError: the record was changed or damaged.
        """
        with suppress(ValueError):
            if isinstance(found := json_of(self.recorded), dict):
                return found
        raise RecordError(f"the list of its files (tag {MODEL_FILES}) is not what was stored")


def models_of(client: "MlflowClient", run_id: str) -> list[StoredModel]:
    """The models that a run has stored and nobody has deleted, the newest last."""
    from mlflow.exceptions import MlflowException

    outputs = client.get_run(run_id).outputs  # in no order
    found: list[StoredModel] = []
    for model in outputs.model_outputs if outputs else []:
        try:
            found.append(StoredModel.of(client.get_logged_model(model.model_id)))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
    return sorted(found, key=lambda model: (model.created, model.model_id))


def find_model(store: "Store", run: RunRecord) -> StoredModel | None:
    """The model that a run has stored, the newest one; None where it has none."""
    with as_store_error(store.address):
        return next(reversed(models_of(store.client, run.run_id)), None)


def has_model(store: "Store", run: RunRecord) -> bool:
    """Whether a run has stored its model."""
    return find_model(store, run) is not None


def model_of(store: "Store", run: RunRecord) -> StoredModel:
    """The model that a run has stored, the newest one.

    Raises:
        StoreError: it has none, or the store refuses.
    """
    logged = find_model(store, run)
    if logged is None:
        raise StoreError(
            f"Run {run.run_id} has no stored model; run it again with tracking.log_model=true."
        )
    return logged


def check(store: "Store", run: RunRecord, logged: StoredModel) -> None:
    """See that none of the files of a run's model was changed since they were recorded.

    Further files are let pass: MLflow leaves one beside a model that it loads, and none of those
    that are checked names another.

    Raises:
        RecordError: one was changed, or is gone.
        StoreError: the store refuses.
    """
    with files_of(store, run, logged) as folder:
        with as_store_error(store.address):
            found = digests(folder)
        for path, digest in logged.recorded_digests().items():
            if found.get(path) != digest:
                raise RecordError(f"{path} is not the file that was stored")


@contextmanager
def files_of(store: "Store", run: RunRecord, logged: StoredModel) -> Iterator[Path]:
    """The files of a run's model, to be read for as long as the block lasts.

    A `RecordError` of the block says whose model it is, and what to do.

    Raises:
        RecordError: they are gone.
        StoreError: the store refuses.
    """
    from mlflow.artifacts import download_artifacts, list_artifacts

    place = logged.place
    try:
        with TemporaryDirectory() as scratch:
            folder = local_folder(place)
            with as_store_error(store.address):
                # By its address: MLflow's client remembers where a model was before it was moved.
                listed = (
                    folder.glob("*") if folder else list_artifacts(place, tracking_uri=store.uri)
                )
                if not any(listed):
                    raise RecordError("its files are gone")
                if folder is None:
                    found = download_artifacts(place, dst_path=scratch, tracking_uri=store.uri)
                    folder = Path(found)
            yield folder
    except RecordError as error:
        raise RecordError(
            f"The stored model of run {run.run_id} ({run.name}) was changed or damaged: {error}.\n"
            f"Type cnn-sweeps reproduce {(run.config_hash or 'HASH')[:SHOWN]} to train it again; "
            f"{option('run_id', 'ID')} chooses the new run."
        ) from error
