"""The slots of a budget: which work item each is for, and which are no longer wanted."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.space.enqueue import is_complete, parse_points
from cnn_sweeps.sweeps.study.attributes import CELL, EXPERIMENT_KEY, slot_of
from cnn_sweeps.sweeps.study.order import Prefix, queue_order
from cnn_sweeps.sweeps.study.schedule import Item, Schedule, trajectory_of
from cnn_sweeps.sweeps.study.trial_queue import TrialQueue

AHEAD = 2
"""Items that wait for each worker: one is there whenever a worker looks."""
AHEAD_ELSEWHERE = 32
"""The same altogether where nobody knows how many workers there will be."""


def fill_queue(study: TrialQueue, budget: Budget) -> None:
    """Make the schedule what the budget still holds, and bring its first items into the queue.

    The schedule is stored first: what is not in the queue when this process dies then, any worker
    brings in.
    """
    study.read_schedule()
    study.look()
    surplus = surplus_slots(study, budget)
    study.set_schedule(_scheduled(study, budget, surplus))
    for waiting in study.index.standing:
        if slot_of(waiting) in surplus:
            study.drop(waiting)
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
    """What the budget holds beyond the study and its schedule, the points of the user first."""
    known = _Known(study, set(surplus))
    return _cells(known, budget) if budget.enumerates(study.plan) else _points(known, budget)


def surplus_slots(study: TrialQueue, budget: Budget) -> list[int]:
    """Unclaimed slots of an earlier call that was to do more, or chose otherwise."""
    items = {slot: study.schedule.items[slot].cell for slot in study.planned()}
    waiting = {slot_of(trial): trial.user_attrs.get(CELL) for trial in _waiting(study)}
    cells = {**items, **waiting}
    last_first = sorted(cells, reverse=True)
    total = study.index.counts(planned=len(items)).total
    if budget.enumerates(study.plan):
        chosen = [slot for slot in last_first if cells[slot]]
        open_ = [slot for slot in last_first if not cells[slot]]
        most = budget.n_trials or total
        return [*open_, *chosen[: max(total - len(open_) - most, 0)]]
    return last_first[: max(total - budget.slots(study.plan), 0)]


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
    new = [(m, cell) for m, cell in known.plan.distinct_cells().items() if m not in there]
    points = parse_points(budget.enqueue, known.plan.space)
    first = [entry for entry in new if _among(points, entry[1])]
    rest = [entry for entry in new if not _among(points, entry[1])]
    left = None if budget.n_trials is None else max(budget.n_trials - known.slots, 0)
    wanted = [known.study.prefix(experiment_key, cell) for experiment_key, cell in first[:left]]
    rest = rest[: None if left is None else left - len(wanted)]
    return [
        *wanted,
        *queue_order(known.study.prefix(experiment_key, cell) for experiment_key, cell in rest),
    ]


def _among(points: Sequence[Mapping[str, Any]], cell: Mapping[str, Any]) -> bool:
    return any(point.items() <= cell.items() for point in points)


def _points(known: _Known, budget: Budget) -> Sequence[Prefix]:
    """The points that no slot has, and slots that the sampler fills."""
    points = [
        point
        for point in parse_points(budget.enqueue, known.plan.space)
        if not any(point.items() <= values.items() for _, values in known.entries)
    ]
    free = max(budget.slots(known.plan) - known.slots, 0)
    return [Prefix(cell=point) for point in [*points, *[{}] * (free - len(points))][:free]]
