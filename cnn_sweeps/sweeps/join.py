"""Joining a sweep: workers of this host for a study that a controller made, here or anywhere.

A worker needs the study's storage, the tracking store and the data, and who started it does not
matter: a second terminal, ssh, Slurm, Kubernetes. It pulls trials as the workers of the sweep's own
machine do, and leaves when the sweep has no more.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from optuna.trial import TrialState

from cnn_sweeps import data
from cnn_sweeps.config.schema import Config
from cnn_sweeps.data.cores import cores
from cnn_sweeps.errors import ConfigError, StoreError, UnknownStudyError
from cnn_sweeps.provenance import devices
from cnn_sweeps.sweeps.live_view import View
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.space.enqueue import is_complete
from cnn_sweeps.sweeps.study.attributes import FAILURES_ALLOWED, RETRIES_ALLOWED
from cnn_sweeps.sweeps.study.counts import Counts
from cnn_sweeps.sweeps.study.log import logged_worker
from cnn_sweeps.sweeps.study.recovery import requeue_interrupted
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.supervisor import Interrupts, Supervisor
from cnn_sweeps.sweeps.workers import forkserver
from cnn_sweeps.sweeps.workers.code import importable_code
from cnn_sweeps.sweeps.workers.pool import Pool
from cnn_sweeps.sweeps.workers.software import check_software
from cnn_sweeps.text.argument_names import option
from cnn_sweeps.text.format import first_line
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.address import local_folder
from cnn_sweeps.tracking.artifacts import run_by_id
from cnn_sweeps.tracking.patience import patient
from cnn_sweeps.tracking.records import RunRecord

GRACE = 20.0
"""Seconds to end an epoch when asked to stop; Slurm kills 30 s after SIGTERM (KillWait)."""
LOOK = 1.0
"""Seconds between two looks for a study, or for more of its trials."""
MOST_CHECKED = 100
"""Trials whose images are looked for before the first is claimed."""


@dataclass(frozen=True, kw_only=True)
class Join:
    """What workers of this host are to do.

    Attributes:
        find: where the study is; raises `UnknownStudyError` as long as it is not there.
        workers: how many processes.
        wait: seconds to wait for the study, and for more of its trials.
        say: tells what is waited for.
        view: shows the trials of these workers, with the counts of the study.
        name: what was typed of the study's name; a study of another name may be an earlier one.
        patience: seconds to wait for a server that is away; None for what the sweep was told.
        trust: whether code of the user's that travels with the study may run here.
        execute: dotted path of what carries out a trial, for tests; None to train it.
    """

    find: Callable[[], StudyAddress]
    workers: int
    wait: float
    say: Callable[[str], None]
    view: Callable[[SweepStudy], View]
    name: str | None = None
    patience: float | None = None
    trust: bool = False
    execute: str | None = None

    def work(self, interrupts: Interrupts) -> Counts:
        """Pull trials until the sweep has no more, or until asked to stop; how far the sweep is.

        Raises:
            UnknownStudyError: there is no such study, however long one waits.
            StoreError: the study or the tracking store cannot be used from here.
            DataError: the images are not there.
            ConfigError: this package trains by other code here, or the user's own code is not
                there, and not stored or not trusted.
            RecordError: what is stored of it is not what its digest says.
            KeyboardInterrupt: asked to stop; the trials in hand were requeued.
        """
        found = self._found(interrupts)
        told = found.plan.first.tracking.patience
        patience = told if self.patience is None else self.patience
        with (
            found.address.refusing(),
            patient(patience, say=self.say, heed=interrupts.heed),
        ):
            store = _store(found)
            check_software(found, self.say)
            with importable_code(found, trust=self.trust, say=self.say):
                study = SweepStudy.load(found.address)
                for config in _configs(study):
                    data.check_there(config.data)
                return self._pull(study, store, patience, interrupts)

    def _pull(
        self, study: SweepStudy, store: Store, patience: float, interrupts: Interrupts
    ) -> Counts:
        """Pull trials of a study that can be carried out here."""
        slots = self._cpu_slots(study)
        workers, threads = min(self.workers, slots), max(1, cores() // slots)
        seats = devices.seats()
        known = study.optuna_study.user_attrs
        budget = Budget(
            retries=known.get(RETRIES_ALLOWED, Budget.retries),
            max_failures=known.get(FAILURES_ALLOWED, Budget.max_failures),
        )
        with logged_worker(study), self.view(study) as view:
            supervisor = Supervisor(
                study=study, store=store, budget=budget, view=view, grace=GRACE, others=False
            )
            until, finished = time.monotonic() + self.wait, -1
            while not interrupts.asked():
                pool = Pool(
                    study.address,
                    workers=workers,
                    threads=threads,
                    patience=patience,
                    seats=seats,
                    execute=self.execute,
                )
                supervisor.run(pool, interrupts)
                if study.counts().finished > finished:
                    until, finished = time.monotonic() + self.wait, study.counts().finished
                if not study.is_open or time.monotonic() > until:
                    break
                time.sleep(LOOK)
            if interrupts.asked():
                requeue_interrupted(study, store, show=view.show, reason=interrupts.reason)
                raise KeyboardInterrupt(interrupts.number)
        return study.counts()

    def _cpu_slots(self, study: SweepStudy) -> int:
        """Into how many shares the cores of this host are divided."""
        if study.plan.exercise is None:
            return self.workers
        return study.kept_cpu_slots(min(self.workers, study.counts().total))

    def _found(self, interrupts: Interrupts) -> SweepStudy:
        """The study, waited for as long as it takes, with a queue and a run in MLflow."""
        until, told = time.monotonic() + self.wait, False
        with ExitStack() as waits:
            while True:
                interrupts.heed()
                late = time.monotonic() > until
                try:
                    study = self._begun()
                    if late or self._is_meant(study):
                        return study
                    lacks = f"{study.address.name} has ended"
                except UnknownStudyError as missing:
                    if late:
                        raise
                    lacks = first_line(missing)
                if not told:
                    self.say(
                        f"{lacks.rstrip('.:')}: waiting, up to {self.wait:g} s ({option('wait')})"
                    )
                    waits.enter_context(forkserver.warming_up())  # meanwhile
                    told = True
                time.sleep(LOOK)

    def _begun(self) -> SweepStudy:
        """The study as it is now, to look at it.

        Raises:
            UnknownStudyError: it is not there, or its controller has not got so far.
        """
        address = self.find()
        study = SweepStudy.existing(address, checked=False)
        with address.refusing():
            begun = study is not None and study.parent_run_id is not None
        if study is None or not begun:
            raise UnknownStudyError(
                f"the study {address.name} in {address} is not begun.\n"
                "  Start its sweep with cnn-sweeps -m."
            )
        return study

    def _is_meant(self, study: SweepStudy) -> bool:
        """Whether it is the study that was typed, and not the end of another, begun before it."""
        with study.address.refusing():
            counts = study.counts()
            is_named = study.address.name == self.name
            return is_named or study.is_open or counts.finished < counts.total


def _store(study: SweepStudy) -> Store:
    """The store that the sweep logs to, which must be the same from here.

    Raises:
        StoreError: it has no run of the sweep, or cannot be written from here.
    """
    tracking = study.plan.first.tracking
    store = Store.open_existing(tracking)
    if store is not None and (run := run_by_id(store, study.parent_run_id or "")) is not None:
        _check_files(store, run)
        return Store.open(tracking, beside=study.parent_run_id)  # to write
    from cnn_sweeps.tracking.address import resolve  # noqa: PLC0415 -- only to say so

    raise StoreError(
        f"{resolve(tracking)} has not the run of the sweep {study.address.name}: from here it is "
        "another store.\n  Set MLFLOW_TRACKING_URI to a server that both reach, for the sweep and "
        "for its workers, or type the tracking.dir or tracking.uri by which this host reaches it."
    )


def _check_files(store: Store, run: RunRecord) -> None:
    """Refuse a server that only names the folder of its files, where this host has not got it.

    Each host would write files of its own there, which nobody else finds.
    """
    folder = local_folder(run.artifact_uri)
    if store.address.database is None and folder is not None and not folder.exists():
        raise StoreError(
            f"{store.address} keeps the files of its runs in a folder that this host does not "
            f"have: {folder}.\n  Mount it here under that path, or let the server hand files out: "
            "`mlflow server --artifacts-destination FOLDER`, and another tracking.experiment."
        )


def _configs(study: SweepStudy) -> Iterator[Config]:
    """The configs of trials that are left, as far as their values are known."""
    study.look()
    cells = [
        *map(study.carried_values, study.trials(TrialState.WAITING)),
        *(study.schedule.items[slot].cell for slot in study.planned()),
    ]
    whole = [cell for cell in cells if is_complete(cell, study.plan.space)]
    yield study.plan.first
    for cell in whole[:MOST_CHECKED]:
        with suppress(ConfigError):  # it is impossible on any host, and fails when its turn comes
            yield study.plan.config(cell)
