"""The store of runs: opening it, starting runs in it, finding them again."""

import getpass
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import StoreError
from cnn_sweeps.tracking import params
from cnn_sweeps.tracking.address import Address, resolve, without_password
from cnn_sweeps.tracking.database import connect, impatient
from cnn_sweeps.tracking.ending import OF_AN_END, verdict
from cnn_sweeps.tracking.models import read_model
from cnn_sweeps.tracking.records import CONFIG_HASH, PARENT, RunRecord, checked_prefix
from cnn_sweeps.tracking.refusals import refusing
from cnn_sweeps.tracking.run import TrackedRun

if TYPE_CHECKING:
    import keras
    from mlflow import MlflowClient
    from mlflow.store.entities import PagedList

T = TypeVar("T")

PAGE = 1_000
"""Runs that one search returns at most."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """An open store of runs; every method raises `StoreError` if the store refuses.

    Attributes:
        address: where it is.
        experiment_id: MLflow's id of the experiment that new runs belong to.
        client: the connection.
    """

    address: Address
    experiment_id: str
    client: "MlflowClient"

    @classmethod
    def open(cls, tracking: Tracking) -> "Store":
        """Open the store and make what is missing: folder, database, experiment.

        Safe to call from many processes at once, on an empty folder too.

        Raises:
            StoreError: the place cannot be used, a server does not answer within seconds,
                or the experiment was deleted. A deleted experiment is not brought back
                here: its deleted runs would return with it.
        """
        address = resolve(tracking)
        with impatient():
            client = connect(address)
            with refusing(address):
                experiment_id = _experiment(client, tracking.experiment, address)
        return cls(address=address, experiment_id=experiment_id, client=client)

    @classmethod
    def open_existing(cls, tracking: Tracking) -> "Store | None":
        """Open the store to read from it; None, and nothing made, where no run was ever logged.

        Raises:
            StoreError: see `open`.
        """
        database = resolve(tracking).database
        return None if database and not database.exists() else cls.open(tracking)

    @property
    def uri(self) -> str:
        """MLflow tracking URI, with an absolute path where there is one."""
        return self.address.uri

    @property
    def dir(self) -> Path:
        """Absolute folder of the local database, the artifacts and the studies."""
        return self.address.dir

    @property
    def ui_command(self) -> str:
        """What to paste into a terminal to see the runs; a server's address is its page."""
        if self.address.artifacts is None:
            return self.uri
        uri = without_password(self.uri)
        return f"{shlex.quote(sys.executable)} -m mlflow ui --backend-store-uri {shlex.quote(uri)}"

    @contextmanager
    def start_run(
        self, name: str, *, tags: Mapping[str, object], parent_run_id: str | None = None
    ) -> Iterator[TrackedRun]:
        """A run that is RUNNING inside the block and ended after it, whatever happens.

        It ends FINISHED; FAILED after an exception, with the tags `error` and `error_type`;
        KILLED after Ctrl-C or an exit, after pruning (tags `pruned_epoch`, `pruned_reason`) and
        when it was asked to stop (`stopped_reason`). The exception passes on unchanged.

        Args:
            name: for a person to read.
            tags: further tags.
            parent_run_id: the sweep's run, if this is a trial of one.
        """
        with self._ending(self._create(name, tags, parent_run_id)) as run:
            yield run

    @contextmanager
    def resume_run(self, run_id: str) -> Iterator[TrackedRun]:
        """An ended run that is RUNNING again inside the block, and ends as in `start_run`.

        What an earlier end has left in its tags is no longer true, and taken away.
        """
        run = self.reopen(run_id)
        with refusing(self.address):
            for tag in self.client.get_run(run_id).data.tags.keys() & OF_AN_END:
                self.client.delete_tag(run_id, tag)
            self.client.update_run(run_id, status="RUNNING")
        with self._ending(run):
            yield run

    @contextmanager
    def _ending(self, run: TrackedRun) -> Iterator[TrackedRun]:
        """End the run after the block, whatever happens in it."""
        try:
            yield run
        except BaseException as error:
            status, tags = verdict(error)
            # A full disk may refuse these too; the first error is the one to report.
            with suppress(StoreError):
                run.set_tags(tags)
            with suppress(StoreError):
                self._end(run, status)
            raise
        self._end(run, "FINISHED")

    def _create(
        self, name: str, tags: Mapping[str, object], parent_run_id: str | None
    ) -> TrackedRun:
        own = {
            "mlflow.source.name": "cnn_sweeps",
            "mlflow.source.type": "LOCAL",
            "mlflow.user": _user(),
        }
        parent = {PARENT: parent_run_id} if parent_run_id else {}
        with refusing(self.address):
            # The client, other than the fluent API, ignores MLFLOW_RUN_ID.
            created = self.client.create_run(
                self.experiment_id,
                run_name=params.shorten(name, params.KEY_LENGTH),
                tags=params.tags({**tags, **own, **parent}),
            )
        return self._handle(created.info.run_id, self.experiment_id)

    def _end(self, run: TrackedRun, status: str) -> None:
        with refusing(self.address):
            self.client.set_terminated(run.run_id, status)

    def _handle(self, run_id: str, experiment_id: str) -> TrackedRun:
        return TrackedRun(
            run_id=run_id,
            experiment_id=experiment_id,
            address=self.address,
            client=self.client,
        )

    def reopen(self, run_id: str) -> TrackedRun:
        """An ended run to add to, such as its test metrics; status and end time stay."""
        with refusing(self.address):
            info = self.client.get_run(run_id).info
        return self._handle(run_id, info.experiment_id)

    def close_run(self, run_id: str, status: str, reason: str) -> None:
        """End a run whose process cannot do it any more, with the reason as its `error`."""
        run = self.reopen(run_id)
        run.set_tags({"error": reason})
        self._end(run, status)

    def tagged(self, tag: str, value: str) -> list[RunRecord]:
        """The runs of this store's experiment that have a tag with this value, oldest first."""
        with refusing(self.address):
            runs = list(self._search([self.experiment_id], f"tags.`{tag}` = '{value}'"))
        return sorted(runs, key=lambda run: (run.start, run.run_id))

    def get(self, run_id: str) -> RunRecord:
        """What the store knows of one run."""
        with refusing(self.address):
            return RunRecord.of(self.client.get_run(run_id))

    def find(self, hash_prefix: str) -> list[RunRecord]:
        """The runs of all active experiments whose config hash begins so, newest first.

        Deleted runs are left out. An empty list means that nothing has that hash; whether
        several hashes fit is for the caller to see.

        Raises:
            UnknownHashError: the prefix is not 4 to 64 hex digits.
        """
        prefix = checked_prefix(hash_prefix)
        with refusing(self.address):
            experiments = [
                experiment.experiment_id
                for experiment in _pages(self.client.search_experiments, max_results=PAGE)
            ]
            # A server may hold more experiments than one search takes.
            runs = [
                run
                for some in params.batches(experiments, 100)
                for run in self._search(some, f"tags.{CONFIG_HASH} LIKE '{prefix}%'")
            ]
        return sorted(runs, key=lambda run: (run.start, run.run_id), reverse=True)

    def children(self, parent_run_id: str) -> list[RunRecord]:
        """The trials of a sweep, oldest first; deleted ones are left out."""
        experiment_id = self.reopen(parent_run_id).experiment_id
        with refusing(self.address):
            runs = list(self._search([experiment_id], f"tags.`{PARENT}` = '{parent_run_id}'"))
        return sorted(runs, key=lambda run: (run.start, run.run_id))

    def _search(self, experiments: list[str], where: str) -> Iterator[RunRecord]:
        found = _pages(
            self.client.search_runs,
            experiment_ids=experiments,
            filter_string=where,
            max_results=PAGE,
        )
        yield from map(RunRecord.of, found)

    def read_text(self, run_id: str, path: str) -> str:
        """The text that was stored under a path of the run's artifacts."""
        with refusing(self.address), TemporaryDirectory() as scratch:
            file = self.client.download_artifacts(run_id, path, scratch)
            return Path(file).read_text(encoding="utf-8")

    def load_model(self, run_id: str) -> "keras.Model":
        """The Keras model of a run, ready to predict, uncompiled.

        Raises:
            StoreError: the run has none, or it cannot be read.
        """
        from mlflow.artifacts import download_artifacts

        with refusing(self.address), TemporaryDirectory() as scratch:
            outputs = self.client.get_run(run_id).outputs
            models = outputs.model_outputs if outputs else []
            if not models:
                raise StoreError(
                    f"Run {run_id} has no stored model; run it again with tracking.log_model=true."
                )
            location = self.client.get_logged_model(models[-1].model_id).artifact_location
            folder = download_artifacts(location, dst_path=scratch, tracking_uri=self.uri)
            return read_model(folder)


def _experiment(client: "MlflowClient", name: str, address: Address) -> str:
    """The id of the experiment, made if nobody has made it yet."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.create_experiment(name, artifact_location=address.artifacts)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            experiment = client.get_experiment_by_name(name)  # another process was quicker
    if experiment is None or experiment.lifecycle_stage == "deleted":
        raise StoreError(
            f"The MLflow experiment {name!r} was deleted. Type tracking.experiment=ANOTHER_NAME, "
            "or bring it and its runs back with `mlflow experiments restore`."
        )
    return experiment.experiment_id


def _pages(search: Callable[..., "PagedList[T]"], **arguments: object) -> Iterator[T]:
    """Everything that a search of the MLflow client finds, page after page."""
    page = search(**arguments)
    yield from page
    while page.token:
        page = search(**arguments, page_token=page.token)
        yield from page


def _user() -> str:
    """Who runs this; a container's bare user number has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
