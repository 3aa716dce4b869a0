"""An index of a study's trials, updated at the cost of what has changed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.sweeps.study.attributes import (
    EXPERIMENT_KEY,
    GIVEN_UP,
    NO_VALUE,
    REPLACED,
    slot_of,
    standing_trials,
)
from cnn_sweeps.sweeps.study.counts import Counts
from cnn_sweeps.sweeps.study.schedule import Schedule

NEVER: Final[tuple[float, Mapping[str, Any]]] = (-math.inf, {})
SCORED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(kw_only=True)
class TrialIndex:
    """What one process has seen of the trials of a study, and of its schedule.

    A trial that has finished never changes again and is looked at once.

    Attributes:
        seen: trials that were there at the last look.
        unfinished: those that wait or run, by number.
        standing: of these the ones that count, by slot; see `standing_trials`.
        settled: slots that are done with.
        finished: how many trials are done with.
        failed: how many of them have failed.
        given_up: slots that get no trial any more.
        scored: by experiment, the trials that ended with a value; not those that were replaced.
        schedule: the items of the study; None before they were read.
        schedules: the number that these were stored with, see `SCHEDULES`.
        ids: the storage's own numbers of trials, by number.
        told: when the study was last asked for its own attributes, and what they were.
        overtaken: when another process last claimed what this one wanted.
        brought_in: slots whose item this process has brought into the queue.
    """

    seen: int = 0
    unfinished: list[FrozenTrial] = field(default_factory=list)
    standing: list[FrozenTrial] = field(default_factory=list)
    settled: set[int] = field(default_factory=set)
    finished: int = 0
    failed: int = 0
    given_up: set[int] = field(default_factory=set)
    scored: dict[str, list[FrozenTrial]] = field(default_factory=dict)
    schedule: Schedule | None = None
    schedules: int | None = None
    ids: dict[int, int] = field(default_factory=dict)
    told: tuple[float, Mapping[str, Any]] = field(default=NEVER, compare=False)
    overtaken: float = -math.inf
    brought_in: set[int] = field(default_factory=set)
    _planned: dict[int, None] | None = field(default=None, compare=False)

    def follow(self, schedule: Schedule) -> None:
        """Go by these items from now on."""
        self.schedule, self._planned = schedule, None

    @property
    def planned(self) -> Mapping[int, None]:
        """The slots of the schedule that have no trial, in its order."""
        if self._planned is None:
            taken, order = self.taken, self.schedule.order if self.schedule else ()
            self._planned = {slot: None for slot in order if slot not in taken}
        return self._planned

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Look at what has changed.

        Args:
            trials: all of the study, each at the place of its number.
        """
        changed = [*(trials[trial.number] for trial in self.unfinished), *trials[self.seen :]]
        self.seen, self.unfinished = len(trials), []
        for trial in changed:
            if trial.state.is_finished():
                self._settle(trial)
            else:
                self.unfinished.append(trial)
        mine = standing_trials(self.unfinished)
        self.standing = [trial for trial in mine if slot_of(trial) not in self.settled]
        for trial in self.standing:
            self._plan_no_more(slot_of(trial))

    def _settle(self, trial: FrozenTrial) -> None:
        if GIVEN_UP in trial.user_attrs:
            self.given_up.add(slot_of(trial))
        if REPLACED in trial.user_attrs:
            self._planned = None  # its slot may be without a trial again
            return
        self.finished += 1
        self.failed += trial.state == TrialState.FAIL and NO_VALUE not in trial.user_attrs
        self.settled.add(slot_of(trial))
        self._plan_no_more(slot_of(trial))
        if trial.state in SCORED and EXPERIMENT_KEY in trial.user_attrs:
            self.scored.setdefault(trial.user_attrs[EXPERIMENT_KEY], []).append(trial)

    def _plan_no_more(self, slot: int) -> None:
        if self._planned is not None:
            self._planned.pop(slot, None)

    @property
    def running(self) -> list[FrozenTrial]:
        """Those that somebody has claimed."""
        return [trial for trial in self.standing if trial.state == TrialState.RUNNING]

    @property
    def superfluous(self) -> list[FrozenTrial]:
        """Those that wait for a slot that another trial has."""
        counted = {trial.number for trial in self.standing}
        return [
            trial
            for trial in self.unfinished
            if trial.state == TrialState.WAITING and trial.number not in counted
        ]

    @property
    def taken(self) -> set[int]:
        """Slots that have a trial, or get none any more."""
        return self.settled | self.given_up | {slot_of(trial) for trial in self.standing}

    def counts(self, planned: int) -> Counts:
        """How far the study is.

        Args:
            planned: slots that have no trial yet.
        """
        states = [trial.state for trial in self.standing]
        waiting = states.count(TrialState.WAITING)
        return Counts(
            total=self.finished + len(states) + planned,
            finished=self.finished,
            waiting=waiting + planned,
            running=len(states) - waiting,
            failed=self.failed,
        )
