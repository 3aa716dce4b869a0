"""Log to one run: params, metrics, files, each epoch, and how it ended."""

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

import yaml

from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.errors import PrunedError, StoppedError, StoreError
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.text.redact import hidden_in, without_passwords
from cnn_sweeps.tracking import images, params
from cnn_sweeps.tracking.address import Address, local_folder
from cnn_sweeps.tracking.errors import as_store_error, said_by
from cnn_sweeps.tracking.local_runs import LocalRuns
from cnn_sweeps.tracking.models import Pictures, Portable, digests
from cnn_sweeps.tracking.names import (
    CONFIG_FILE,
    DATA_DIGEST,
    ENVIRONMENT_FILE,
    EPOCHS_REUSED,
    EPOCHS_TRAINED,
    GIT_COMMIT,
    GIT_DIRTY,
    IMAGES_FILE,
    MODEL_FILES,
    PRUNED_EPOCH,
    REUSED_FROM,
    SECONDS_PAID,
    SOFTWARE,
    STATE,
    TRAINED_BY,
)
from cnn_sweeps.tracking.patience import Attempts
from cnn_sweeps.training.epoch import Epoch, TrainingCost

if TYPE_CHECKING:
    import keras
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

MODEL = "model"
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""The one in C takes a tenth of the time."""
LOGGED_TABLES = "mlflow.loggedArtifacts"
"""The tag by which MLflow's pages know a JSON file to be a table."""

BETWEEN_LOGS = 0.5
"""Least seconds between two calls."""

OF_AN_END = {"error", "error_type", PRUNED_EPOCH, "pruned_reason", "stopped_reason", STATE}
"""Tags that say how and why a run ended."""
COMPLETE = {STATE: "complete"}
"""The tags of a run that came to its end."""


