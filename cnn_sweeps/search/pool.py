"""Local workers: processes forked from a preloaded one, watched until the queue is empty.

Each worker pulls trials by itself; none waits for another. The pool hears what they do
through one pipe each, replaces the ones that die or have done enough, and requeues what a
dead one had in hand.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from cnn_sweeps.errors import CnnSweepsError, RunFailedError, StoreError
from cnn_sweeps.search.address import Address
from cnn_sweeps.search.events import Claimed, Event, Refused

PRELOADED = "cnn_sweeps.search.preload"
TICK = 0.25
"""Seconds between two looks at the workers."""
TRIALS_PER_PROCESS = 20
"""Trials after which a worker is replaced: TensorFlow leaks about 12 MB a trial."""
MOST_STILLBORN = 8
"""Workers in a row that die before their first trial; then something is wrong with all."""

CONTEXT = multiprocessing.get_context("forkserver")


def warm_up(execute: str | None = None) -> None:
    """Start the process that workers are forked from; it imports what they need meanwhile."""
    CONTEXT.set_forkserver_preload([PRELOADED] if execute is None else [execute.split(":")[0]])
    forkserver.ensure_running()


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a worker process is told.

    Attributes:
        address: the study.
        number: number of the worker, from 0; its device follows from it.
        stream: a number no other process has, for the sampler.
        threads: CPU threads for configs that leave them open.
        execute: dotted path of what carries out a trial; None to train it.
    """

    address: Address
    number: int
    stream: int
    threads: int
    execute: str | None = None


@dataclass(kw_only=True)
class Seat:
    """A worker's place in the pool, and who sits there."""

    order: Order
    process: ForkServerProcess
    pipe: Connection
    claimed: bool = False


class Pool:
    """So many workers on one study, for as long as there is something for them to do."""

    def __init__(
        self, address: Address, *, workers: int, threads: int, execute: str | None
    ) -> None:
        self._address, self._workers = address, workers
        self._threads, self._execute = threads, execute
        self._seats: dict[int, Seat] = {}
        self._streams = 0
        self._stillborn = 0

    def step(self, show: Callable[[Event], None], *, waiting: bool) -> dict[int, str]:
        """Fill free seats while trials wait, and hear what the workers tell for a moment.

        Returns:
            Of the workers that died, whose trials are orphaned: process number and cause.

        Raises:
            StoreError: a worker says that the store refuses, or none lives to its first trial.
        """
        for number in range(self._workers):
            if waiting and number not in self._seats and (seat := self._hire(number)):
                self._seats[number] = seat
        pipes = {seat.pipe: seat for seat in self._seats.values()}
        ends = {seat.process.sentinel: seat for seat in self._seats.values()}
        ready = connection.wait([*pipes, *ends], timeout=TICK)
        for pipe in ready:
            if isinstance(pipe, Connection):
                self._hear(pipes[pipe], show)
        died = {}
        for end in ready:
            if isinstance(end, int):
                seat = ends[end]
                self._dismiss(seat, show)
                if seat.process.exitcode != 0:
                    died[seat.process.pid or 0] = f"its worker {said(seat.process.exitcode)}"
        return died

    @property
    def pids(self) -> set[int]:
        """Process numbers of the workers in their seats."""
        return {seat.process.pid or 0 for seat in self._seats.values()}

    @property
    def idle(self) -> bool:
        """Whether no worker is there."""
        return not self._seats

    def ask_to_stop(self) -> None:
        """Let every worker end its epoch, put its trial back and go."""
        for seat in self._seats.values():
            seat.process.terminate()

    def kill(self) -> None:
        """End every worker at once; its trial is orphaned."""
        for seat in self._seats.values():
            seat.process.kill()
        for seat in self._seats.values():
            seat.process.join()
            seat.pipe.close()
        self._seats.clear()

    def _hire(self, number: int) -> Seat | None:
        """A worker for that seat; None when the process they are forked from has just died."""
        self._streams += 1
        order = Order(
            address=self._address,
            number=number,
            stream=1000 * self._streams + number,
            threads=self._threads,
            execute=self._execute,
        )
        here, there = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=serve, args=(order, there), daemon=True)
        try:
            process.start()
        except (OSError, EOFError):  # it is started anew for the next one
            here.close()
            self._note_stillborn("could not be started")
            return None
        finally:
            there.close()  # so that the pipe ends with the worker
        return Seat(order=order, process=process, pipe=here)

    def _hear(self, seat: Seat, show: Callable[[Event], None]) -> None:
        for event in _received(seat.pipe):
            seat.claimed = seat.claimed or isinstance(event, Claimed)
            if isinstance(event, Refused):
                raise StoreError(event.message)
            show(event)

    def _dismiss(self, seat: Seat, show: Callable[[Event], None]) -> None:
        """Clear the seat of a worker that has ended, with its last words."""
        self._hear(seat, show)
        seat.process.join()
        seat.pipe.close()
        del self._seats[seat.order.number]
        if seat.process.exitcode == 0 or seat.claimed:
            self._stillborn = 0
        else:
            self._note_stillborn(said(seat.process.exitcode))

    def _note_stillborn(self, cause: str) -> None:
        """Count workers in a row that did nothing; so many of them are no accident."""
        self._stillborn += 1
        if self._stillborn >= MOST_STILLBORN:
            raise StoreError(
                f"{MOST_STILLBORN} workers in a row ended before their first trial: "
                f"the last one {cause}.\n"
                f"  Type hydra.sweeper.n_jobs=0 to see what happens, in this process."
            )


