"""Processes forked from a preloaded one, which a Ctrl-C at the terminal does not reach.

This module imports little: a command begins with it.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cnn_sweeps.errors import CnnSweepsError, RunFailedError
from cnn_sweeps.provenance import devices
from cnn_sweeps.provenance.devices import Device

if TYPE_CHECKING:
    from cnn_sweeps.sweeps.workers.deaths import Deaths

PRELOADED = "cnn_sweeps.sweeps.workers.preload"
FOR_THE_CONTROLLER = (signal.SIGINT, signal.SIGHUP)
"""Signals that a terminal sends to all processes of a sweep."""
BLOCKED = (*FOR_THE_CONTROLLER, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Those that a scheduler may send to all processes of a job as well; a worker of the pool unblocks
SIGTERM when it can heed it."""
ATTEMPTS = 3
"""How often a call is made, each time in a new process, when its process dies."""

_early: list[bool] = []
"""Holds something where that process was started before anybody knew that it is needed."""
LONGEST_FOLDER = 107 - len("/pymp-12345678/listener-12345678")
"""Bytes of a path below which a socket may lie; 107 is the most for one, see unix(7)."""
SHORT_FOLDER = "/tmp"  # noqa: S108 -- what is made there is a folder of our own, of mode 0700

CONTEXT = multiprocessing.get_context("forkserver")


class DiedError(RunFailedError):
    """A process ended before it had an answer."""


DIED = DiedError("a process of the sweep was not started.")


def warm_up(execute: str | None = None) -> None:
    """Start the process that workers are forked from; it imports what they need meanwhile."""
    CONTEXT.set_forkserver_preload([PRELOADED] if execute is None else [execute.split(":")[0]])
    ensure_running()


@contextmanager
def warming_up(*, early: bool = False) -> Iterator[None]:
    """Let that process start beside what the block does; what the block refuses ends it.

    Args:
        early: whether it is not known yet that it is needed, see `not_needed`.
    """
    warm_up()
    _early.extend([True] if early else ())
    try:
        yield
    except BaseException:
        _end()
        raise


@contextmanager
def not_needed() -> Iterator[None]:
    """End that process where it was started early, and do without it in the block."""
    if _early:
        _end()
    yield


def is_warm() -> bool:
    """Whether that process was started, so that others are at hand in no time."""
    server: Any = forkserver._forkserver
    return server._forkserver_pid is not None and PRELOADED in server._preload_modules


def _end() -> None:
    """End that process at once: it would import for seconds before it looked."""
    server: Any = forkserver._forkserver
    if server._forkserver_pid is not None:
        os.kill(server._forkserver_pid, signal.SIGKILL)
        with suppress(OSError):  # it takes its socket away, which may be gone
            server._stop()


def ensure_running() -> None:
    """Start the process that workers are forked from, where it does not run.

    The terminal tells Ctrl-C, and that it was closed, to every process, and Slurm a time limit;
    only the controller is to hear it. What is blocked when a process begins stays blocked in it
    and all below it. A signal that comes meanwhile is not lost: it waits for us.
    """
    with warnings.catch_warnings(action="ignore"):  # a killed helper is not the user's worry
        before = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
        try:
            _shorten_sockets()
            resource_tracker.ensure_running()  # it unblocks some of them if it has to be started
            signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _shorten_sockets() -> None:
    """Let the sockets of processes lie in /tmp where a path below TMPDIR would be too long for one.

    As Python 3.14 does (python/cpython#93852); schedulers give each job a folder of many levels.
    """
    if len(os.fsencode(tempfile.gettempdir())) <= LONGEST_FOLDER:
        return
    before, tempfile.tempdir = tempfile.tempdir, SHORT_FOLDER
    try:
        util.get_temp_dir()  # it is made once for each process
    finally:
        tempfile.tempdir = before


@contextmanager
def without_main() -> Iterator[None]:
    """Start processes inside the block that do not run the user's program again.

    Multiprocessing imports the main module in each process, which would carry out a script that
    sweeps at its top level once more. Nothing of it is needed in a worker.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, called in a preloaded process of its own.

    Raises:
        RunFailedError: the process died, and so did those after it.
        CnnSweepsError: what the function raised.
    """
    return call_each(function, [arguments])[0]


def call_each(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What a function returns for each of several arguments, called at once; see `call`."""
    from cnn_sweeps.sweeps.workers.deaths import Deaths  # noqa: PLC0415 -- imports NumPy

    answers: dict[int, Any] = {}
    seats = devices.seats()
    deaths = Deaths(len(calls))
    for _ in range(ATTEMPTS):
        left = [n for n in range(len(calls)) if isinstance(answers.get(n, DIED), DiedError)]
        with ExitStack() as stack:
            at_work = {
                n: stack.enter_context(_asked(function, calls[n], deaths, _seat(seats, n)))
                for n in left
            }
            answers |= {n: receive() for n, receive in at_work.items()}
    for answer in answers.values():
        if isinstance(answer, CnnSweepsError):
            raise answer
    return [answers[n] for n in range(len(calls))]


def _seat(seats: Sequence[Device], number: int) -> Device | None:
    """The GPU of a process, in turn."""
    return seats[number % len(seats)] if seats else None


@contextmanager
def asked(function: Callable[..., Any], *arguments: Any) -> Iterator[Callable[[], Any]]:
    """A process that calls a function meanwhile, and how to get what it returns.

    That is the error, where it raised one, or the process died or found no room. Leaving the block
    ends the process.
    """
    from cnn_sweeps.sweeps.workers.deaths import Deaths  # noqa: PLC0415 -- imports NumPy

    with ExitStack() as stack:
        try:
            receive = stack.enter_context(_asked(function, arguments, Deaths(1), None))
        except OSError as error:
            told = DiedError(f"a process of the sweep was not started: {error}")
            yield lambda: told
        else:
            yield receive


@contextmanager
def _asked(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    deaths: "Deaths",
    device: Device | None,
) -> Iterator[Callable[[], Any]]:
    """A process that is at work, and how to get its answer: what it returned, raised, or died of.

    Leaving the block ends it, also where Ctrl-C ends the waiting.
    """

    def died(exitcode: int | None) -> DiedError:
        return DiedError(f"a process of the sweep {deaths.cause(exitcode)[0]}.")

    here, there = CONTEXT.Pipe(duplex=False)
    # TensorFlow leaves files behind in a process that is killed, or ends as these do.
    with here, TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        process = CONTEXT.Process(
            target=_answer, args=(function, arguments, there, scratch, device), daemon=True
        )
        try:
            with there:  # our end, so that the pipe ends with the process
                ensure_running()
                with without_main():
                    process.start()
        except (OSError, EOFError):
            yield lambda: died(None)
            return

        def receive() -> Any:
            try:
                return here.recv()
            except (OSError, EOFError):
                process.join()
                return died(process.exitcode)

        try:
            yield receive
        finally:
            process.kill()
            process.join()


def begin(scratch: str, device: Device | None) -> None:
    """Begin a process of a sweep, with streams that last.

    Args:
        scratch: a folder for its temporary files.
        device: the GPU to use; None for all that are seen.
    """
    from cnn_sweeps.text.terminal import open_streams  # noqa: PLC0415 -- imports rich

    open_streams()
    tempfile.tempdir = scratch
    if device is not None:
        devices.use(device)


def _answer(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    pipe: Connection,
    scratch: str,
    device: Device | None,
) -> None:
    begin(scratch, device)
    try:
        answer = function(*arguments)
    except CnnSweepsError as error:
        answer = error
    pipe.send(answer)
    pipe.close()
    os._exit(0)