@dataclass(frozen=True)
class Batch:
    """What waits to be logged in one call.

    Attributes:
        params: each name once.
        metrics: with their steps and times.
        tags: by name; the last value counts.
    """

    params: "list[Param]" = field(default_factory=list)
    metrics: "list[Metric]" = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """A run that can be written to; every method raises `StoreError` if the store refuses.

    Attributes:
        run_id: MLflow's id, 32 hex digits.
        experiment_id: MLflow's id of its experiment.
        address: where the store is, for messages.
        client: the connection.
        local: the same to read runs of a local database; None where the client has to.
        artifact_uri: where its files are.
        waiting: what is logged later, see `together`; None where all is logged at once.
    """

    run_id: str
    experiment_id: str
    address: Address
    client: "MlflowClient"
    artifact_uri: str
    local: LocalRuns | None = None
    waiting: Batch | None = None

    @contextmanager
    def together(self) -> "Iterator[TrackedRun]":
        """The same run, whose params, numbers and tags are logged in one call after the block.

        Also where an exception ends it; then that is what is reported. Files are logged at once.
        A block in another one waits for the end of that.
        """
        if self.waiting is not None:
            yield self
            return
        batch = Batch()
        try:
            yield replace(self, waiting=batch)
        except BaseException:
            with suppress(StoreError):
                self._send(batch)
            raise
        self._send(batch)

    def log_params(self, values: Mapping[str, object]) -> None:
        """Log a flat config; a name can be given only once in the life of a run."""
        from mlflow.entities import Param

        items = [
            Param(params.key(name), params.shorten(params.as_text(value), params.PARAM_LENGTH))
            for name, value in values.items()
        ]
        self._log(Batch(params=items))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers, visible at once; `step` is the epoch they belong to, if to one."""
        self.log_steps({step or 0: metrics})

    def log_steps(self, steps: Mapping[int, Mapping[str, float]]) -> None:
        """Log the numbers of several epochs in one call, visible at once."""
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        items = [
            Metric(params.key(name), params.shortest_decimal(name, float(value)), now, step)
            for step, metrics in steps.items()
            for name, value in metrics.items()
        ]
        self._log(Batch(metrics=items))

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags; one that exists is overwritten."""
        self._log(Batch(tags=params.tags(tags)))

    def _log(self, batch: Batch) -> None:
        """Log something at once, or with what waits."""
        if self.waiting is None:
            self._send(batch)
            return
        self.waiting.params.extend(batch.params)
        self.waiting.metrics.extend(batch.metrics)
        self.waiting.tags.update(batch.tags)

    def _send(self, batch: Batch) -> None:
        """Log all of it, in one call where MLflow's limits allow it."""
        from mlflow.entities import RunTag

        tags = [RunTag(name, value) for name, value in batch.tags.items()]
        calls = zip_longest(
            params.batches(batch.params, params.PARAMS_PER_BATCH),
            params.batches(batch.metrics, params.METRICS_PER_BATCH),
            params.batches(tags, params.PARAMS_PER_BATCH),
            fillvalue=(),
        )
        with as_store_error(self.address):
            for given, numbers, told in calls:
                self.client.log_batch(
                    self.run_id, params=given, metrics=numbers, tags=told, synchronous=True
                )

    def remove_tags(self, names: Collection[str]) -> None:
        """Take tags away, as far as they are there."""
        with as_store_error(self.address):
            for tag in self.client.get_run(self.run_id).data.tags.keys() & set(names):
                self.client.delete_tag(self.run_id, tag)

    def log_text(self, text: str, path: str) -> None:
        """Store a text under a path of the run's artifacts, such as `config.yaml`."""
        self.log_bytes(text.encode(), path)

    def log_bytes(self, content: bytes, path: str) -> None:
        """Store a file under a path of the run's artifacts; on this machine it is written there."""
        here, (folder, _, name) = local_folder(self.artifact_uri), path.rpartition("/")
        with as_store_error(self.address), TemporaryDirectory() as scratch:
            file = here / path if here else Path(scratch) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            if here is None:
                self.client.log_artifact(self.run_id, str(file), folder or None)

    def log_json(self, value: object, path: str) -> None:
        """Store a value as JSON; what JSON does not know is stored as text."""
        self.log_text(dump_json(value), path)

    def log_config(self, plain: Mapping[str, object]) -> None:
        """Store a whole config as `config.yaml`; passwords of the tracking store are left out."""
        told = {**plain, "tracking": without_passwords(plain["tracking"])}
        text = yaml.dump(told, Dumper=DUMPER, sort_keys=False, allow_unicode=True)
        self.log_text(text, CONFIG_FILE)

    def log_table(self, rows: Sequence[Mapping[str, object]], path: str) -> None:
        """Store rows of one form as JSON that MLflow's pages show as a table.

        Source: `MlflowClient.log_table`, which would need pandas for the same file.
        """
        columns = list(rows[0]) if rows else []
        data = [[row.get(column) for column in columns] for row in rows]
        self.log_json({"columns": columns, "data": data}, path)
        self.set_tags({LOGGED_TABLES: json.dumps([{"path": path, "type": "table"}])})

    def log_environment(self, environment: Environment) -> None:
        """Store the environment as JSON; as tags the commit, and a digest of the software."""
        self.log_json(environment.as_dict(), ENVIRONMENT_FILE)
        tags: dict[str, object] = {SOFTWARE: environment.software}
        if environment.git_commit:
            commit = environment.git_commit
            tags |= {
                GIT_COMMIT: commit,
                GIT_DIRTY: environment.git_dirty,
                "mlflow.source.git.commit": commit,
            }
        self.set_tags(tags)

    def log_cost(self, cost: TrainingCost, reused_from: str | None = None) -> None:
        """Tag the run with what its epochs cost, so that it can be told from what others paid.

        Args:
            cost: of its epochs.
            reused_from: the run that it is a copy of, if it trained nothing.
        """
        tags: dict[str, object] = {
            EPOCHS_TRAINED: cost.trained,
            EPOCHS_REUSED: cost.reused,
            SECONDS_PAID: round(cost.seconds, 3),
        }
        if cost.trained_by:
            tags[TRAINED_BY] = " ".join(cost.trained_by)
        if reused_from:
            tags[REUSED_FROM] = reused_from
        self.set_tags(tags)

    def log_dataset(self, dataset: Dataset, context: str = "training") -> None:
        """Make the data set an input of the run, its full digest a tag, what was read a file."""
        from mlflow.exceptions import MlflowException

        entry = [params.dataset_input(dataset, context)]
        with as_store_error(self.address):
            try:
                self.client.log_inputs(self.run_id, entry)
            except MlflowException:
                # Two workers that log the same data set for the first time collide on its
                # key; the second then finds it there.
                self.client.log_inputs(self.run_id, entry)
        self.set_tags({DATA_DIGEST: dataset.digest})
        self.log_json(images.as_json(dataset), IMAGES_FILE)

    def log_model(self, model: "keras.Model", pictures: Pictures) -> None:
        """Store the model as a logged model of the run: `runs:/<run_id>/model`.

        Args:
            model: a built Keras model; it takes uint8 images and gives class scores. The
                stored one takes images that were divided by 255 as well.
            pictures: what it takes and gives, stored with it.

        Raises:
            ModelError: Keras cannot bring this model back; nothing was stored.
            StoreError: the store refuses.
        """
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus
        from mlflow.models import Model

        portable = Portable.of(model, shape=pictures.shape, num_classes=len(pictures.class_names))
        with TemporaryDirectory() as scratch, as_store_error(self.address):
            logged = self.client.create_logged_model(
                self.experiment_id, name=MODEL, source_run_id=self.run_id, model_type="classifier"
            )
            status = LoggedModelStatus.FAILED
            try:
                folder = Path(scratch) / MODEL
                card = Model(
                    artifact_path=logged.artifact_location,
                    run_id=self.run_id,
                    model_uuid=logged.model_id,
                    model_id=logged.model_id,
                )
                portable.save(folder, card, pictures)
                recorded = {MODEL_FILES: json.dumps(digests(folder))}
                self.client.set_logged_model_tags(logged.model_id, recorded)
                self.client.log_model_artifacts(logged.model_id, str(folder))
                status = LoggedModelStatus.READY
            finally:
                self.client.finalize_logged_model(logged.model_id, status)
            self.client.log_outputs(self.run_id, [LoggedModelOutput(logged.model_id, step=0)])


