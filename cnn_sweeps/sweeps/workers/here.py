"""This process as the worker of its own sweep (`hydra.sweeper.n_jobs=0`), beside any elsewhere."""

import time
from collections.abc import Callable

from cnn_sweeps.sweeps.study.events import Event
from cnn_sweeps.sweeps.workers.elsewhere import TICK, Elsewhere
from cnn_sweeps.sweeps.workers.worker import Worker


class Here(Elsewhere):
    """A `WorkerGroup` of one, which trains a trial between two looks of its supervisor.

    It asks by itself after each epoch whether to stop.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def step(
        self,
        show: Callable[[Event], None],  # noqa: ARG002 -- the worker has been told whom to tell
        *,
        waiting: Callable[[], bool],
    ) -> dict[int, str]:
        """Train a trial if one waits; else wait for what workers elsewhere have in hand."""
        if not (waiting() and self._worker.work(most=1)):
            time.sleep(TICK)
        return {}
