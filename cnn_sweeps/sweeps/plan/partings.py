"""Where the trainings of a sweep part: epochs after which one ends or changes, and others go on.

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

PATH = ("trainer.epochs", "trainer.phases", "trainer.schedule")
"""What beginnings of these keys say makes another training of a trajectory, from some epoch on."""
MOST = 200
"""Other trainings that are looked at."""


def of(plan: Plan, values: Mapping[str, Any]) -> WantedEpochs:
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
    own = _ends(plan, values)
    states: set[int] = set()
    weights: set[int] = set()
    for choice in islice(product(*(d.values or () for d in swept)), MOST):
        others = _ends(plan, {**values, **dict(zip((d.key for d in swept), choice, strict=True))})
        last = list(others)[-1:]
        for key, end in others.items():
            if end <= own.get(key, 0):
                (weights if [key] == last else states).add(end)
    return WantedEpochs(states=frozenset(states), weights=frozenset(weights))


def _ends(plan: Plan, values: Mapping[str, Any]) -> dict[str, int]:
    """The last epoch of each segment of a trial, by its trajectory; none where it is impossible."""
    with suppress(InputError):
        return {key: end for key, _, end in plan.parts(plan.config(values))}
    return {}
