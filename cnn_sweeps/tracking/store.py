"""The store of runs: open it, start runs, find runs.

To log runs, their experiment is made; to read them, it is only looked up.
"""

import getpass
import json
import math
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import StoreError
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.text.redact import without_password
from cnn_sweeps.tracking import descriptions, params
from cnn_sweeps.tracking.address import Address, overrides, resolve
from cnn_sweeps.tracking.database import connect
from cnn_sweeps.tracking.errors import as_store_error
from cnn_sweeps.tracking.histories import Point, points_of
from cnn_sweeps.tracking.local_runs import LocalRuns, find_run
from cnn_sweeps.tracking.names import BY_CALLBACK, CONFIG_HASH, PARENT, PROCESS, STATE, WRITE_CHECK
from cnn_sweeps.tracking.paging import PAGE, pages
from cnn_sweeps.tracking.patience import short_timeouts, waiting
from cnn_sweeps.tracking.records import ACTIVE, DELETED, RunRecord, checked_prefix
from cnn_sweeps.tracking.run import COMPLETE, OF_AN_END, TrackedRun, verdict
from cnn_sweeps.tracking.selection import Selection
from cnn_sweeps.tracking.server_runs import run_pages

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import RunInfo

ACTIVE_ONLY, DELETED_ONLY = 1, 2
"""Values of `mlflow.entities.ViewType`, without the import of MLflow."""
EXPERIMENTS_PER_SEARCH = 100
"""Experiments that a server searches at a time."""
WHEREABOUTS = ("tracking.uri=", "tracking.dir=")
"""Overrides that say where the runs are."""
STILL_RUNNING = (
    "Run {} stays RUNNING in MLflow until the same command is typed again, or cnn-sweeps doctor "
    "--close-runs."
)
"""What is noted with the error that has ended a run, where the store refuses that too."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """An open store of runs; every method raises `StoreError` if the store refuses.

    Attributes:
        address: where it is.
        experiment: name of the experiment that new runs belong to.
        experiment_id: MLflow's id of it; empty where it was opened to be read, and is not there.
        client: the connection.
        local: the same to read runs of a local database; None where the client has to.
    """

    address: Address
    experiment: str
    experiment_id: str
    client: "MlflowClient"
    local: LocalRuns | None = None

    @classmethod
    def open(cls, tracking: Tracking, *, beside: str | None = None) -> "Store":
        """Open the store and make what is missing: folder, database, experiment.

        Safe to call from many processes at once, on an empty folder too.

        Args:
            tracking: where it is, and the name of the experiment that new runs belong to.
            beside: a run. Where the store has it, new runs belong to its experiment instead,
                which somebody may have renamed.

        Raises:
            StoreError: the place cannot be used, a server does not answer within seconds,
                or the experiment was deleted. A deleted experiment is not brought back
                here: its deleted runs would return with it.
        """
        return cls._opened(tracking, partial(made_experiment, beside=beside))

    @classmethod
    def open_existing(cls, tracking: Tracking) -> "Store | None":
        """Open the store to read from it and make nothing; None where no run was ever logged.

        Raises:
            StoreError: see `open`; that the experiment is not there or was deleted is no reason.
        """
        database = resolve(tracking).database
        there = not database or database.exists()
        return cls._opened(tracking, known_experiment, to_read=True) if there else None

    @classmethod
    def _opened(
        cls,
        tracking: Tracking,
        experiment: "Callable[[Store], str]",
        *,
        to_read: bool = False,
    ) -> "Store":
        address = resolve(tracking)

        def contact() -> "Store":
            client, local = connect(address, to_read=to_read)
            store = cls(
                address=address,
                experiment=tracking.experiment,
                experiment_id="",
                client=client,
                local=local,
            )
            with as_store_error(address):
                return replace(store, experiment_id=experiment(store))

        with short_timeouts():
            return waiting(contact)

    @property
    def uri(self) -> str:
        """MLflow tracking URI, with an absolute path where there is one."""
        return self.address.uri

    @property
    def dir(self) -> Path:
        """Absolute folder of the local database, the artifacts and the studies."""
        return self.address.dir

    @property
    def whereabouts(self) -> list[str]:
        """What has to be typed behind a command about a run for it to look here, if anything."""
        return self._typed()

    @property
    def whereabouts_anywhere(self) -> list[str]:
        """The same for a command that is typed in any folder."""
        return self._typed(anywhere=True)

    def _typed(self, *, anywhere: bool = False) -> list[str]:
        told = overrides(self.address, self.experiment, anywhere=anywhere)
        return [text for text in told if text.startswith(WHEREABOUTS)]

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
        run.remove_tags(OF_AN_END)
        with as_store_error(self.address):
            self.client.set_tag(run_id, PROCESS, _process())
            self.client.update_run(run_id, status="RUNNING")
        with self._ending(run):
            yield run

    @contextmanager
    def _ending(self, run: TrackedRun) -> Iterator[TrackedRun]:
        """End the run after the block, whatever happens in it."""
        try:
            yield run
            self._tell_end(run, "FINISHED", COMPLETE)
            self._terminate(run, "FINISHED")
        except BaseException as error:
            status, tags = verdict(error)
            # A full disk may refuse these too; the first error is the one to report.
            with suppress(StoreError):
                self._tell_end(run, status, tags)
            try:
                self._terminate(run, status)
            except StoreError:
                error.add_note(STILL_RUNNING.format(run.run_id))
            raise

    def _create(
        self, name: str, tags: Mapping[str, object], parent_run_id: str | None
    ) -> TrackedRun:
        own = {
            "mlflow.source.name": "cnn_sweeps",
            "mlflow.source.type": "LOCAL",
            "mlflow.user": _user(),
            PROCESS: _process(),
        }
        parent = {PARENT: parent_run_id} if parent_run_id else {}
        with as_store_error(self.address):
            # The client, other than the fluent API, ignores MLFLOW_RUN_ID.
            created = self.client.create_run(
                self.experiment_id,
                run_name=params.shorten(name, params.KEY_LENGTH),
                tags=params.tags({**tags, **own, **parent}),
            )
        return self._handle(created.info)

    def _tell_end(self, run: TrackedRun, status: str, tags: Mapping[str, object]) -> None:
        """Write how a run ends, in its tags and its description, in one call.

        What somebody has said of its end who took it for dead is taken away.
        """
        known = self.get(run.run_id)
        if stale := known.tags.keys() & (OF_AN_END - tags.keys()):
            run.remove_tags(stale)
            known = replace(known, tags={k: v for k, v in known.tags.items() if k not in stale})
        if tags == COMPLETE and BY_CALLBACK in known.tags:
            tags = {STATE: "stopped by callback"}
        with run.together() as last:
            last.set_tags(tags)
            descriptions.describe(last, ending=status, known=known)

    def _terminate(self, run: TrackedRun, status: str) -> None:
        with as_store_error(self.address):
            self.client.set_terminated(run.run_id, status)

    def _handle(self, info: "RunInfo | RunRecord") -> TrackedRun:
        return TrackedRun(
            run_id=info.run_id,
            experiment_id=info.experiment_id,
            artifact_uri=info.artifact_uri,
            address=self.address,
            client=self.client,
            local=self.local,
        )

    def reopen(self, run_id: str) -> TrackedRun:
        """An ended run to add to, such as its test metrics; status and end time stay."""
        return self._handle(self.get(run_id))

    def check_loggable(self, run: RunRecord) -> None:
        """See that something can be logged to a run and beside it, before anything takes long.

        Raises:
            StoreError: it or its experiment was deleted, or the store cannot be written.
        """
        with as_store_error(self.address):
            experiment = self.client.get_experiment(run.experiment_id)
            if experiment.lifecycle_stage != DELETED and not run.deleted:
                # A tag that is what it was already would not be written at all.
                self.client.set_tag(run.run_id, WRITE_CHECK, "")
                self.client.delete_tag(run.run_id, WRITE_CHECK)
                return
        told, command = self.restore_command(run)
        raise StoreError(f"{told}, so nothing can be logged to it.\nRestore it first: {command}")

    def restore_command(self, run: RunRecord) -> tuple[str, str]:
        """That a run was deleted, or its experiment with it, and what brings it back."""
        with as_store_error(self.address):
            experiment = self.client.get_experiment(run.experiment_id)
        if experiment.lifecycle_stage == DELETED:
            told = f"The MLflow experiment {experiment.name!r} of run {run.run_id} was deleted"
            return told, restore_experiment(run.experiment_id, self.address)
        told = f"Run {run.run_id} ({run.name}) was deleted"
        return told, _in_store(f"mlflow runs restore --run-id {run.run_id}", self.address)

    def close_run(self, run_id: str, status: str, reason: str) -> None:
        """End a run whose process cannot do it any more, with the reason as its `error`."""
        run = self.reopen(run_id)
        state = "stopped" if status == "KILLED" else "failed"
        self._tell_end(run, status, {STATE: state, "error": reason})
        self._terminate(run, status)

    def tagged(self, tags: Mapping[str, str]) -> list[RunRecord]:
        """The runs of this store's experiment that have tags with these values, oldest first."""
        runs = self.select(Selection(tags=tags), [self.experiment_id])[::-1]
        # MLflow's filters have no way to write every text, such as one with both kinds of quotes.
        return [run for run in runs if tags.items() <= run.tags.items()]

    def get(self, run_id: str) -> RunRecord:
        """What the store knows of one run."""
        with as_store_error(self.address):
            known = self.local.run(run_id) if self.local else None
            return known or RunRecord.of(self.client.get_run(run_id))  # which refuses in its words

    def find(self, hash_prefix: str) -> list[RunRecord]:
        """The runs of all active experiments whose config hash begins so, newest first.

        Deleted runs are left out. An empty list means that nothing has that hash; whether
        several hashes fit is for the caller to see.

        Raises:
            UnknownHashError: the prefix is not 4 to 64 hex digits.
        """
        prefix = checked_prefix(hash_prefix)
        return self.select(Selection(begins={CONFIG_HASH: prefix}))

    def find_deleted(self, hash_prefix: str) -> list[RunRecord]:
        """The deleted runs whose config hash begins so, newest first; of any experiment."""
        from mlflow.entities import ViewType

        where = Selection(begins={CONFIG_HASH: checked_prefix(hash_prefix)}).to_filter()
        with as_store_error(self.address):
            every = pages(self.client.search_experiments, view_type=ViewType.ALL)
            ids = [each.experiment_id for each in every]
        return self.search(where, ids, view=DELETED_ONLY)

    def experiments(self) -> dict[str, str]:
        """The ids of the active experiments by name."""
        with as_store_error(self.address):
            if self.local is not None:
                return self.local.experiments()
            return {e.name: e.experiment_id for e in pages(self.client.search_experiments)}

    def select(
        self, selection: Selection, experiments: Sequence[str] | None = None
    ) -> list[RunRecord]:
        """The active runs that are sought, newest first.

        Args:
            selection: which.
            experiments: ids; None for all active experiments.
        """
        chosen = [*self.experiments().values()] if experiments is None else experiments
        if self.local is None:
            return self.search(selection.to_filter(), chosen)
        with as_store_error(self.address):
            return _newest_first(self.local.select(selection, chosen))

    def count(self, experiments: Sequence[str]) -> int | None:
        """How many active runs experiments have; None where that would be to read them."""
        with as_store_error(self.address):
            return None if self.local is None else self.local.count(experiments)

    def search(
        self, where: str, experiments: Sequence[str], *, view: int = ACTIVE_ONLY
    ) -> list[RunRecord]:
        """The runs of these experiments that a filter of MLflow's lets through, newest first.

        Args:
            where: in MLflow's search syntax.
            experiments: ids.
            view: MLflow's `ViewType`.
        """
        with as_store_error(self.address):
            # A server may hold more experiments than one search takes.
            runs = [
                run
                for some in params.batches(experiments, EXPERIMENTS_PER_SEARCH)
                for page, _ in run_pages(
                    self.client, PAGE, experiments=some, where=where, view=view
                )
                for run in page
            ]
        return _newest_first(runs)

    def in_order(
        self, where: str, experiments: Sequence[str], order: Sequence[str], *, size: int
    ) -> Iterator[tuple[list[RunRecord], bool]]:
        """The runs of a few experiments as the server orders them, as many as are asked for.

        Args:
            where: in MLflow's search syntax.
            experiments: ids, `EXPERIMENTS_PER_SEARCH` at most.
            order: in MLflow's syntax, such as ``metrics.`loss` ASC``; what has no value is last.
            size: runs of a page.

        Yields:
            A page, and whether it is the last.
        """
        with as_store_error(self.address):
            yield from run_pages(
                self.client,
                size,
                experiments=experiments,
                where=where,
                order=order,
                view=ACTIVE_ONLY,
            )

    def children(self, parent_run_id: str, *, status: str | None = None) -> list[RunRecord]:
        """The trials of a sweep (of one status only), oldest first; deleted ones are left out."""
        selection = Selection(tags={PARENT: parent_run_id}, status=status)
        return self.select(selection, [self.get(parent_run_id).experiment_id])[::-1]

    def histories(self, runs: Sequence[RunRecord], metric: str) -> dict[str, dict[int, float]]:
        """A metric of runs by run id and epoch, the last value of each, bit for bit as logged."""
        precision = {run.run_id: run.params.get(params.PRECISION) for run in runs}
        epochs = {run.run_id: run.metrics.get("epochs", math.inf) for run in runs}
        found: dict[str, dict[int, float]] = {run_id: {} for run_id in precision}
        with as_store_error(self.address):
            for run_id, step, value in self._points([*precision], metric):
                if 0 < step <= epochs[run_id]:
                    found[run_id][step] = params.exact_value(
                        metric, value, precision=precision[run_id]
                    )
        return found

    def _points(self, run_ids: Sequence[str], metric: str) -> Iterable[Point]:
        """What was logged of a metric."""
        if self.local is not None:
            return self.local.points(run_ids, metric)
        return points_of(self.client, run_ids, metric)


