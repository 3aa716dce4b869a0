"""Swept keys that change nothing: whatever their value, the experiment is the same.

All trials of such a sweep would be one experiment, which is run once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import chain, islice
from random import Random
from typing import Any

from cnn_sweeps.config.fields import find
from cnn_sweeps.config.loading import to_json
from cnn_sweeps.config.spelling import idle_settings
from cnn_sweeps.errors import ConfigError, InputError
from cnn_sweeps.runs.composition.validate import keys_typed
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.space.conditions import bare_key, condition_cases
from cnn_sweeps.sweeps.space.dimension import Dimension
from cnn_sweeps.sweeps.space.space import FEW
from cnn_sweeps.sweeps.space.value import Label

DRAWS = 50
"""Points by chance at which a key is tried before it counts as one without effect."""
MOST_POINTS = 200
"""Points at which a key that is not swept is looked at."""
MOST_VALUES = 8
"""Values of a key that are tried at a point."""


def refuse_ineffective(plan: Plan) -> None:
    """Refuse to sweep a key whose values are all the same experiment.

    Raises:
        ConfigError: naming the first such key, why it has no effect, and what to type.
    """
    for dimension in keys_without_effect(plan):
        why, instead = _reason(plan, bare_key(dimension.key))
        raise ConfigError(
            f"{dimension} cannot be swept: {why}, so all its values are one experiment.\n"
            f"  Type {instead}"
        )


def remarks_of(plan: Plan) -> list[str]:
    """What was typed for all trials and has no effect on any, a sentence each."""
    keys, as_typed = keys_typed(plan.fixed), plan.spelt(1)
    told: dict[str, str] | None = None
    for point in islice(plan.space.sample_points(), MOST_POINTS):
        try:
            idle = idle_settings(as_typed.config(point))
        except InputError:
            continue
        told = {key: idle[key] for key in (keys if told is None else told) if key in idle}
        if not told:
            break
    return list((told or {}).values())


def keys_without_effect(plan: Plan) -> Iterator[Dimension]:
    """The swept keys that make no difference at any point that was looked at."""
    for dimension in plan.space.dimensions:
        if not _has_effect(plan, dimension):
            yield dimension


def _has_effect(plan: Plan, dimension: Dimension) -> bool:
    """Whether two values of a key are two experiments somewhere; so too if none can be built."""
    values, built = _some_values(dimension), False
    if len(values) == 1:
        return True
    for point in _points(plan, dimension.key):
        found = set()
        for value in values:
            found.add(_experiment(plan, {**point, dimension.key: value}))
            if len(found) > 1:
                return True
        built = built or None not in found
    return not built


def _some_values(dimension: Dimension) -> Sequence[Label]:
    if dimension.values is None:
        return [dimension.low, dimension.high, (dimension.low + dimension.high) / 2]
    count = len(dimension.values)
    step = max(1, (count - 1) // (MOST_VALUES - 1))
    return [*dimension.values[::step], dimension.values[-1]] if step > 1 else dimension.values


def _points(plan: Plan, key: str) -> Iterator[Mapping[str, Label]]:
    """Points at which a key counts: for all answers to conditions, by chance, and all of a few."""
    space = plan.space
    drawn = islice(space.drawn(Random(0)), DRAWS)  # noqa: S311 -- no secret
    cases = (case for case, _ in condition_cases(space.dimensions))
    every = space.cells() if space.size is not None and space.size <= FEW else ()
    return (point for point in chain(cases, drawn, every) if key in point)


def _experiment(plan: Plan, values: Mapping[str, Label]) -> str | None:
    """Which experiment the values are; None where it cannot be carried out."""
    try:
        return plan.experiment_key(plan.config(plan.space.point(values)))
    except InputError:
        return None


def _reason(plan: Plan, key: str) -> tuple[str, str]:
    """Why a key has no effect, and what to type in place of its sweep."""
    path, container = key.split("."), to_json(plan.first)
    places = [find(tuple(path[: n + 1]), container) for n in range(len(path))]
    for place in places:
        marks = _marks(place.owner, place.key.rpartition(".")[2])
        if not marks.get("identity", True) and not marks.get("changes"):
            return f"{key} is no part of an experiment", f"one value of {key}."
        if sibling := marks.get("active_if"):
            switch = f"{place.key.rpartition('.')[0]}.{sibling}"
            return (
                f"{key} has no effect while {switch} is {_shown(container, switch)}",
                f"{switch}=VALUE as well, or leave {key} out.",
            )
    return f"{key} makes no difference beside the other settings", f"one value of {key}."


def _marks(owner: type | None, name: str) -> Mapping[str, Any]:
    found = [f.metadata for f in fields(owner) if f.name == name] if owner else []
    return found[0] if found else {}


def _shown(container: Any, key: str) -> str:
    for part in key.split("."):
        container = container[part]
    return "null" if container is None else str(container)
