"""The controller's loop over a pool of local workers, and how the user can end it."""

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from optuna.trial import TrialState

from cnn_sweeps.errors import RunFailedError
from cnn_sweeps.search.attributes import REASON, TRACEBACK
from cnn_sweeps.search.budget import Budget, cores
from cnn_sweeps.search.events import Ended, Event
from cnn_sweeps.search.pool import Pool
from cnn_sweeps.search.recovery import recover
from cnn_sweeps.search.study import SweepStudy
from cnn_sweeps.search.view import View
from cnn_sweeps.tracking import Store


@dataclass(kw_only=True)
class Interrupts:
    """How often the user has asked to stop."""

    count: int = 0

    def asked(self) -> bool:
        """Whether to stop."""
        return self.count > 0


@contextmanager
def interruptible(*, alone: bool = False) -> Iterator[Interrupts]:
    """Count Ctrl-C and SIGTERM instead of dying of them.

    Args:
        alone: whether this process does the work itself; the second one then ends it.
    """
    interrupts = Interrupts()

    def note(_number: int, _frame: FrameType | None) -> None:
        interrupts.count += 1
        if interrupts.count == 1:
            print("\nStopping after the running epochs; Ctrl-C again stops at once.", flush=True)
        elif alone:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(kw_only=True)
class Steering:
    """The controller's loop over a pool of local workers.

    Attributes:
        study: the queue.
        store: where runs are logged.
        budget: retries and failures that are allowed.
        view: what the user sees.
        execute: dotted path of what carries out a trial; None to train it.
    """

    study: SweepStudy
    store: Store | None
    budget: Budget
    view: View
    execute: str | None = None
    failures: int = 0

    def run(self, workers: int, interrupts: Interrupts) -> None:
        """Hire, watch and replace workers until the queue is empty and nobody has a trial.

        Raises:
            RunFailedError: only failures; every worker is ended.
        """
        threads = max(1, cores() // workers)
        pool = Pool(self.study.address, workers=workers, threads=threads, execute=self.execute)
        told = 0
        try:
            while not self._over(pool, interrupts):
                waiting = not interrupts.asked() and self._waiting()
                died = pool.step(self._show, waiting=waiting)
                if died or pool.idle:
                    self._recover(died, pool.pids)
                if interrupts.count > told:
                    told = interrupts.count
                    pool.ask_to_stop() if told == 1 else pool.kill()
                self.view.tick()
        finally:
            pool.kill()

    def _over(self, pool: Pool, interrupts: Interrupts) -> bool:
        if not pool.idle:
            return False
        if interrupts.asked():
            return True
        counts = self.study.counts()
        return counts.running == 0 and not self._waiting()

    def _waiting(self) -> bool:
        deadline = self.study.deadline
        in_time = deadline is None or time.time() < deadline
        return in_time and self.study.counts().waiting > 0

    def _recover(self, died: Mapping[int, str], seated: set[int]) -> None:
        recover(
            self.study,
            self.store,
            retries=self.budget.retries,
            show=self._show,
            died=died,
            seated=seated,
        )

    def _show(self, event: Event) -> None:
        self.view.show(event)
        if isinstance(event, Ended) and event.state == "failed":
            self.failures += 1
            if self.failures >= self.budget.max_failures:
                self._refuse_to_fail_on()

    def _refuse_to_fail_on(self) -> None:
        """End a sweep that only fails."""
        trials = self.study.trials(TrialState.COMPLETE, TrialState.PRUNED)
        failed = self.study.trials(TrialState.FAIL)
        if trials or not failed:
            return
        first = failed[0]
        detail = first.user_attrs.get(TRACEBACK) or first.user_attrs.get(REASON, "")
        raise RunFailedError(
            f"{len(failed)} trials failed and none succeeded "
            f"(hydra.sweeper.max_failures={self.budget.max_failures}). The first error, of trial "
            f"{first.number}:\n{detail.rstrip()}"
        )
