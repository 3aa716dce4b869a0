"""The places of a budget: those that a study lacks, and those that it holds too many of."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.space.enqueue import is_complete, parse_points
from cnn_sweeps.sweeps.study.attributes import CELL, EXPERIMENT_KEY, SLOT, slot_of
from cnn_sweeps.sweeps.study.order import Prefix, queue_order
from cnn_sweeps.sweeps.study.trial_queue import TrialQueue


def fill_queue(study: TrialQueue, budget: Budget) -> None:
    """Make the queue what the budget still holds, the points named by the user first."""
    for waiting in surplus_trials(study, budget):
        study.drop(waiting)
    for slot, prefix in zip(free_slots(study), missing_slots(study, budget), strict=False):
        study.enqueue(
            prefix.cell,
            experiment_key=prefix.experiment_key,
            trajectory_key=prefix.trajectory_key,
            kept={SLOT: slot},
        )


def missing_slots(study: TrialQueue, budget: Budget) -> Sequence[Prefix]:
    """What has to be put into the queue, the points named by the user first."""
    return _cells(study, budget) if budget.enumerates(study.plan) else _points(study, budget)


def free_slots(study: TrialQueue) -> Iterator[int]:
    """The numbers of places that no trial has, without end: those of lost places first."""
    taken = set(map(slot_of, study.trials()))
    return (number for number in itertools.count() if number not in taken)


def surplus_trials(study: TrialQueue, budget: Budget) -> list[FrozenTrial]:
    """Waiting trials of an earlier call that was to do more, or chose otherwise; the last first."""
    trials = study.trials()
    waiting = [trial for trial in reversed(trials) if trial.state == TrialState.WAITING]
    if budget.enumerates(study.plan):
        chosen = [trial for trial in waiting if CELL in trial.user_attrs]
        open_ = [trial for trial in waiting if CELL not in trial.user_attrs]
        most = budget.n_trials or len(trials)
        return [*open_, *chosen[: max(len(trials) - len(open_) - most, 0)]]
    return waiting[: max(len(trials) - budget.slots(study.plan), 0)]


def _cells(study: TrialQueue, budget: Budget) -> Sequence[Prefix]:
    """The cells that no trial has, as far as the budget goes."""
    plan, trials = study.plan, study.trials()
    known = {_meaning(study, trial) for trial in trials}
    new = [(m, cell) for m, cell in plan.distinct_cells().items() if m not in known]
    points = parse_points(budget.enqueue, plan.space)
    first = [entry for entry in new if _among(points, entry[1])]
    rest = [entry for entry in new if not _among(points, entry[1])]
    left = None if budget.n_trials is None else max(budget.n_trials - len(trials), 0)
    wanted = [study.prefix(experiment_key, cell) for experiment_key, cell in first[:left]]
    rest = rest[: None if left is None else left - len(wanted)]
    return [
        *wanted,
        *queue_order(study.prefix(experiment_key, cell) for experiment_key, cell in rest),
    ]


def _among(points: Sequence[Mapping[str, Any]], cell: Mapping[str, Any]) -> bool:
    return any(point.items() <= cell.items() for point in points)


def _points(study: TrialQueue, budget: Budget) -> Sequence[Prefix]:
    """The points that no trial has, and places that the sampler fills."""
    trials = study.trials()
    tried = [study.carried_values(trial) for trial in trials]
    points = [
        point
        for point in parse_points(budget.enqueue, study.plan.space)
        if not any(point.items() <= values.items() for values in tried)
    ]
    free = max(budget.slots(study.plan) - len(trials), 0)
    return [Prefix(cell=point) for point in [*points, *[{}] * (free - len(points))][:free]]


def _meaning(study: TrialQueue, trial: FrozenTrial) -> str | None:
    """Which experiment a trial is; None where the sampler has yet to choose."""
    values = study.carried_values(trial)
    known: str | None = trial.user_attrs.get(EXPERIMENT_KEY)
    if known is None and is_complete(values, study.plan.space):
        return study.plan.experiment_key_of(values)
    return known
