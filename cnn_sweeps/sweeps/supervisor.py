"""The controller's loop over the workers of a sweep, and how the user can end it."""

import logging
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Protocol

from optuna.exceptions import OptunaError

from cnn_sweeps.errors import RunFailedError, StoreError
from cnn_sweeps.sweeps.live_view import View
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.results.failures import only_failures
from cnn_sweeps.sweeps.study.events import Event, TrialEnded
from cnn_sweeps.sweeps.study.recovery import (
    note_interruption,
    recover,
    requeue_interrupted,
)
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.study.time_limit import IdleTime
from cnn_sweeps.sweeps.workers.ended_trials import ended_trials, finished_trials
from cnn_sweeps.sweeps.workers.signals import BY_A_PERSON, STOPS
from cnn_sweeps.tracking import Store

logger = logging.getLogger(__name__)

STOPPING = "Stopping after the running epochs; {again} to stop immediately."
LEAVING = "Stopping after this step or epoch; {again} to stop immediately."
LOOK = 5.0
"""Seconds between two looks for trials whose worker has died and that nobody has reported."""
NEWS = 1.0
"""Seconds between two looks for trials that workers elsewhere have ended."""
MOST = 2
"""So many trials have ended for each that has not: the best of them is likely to stay it."""
FEW = 6
"""So many trials for each worker are few: they take about as long as scoring the best."""


class WorkerGroup(Protocol):
    """The workers of a sweep, wherever they are."""

    @property
    def pids(self) -> set[int]:
        """Process numbers of the workers whose end the group itself will notice."""

    @property
    def idle(self) -> bool:
        """Whether no worker is there."""

    def step(self, show: Callable[[Event], None], *, waiting: Callable[[], bool]) -> dict[int, str]:
        """Work on for a moment; begin with it while trials wait, which only a free seat asks.

        Returns:
            Of the workers that died: process number and cause.
        """

    def ask_to_stop(self) -> None:
        """Let every worker end its epoch, put its trial back and go."""

    def kill(self) -> None:
        """End every worker at once."""


