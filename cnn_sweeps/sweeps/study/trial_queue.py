"""An Optuna study used as a queue of work items, whatever they are.

A trial of the study is one item. Its slot says which item of the budget it is and outlasts
requeueing; `schedule` has the items that are not in the queue yet. Hosts need no lock between
them: a claim is unique in the storage, and of two trials that were added for one slot the first
counts.
"""

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import islice
from operator import itemgetter
from random import SystemRandom
from types import MappingProxyType
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from cnn_sweeps.errors import (
    CnnSweepsError,
    ConfigError,
    DivergedError,
    ModelError,
    reason_of,
)
from cnn_sweeps.provenance.process import Owner, this_host
from cnn_sweeps.sweeps.plan.search_plan import SearchPlan
from cnn_sweeps.sweeps.space.enqueue import is_complete
from cnn_sweeps.sweeps.study.attributes import (
    ANYWHERE,
    ATTEMPT,
    BEAT,
    CELL,
    CLOCK,
    DEADLINE,
    EXPERIMENT_KEY,
    OPEN,
    OWNER,
    PARENT,
    REASON,
    REPLACED,
    RESAMPLED,
    SCHEDULES,
    SLOT,
    TIME_IS_UP,
    TRACEBACK,
    TRAJECTORY_KEY,
    carried_attributes,
    slot_of,
    standing_trials,
)
from cnn_sweeps.sweeps.study.counts import Counts
from cnn_sweeps.sweeps.study.durations import seconds_spent
from cnn_sweeps.sweeps.study.heartbeat import Watch
from cnn_sweeps.sweeps.study.index import NEVER, TrialIndex
from cnn_sweeps.sweeps.study.order import (
    Prefix,
    busy_trajectories,
    claimable_trials,
    is_busy,
    trajectories_of,
)
from cnn_sweeps.sweeps.study.patient_storage import knowing, together
from cnn_sweeps.sweeps.study.proposals import FIXED, Observations, Proposer, propose
from cnn_sweeps.sweeps.study.schedule import Schedule, in_parts, of_parts
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.text.redact import hidden_in
from cnn_sweeps.trajectories.lock import hold_lock

LOOK = 1.0
"""Seconds between two looks at whether the time is up."""
YIELDING = 10.0
"""Seconds for which a process that others were quicker than keeps out of their way."""


