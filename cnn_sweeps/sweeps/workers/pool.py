"""Local workers: processes forked from a preloaded one, watched until the queue is empty.

Each worker pulls trials by itself; none waits for another. The pool hears what they do
through one pipe each, replaces the ones that die or have done enough, and requeues what a
dead one had in hand.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from tempfile import TemporaryDirectory
from typing import cast

import psutil

from cnn_sweeps.data.memory_cache import HandedOver
from cnn_sweeps.errors import CnnSweepsError, RunFailedError, StoppedError, StoreError
from cnn_sweeps.provenance.devices import Device
from cnn_sweeps.sweeps.study.events import Event, TrialStarted, WorkerRefused
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.workers.deaths import Deaths
from cnn_sweeps.sweeps.workers.forkserver import CONTEXT, begin, ensure_running, without_main
from cnn_sweeps.tracking.patience import patient

logger = logging.getLogger(__name__)

TICK = 0.25
"""Seconds between two looks at the workers."""
TRIALS_PER_PROCESS = 20
LEAK = TRIALS_PER_PROCESS * 12 * 2**20
"""A worker is replaced when it has grown by so many bytes, not before so many trials: TensorFlow
leaks about 12 MB a training. What trains nothing leaks nothing, and a new process has to read the
study."""
MOST_FAILED_STARTS = 8
"""Workers in a row that die before their first trial; then something is wrong with all."""
MOST_OUT_OF_MEMORY = 2
"""The same where memory is wanting: the next one will want as much, and takes long to fail."""
IN_THIS_PROCESS = (
    "Type hydra.sweeper.n_jobs=0 to run in this process: it needs least memory and shows the error."
)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a worker process is told.

    Attributes:
        address: the study.
        number: number of the worker, from 0.
        device: the GPU that it uses; None for any that there is.
        threads: CPU threads for configs that leave them open.
        patience: seconds to wait for a database or a server that is away.
        scratch: folder of its temporary files.
        images: those that the sweep has looked at.
        execute: dotted path of what carries out a trial; None to train it.
    """

    address: StudyAddress
    number: int
    scratch: str
    threads: int
    images: HandedOver
    patience: float = 0.0
    device: Device | None = None
    execute: str | None = None


@dataclass(kw_only=True)
class WorkerHandle:
    """A worker's place in the pool, and who sits there.

    Attributes:
        order: what the worker was told.
        process: the worker.
        pipe: what it tells.
        scratch: its temporary files, which it cannot remove when it is killed.
        claimed: whether it has taken a trial.
        gone: whether it has ended.
    """

    order: Order
    process: ForkServerProcess
    pipe: Connection
    scratch: TemporaryDirectory[str]
    claimed: bool = False
    gone: bool = False