@dataclass(kw_only=True)
class Interrupts:
    """How often the user has asked to stop, and what comes of it.

    Attributes:
        count: how often.
        number: the last signal.
        patient: whether the first one only counts, for somebody looks at the count; the second
            breaks off whatever is under way, as the first one does otherwise.
        steered: whether somebody looks at the count all the time, so that every one only counts.
        say: tells the user, at once, that it was heard.
    """

    count: int = 0
    number: int = signal.SIGINT
    patient: bool = True
    steered: bool = False
    say: Callable[[str], None] = lambda _: None

    def asked(self) -> bool:
        """Whether to stop."""
        return self.count > 0

    @property
    def reason(self) -> str:
        """What is said of a trial that was given back for it."""
        ctrl_c = self.number == signal.SIGINT
        return f"stopped by {'Ctrl-C' if ctrl_c else signal.Signals(self.number).name}"

    def told(self, text: str) -> str:
        """What is said to the user, who may have pressed a key or sent a signal to a job.

        Args:
            text: with `{again}` for what ends all at once.
        """
        how = f"send {signal.Signals(self.number).name}"
        if self.number == signal.SIGINT:
            how = "press Ctrl-C" if sys.stdin and sys.stdin.isatty() else "interrupt it"
        return f"\n{text.format(again=f'{how} again')}"

    @property
    def of_a_scheduler(self) -> bool:
        """Whether it was no person at a terminal who asked."""
        return self.asked() and self.number not in BY_A_PERSON

    def heed(self) -> None:
        """Stop here if it was asked for.

        Raises:
            KeyboardInterrupt: it was.
        """
        if self.asked():
            raise KeyboardInterrupt(self.number)

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Hear a signal.

        Databases are better not broken off in mid-transaction, and an exception that is raised
        while Python collects garbage is lost; a count is not.
        """
        self.count, self.number = self.count + 1, number
        if self.steered:
            return
        if self.count > 1 or not self.patient:
            raise KeyboardInterrupt(number)
        self.say(self.told(LEAVING))


@contextmanager
def interruptible(
    say: Callable[[str], None] = lambda _: None, signals: Sequence[signal.Signals] = STOPS
) -> Iterator[Interrupts]:
    """Count Ctrl-C and SIGTERM instead of dying of them; what is ignored stays ignored.

    Args:
        say: tells the user that it was heard; it is called while a signal is handled.
        signals: which are counted.
    """
    interrupts = Interrupts(say=say)
    if threading.current_thread() is not threading.main_thread():
        yield interrupts  # Python hears signals in its main thread only
        return
    heard = [number for number in signals if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupts.note) for number in heard}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(kw_only=True)
class Supervisor:
    """The controller's loop over its workers.

    Attributes:
        study: the queue.
        store: where runs are logged.
        budget: retries and failures that are allowed.
        view: what the user sees.
        grace: seconds that workers have to end their epochs when asked to stop; None for any.
        failures: how many trials have failed.
        ended: the trials whose end was shown.
        seats: how many workers there are when all have something to do; 0 where nobody knows.
        others: whether trials that workers elsewhere have ended are shown as well.
        spare: called again and again while fewer are there, since no trial is left for them; before
            that after each trial, once most have ended and few are left.
        meanwhile: called again and again with the number of trials that have ended.
        steers: whether it looks all the time at how often it was asked to stop; not where this
            process trains.
    """

    study: SweepStudy
    store: Store | None
    budget: Budget
    view: View
    grace: float | None = None
    failures: int = 0
    ended: set[int] = field(default_factory=set)
    seats: int = 0
    spare: Callable[[], None] = lambda: None
    meanwhile: Callable[[int], None] = lambda _: None
    steers: bool = True
    others: bool = True
    _heard: float = field(default=0.0, init=False)
    _counted: int = field(default=0, init=False)
    _heeded: int = field(default=0, init=False)
    _asked_at: float = field(default=0.0, init=False)
    _looked: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Remember what is over already."""
        if self.others:
            self.ended |= {trial.number for trial in finished_trials(self.study)}

    def run(self, workers: WorkerGroup, interrupts: Interrupts) -> None:
        """Let workers pull, and put right what dead ones left, until nobody has a trial.

        Raises:
            RunFailedError: only failures.
            StoreError: the study or a worker's store refuses.
        """
        self._heeded, self._asked_at, self._looked = 0, 0.0, 0.0
        idle_time = IdleTime(study=self.study)
        try:
            interrupts.steered = self.steers
            with self.study.address.refusing():
                while not self._over(workers, interrupts):
                    self._heed(workers, interrupts)
                    died = workers.step(self.show, waiting=partial(self._wanted, interrupts))
                    self._hear_others(workers.pids)
                    self._look(died, workers, interrupts, idle_time)
                    if self._has_spare(workers, interrupts):
                        self.spare()
                    self.meanwhile(len(self.ended))
                    self.view.tick()
                self._hear_others(set(), pause=0.0)
        except BaseException:
            workers.kill()
            # The store that ends a sweep may refuse this too; the first error is the one to tell.
            with suppress(StoreError, OptunaError):
                requeue_interrupted(
                    self.study, self.store, show=self.show, reason="its sweep has ended"
                )
            raise
        finally:
            workers.kill()
            interrupts.steered = False

    def _heed(self, workers: WorkerGroup, interrupts: Interrupts) -> None:
        """Pass on what the user has asked for; when the grace is over, end all at once."""
        if self.steers and interrupts.count > self._heeded:
            self._heeded, self._asked_at = interrupts.count, self._asked_at or time.monotonic()
            self._stop(workers, interrupts)
        elif self._heeded == 1 and time.monotonic() - self._asked_at > (self.grace or math.inf):
            interrupts.count += 1

    def _look(
        self,
        died: Mapping[int, str],
        workers: WorkerGroup,
        interrupts: Interrupts,
        idle_time: IdleTime,
    ) -> None:
        """Put right what dead workers left, and note the time; now and then, where none died."""
        if not died and not workers.idle and time.monotonic() - self._looked <= LOOK:
            return
        self._recover(died, workers.pids, interrupts)
        if self.budget.timeout is not None:  # so it was set by this process
            idle_time.note()
        self.study.note_time()
        self._looked = time.monotonic()

    def _over(self, workers: WorkerGroup, interrupts: Interrupts) -> bool:
        if not workers.idle:
            return False
        if interrupts.asked():
            return True
        counts = self.study.counts()
        return counts.running == 0 and not self._waiting()

    def _has_spare(self, workers: WorkerGroup, interrupts: Interrupts) -> bool:
        """Whether a worker has left since no trial waits, or soon will, while others train."""
        if not 0 < len(workers.pids) <= self.seats or interrupts.asked():
            return False
        left = len(workers.pids) < self.seats and not self._waiting()
        return left or self._few_are_left()

    def _few_are_left(self) -> bool:
        """Whether a trial has ended since the last call, and few are left of many."""
        before, self._counted = self._counted, len(self.ended)
        if self._counted == before:
            return False
        counts = self.study.counts()
        left = counts.total - counts.finished
        return left <= min(FEW * self.seats, counts.finished // MOST)

    def _wanted(self, interrupts: Interrupts) -> bool:
        """Whether a trial waits for a worker, and nobody has asked to stop."""
        return not interrupts.asked() and self._waiting()

    def _waiting(self) -> bool:
        return not self.study.time_is_up and self.study.counts().waiting > 0

    def _stop(self, workers: WorkerGroup, interrupts: Interrupts) -> None:
        at_once = interrupts.count > 1
        logger.warning("asked to stop %s", "at once" if at_once else "after the running epochs")
        if at_once:
            workers.kill()
        else:
            interrupts.say(interrupts.told(STOPPING))
            workers.ask_to_stop()
            note_interruption(
                self.study, workers.pids, interrupts.reason, job_ended=interrupts.of_a_scheduler
            )

    def _recover(self, died: Mapping[int, str], handled: set[int], interrupts: Interrupts) -> None:
        if interrupts.asked():  # what a terminal tells to all ends workers too; no failed attempt
            requeue_interrupted(self.study, self.store, show=self.show, reason=interrupts.reason)
            return
        recover(
            self.study,
            self.store,
            retries=self.budget.retries,
            show=self.show,
            died=died,
            handled=handled,
        )

    def _hear_others(self, own: set[int], *, pause: float = NEWS) -> None:
        """Show the end of trials whose workers tell this process nothing.

        Args:
            own: processes that do.
            pause: seconds since the last look in which there is none.
        """
        if self.others and time.monotonic() - self._heard >= pause:
            for event in ended_trials(self.study, shown=self.ended, own=own):
                self.show(event)
            self._heard = time.monotonic()

    def show(self, event: Event) -> None:
        """Show what happens, the end of each trial once, whoever tells it first."""
        if isinstance(event, TrialEnded):
            if event.trial in self.ended:
                return
            self.ended.add(event.trial)
        self.view.show(event)
        if isinstance(event, TrialEnded) and event.state == "failed":
            self.failures += 1
            if self.failures >= self.budget.max_failures:
                self._refuse_to_fail_on()

    def _refuse_to_fail_on(self) -> None:
        """End a sweep that only fails."""
        if said := only_failures(self.study):
            most = self.budget.max_failures
            raise RunFailedError(f"hydra.sweeper.max_failures={most}: {said}")
