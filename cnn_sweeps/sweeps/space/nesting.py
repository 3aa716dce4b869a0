"""Swept keys inside others: `trainer.optimizer` and `trainer.optimizer.learning_rate`.

Values of the outer key are merged into the config, so that the inner one counts as well, as long as
no value of the outer key sets it. Where one does, a trial would be shown with a value that was not
trained, and the sweep is refused. The name of an option of a config group is no such value: it is
composed first, whatever is swept within it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.space.conditions import bare_key, condition_cases
from cnn_sweeps.sweeps.space.dimension import Dimension
from cnn_sweeps.sweeps.space.overrides import read_override, value_of
from cnn_sweeps.sweeps.space.value import Label

IsGroup = Callable[[Dimension], bool]
"""Whether a key is a config group, where text is the name of an option."""


def refuse_overlaps(
    dimensions: Sequence[Dimension], fixed: Mapping[str, str], is_group: IsGroup
) -> None:
    """Refuse an outer key that sets, in one of its values, what stands inside it.

    Args:
        dimensions: the swept keys, with their conditions.
        fixed: key to the override of what has one value.
        is_group: of which keys only mappings are looked at.

    Raises:
        ConfigError: one is set in two places.
    """
    groups = {dimension.key for dimension in dimensions if is_group(dimension)}
    for parent, key in product(dimensions, fixed):
        for value in parent.choices or (parent.low,):
            _check(parent, value, key, fixed[key], group=parent.key in groups)
    for parent, child in product(dimensions, dimensions):
        if _path_inside(parent.key, child.key):
            for value in _values_beside(parent, child, dimensions):
                _check(parent, value, child.key, child.expression, group=parent.key in groups)


def _values_beside(
    parent: Dimension, child: Dimension, dimensions: Sequence[Dimension]
) -> Iterator[Label]:
    """The values that the outer key has where the inner one counts."""
    for point, _ in condition_cases(dimensions):
        if parent.key in point:
            for value in parent.choices or (parent.low,):
                if child.active({**point, parent.key: value}):
                    yield value


def _check(parent: Dimension, value: Label, key: str, typed: str, *, group: bool) -> None:
    path = _path_inside(parent.key, key)
    if not path:
        return
    text = parent.text(value)
    given = value_of(read_override(f"{parent.key}={text}"))
    if (isinstance(given, Mapping) or not group) and _sets(given, path):
        raise ConfigError(
            f"`{parent.key}={text}` sets {bare_key(key)} as well, and so does `{typed}`: only one "
            f"of the two would be trained.\n  Leave {'.'.join(path)} out of the values of "
            f"{bare_key(parent.key)}, or remove {bare_key(key)}."
        )


def _path_inside(outer: str, key: str) -> Sequence[str]:
    """The names that lead from the outer key to another one; empty where it is not inside."""
    within, path = _place(outer), _place(key)
    return path[len(within) :] if path[: len(within)] == within else ()


def _place(key: str) -> Sequence[str]:
    """The names that lead to a key in the config; `group@package` is at its package."""
    return bare_key(key).rpartition("@")[2].replace("/", ".").split(".")


def _sets(value: Any, path: Sequence[str]) -> bool:
    """Whether a value sets what lies at a path within it; one without names sets it all."""
    first, *rest = path
    if not isinstance(value, Mapping):
        return True
    return first in value and (not rest or _sets(value[first], rest))