class Pool:
    """So many workers on one study, for as long as there is something for them to do."""

    def __init__(
        self,
        address: StudyAddress,
        *,
        workers: int,
        threads: int,
        patience: float = 0.0,
        seats: Sequence[Device] = (),
        execute: str | None = None,
    ) -> None:
        """Nobody is there yet; `seats` are GPUs of workers by their numbers, in turn."""
        self._address, self._workers = address, workers
        self._threads, self._patience, self._execute = threads, patience, execute
        self._seats = seats
        self._handles: dict[int, WorkerHandle] = {}
        self._failed_starts = 0
        self._deaths = Deaths(workers)

    def step(self, show: Callable[[Event], None], *, waiting: Callable[[], bool]) -> dict[int, str]:
        """Fill free seats while trials wait, and hear what the workers tell for a moment.

        Returns:
            Of the workers that died, whose trials are orphaned: process number and cause.

        Raises:
            StoreError: a worker says that the store refuses.
            RunFailedError: no worker lives to its first trial.
        """
        free = [number for number in range(self._workers) if number not in self._handles]
        for number in free if free and waiting() else ():
            if (handle := self._spawn(number)) is not None:
                self._handles[number] = handle
        handles = {handle.pipe: handle for handle in self._handles.values()}
        died: dict[int, str] = {}
        for pipe in connection.wait(list(handles), timeout=TICK):
            handle = handles[cast("Connection", pipe)]
            self._hear(handle, show)
            if handle.gone and (cause := self._reap(handle)):
                died[handle.process.pid or 0] = f"its worker {cause}"
        return died

    @property
    def pids(self) -> set[int]:
        """Process numbers of the workers in their seats."""
        return {handle.process.pid or 0 for handle in self._handles.values()}

    @property
    def idle(self) -> bool:
        """Whether no worker is there."""
        return not self._handles

    def ask_to_stop(self) -> None:
        """Let every worker end its epoch, put its trial back and go."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End every worker at once; its trial is orphaned."""
        if self._handles:
            logger.warning("killing the workers, processes %s", sorted(self.pids))
        self._signal(signal.SIGKILL)
        for handle in self._handles.values():
            handle.process.join()
            handle.pipe.close()
            handle.scratch.cleanup()
        self._handles.clear()

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the workers, and not by `Process.kill`.

        That one spares a process whose exit code is known, or seems to be: see `deaths.UNKNOWN`.
        """
        for handle in self._handles.values():
            with suppress(ProcessLookupError):
                os.kill(handle.process.pid or 0, number)

    def _spawn(self, number: int) -> WorkerHandle | None:
        """A worker for that seat; None when the process they are forked from has just died."""
        scratch = _scratch_folder()
        order = Order(
            scratch=scratch.name,
            address=self._address,
            number=number,
            threads=self._threads,
            images=HandedOver.kept(),
            patience=self._patience,
            device=self._seats[number % len(self._seats)] if self._seats else None,
            execute=self._execute,
        )
        here, there = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=serve, args=(order, there), daemon=True)
        try:
            ensure_running()
            with without_main():
                process.start()
        except (OSError, EOFError):  # it is started anew for the next one
            here.close()
            scratch.cleanup()
            self._note_failed_start(*self._deaths.cause(None))
            return None
        finally:
            there.close()  # so that the pipe ends with the worker
        logger.info("worker %d spawned as process %s", number, process.pid)
        return WorkerHandle(order=order, process=process, pipe=here, scratch=scratch)

    def _hear(self, handle: WorkerHandle, show: Callable[[Event], None]) -> None:
        for event in _received(handle):
            handle.claimed = handle.claimed or isinstance(event, TrialStarted)
            if isinstance(event, WorkerRefused):
                raise StoreError(event.message)
            show(event)

    def _reap(self, handle: WorkerHandle) -> str:
        """Clear the seat of a worker that has ended.

        Returns:
            What it died of; empty if it was done.
        """
        handle.process.join()
        handle.pipe.close()
        handle.scratch.cleanup()
        del self._handles[handle.order.number]
        exitcode = handle.process.exitcode
        cause, memory = self._deaths.cause(exitcode)
        level = logging.WARNING if exitcode else logging.INFO
        logger.log(
            level, "worker %d, process %s, %s", handle.order.number, handle.process.pid, cause
        )
        if exitcode == 0 or handle.claimed:
            self._failed_starts = 0
        else:
            self._note_failed_start(cause, memory)
        return cause if exitcode else ""

    def _note_failed_start(self, cause: str, memory: bool) -> None:
        """Count workers in a row that did nothing; so many of them are no accident."""
        self._failed_starts += 1
        logger.error("a worker failed at start-up: %s", cause)
        if self._failed_starts < (MOST_OUT_OF_MEMORY if memory else MOST_FAILED_STARTS):
            return
        many = f"{self._failed_starts} workers in a row exited before their first trial"
        advice = "" if memory else f"\n{IN_THIS_PROCESS}"
        raise RunFailedError(f"{many}: the last one {cause}.{advice}")


def _scratch_folder() -> TemporaryDirectory[str]:
    """A folder for the temporary files of a worker.

    Raises:
        StoreError: none can be made, for the disk is full or read-only.
    """
    try:
        return TemporaryDirectory(prefix="cnn_sweeps-worker-", ignore_cleanup_errors=True)
    except OSError as error:
        raise StoreError(
            f"no folder for a worker's temporary files can be made: {error.strerror or error}.\n"
            "  Free some space, or type TMPDIR=FOLDER in front of the command."
        ) from error


def serve(order: Order, pipe: Connection) -> None:
    """Be a worker: what a process of the pool does from its start to its end."""
    begin(order.scratch, order.device)
    stopping: list[int] = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells all; the pool decides
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    from cnn_sweeps.sweeps.study.log import logged_worker  # noqa: PLC0415
    from cnn_sweeps.sweeps.study.study import SweepStudy  # noqa: PLC0415
    from cnn_sweeps.sweeps.workers.worker import Worker, execute_of  # noqa: PLC0415 -- preloaded

    order.images.keep()

    def emit(event: Event) -> None:
        try:
            pipe.send(event)
        except OSError:  # nobody listens any more: the controller has died
            stopping.append(signal.SIGPIPE)

    def heed() -> None:
        if stopping:
            raise StoppedError("asked to stop while the storage was away")

    try:
        with patient(order.patience, heed=heed):
            study = SweepStudy.load(order.address)
            with logged_worker(study):
                Worker(
                    study=study,
                    execute=execute_of(study, order.execute),
                    emit=emit,
                    stop=lambda: bool(stopping),
                    number=order.number,
                    threads=order.threads,
                    worn=Wear(),
                ).work()
    except StoppedError:  # its trial is requeued by who finds it without an owner
        pass
    except CnnSweepsError as error:
        emit(WorkerRefused(worker=order.number, message=str(error)))
    # TensorFlow and MLflow keep threads that would delay an ordinary end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


class Wear:
    """Whether a worker process has grown by more than it should, asked after each trial."""

    def __init__(self) -> None:
        """Begin to count; the first trial brings what every worker has in memory."""
        self._trials, self._first = 0, 0

    def __call__(self) -> bool:
        """Count one more trial."""
        held = psutil.Process().memory_info().rss
        self._trials, self._first = self._trials + 1, self._first or held
        return self._trials >= TRIALS_PER_PROCESS and held - self._first > LEAK


def _received(handle: WorkerHandle) -> Iterator[Event]:
    """Everything that a worker has told by now.

    Its pipe ends with it, whatever ends it. Its exit code comes by way of the process that it
    was forked from; that one may be killed, and the worker lives on.
    """
    try:
        while handle.pipe.poll():
            yield handle.pipe.recv()
    except (EOFError, OSError):
        handle.gone = True
