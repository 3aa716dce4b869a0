"""An observer of trainings that logs their epochs."""

import time
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import Self

from cnn_sweeps.errors import StoreError
from cnn_sweeps.history import Epoch
from cnn_sweeps.tracking.run import TrackedRun

BETWEEN_LOGS = 0.5
"""Least seconds between two calls."""


class EpochLog:
    """Logs epochs while training goes on; those that come in quick succession in one call.

    A context manager: nothing is left unlogged at its end, whatever ended it.
    """

    def __init__(self, tracked: TrackedRun) -> None:
        self._tracked = tracked
        self._waiting: list[Epoch] = []
        self._logged = -BETWEEN_LOGS

    def __enter__(self) -> Self:
        """Begin with nothing to log."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Log the rest; where something else went wrong, that is what is reported."""
        with suppress(StoreError) if error else nullcontext():
            self._log()

    def on_epoch(self, epoch: Epoch) -> None:
        """Log the epoch, at once unless another one has just been logged."""
        self._waiting.append(epoch)
        if time.monotonic() - self._logged >= BETWEEN_LOGS:
            self._log()

    def _log(self) -> None:
        self._tracked.log_steps({epoch.number: epoch.metrics for epoch in self._waiting})
        self._waiting, self._logged = [], time.monotonic()
