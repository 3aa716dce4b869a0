"""What a sweep of an application is after, and the numbers in what its jobs return."""

import math
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.plan.objectives import SIGNS, Direction, ObjectiveError, Objectives

VALUE = "value"
"""Name of the one objective of an application that was given none."""


def parse_objectives(objectives: Any, direction: Any) -> Objectives:
    """Read `hydra.sweeper.objectives` or `hydra.sweeper.direction`; one value, minimized, if empty.

    Args:
        objectives: name to direction.
        direction: one direction, or one for each value that a job returns.

    Raises:
        ConfigError: both are given, or one of them says no direction.
    """
    if objectives and direction is not None:
        raise ConfigError(
            "hydra.sweeper.objectives and hydra.sweeper.direction both set what is optimized: "
            "type one of them."
        )
    if not objectives:
        return _by_position("minimize" if direction is None else direction)
    if not isinstance(objectives, Mapping):
        raise ConfigError(
            f"hydra.sweeper.objectives={objectives} has no direction: "
            f"type 'hydra.sweeper.objectives={{{objectives}: minimize}}'."
        )
    names = tuple(map(str, objectives))
    given = [(f"objectives.{name}", value) for name, value in objectives.items()]
    return Objectives(names=names, directions=tuple(_direction(*pair) for pair in given))


def _by_position(direction: Any) -> Objectives:
    """Objectives without names: the values in the order in which a job returns them."""
    if not isinstance(direction, Sequence) or isinstance(direction, str):
        return Objectives(names=(VALUE,), directions=(_direction("direction", direction),))
    if not direction:
        raise ConfigError("hydra.sweeper.direction=[] is empty: type minimize or maximize.")
    directions = tuple(_direction("direction", one) for one in direction)
    several = tuple(f"{VALUE}_{number}" for number in range(len(directions)))
    return Objectives(names=several if len(several) > 1 else (VALUE,), directions=directions)


def _direction(key: str, given: Any) -> Direction:
    text = given.name if isinstance(given, Enum) else given
    for known in SIGNS:
        if text == known:
            return known
    raise ConfigError(f"hydra.sweeper.{key}={given} is not a direction: type minimize or maximize.")


def values_of(returned: Any, objectives: Objectives) -> list[float]:
    """The numbers in what a job returned, in the order of the objectives.

    A number is whatever `float()` takes: of NumPy, of TensorFlow, an array without dimensions.

    Raises:
        ObjectiveError: it is not as many numbers as there are objectives, or one is NaN.
    """
    names = objectives.names
    if isinstance(returned, Mapping):
        found = _named(returned, names)
    elif isinstance(returned, Sequence) and not isinstance(returned, str | bytes):
        found = list(returned)
    else:
        found = list(returned) if getattr(returned, "ndim", 0) else [returned]
    if len(found) != len(names):
        raise ObjectiveError(
            f"the application returned {_shown(returned)}: a sweep for {objectives} needs "
            f"{len(names)} {'number' if len(names) == 1 else 'numbers'}."
        )
    return [_number(value, returned, objectives) for value in found]


def _named(returned: Mapping[Any, Any], names: Sequence[str]) -> list[Any]:
    if tuple(names) == (VALUE,) and len(returned) == 1:
        return list(returned.values())
    if missing := [name for name in names if name not in returned]:
        typed = ", ".join(f"{name}: minimize" for name in list(returned)[:1]) or "loss: minimize"
        raise ObjectiveError(
            f"the application returned {', '.join(map(str, returned)) or 'nothing'}, and no "
            f"{missing[0]}: type 'hydra.sweeper.objectives={{{typed}}}'."
        )
    return [returned[name] for name in names]


def _number(value: Any, returned: Any, objectives: Objectives) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ObjectiveError(
            f"the application returned {_shown(returned)}: a sweep for {objectives} needs a "
            f"number for each objective."
        ) from None
    if math.isnan(number):
        raise ObjectiveError(
            f"the application returned {_shown(returned)}, which cannot be ranked."
        )
    return number


def _shown(returned: Any) -> str:
    text = repr(returned)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 -- one line
