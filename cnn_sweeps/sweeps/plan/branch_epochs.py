"""Epochs of a trial at which others of its sweep end or branch off, so their state is kept.

Two trials that share a trajectory are trained by whoever comes first. What the other one needs of
it is kept from the beginning, so that no epoch is trained again for it.
"""

from collections.abc import Mapping
from contextlib import suppress
from itertools import islice, product
from typing import Any

from cnn_sweeps.errors import InputError
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.trajectories.retention import WantedEpochs

PATH = ("trainer.epochs", "trainer.phases", "trainer.schedule", "trainer.weight_averaging")
"""What keys that begin so say makes another training of a trajectory, or another end of it."""
MOST = 200
"""Other trainings that are looked at."""


def wanted_epochs(plan: Plan, values: Mapping[str, Any]) -> WantedEpochs:
    """The epochs of a trial that others of its sweep end or change after.

    Args:
        plan: what is swept.
        values: those of the trial.
    """
    swept = [
        d for d in plan.space.dimensions if d.key.startswith(PATH) and d.key in values and d.values
    ]
    if not swept:
        return WantedEpochs()
    own, _ = _ends(plan, values)
    states: set[int] = set()
    weights: set[int] = set()
    for choice in islice(product(*(d.values or () for d in swept)), MOST):
        other = {**values, **dict(zip((d.key for d in swept), choice, strict=True))}
        ends, averaged = _ends(plan, other)
        last = max(ends.values(), default=0)
        for key, end in ends.items():
            together = min(end, own.get(key, 0))
            weights.update(range(max(1, last - averaged + 1), together + 1))
            if end == together:
                (weights if end == last else states).add(end)
    return WantedEpochs(states=frozenset(states), weights=frozenset(weights))


def _ends(plan: Plan, values: Mapping[str, Any]) -> tuple[dict[str, int], int]:
    """The last epoch of each segment of a trial, by its trajectory, and of how many it averages.

    None where it is impossible.
    """
    with suppress(InputError):
        config = plan.config(values)
        ends = {key: end for key, _, end in plan.parts(config)}
        return ends, config.trainer.weight_averaging or 0
    return {}, 0