def _newest_first(runs: Iterable[RunRecord]) -> list[RunRecord]:
    return sorted(runs, key=lambda run: (run.start, run.run_id), reverse=True)


def _process() -> str:
    """This process, so that a run that was left RUNNING can be told from one that lives."""
    return json.dumps(Owner.here().to_json())


def _user() -> str:
    """Who runs this; a container's bare user number has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def made_experiment(store: Store, beside: str | None = None) -> str:
    """The id of a store's experiment, made if nobody has made it yet; see `Store.open`."""
    if beside is not None:
        run = find_run(store.client, store.local, beside)
        if run is not None and not run.deleted:
            return run.experiment_id
    known = _experiment(store) or _make_experiment(store)
    if known is None:
        raise StoreError(
            f"The MLflow experiment {store.experiment!r} was removed while it was opened."
        )
    number, stage = known
    if stage == DELETED:
        raise StoreError(
            f"The MLflow experiment {store.experiment!r} was deleted. Type "
            "tracking.experiment=ANOTHER_NAME, or restore it and its runs:\n"
            + restore_experiment(number, store.address)
        )
    return number


def _experiment(store: Store) -> tuple[str, str] | None:
    """Id and stage of life of a store's experiment; None where nobody has made it."""
    if store.local is not None:
        return store.local.experiment(store.experiment)
    found = store.client.get_experiment_by_name(store.experiment)
    return (str(found.experiment_id), found.lifecycle_stage) if found else None


def _make_experiment(store: Store) -> tuple[str, str] | None:
    """Make it, unless another process is quicker."""
    from mlflow.exceptions import MlflowException

    try:
        number = store.client.create_experiment(
            store.experiment,
            artifact_location=store.address.artifacts,
            tags=descriptions.EXPERIMENT_TAGS,
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return _experiment(store)
    return str(number), ACTIVE


def restore_experiment(experiment_id: str, address: Address) -> str:
    """The command that takes a deleted experiment and its runs out of MLflow's bin."""
    return _in_store(f"mlflow experiments restore --experiment-id {experiment_id}", address)


def _in_store(command: str, address: Address) -> str:
    """A command of MLflow's for this store, without a password."""
    return f"MLFLOW_TRACKING_URI={shlex.quote(without_password(address.uri))} {command}"


def known_experiment(store: Store) -> str:
    """The id of a store's experiment; empty where nobody made it, or somebody has deleted it."""
    number, stage = _experiment(store) or ("", ACTIVE)
    return "" if stage == DELETED else number
