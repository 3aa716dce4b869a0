"""Ctrl-C while a launcher works: its jobs hear it, the processes that it starts around them do not.

A terminal tells every process of a program. Those of a launcher would die of it with tracebacks,
which look like an error of the application.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import Any

import psutil
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

SHIELDED = (signal.SIGINT, signal.SIGHUP)
"""Signals that a terminal sends to all processes."""
GRACE = 5.0
"""Seconds that jobs have to end by themselves."""


class Hearing:
    """A task function that hears Ctrl-C wherever it is called."""

    def __init__(self, task_function: Callable[[DictConfig], Any]) -> None:
        self._task_function = task_function

    def __call__(self, config: DictConfig) -> Any:
        """Carry out the job; a Ctrl-C that came before it was begun ends it at once."""
        with _masked(signal.SIG_UNBLOCK):
            return self._task_function(config)


def launch(
    launcher: Launcher, overrides: Sequence[Sequence[str]], number: int
) -> Sequence[JobReturn]:
    """What a launcher makes of a batch of jobs; Hydra's own runs them in this process.

    Args:
        launcher: Hydra's.
        overrides: of each job.
        number: of the first job.

    Raises:
        KeyboardInterrupt: Ctrl-C; the jobs of this machine have ended.
    """
    if isinstance(launcher, BasicLauncher):
        return launcher.launch(overrides, number)
    before, launched = _processes(), Future[Sequence[JobReturn]]()

    def work() -> None:
        # What is blocked in this thread is blocked in all processes that it starts.
        with _masked(signal.SIG_BLOCK):
            try:
                launched.set_result(launcher.launch(overrides, number))
            except BaseException as error:  # noqa: BLE001 -- it is raised where one waits for it
                launched.set_exception(error)

    try:
        threading.Thread(target=work, name="launcher", daemon=True).start()
        return launched.result()
    except KeyboardInterrupt:
        try:
            wait([launched], timeout=GRACE)
        finally:
            _kill(_processes() - before)
        raise


@contextmanager
def _masked(how: int) -> Iterator[None]:
    before = signal.pthread_sigmask(how, SHIELDED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _processes() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _kill(processes: set[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
