"""Workers placed by Hydra's launchers: joblib, submitit (Slurm), Ray, or any other.

The seam: the controller prepares the study and hands the launcher one job for each worker.
A job is an ordinary Hydra job of this application with one more override,
`hydra.sweeper.worker=NUMBER/SHARES@STORAGE@NAME` (percent-encoded, as in a URL), and `@DIGEST` of
the user's own code where there is some; its task function sees that and pulls trials from the
study until none is left. So a launcher needs no code of ours, and a worker needs nothing but the
study's storage, the tracking URI and the data. They are started all at once, and watched by way
of the study.

Launchers write their jobs to files, so a job is told a storage without its password; with it the
storage is in the variable CNN_SWEEPS_STORAGE, which jobs inherit.
"""

import logging
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from urllib.parse import quote, unquote

from hydra.core.utils import JobStatus
from hydra.plugins.launcher import Launcher
from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.data.cores import cores
from cnn_sweeps.errors import ConfigError, RunFailedError, reason_of
from cnn_sweeps.provenance import devices
from cnn_sweeps.provenance.process import Owner, this_host
from cnn_sweeps.sweeps.plan.budget import STORAGE_VARIABLE
from cnn_sweeps.sweeps.study.attributes import (
    OWNER,
    REFUSED,
    STOP,
)
from cnn_sweeps.sweeps.study.events import Event
from cnn_sweeps.sweeps.study.log import logged_worker
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.code import digest_carried, importable_code
from cnn_sweeps.sweeps.workers.forkserver import FOR_THE_CONTROLLER
from cnn_sweeps.sweeps.workers.signals import BY_A_PERSON, WORKER_STOPS
from cnn_sweeps.sweeps.workers.software import check_software
from cnn_sweeps.text.redact import HIDDEN, without_password
from cnn_sweeps.tracking.patience import Attempts, patient

logger = logging.getLogger(__name__)

SEPARATOR = "@"
PLACE = re.compile(r"(\d+)/([1-9]\d*)@([^@]+)@([^@]+)(?:@([0-9a-f]{64}))?")

OF_A_JOB = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")
"""Variables in which Slurm tells a job how many cores are its own; the first where it was asked."""

Launch = Callable[[], None]
"""Runs the workers, and returns when they have ended."""

TICK = 1.0
"""Seconds between two looks at the study."""
PATIENCE = 60.0
"""Seconds that a placed worker waits for more trials: another one would wait in a scheduler's
queue."""
LEAVING = 90.0
"""Seconds that placed workers have to leave when there is nothing more to do."""
MOST_FRUITLESS = 3
"""Placements in a row that begin no trial; then something is wrong with all."""


def place_by_launcher(
    launcher: Launcher, address: StudyAddress, workers: int, cpu_slots: int, code: str = ""
) -> None:
    """Run so many workers on a study as jobs of a launcher, and wait for them.

    Args:
        launcher: Hydra's.
        address: the study.
        workers: how many.
        cpu_slots: into how many the cores of a host are divided among workers.
        code: digest of the user's own files, which the workers may take from the study.

    Raises:
        RunFailedError: a worker could not run.
    """
    parts = [str(address), address.name, *([code] if code else [])]
    where = SEPARATOR.join(quote(part, safe="/") for part in parts)
    told = [
        [f"hydra.sweeper.worker='{number}/{cpu_slots}{SEPARATOR}{where}'"]
        for number in range(workers)
    ]
    with _in_variable(address):
        results = launcher.launch(told, initial_job_idx=0)
    for result in results:
        if result.status != JobStatus.COMPLETED:
            error = result._return_value
            raise RunFailedError(f"a worker of the launcher failed: {error}")


@contextmanager
def _in_variable(address: StudyAddress) -> Iterator[None]:
    """Let what is started inside the block inherit a storage with a password."""
    if str(address) == address.storage:
        yield
        return
    os.environ[STORAGE_VARIABLE] = address.storage
    try:
        yield
    finally:
        os.environ.pop(STORAGE_VARIABLE, None)