def serve(order: Order, pipe: Connection) -> None:
    """Be a worker: what a process of the pool does from its start to its end."""
    stopping: list[int] = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells all; the pool decides
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    if (device := device_of(order.number)) is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device

    from cnn_sweeps.search.execute import execute_of  # noqa: PLC0415 -- preloaded
    from cnn_sweeps.search.study import SweepStudy  # noqa: PLC0415
    from cnn_sweeps.search.worker import Worker  # noqa: PLC0415

    def tell(event: Event) -> None:
        try:
            pipe.send(event)
        except OSError:  # nobody listens any more: the controller has died
            stopping.append(signal.SIGPIPE)

    try:
        study = SweepStudy.load(order.address, stream=order.stream)
        Worker(
            study=study,
            execute=execute_of(study, order.execute),
            tell=tell,
            stop=lambda: bool(stopping),
            number=order.number,
            threads=order.threads,
        ).work(most=TRIALS_PER_PROCESS)
    except CnnSweepsError as error:
        tell(Refused(worker=order.number, message=str(error)))
    # TensorFlow and MLflow keep threads that would delay an ordinary end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, called in a preloaded process of its own.

    Raises:
        RunFailedError: the process died.
        CnnSweepsError: what the function raised.
    """
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_answer, args=(function, arguments, there), daemon=True)
    process.start()
    there.close()
    try:
        answer = here.recv()
    except EOFError:
        process.join()
        raise RunFailedError(f"a process of the sweep {said(process.exitcode)}.") from None
    process.join()
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...], pipe: Connection) -> None:
    try:
        answer = function(*arguments)
    except CnnSweepsError as error:
        answer = error
    pipe.send(answer)
    pipe.close()
    os._exit(0)


def said(exitcode: int | None) -> str:
    """How a process ended, in words."""
    if exitcode is None or exitcode >= 0:
        return f"ended with exit code {exitcode}"
    name = signal.Signals(-exitcode).name
    hint = {
        "SIGKILL": ": somebody killed it, or the system for want of memory",
        "SIGSEGV": ": a fault in native code",
    }
    return f"was ended by {name}{hint.get(name, '')}"


def device_of(number: int) -> str | None:
    """The GPU of a worker, in turn; None where there is none."""
    devices = _devices()
    return devices[number % len(devices)] if devices else None


def _devices() -> list[str]:
    """GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() and name != "-1"]
    with suppress(OSError):
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        return listed.stdout.split() if listed.returncode == 0 else []
    return []


def _received(pipe: Connection) -> Iterator[Event]:
    """Everything that has arrived; nothing more where the other end is gone."""
    with suppress(EOFError, OSError):
        while pipe.poll():
            yield pipe.recv()
