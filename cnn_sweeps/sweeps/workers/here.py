"""This process as the worker of its own sweep (`hydra.sweeper.n_jobs=0`), beside any elsewhere."""

import time
from collections.abc import Callable

from cnn_sweeps.sweeps.study.events import Event
from cnn_sweeps.sweeps.workers.news import StudyNews
from cnn_sweeps.sweeps.workers.worker import Worker

TICK = 1.0
"""Seconds between two looks at the study while nothing can be trained here."""


class Here:
    """A `WorkerGroup` of one, which trains a trial between two looks of its supervisor."""

    def __init__(self, worker: Worker) -> None:
        self._worker, self._news = worker, StudyNews(worker.study)

    @property
    def pids(self) -> set[int]:
        """None whose end would be noticed here."""
        return set()

    @property
    def idle(self) -> bool:
        """Whether all that others did was told; between two trials nobody works here."""
        return not self._news.pending

    def step(self, show: Callable[[Event], None], *, waiting: Callable[[], bool]) -> dict[int, str]:
        """Train a trial if one waits; else wait for what workers elsewhere have in hand."""
        if not (waiting() and self._worker.work(most=1)):
            time.sleep(TICK)
        for event in self._news.ended():
            show(event)
        return {}

    def ask_to_stop(self) -> None:
        """Nothing: the worker asks by itself after each epoch."""

    def kill(self) -> None:
        """Nothing."""