def _storage(told: str) -> str:
    """The storage that a job was told, with the password that it has in the variable.

    Raises:
        ConfigError: it lacks one.
    """
    given = os.environ.get(STORAGE_VARIABLE, "")
    if without_password(given) == told:
        return given
    if HIDDEN in told:
        raise ConfigError(
            f"this worker has no password for {told}: its launcher does not pass variables on.\n"
            f"Set {STORAGE_VARIABLE} to the storage's URL where the worker runs."
        )
    return told


def work_as_job(worker: str) -> None:
    """Be a worker: what the task function of a launcher's job does.

    Args:
        worker: what the controller told, NUMBER/SHARES@STORAGE@NAME[@DIGEST].

    Raises:
        ConfigError: the controller told something else, the storage's password is not here, or this
            package is of another version.
    """
    from cnn_sweeps.sweeps.workers.worker import (  # noqa: PLC0415 -- imports mlflow
        Worker,
        execute_of,
    )

    place = PLACE.fullmatch(worker)
    if place is None:
        raise ConfigError(
            f"hydra.sweeper.worker={worker} is invalid: a sweep sets it for the workers "
            f"that a launcher places. Leave it out."
        )
    number, cpu_slots, attempts = int(place[1]), int(place[2]), Attempts()
    with _stoppable() as stopping:
        with patient(Tracking.patience):
            address = StudyAddress(storage=_storage(unquote(place[3])), name=unquote(place[4]))
            found = SweepStudy.load(address, checked=False)
            check_software(found, logger.warning)
        with (
            patient(found.plan.first.tracking.patience),
            importable_code(found, trust=digest_carried(found) == place[5]),
        ):
            study = SweepStudy.load(address)
            with devices.using(number, devices.seats()), logged_worker(study):
                logger.info("worker %d placed by a launcher as process %d", number, os.getpid())
                Worker(
                    study=study,
                    execute=execute_of(study, None),
                    stop=lambda: bool(stopping) or asked_to_stop(study, attempts),
                    job_ends=lambda: not set(BY_A_PERSON).issuperset(stopping),
                    number=number,
                    threads=threads_of_job(cpu_slots),
                    patience=PATIENCE,
                ).work()
                logger.info("worker %d, process %d, ended", number, os.getpid())