@dataclass(frozen=True, kw_only=True)
class TrialQueue:
    """An Optuna study used as a queue.

    A waiting trial is a slot of the budget. It carries its values where they are enumerated;
    where it carries none, the sampler fills them in when the trial is claimed. Claiming is
    atomic in the storage, so no slot is used twice.

    Attributes:
        optuna_study: the Optuna study, with the plan's own pruner.
        storage: where it is stored.
        address: how another process finds it.
        plan: what is searched, and how.
        corrected: by number, trials that are shown otherwise than the storage has them.
        watch: what this process has seen of the trials of others.
        index: what it has seen of the trials altogether.
        observations: what it has shown to samplers.
    """

    optuna_study: optuna.Study
    storage: BaseStorage
    address: StudyAddress
    plan: SearchPlan
    corrected: Mapping[int, FrozenTrial] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    index: TrialIndex = field(default_factory=TrialIndex)
    observations: Observations = field(default_factory=Observations)

    def prefix(self, cell: Mapping[str, Any]) -> Prefix:
        """A cell on its way into the queue."""
        return Prefix(cell=cell, experiment_key=self.plan.experiment_key_of(cell))

    def keys_of(self, cell: Mapping[str, Any]) -> tuple[str, str | None]:
        """Which experiment a whole cell is, and which trajectory it shares with others."""
        return self.plan.experiment_key_of(cell), None

    def enqueue(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        resampled: int = 0,
        experiment_key: str | None = None,
        trajectory_key: str | None = None,
        kept: Mapping[str, Any] | None = None,
        sampled: Mapping[str, Any] | None = None,
    ) -> None:
        """Add one place to the budget, with values (all or some) or for the sampler to fill.

        Args:
            values: of some or all dimensions.
            resampled: how often the sampler was asked for this place and repeated itself.
            experiment_key: which experiment the values are, if that is known.
            trajectory_key: which trajectory that belongs to, if that is known.
            kept: further attributes that the place keeps when it is requeued.
            sampled: what the sampler noted with the trial that it proposed these values to, such
                as their generation; Optuna's system attributes.
        """
        self.storage.create_new_trial(
            self._study_id,
            self._waiting_trial(
                values,
                {
                    ATTEMPT: 1,
                    RESAMPLED: resampled,
                    EXPERIMENT_KEY: experiment_key,
                    TRAJECTORY_KEY: trajectory_key,
                    **(kept or {}),
                },
                sampled,
            ),
        )

    def _waiting_trial(
        self,
        values: Mapping[str, Any] | None,
        known: Mapping[str, Any],
        sampled: Mapping[str, Any] | None = None,
    ) -> FrozenTrial:
        """A trial for the queue; see `enqueue`."""
        cell = dict(values or {})
        # As Optuna's `enqueue_trial` does, which takes nothing of what a sampler noted.
        return optuna.create_trial(
            state=TrialState.WAITING,
            user_attrs=carried_attributes({CELL: cell, **known}),
            system_attrs={**(sampled or {}), **({FIXED: cell} if cell else {})},
        )

    def frozen(self, trial: Trial) -> FrozenTrial:
        """What the storage holds of a claimed trial."""
        return self.storage.get_trial(self.id_of(trial.number))

    @cached_property
    def _study_id(self) -> int:
        return self.storage.get_study_id_from_name(self.address.name)

    @property
    def schedule(self) -> Schedule:
        """The items of the study as they were when this process last read them."""
        return self.index.schedule or self.read_schedule()

    def read_schedule(self) -> Schedule:
        """Read the items anew; of a study of an earlier version all are in the queue."""
        stored = of_parts(self.storage.get_study_system_attrs(self._study_id))
        schedule = Schedule.from_json(stored, self.plan.space) if stored else Schedule()
        self.index.follow(schedule)
        return schedule

    def set_schedule(self, schedule: Schedule) -> None:
        """Store which items there are, for workers that are at work already as well.

        What tells them is no count: two hosts, between which no lock holds, might store the same.
        """
        parts = in_parts(schedule.to_json(self.plan.space), self.address.longest_attribute)
        stored = SystemRandom().randrange(1, 2**53)

        def writes(storage: BaseStorage) -> bool:
            for name, part in parts.items():
                storage.set_study_system_attr(self._study_id, name, part)
            storage.set_study_user_attr(self._study_id, SCHEDULES, stored)
            return True

        together(self.storage, writes, lambda: False)
        self.index.follow(schedule)
        self.index.schedules, self.index.told = stored, NEVER

    def reuses_epochs(self, trial: FrozenTrial) -> bool:  # noqa: ARG002 -- whatever a trial is
        """Whether another attempt at a trial begins after the last epoch of this one."""
        return True

    def look(self) -> TrialIndex:
        """The trials as they are now."""
        self.index.update(self.optuna_study.get_trials(deepcopy=False))
        return self.index

    def claim(self, owner: Owner) -> Trial | None:
        """Take the item that goes first, and bring a later one into the queue; None for none left.

        One whose trajectory is being trained is left for later: then it can be read.
        """
        while (first := self._next()) is not None:
            for waiting in self._in_turn(first):
                trial_id = self.id_of(waiting.number)
                own = {**owner.to_json(), BEAT: time.time()}
                if self._claim(waiting, trial_id, own):
                    self.optuna_study.sampler = self._proposer(waiting, trial_id)
                    with knowing(self.storage, self._claimed(waiting, own)):
                        return Trial(self.optuna_study, trial_id)
                self.index.overtaken = time.monotonic()
        return None

    def _in_turn(self, first: FrozenTrial) -> Iterator[FrozenTrial]:
        """A trial to claim, and after it, where others are quicker, those that wait as well.

        Many that look at once would all want the same one, and wait for each other to learn who has
        it: each takes one that it has brought in itself, or else any, and does so for a moment from
        then on. One that somebody else has claimed is taken to run, without another look.
        """
        waiting = [t for t in self.index.standing if t.state == TrialState.WAITING]
        SystemRandom().shuffle(waiting)  # the seed of a training is the same everywhere
        if time.monotonic() - self.index.overtaken >= YIELDING:
            waiting.sort(key=lambda trial: trial.number != first.number)
        else:
            waiting.sort(key=lambda trial: slot_of(trial) not in self.index.brought_in)
        busy = busy_trajectories(self.index.running) - trajectories_of([first])
        for trial in waiting:
            if not is_busy(trial, busy):
                yield trial
                busy |= trajectories_of([trial])

    def _claim(self, waiting: FrozenTrial, trial_id: int, owner: Mapping[str, Any]) -> bool:
        """Let a waiting trial run, say whose it is and what it has, and bring a later item in.

        False where another process was quicker.
        """
        later, given = self._brought_in_by(slot_of(waiting)), self._given(waiting)

        def writes(storage: BaseStorage) -> bool:
            if not storage.set_trial_state_values(trial_id, state=TrialState.RUNNING):
                return False
            storage.set_trial_user_attr(trial_id, OWNER, owner)
            for key, (value, distribution) in given.items():
                internal = distribution.to_internal_repr(value)
                storage.set_trial_param(trial_id, key, internal, distribution)
            if later is not None:
                storage.create_new_trial(self._study_id, self._item(later))
            return True

        def was_claimed() -> bool:
            return self.storage.get_trial(trial_id).user_attrs.get(OWNER) == owner

        try:
            claimed = together(self.storage, writes, was_claimed)
        except UpdateFinishedTrialError:
            return False
        if claimed and later is not None:
            self.index.brought_in.add(later)
        return claimed

    def _given(self, waiting: FrozenTrial) -> dict[str, tuple[Any, BaseDistribution]]:
        """The values of a trial that has all of its own, which no sampler need be asked for."""
        cell, space = waiting.user_attrs.get(CELL, {}), self.plan.space
        if not is_complete(cell, space):
            return {}
        return {d.key: (cell[d.key], d.distribution()) for d in space.dimensions if d.key in cell}

    def _claimed(self, waiting: FrozenTrial, owner: Mapping[str, Any]) -> FrozenTrial:
        """What the storage has of a trial now that it was claimed."""
        claimed, given = copy(waiting), self._given(waiting)
        claimed.state = TrialState.RUNNING
        claimed.datetime_start = datetime.now()  # noqa: DTZ005 -- as Optuna has it
        claimed.user_attrs = {**waiting.user_attrs, OWNER: owner}
        claimed.params = {key: value for key, (value, _) in given.items()}
        claimed.distributions = {key: distribution for key, (_, distribution) in given.items()}
        return claimed

    def _next(self) -> FrozenTrial | None:
        """The waiting trial that goes first; an item that goes before it is brought in.

        So is found what a process should have added that died before it did.
        """
        for superfluous in self.look().superfluous:
            self.drop(superfluous)
        if isinstance(first := self._first(), FrozenTrial):
            return first
        with hold_lock(self.address.lock):  # of several on this host one adds it
            self.index.told = NEVER  # whether another process has stored other items by now
            self.look()
            if isinstance(first := self._first(), int):
                self.enqueue_slot(first)
                first = next((t for t in self.look().standing if slot_of(t) == first), None)
        return first

    def _first(self) -> FrozenTrial | int | None:
        """What goes first: a trial that waits, or the slot of an item that is not in the queue.

        That is the first slot whose trajectory nobody trains, or else the first of all.
        """
        index, planned = self.index, self.planned()
        items, busy = self.schedule.items, busy_trajectories(index.running)
        free = (slot for slot in planned if items[slot].trajectory not in busy)
        found: list[tuple[tuple[bool, int], FrozenTrial | int]] = [
            *(((False, slot), slot) for slot in islice(free, 1)),
            *(((True, slot), slot) for slot in islice(planned, 1)),
            *(
                ((is_busy(trial, busy), slot_of(trial)), trial)
                for trial in claimable_trials(index.standing)[:1]
            ),
        ]
        return min(found, key=itemgetter(0), default=(None, None))[1]

    def _brought_in_by(self, slot: int) -> int | None:
        """The slot whose item a claim of this one brings in, unless it is there."""
        planned, later = self.planned(), self.schedule.after(slot)
        return later if later in planned else None

    def planned(self) -> Mapping[int, None]:
        """The slots of the schedule that have no trial, as of the last look, in its order.

        Where another process has stored other items, it is those of now.
        """
        stored = self._told().get(SCHEDULES)
        if self.index.schedule is None or stored != self.index.schedules:
            self.index.schedules = stored
            self.read_schedule()
        return self.index.planned

    def enqueue_slot(self, slot: int) -> None:
        """Add the item that the schedule has for a slot."""
        self.storage.create_new_trial(self._study_id, self._item(slot))

    def _item(self, slot: int) -> FrozenTrial:
        """The item that the schedule has for a slot, as it waits."""
        cell = self.schedule.items[slot].cell
        whole = cell and is_complete(cell, self.plan.space)
        experiment_key, trajectory_key = self.keys_of(cell) if whole else (None, None)
        known = {ATTEMPT: 1, EXPERIMENT_KEY: experiment_key, TRAJECTORY_KEY: trajectory_key}
        return self._waiting_trial(cell, {**known, SLOT: slot})

    def _proposer(self, claimed: FrozenTrial, trial_id: int) -> Proposer:
        """What answers a claimed trial that asks for its values."""

        def note(attributes: Mapping[str, Any]) -> None:
            def writes(storage: BaseStorage) -> bool:
                for key, value in attributes.items():
                    storage.set_trial_system_attr(trial_id, key, value)
                return True

            if attributes:
                together(self.storage, writes, lambda: False)

        def ask() -> Trial:
            trials = self.optuna_study.get_trials(deepcopy=False)
            return propose(self.plan, claimed, trials, self.observations)

        return Proposer(ask, note)

    def drop(self, waiting: FrozenTrial) -> bool:
        """Take a waiting place out of the budget; False where somebody has taken it first."""
        trial_id = self.id_of(waiting.number)

        def writes(storage: BaseStorage) -> bool:
            if not storage.set_trial_state_values(trial_id, state=TrialState.RUNNING):
                return False
            storage.set_trial_user_attr(trial_id, REPLACED, True)
            return storage.set_trial_state_values(trial_id, state=TrialState.FAIL)

        def was_dropped() -> bool:
            return REPLACED in self.storage.get_trial(trial_id).user_attrs

        try:
            return together(self.storage, writes, was_dropped)
        except UpdateFinishedTrialError:
            return False

    def carried_values(self, trial: FrozenTrial) -> dict[str, Any]:
        """The values of a stored trial, whether it has run or waits."""
        return {**trial.user_attrs.get(CELL, {}), **trial.params}

    def note(self, trial: Trial, attributes: Mapping[str, Any]) -> None:
        """Store user attributes of a running trial, all at once."""
        trial_id = self.id_of(trial.number)

        def writes(storage: BaseStorage) -> bool:
            _set_user_attributes(storage, trial_id, attributes)
            return True

        if attributes:
            together(self.storage, writes, lambda: False)

    def done(
        self,
        trial: Trial,
        values: Sequence[float],
        attributes: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Record a finished trial, all at once.

        Args:
            trial: which.
            values: a number for each objective.
            attributes: user attributes that come with them.
        """
        trial_id, numbers = self.id_of(trial.number), [float(value) for value in values]

        def writes(storage: BaseStorage) -> bool:
            _set_user_attributes(storage, trial_id, attributes)
            # Optuna's `tell` would read the whole trial first.
            return storage.set_trial_state_values(trial_id, TrialState.COMPLETE, numbers)

        def was_done() -> bool:
            stored = self.storage.get_trial(trial_id)
            return stored.state == TrialState.COMPLETE and stored.values == numbers

        together(self.storage, writes, was_done)

    def pruned(self, trial: Trial, reason: str) -> None:
        """Record a trial that was ended early for want of promise."""
        trial.set_user_attr(REASON, reason)
        self.optuna_study.tell(trial, state=TrialState.PRUNED)

    def failed(self, trial: Trial, error: BaseException | str) -> None:
        """Record a failed trial with its reason; it keeps its place in the budget."""
        trial.set_user_attr(REASON, hidden_in(reason_of(error)))
        if isinstance(error, ConfigError | DivergedError | ModelError):
            trial.set_user_attr(ANYWHERE, True)
        if isinstance(error, BaseException) and not isinstance(error, CnnSweepsError):
            text = "".join(traceback.format_exception(error))
            trial.set_user_attr(TRACEBACK, hidden_in(text))
        self.optuna_study.tell(trial, state=TrialState.FAIL)

    def end(self, trial: FrozenTrial, attributes: Mapping[str, Any]) -> bool:
        """Fail a trial that runs, whoever's it is; False where it has ended already.

        Args:
            trial: which.
            attributes: what is noted with it before it ends; what is None is not.
        """
        trial_id = self.id_of(trial.number)
        try:
            for key, value in attributes.items():
                if value is not None:
                    self.storage.set_trial_user_attr(trial_id, key, value)
            self.storage.set_trial_state_values(trial_id, state=TrialState.FAIL)
        except UpdateFinishedTrialError:
            return False
        return True

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """The trials in these states, or all, by their place; not those that have given it on."""
        stored = self.optuna_study.get_trials(deepcopy=False)
        shown = [self.corrected.get(trial.number, trial) for trial in stored]
        return standing_trials([trial for trial in shown if not states or trial.state in states])

    def counts(self) -> Counts:
        """How far the sweep is; what is scheduled waits as well."""
        return self.look().counts(planned=len(self.planned()))

    def attribute(self, name: str) -> Any:
        """A user attribute of the study; not by a copy of all, the plan among them."""
        return self.storage.get_study_user_attrs(self._study_id).get(name)

    @property
    def is_open(self) -> bool:
        """Whether the controller may yet add items: it says when it will not."""
        return bool(self.attribute(OPEN))

    @property
    def is_over(self) -> bool:
        """Whether no item can follow any more: nothing is left, or the controller has said so."""
        counts = self.counts()
        return counts.finished == counts.total or not self.is_open

    @property
    def time_is_up(self) -> bool:
        """Whether no further trial may begin: the time of `set_deadline` is over.

        The clock of the host that has set it decides, for those of others may show anything: there
        the time is up when a process of that host has said so (`note_time`).
        """
        known = self._told()
        if known.get(CLOCK, this_host()) != this_host():
            return known.get(DEADLINE) is not None and bool(known.get(TIME_IS_UP))
        return (left := self.seconds_left) is not None and left <= 0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the deadline, on the host that has set it; None where there is none."""
        deadline: float | None = self._told().get(DEADLINE)
        return None if deadline is None else deadline - time.time()

    def extend_deadline(self, seconds: float) -> None:
        """Move the deadline, which there is, so many seconds on."""
        self.optuna_study.set_user_attr(DEADLINE, self._told()[DEADLINE] + seconds)
        self.index.told = NEVER

    def note_time(self) -> None:
        """Let other hosts know when the time is up."""
        if self.time_is_up and not self.attribute(TIME_IS_UP):
            self.optuna_study.set_user_attr(TIME_IS_UP, True)
            self.index.told = NEVER

    def set_deadline(self, timeout: float | None) -> None:
        """Let the sweep run on until `timeout` seconds are spent altogether."""
        spent = seconds_spent(self.optuna_study.get_trials(deepcopy=False))
        if timeout is not None:
            self.optuna_study.set_user_attr(CLOCK, this_host())
            self.optuna_study.set_user_attr(TIME_IS_UP, False)
        deadline = None if timeout is None else time.time() + timeout - spent
        self.optuna_study.set_user_attr(DEADLINE, deadline)
        self.index.told = NEVER

    def _told(self) -> Mapping[str, Any]:
        """The attributes of the study, read once a second: a trial may take less."""
        now = time.monotonic()
        if now - self.index.told[0] >= LOOK:
            self.index.told = (now, self.storage.get_study_user_attrs(self._study_id))
        return self.index.told[1]

    @property
    def parent_run_id(self) -> str | None:
        """The MLflow run of the sweep."""
        stored: str | None = self.attribute(PARENT)
        return stored

    def id_of(self, number: int) -> int:
        """The storage's own number of a trial."""
        if number not in self.index.ids:
            found = self.storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
            self.index.ids[number] = found
        return self.index.ids[number]


def _set_user_attributes(
    storage: BaseStorage, trial_id: int, attributes: Mapping[str, Any]
) -> None:
    for key, value in attributes.items():
        storage.set_trial_user_attr(trial_id, key, value)
