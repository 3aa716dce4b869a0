"""Detect a trial that repeats an experiment, and resample another one."""

import itertools
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

from optuna.trial import FrozenTrial, Trial, TrialState

from cnn_sweeps.sweeps.plan.effect import keys_without_effect
from cnn_sweeps.sweeps.plan.proposal import Proposal
from cnn_sweeps.sweeps.space.enqueue import is_complete
from cnn_sweeps.sweeps.space.space import Space
from cnn_sweeps.sweeps.study.attributes import (
    CELL,
    EXPERIMENT_KEY,
    REPETITION,
    REPLACED,
    RESAMPLED,
    RUN_ID,
    TRAJECTORY_KEY,
    slot_of,
)
from cnn_sweeps.sweeps.study.index import SCORED
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.study.trial_queue import TrialQueue
from cnn_sweeps.trajectories.lock import hold_lock

PATIENCE = 5
"""Times the sampler is asked again before one of the cells that are left is taken."""
MOST_LOOKED_AT = 2_000
DRAWS = 200
"""Points of a continuous space by chance, one of which is new wherever a number has an effect."""


CHOOSING = 5.0
"""Seconds to wait at most for the numbers of repetitions that are chosen at this moment."""
LOOK = 0.05


def name(study: TrialQueue, trial: Trial, *, experiment_key: str, trajectory_key: str) -> None:
    """Say which experiment a claimed trial is, and which trajectory it belongs to."""
    named = {TRAJECTORY_KEY: trajectory_key, EXPERIMENT_KEY: experiment_key}
    known = trial.user_attrs
    study.note(trial, {key: value for key, value in named.items() if known.get(key) != value})


def earlier_duplicates(study: TrialQueue, trial: Trial, experiment_key: str) -> list[FrozenTrial]:
    """Trials before this one that are the same experiment and have not failed.

    A trial says first which experiment it is (`name`): of two workers that draw the same one
    at once, the later slot sees the earlier. What has ended, or is being trained, was before,
    whatever its slot.
    """
    index = study.index if _is_settled(study, trial, experiment_key) else study.look()
    running = [
        other
        for other in index.running
        if other.user_attrs.get(EXPERIMENT_KEY) == experiment_key
        and other.number != trial.number
        and (slot_of(other) < slot_of(trial) or RUN_ID in other.user_attrs)
    ]
    return sorted([*index.scored.get(experiment_key, ()), *running], key=slot_of)


def _is_settled(study: TrialQueue, trial: Trial, experiment_key: str) -> bool:
    """Whether the look that the trial was claimed by tells already that nobody can be before it.

    So it does where all before it have said which experiment they are, as enumerated ones have, and
    nobody trains the same.
    """
    slot, index, items = slot_of(trial), study.index, study.schedule.items
    running = {t.user_attrs.get(EXPERIMENT_KEY) for t in index.running if t.number != trial.number}
    if trial.user_attrs.get(EXPERIMENT_KEY) != experiment_key or experiment_key in running:
        return False
    before = [other for other in index.standing if slot_of(other) < slot]
    planned = takewhile(lambda other: other < slot, index.planned)
    named = {other.user_attrs.get(EXPERIMENT_KEY) for other in before}
    return named.isdisjoint({None, experiment_key}) and all(
        is_complete(items[other].cell, study.plan.space) for other in planned
    )


def number(study: TrialQueue, trial: Trial, experiment_key: str) -> int:
    """Which repetition of its experiment a trial is, from 0; from then on its slot is that one.

    Each number is given once, so that no seed is trained twice: not that of a trial that failed,
    nor of one that waits to be resumed. Of a study of an earlier version, which noted none, the
    trials that have ended have the first ones.

    On other hosts no lock of ours holds. A trial says first which experiment it is (`name`), and
    those before it are counted; one after it may have looked before it was there, so its number is
    waited for (Lamport's bakery).
    """
    until = time.monotonic() + CHOOSING
    while _is_chosen_after(study, trial, experiment_key) and time.monotonic() < until:
        time.sleep(LOOK)
    with hold_lock(study.address.lock):
        alike = [
            other
            for other in study.optuna_study.get_trials(deepcopy=False)
            if other.user_attrs.get(EXPERIMENT_KEY) == experiment_key
        ]
        numbers = {t.number: t.user_attrs[REPETITION] for t in alike if REPETITION in t.user_attrs}
        own = [numbers[t.number] for t in alike if t.number in numbers and _same_slot(t, trial)]
        if own:
            return int(own[-1])
        unnumbered = sum(_is_before(t, trial) for t in alike if t.number not in numbers)
        free = (each for each in itertools.count() if each not in numbers.values())
        found = next(islice(free, unnumbered, None))
        study.note(trial, {REPETITION: found})
    return found


