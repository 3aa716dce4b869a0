"""The parameters of Optuna's samplers and pruners, checked before a sweep begins."""

from collections.abc import Mapping
from types import NoneType
from typing import Any

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.text.suggestions import aside

Types = tuple[type, ...]
"""What a parameter takes."""


def check_parameters(
    kind: str,
    name: str,
    params: Mapping[str, Any],
    known: Mapping[str, Types],
    least: Mapping[str, int],
) -> None:
    """Refuse what Optuna would refuse, or would fail at only in the middle of a sweep.

    Args:
        kind: `sampler` or `pruner`.
        name: which.
        params: what was typed.
        known: the parameters that it has.
        least: the smallest integer of some of them.

    Raises:
        ConfigError: a parameter that it has not, or a value that it does not take.
    """
    for key, value in params.items():
        if key not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise ConfigError(
                f"The {kind} `{name}` has no parameter `{key}`{aside(key, known)}; {has}."
            )
        invalid = f"hydra.sweeper.{kind}.{key}={value} is invalid;"
        if not _fits(value, known[key]):
            types = " | ".join("null" if t is NoneType else t.__name__ for t in known[key])
            raise ConfigError(f"{invalid} the {kind} `{name}` takes {types}.")
        if type(value) is int and value < least.get(key, value):
            raise ConfigError(f"{invalid} type {least[key]} or more.")


def _fits(value: Any, types: Types) -> bool:
    """Whether a value is of one of the types; a boolean is no number, a whole number a float."""
    return type(value) in types or (type(value) is int and float in types)