def threads_of_job(cpu_slots: int) -> int:
    """CPU threads of a placed worker: what Slurm gave its job, or its share of the host's cores."""
    of_slurm = os.environ.get("SUBMITIT_EXECUTOR") == "slurm"
    given = [os.environ.get(name, "") for name in OF_A_JOB] if of_slurm else []
    own = next((int(text) for text in given if text.isdecimal()), None)
    return max(1, cores() // cpu_slots if own is None else min(own, cores()))


@contextmanager
def _stoppable() -> Iterator[list[int]]:
    """Note the signals that end a worker instead of dying of them.

    A terminal tells Ctrl-C to all processes; Slurm tells what `--signal` names (submitit: USR2)
    before the time is up, and SIGTERM when a job is preempted. The trial in hand is requeued, so
    whoever goes on with it begins after its last epoch. A launcher may also run its jobs in this
    process, where the controller hears the signals.
    """
    stopping: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    before = {n: signal.signal(n, lambda number, _: stopping.append(number)) for n in WORKER_STOPS}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def asked_to_stop(study: SweepStudy, attempts: Attempts) -> bool:
    """Whether the controller wants the placed workers of a study to end, as far as it is there."""
    told: list[object] = []
    attempts.make(lambda: told.append(study.attribute(STOP)))
    return any(told)


@dataclass(kw_only=True)
class Placement:
    """The workers of a launcher; a `WorkerGroup`.

    The launcher works in a thread of its own, so that the controller can put right meanwhile
    what dead workers leave.

    Attributes:
        study: the queue.
        launch: runs the workers.
    """

    study: SweepStudy
    launch: Launch
    _thread: Thread | None = None
    _needed: float = 0.0
    _begun: int = 0
    _fruitless: int = 0
    _stopping: bool = False
    _errors: list[BaseException] = field(default_factory=list)

    @property
    def pids(self) -> set[int]:
        """None: the end of a placed worker is seen by nobody but who looks for it."""
        return set()

    @property
    def idle(self) -> bool:
        """Whether the launcher has ended."""
        return self._thread is None

    def step(
        self,
        show: Callable[[Event], None],  # noqa: ARG002 -- no worker tells anything by a pipe
        *,
        waiting: Callable[[], bool],
    ) -> dict[int, str]:
        """Place workers while trials wait.

        Raises:
            RunFailedError: the launcher cannot run the workers.
        """
        at_work = bool(self._trials(TrialState.RUNNING))
        # A launcher gives up for one dead job, while the others that it has placed go on.
        if self._thread is None and not (self._errors and at_work) and waiting():
            self._start()
        if self._thread is None:
            time.sleep(TICK)
        else:
            self._thread.join(TICK)
        if self._thread is not None:
            self._look_at_launcher(needed=at_work or waiting())
        return {}

    def ask_to_stop(self) -> None:
        """Tell the workers by way of the study; they look after each epoch."""
        self._stopping = True
        self.study.optuna_study.set_user_attr(STOP, True)

    def kill(self) -> None:
        """End the workers on this host; those elsewhere have been asked to end."""
        if self._thread is None:
            return
        self.ask_to_stop()
        for trial in self._trials(TrialState.RUNNING):
            owner = trial.user_attrs.get(OWNER) or {}
            # A launcher may have run the worker in this process.
            elsewhere = owner.get("host") == this_host() and owner["pid"] != os.getpid()
            if elsewhere and Owner.from_json(owner).lives(None):
                logger.warning("killing a worker, process %d", owner["pid"])
                with suppress(ProcessLookupError, PermissionError):  # of another user, who helps
                    os.kill(owner["pid"], signal.SIGKILL)
        self._thread = None

    def _start(self) -> None:
        self.study.optuna_study.set_user_attr(STOP, False)
        self._begun, self._errors, self._needed = self._count_begun(), [], time.monotonic()
        logger.info("the launcher places workers")
        self._thread = Thread(target=self._run, name="launcher", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # Blocked in this thread, and so in all processes that the launcher starts: a Ctrl-C, which
        # the terminal tells to each of them, reaches the controller alone. It stops the workers.
        signal.pthread_sigmask(signal.SIG_BLOCK, FOR_THE_CONTROLLER)
        try:
            self.launch()
        except BaseException as error:
            self._errors.append(error)
            logger.error("the launcher failed", exc_info=True)
        else:
            logger.info("the launcher has ended")

    def _look_at_launcher(self, *, needed: bool) -> None:
        """See whether it has ended; in the end, do not wait for jobs that a scheduler has yet."""
        if self._thread is not None and not self._thread.is_alive():
            self._thread = None
            self._judge()
        elif needed:
            self._needed = time.monotonic()
        elif time.monotonic() - self._needed > LEAVING:
            logger.info("jobs of the launcher that have not begun find nothing to do, and end")
            self._thread = None

    def _judge(self) -> None:
        """Give up when placing workers leads to nothing, with what the launcher says."""
        if self._stopping:  # then a launcher fails for the Ctrl-C that it has heard, too
            return
        self._fruitless = 0 if self._count_begun() > self._begun else self._fruitless + 1
        if self._fruitless and (self._errors or self._fruitless >= MOST_FRUITLESS):
            why = reason_of(self._errors[0]) if self._errors else "its workers started no trial"
            raise RunFailedError(f"the launcher cannot run the workers: {why}")

    def _count_begun(self) -> int:
        """Trials that a worker has begun, but for those that were given back at once."""
        return sum(
            trial.state != TrialState.WAITING and REFUSED not in trial.user_attrs
            for trial in self._trials()
        )

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.optuna_study.get_trials(deepcopy=False, states=states or None)