def _is_chosen_after(study: TrialQueue, trial: Trial, experiment_key: str) -> bool:
    """Whether a later slot with this experiment is about to get its number."""
    alike = [
        other
        for other in study.optuna_study.get_trials(deepcopy=False)
        if other.user_attrs.get(EXPERIMENT_KEY) == experiment_key
    ]
    numbered = {slot_of(other) for other in alike if REPETITION in other.user_attrs}
    return any(
        slot_of(other) > slot_of(trial)
        and slot_of(other) not in numbered
        and study.watch.is_owned(study.address, other)
        for other in alike
        if other.state == TrialState.RUNNING
    )


def _same_slot(other: FrozenTrial, trial: Trial) -> bool:
    return slot_of(other) == slot_of(trial)


def _is_before(other: FrozenTrial, trial: Trial) -> bool:
    """Whether a trial without a number has one of the first, or is about to take it."""
    if REPLACED in other.user_attrs or other.number == trial.number:
        return False
    running = other.state == TrialState.RUNNING and slot_of(other) < slot_of(trial)
    return other.state in SCORED or running


@dataclass(frozen=True, kw_only=True)
class Again:
    """What is tried in the place of a trial that repeats an experiment.

    Attributes:
        cell: one that nobody has tried; where the sampler is asked again, what the user has typed
            for this slot.
        resampled: how often the sampler was asked for this slot and repeated itself.
    """

    cell: Mapping[str, Any]
    resampled: int


def again(study: TrialQueue, trial: Trial) -> Again | None:
    """Ask the sampler again, or take a cell that is left.

    What the user has typed of a point is kept, and cells that have it are taken first. None where
    no cell is left: the space is exhausted. Of a continuous space that is taken for granted when
    chance finds nothing either.
    """
    typed = trial.user_attrs.get(CELL, {})
    if is_complete(typed, study.plan.space):
        typed = {}
    proposal = Proposal(slot=slot_of(trial), resampled=trial.user_attrs.get(RESAMPLED, 0) + 1)
    if proposal.resampled < PATIENCE:
        return Again(cell=typed, resampled=proposal.resampled)
    cell = _cell_left(study, typed, seed=proposal.seed(study.plan.sampler.seed))
    return Again(cell=cell, resampled=0) if cell else None


def exhausted_reason(study: SweepStudy) -> str:
    """Why a slot was given up, for a person: it names swept keys that change nothing."""
    idle = ", ".join(dimension.key for dimension in keys_without_effect(study.plan))
    because = f"; {idle} has no effect" if idle else ""
    return f"every experiment that was proposed has been tried{because}"


def _cell_left(study: TrialQueue, typed: Mapping[str, Any], seed: int) -> dict[str, Any] | None:
    """An untried cell, chosen by chance among those with what was typed, if there are any.

    None when every experiment was tried. One without values is that of a space without dimensions,
    which was tried.
    """
    tried = set(_experiments(study))
    cells = _some(study.plan.space, random.Random(seed))  # noqa: S311 -- no secret
    for cell in sorted(cells, key=lambda cell: not typed.items() <= cell.items()):
        if study.plan.experiment_key_of(cell) not in tried:
            return cell
    return None


def _experiments(study: TrialQueue) -> Iterator[str]:
    """Which experiments the trials of a study are, as far as that is known."""
    for trial in study.optuna_study.get_trials(deepcopy=False):
        if EXPERIMENT_KEY in trial.user_attrs:
            yield trial.user_attrs[EXPERIMENT_KEY]
        elif cell := study.carried_values(trial):
            yield study.plan.experiment_key_of(cell)


def _some(space: Space, chance: random.Random) -> Iterable[dict[str, Any]]:
    """All cells in any order; of a large or a continuous space, cells by chance."""
    if space.size is None:
        return islice(space.drawn(chance), DRAWS)
    if space.size > MOST_LOOKED_AT:
        return islice(space.drawn(chance), MOST_LOOKED_AT)
    cells = list(space.cells())
    chance.shuffle(cells)
    return cells
