"""The slots of a budget: which work item each is for, and which are no longer wanted."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.space.enqueue import is_complete, parse_points
from cnn_sweeps.sweeps.study.attributes import (
    CELL,
    EXPERIMENT_KEY,
    OWNER,
    REPLACED,
    RESAMPLED,
    RETRIES,
    slot_of,
)
from cnn_sweeps.sweeps.study.order import Prefix, queue_order
from cnn_sweeps.sweeps.study.schedule import Item, Schedule, trajectory_of
from cnn_sweeps.sweeps.study.trial_queue import TrialQueue
from cnn_sweeps.text.format import pluralize

AHEAD = 2
"""Items that wait for each worker: one is there whenever a worker looks."""
AHEAD_ELSEWHERE = 32
"""The same altogether where nobody knows how many workers there will be."""
MISSING = object()
BEGUN = {RESAMPLED, RETRIES}
"""Attributes of a waiting trial whose place somebody has begun."""


def fill_queue(study: TrialQueue, budget: Budget) -> None:
    """Make the schedule what the budget still holds, and bring its first items into the queue.

    The schedule is stored first: what is not in the queue when this process dies then, any worker
    brings in.
    """
    study.read_schedule()
    study.look()
    surplus = surplus_slots(study, budget)
    study.set_schedule(_scheduled(study, budget, surplus))
    unwanted = [trial for trial in study.index.standing if slot_of(trial) in surplus]
    dropped = [study.drop(trial) for trial in unwanted]
    if not all(dropped):
        fill_queue(study, budget)  # a worker was quicker: what was to go there goes elsewhere
        return
    study.look()
    room = study.schedule.ahead - len(_waiting(study))
    for slot in list(study.planned())[: max(room, 0)]:
        study.enqueue_slot(slot)


def _scheduled(study: TrialQueue, budget: Budget, surplus: Sequence[int]) -> Schedule:
    """The schedule without some slots, and with the missing ones behind."""
    kept = study.schedule.without(surplus)
    taken = study.index.taken.union(kept).difference(surplus)
    free = (number for number in itertools.count() if number not in taken)
    missing = missing_slots(study, budget, surplus)
    new = {
        slot: Item(cell=prefix.cell, trajectory=trajectory_of(prefix.trajectory_key))
        for slot, prefix in zip(free, missing, strict=False)
    }
    workers = max(budget.n_jobs, 1)
    ahead = AHEAD_ELSEWHERE if budget.elsewhere else AHEAD * workers
    return Schedule(items=dict(sorted({**kept, **new}.items())), ahead=ahead)


def missing_slots(
    study: TrialQueue, budget: Budget, surplus: Sequence[int] = ()
) -> Sequence[Prefix]:
    """What the budget holds beyond the study and its schedule, the points of the user first.

    Raises:
        ConfigError: it has no trial left for one of them.
    """
    known = _Known(study, set(surplus))
    found = _cells(known, budget) if budget.enumerates(study.plan) else _points(known, budget)
    total, most = known.slots + len(found), budget.n_trials or budget.slots(study.plan)
    left_out = known.missing(parse_points(budget.enqueue, study.plan.space), found)
    if left_out and total >= most:
        raise ConfigError(
            f"hydra.sweeper.enqueue: of {pluralize(total, 'trial')} none is left for "
            f"`{' '.join(study.plan.space.overrides(left_out[0]))}`.\n"
            f"  Type hydra.sweeper.n_trials={total + len(left_out)}, or leave the entry out."
        )
    return found


def surplus_slots(study: TrialQueue, budget: Budget) -> list[int]:
    """Unclaimed slots of an earlier call that was to do more, or chose otherwise."""
    items = {slot: study.schedule.items[slot].cell for slot in study.planned()}
    waiting = {slot_of(trial): trial.user_attrs.get(CELL, {}) for trial in _waiting(study)}
    cells = {**items, **waiting}
    last_first = sorted(cells, reverse=True)
    total = study.index.counts(planned=len(items)).total
    if budget.enumerates(study.plan):
        chosen = [slot for slot in last_first if cells[slot]]
        open_ = [slot for slot in last_first if not cells[slot]]
        most = budget.n_trials or total
        surplus = [*open_, *chosen[: max(total - len(open_) - most, 0)]]
    else:
        surplus = last_first[: max(total - budget.slots(study.plan), 0)]
    tried = {slot_of(trial) for trial in _waiting(study) if not BEGUN.isdisjoint(trial.user_attrs)}
    fresh = {slot: cells[slot] for slot in sorted({*cells}.difference(surplus, tried))}
    return [*surplus, *_overtaken(_Known(study, set(surplus)), budget, fresh)]


def _overtaken(
    known: "_Known", budget: Budget, fresh: Mapping[int, Mapping[str, Any]]
) -> Sequence[int]:
    """Of slots that nobody has begun, by number, those that points typed since go before."""
    points = parse_points(budget.enqueue, known.plan.space)
    new = known.missing(points)
    if not budget.enumerates(known.plan):
        return [slot for slot, cell in fresh.items() if not cell][: len(new)]
    typed = [_among(_by_keys(points), cell) for cell in fresh.values()]
    return [*fresh] if new or typed != sorted(typed, reverse=True) else []


def _waiting(study: TrialQueue) -> list[FrozenTrial]:
    return [trial for trial in study.index.standing if trial.state == TrialState.WAITING]


class _Known:
    """What a study has, in its trials or planned."""

    def __init__(self, study: TrialQueue, surplus: set[int]) -> None:
        self.study, self.plan = study, study.plan
        trials = [trial for trial in study.trials() if slot_of(trial) not in surplus]
        planned = [slot for slot in study.planned() if slot not in surplus]
        self.entries: list[tuple[str | None, Mapping[str, Any]]] = [
            *((t.user_attrs.get(EXPERIMENT_KEY), study.carried_values(t)) for t in trials),
            *((None, study.schedule.items[slot].cell) for slot in planned),
        ]
        self.slots = len(self.entries) + len(study.index.given_up)

    def missing(
        self, points: Sequence[Mapping[str, Any]], found: Sequence[Prefix] = ()
    ) -> Sequence[Mapping[str, Any]]:
        """The points that no trial has or has had, nor what was found to be missing.

        One that is the experiment of another by other values is not missing.
        """
        trials = self.study.optuna_study.get_trials(deepcopy=False) if points else ()
        begun = (t for t in trials if REPLACED in t.user_attrs and OWNER in t.user_attrs)
        cells = [
            *(values for _, values in self.entries),
            *map(self.study.carried_values, begun),  # one that repeats another is asked for no more
            *(prefix.cell for prefix in found),
        ]
        there = {keys: {_values(cell, keys) for cell in cells} for keys in _by_keys(points)}
        new = [point for point in points if tuple(point.values()) not in there[tuple(point)]]
        whole = [point for point in new if is_complete(point, self.plan.space)]
        known = {*self.experiments(), *(prefix.experiment_key for prefix in found)} if whole else ()
        alike = [point for point in whole if self.plan.experiment_key_of(point) in known]
        return [point for point in new if point not in alike]

    def experiments(self) -> Iterator[str]:
        """Which experiments they are, as far as the sampler has chosen."""
        for key, values in self.entries:
            if key is not None:
                yield key
            elif is_complete(values, self.plan.space):
                yield self.plan.experiment_key_of(values)


def _cells(known: _Known, budget: Budget) -> Sequence[Prefix]:
    """The cells that no slot has, as far as the budget goes."""
    there = set(known.experiments())
    distinct: dict[str | None, Prefix] = {}
    for prefix in map(known.study.prefix, known.plan.space.cells()):
        distinct.setdefault(prefix.experiment_key, prefix)
    new = [prefix for key, prefix in distinct.items() if key not in there]
    points = _by_keys(parse_points(budget.enqueue, known.plan.space))
    first = [prefix for prefix in new if _among(points, prefix.cell)]
    rest = [prefix for prefix in new if not _among(points, prefix.cell)]
    left = None if budget.n_trials is None else max(budget.n_trials - known.slots, 0)
    wanted = first[:left]
    return [*wanted, *queue_order(rest[: None if left is None else left - len(wanted)])]


def _points(known: _Known, budget: Budget) -> Sequence[Prefix]:
    """The points that no slot has, and slots that the sampler fills."""
    new = known.missing(parse_points(budget.enqueue, known.plan.space))
    free = max(budget.slots(known.plan) - known.slots, 0)
    return [Prefix(cell=point) for point in [*new, *[{}] * (free - len(new))][:free]]


Keys = tuple[str, ...]


def _by_keys(points: Sequence[Mapping[str, Any]]) -> Mapping[Keys, set[tuple[Any, ...]]]:
    """The values of points by the keys that these have, so that no point is compared with each."""
    found: dict[Keys, set[tuple[Any, ...]]] = {}
    for point in points:
        found.setdefault(tuple(point), set()).add(tuple(point.values()))
    return found


def _among(points: Mapping[Keys, set[tuple[Any, ...]]], cell: Mapping[str, Any]) -> bool:
    """Whether a cell has all values of one of the points."""
    return any(_values(cell, keys) in found for keys, found in points.items())


def _values(cell: Mapping[str, Any], keys: Keys) -> tuple[Any, ...]:
    """The values of some keys; `MISSING`, which no point has, for those that do not count."""
    return tuple(cell.get(key, MISSING) for key in keys)
