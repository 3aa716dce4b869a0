"""Nested values under dotted names, wherever somebody writes groups inside groups."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def dotted(
    values: Mapping[str, Any],
    prefix: str = "",
    *,
    is_value: Callable[[str, Mapping[str, Any]], bool] = lambda _name, _inner: False,
) -> Iterator[tuple[str, Any]]:
    """Each value with its dotted name, whether it was written so or as nested groups.

    Args:
        values: what is nested; a group without values vanishes.
        prefix: what stands in front of every name.
        is_value: whether the mapping of that name is a value itself and no group.
    """
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and not is_value(name, value):
            yield from dotted(value, f"{name}.", is_value=is_value)
        else:
            yield name, value