class EpochLog:
    """Logs epochs while training goes on; those that come in quick succession in one call.

    A context manager: nothing is left unlogged at its end, whatever ended it.
    """

    def __init__(self, tracked: TrackedRun, *, live: bool = True) -> None:
        """Say where to log; what is left at the end waits where the run does (see `together`).

        Args:
            tracked: the run.
            live: whether somebody may look while it trains; epochs that are read come all at once.
        """
        self._tracked, self._live = tracked, live
        self._waiting: list[Epoch] = []
        self._attempts = Attempts(pause=BETWEEN_LOGS)

    def __enter__(self) -> Self:
        """Begin with nothing to log."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Log the rest; where something else went wrong, that is what is reported."""
        with suppress(StoreError) if error else nullcontext():
            self._log(self._tracked)

    def on_epoch(self, epoch: Epoch) -> None:
        """Log the epoch, at once unless another one has just been logged.

        While the store is away training goes on, and the epochs are logged later.
        """
        self._waiting.append(epoch)
        if self._live:
            at_once = replace(self._tracked, waiting=None)
            self._attempts.make(lambda: self._log(at_once))

    def _log(self, tracked: TrackedRun) -> None:
        tracked.log_steps({epoch.number: epoch.metrics for epoch in self._waiting})
        self._waiting = []


def verdict(error: BaseException) -> tuple[str, dict[str, object]]:
    """The status and the tags of a run that an exception has ended."""
    match error:
        case PrunedError():
            why = {PRUNED_EPOCH: error.epoch, "pruned_reason": error.reason}
            return "KILLED", {STATE: "pruned", **why}
        case StoppedError():
            return "KILLED", {STATE: "stopped", "stopped_reason": said_by(error)}
        case Exception():
            why = {"error": hidden_in(said_by(error)), "error_type": type(error).__name__}
            return "FAILED", {STATE: "failed", **why}
    return "KILLED", {STATE: "stopped"}
