"""No workers of this process: those that somebody starts with `cnn-sweeps worker`, anywhere."""

import time
from collections.abc import Callable

from cnn_sweeps.sweeps.study.events import Event
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.news import StudyNews

TICK = 1.0
"""Seconds between two looks at the study."""


class Elsewhere:
    """A `WorkerGroup` that starts and stops nobody, and tells what others do."""

    def __init__(self, study: SweepStudy) -> None:
        self._news = StudyNews(study)

    @property
    def pids(self) -> set[int]:
        """None whose end would be noticed here."""
        return set()

    @property
    def idle(self) -> bool:
        """Whether all that others did was told; nobody of ours works."""
        return not self._news.pending

    def step(
        self,
        show: Callable[[Event], None],
        *,
        waiting: Callable[[], bool],  # noqa: ARG002
    ) -> dict[int, str]:
        """Tell what has become of trials, and wait a moment."""
        self._tell(show)
        time.sleep(TICK)
        return {}

    def _tell(self, show: Callable[[Event], None]) -> None:
        for event in self._news.ended():
            show(event)

    def ask_to_stop(self) -> None:
        """Nothing: workers elsewhere go on, and the same command takes up again what they did."""

    def kill(self) -> None:
        """Nothing."""
