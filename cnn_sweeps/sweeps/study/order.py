"""The order of trials that share a trajectory, so that each epoch is trained once.

A trial is a prefix of its trajectory. When the longest has been trained the others need only be
read, so the longest goes first, and nobody trains what somebody else is training at that moment.
Before it go those that leave the trajectory on its way, the earliest first: what their own part
begins with is then the last that was trained. Of several trajectories the one with the most work
goes first: one that began last and alone would keep everybody waiting (Graham, "Bounds on
Multiprocessing Timing Anomalies", 1969).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.config.path import segments
from cnn_sweeps.config.schema import Data, Model
from cnn_sweeps.data import peek_shape
from cnn_sweeps.errors import InputError
from cnn_sweeps.models import multiply_adds
from cnn_sweeps.models.network import Shape
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.study.attributes import TRAJECTORY_KEY, slot_of
from cnn_sweeps.sweeps.study.schedule import trajectory_of

CLASSES = 10
"""The last layer is small; how small makes no difference to the order."""


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """A cell on its way into the queue: a prefix of its trajectory.

    Attributes:
        cell: values of all dimensions, or of some where a sampler fills in the rest.
        experiment_key: which experiment it is; None where that is not known yet.
        trajectory_key: which trajectory it is a prefix of; None also where it cannot be carried
            out.
        epochs: how far along it.
        leaves: the epoch after which it is on a trajectory of its own; None where it never leaves.
        work: what an epoch takes, in no particular unit.
    """

    cell: Mapping[str, Any]
    experiment_key: str | None = None
    trajectory_key: str | None = None
    epochs: int = 0
    leaves: int | None = None
    work: float = 0.0

    @classmethod
    def of(cls, plan: Plan, cell: Mapping[str, Any]) -> "Prefix":
        """Look up which experiment a cell is, and its trajectory."""
        try:
            config = plan.config(cell)
        except InputError:
            return cls(cell=cell, experiment_key=plan.experiment_key_of(cell))
        path = segments(config)
        return cls(
            cell=cell,
            experiment_key=plan.experiment_key(config),
            trajectory_key=plan.trajectory_key(config),
            epochs=config.trainer.epochs,
            leaves=path[1].first - 1 if len(path) > 1 else None,
            work=_work(config.model, config.data),
        )


def queue_order(cells: Iterable[Prefix]) -> Iterator[Prefix]:
    """The cells with those of a trajectory together; the longest and the most work first."""
    trajectories: dict[str | None, list[Prefix]] = {}
    for prefix in cells:
        trajectories.setdefault(prefix.trajectory_key or prefix.experiment_key, []).append(prefix)
    most_work = sorted(
        trajectories.values(),
        key=lambda some: -max(prefix.epochs for prefix in some) * some[0].work,
    )
    for prefixes in most_work:
        yield from sorted(prefixes, key=lambda one: (one.leaves or math.inf, -one.epochs))


def claimable_trials(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The waiting trials by their slots; those whose trajectory somebody trains now come last."""
    busy = busy_trajectories(trials)
    waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
    return sorted(waiting, key=lambda trial: (is_busy(trial, busy), slot_of(trial)))


def is_busy(trial: FrozenTrial, trajectories: Set[str]) -> bool:
    """Whether the trajectory of a trial is among these."""
    return _trajectory(trial) in trajectories


def busy_trajectories(trials: Iterable[FrozenTrial]) -> set[str]:
    """The trajectories that somebody trains now, as a schedule has them."""
    return trajectories_of(trial for trial in trials if trial.state == TrialState.RUNNING)


def trajectories_of(trials: Iterable[FrozenTrial]) -> set[str]:
    """The trajectories of some trials, as a schedule has them."""
    return set(filter(None, map(_trajectory, trials)))


def _trajectory(trial: FrozenTrial) -> str | None:
    return trajectory_of(trial.user_attrs.get(TRAJECTORY_KEY))


def _work(model: Model, data: Data) -> float:
    """Millions of multiplications for an image, and one more for what every network takes."""
    shape = _shape(data)
    return 1 + (multiply_adds(model, shape, CLASSES) or 0 if shape else 0) / 1e6


@lru_cache(maxsize=64)
def _shape(data: Data) -> Shape | None:
    return peek_shape(data)
