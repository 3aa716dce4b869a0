"""No workers of this process: those that somebody starts with `cnn-sweeps worker`, anywhere."""

import time
from collections.abc import Callable

from cnn_sweeps.sweeps.study.events import Event

TICK = 1.0
"""Seconds between two looks at the study."""


class Elsewhere:
    """A `WorkerGroup` that starts and stops nobody: its supervisor sees what others do."""

    @property
    def pids(self) -> set[int]:
        """None whose end would be noticed here."""
        return set()

    @property
    def idle(self) -> bool:
        """Nobody of ours works."""
        return True

    def step(
        self,
        show: Callable[[Event], None],  # noqa: ARG002
        *,
        waiting: Callable[[], bool],  # noqa: ARG002
    ) -> dict[int, str]:
        """Wait a moment."""
        time.sleep(TICK)
        return {}

    def ask_to_stop(self) -> None:
        """Nothing: workers elsewhere go on, and the same command takes up again what they did."""

    def kill(self) -> None:
        """Nothing."""
