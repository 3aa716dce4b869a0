"""Points that a sweep tries first: `hydra.sweeper.enqueue`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.space.conditions import bare_key
from cnn_sweeps.sweeps.space.dimension import Dimension
from cnn_sweeps.sweeps.space.overrides import read_override, value_of
from cnn_sweeps.sweeps.space.space import Space
from cnn_sweeps.sweeps.space.value import Label
from cnn_sweeps.text.dotted import dotted
from cnn_sweeps.text.suggestions import aside

Entry = str | Sequence[str] | Mapping[str, Any]
"""`model.filters=32 model.conv_blocks=2`, a list of such overrides, or a mapping."""

BETWEEN = re.compile(r"\s+(?=[+\w./@]+=)")
"""The space between two overrides; one within a value is not followed by a key."""
EXAMPLE = "['model.filters=32 model.conv_blocks=2']"


def parse_points(entries: Sequence[Entry], space: Space) -> list[dict[str, Label]]:
    """The points to try first, each with its keys in the order of the space.

    A key that is left out is left to the sampler.

    Raises:
        ConfigError: an entry cannot be read, names what is not swept, gives a value outside
            its dimension or to a key that does not count there, or stands there twice.
    """
    if not isinstance(entries, list | tuple):
        raise ConfigError(
            f'hydra.sweeper.enqueue={entries} is not a list; use "hydra.sweeper.enqueue={EXAMPLE}".'
        )
    points: dict[tuple[tuple[str, Label], ...], dict[str, Label]] = {}
    for number, entry in enumerate(entries, 1):
        where = f"hydra.sweeper.enqueue, entry {number} of {len(entries)}"
        try:
            point = _point(entry, space)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
        place = tuple(point.items())
        if place in points:
            raise ConfigError(
                f"{where}: `{' '.join(space.overrides(point))}` is already entry "
                f"{[*points].index(place) + 1}; leave one of them out."
            )
        points[place] = point
    return [*points.values()]


def is_complete(point: Mapping[str, Label], space: Space) -> bool:
    """Whether a point leaves the sampler nothing to choose."""
    return all(d.key in point for d in space.dimensions if d.active(point))


def _point(entry: Entry, space: Space) -> dict[str, Label]:
    swept = {bare_key(dimension.key): dimension for dimension in space.dimensions}
    given: dict[str, Label] = {}
    for name, value in _values(entry, set(swept)):
        if name not in swept:
            raise _unknown(name, swept)
        dimension = swept[name]
        if dimension.key in given:
            raise ConfigError(f"`{name}` is given twice; give it once.")
        given[dimension.key] = dimension.label(value)
    if not given:
        raise ConfigError(f"the entry is empty; type values of swept keys: {EXAMPLE}.")
    for dimension in space.dimensions:
        if dimension.key in given:
            _check_active(dimension, given)
    return {d.key: given[d.key] for d in space.dimensions if d.key in given}


def _check_active(dimension: Dimension, given: Mapping[str, Label]) -> None:
    """Refuse a value that would be passed over, or might be."""
    for condition in dimension.when:
        if condition.key not in given:
            raise ConfigError(
                f"`{dimension.key}` is active only when {condition}, and `{condition.key}` is left "
                "open; add it."
            )
        if not condition.holds(given):
            raise ConfigError(
                f"`{dimension.key}` is active only when {condition}, and `{condition.key}` is "
                f"{given[condition.key]}; leave `{dimension.key}` out or change "
                f"`{condition.key}`."
            )


def _values(entry: Entry, swept: set[str]) -> Iterator[tuple[str, Any]]:
    """Keys without `+`, and their plain values."""
    if isinstance(entry, Mapping):
        for name, value in dotted(entry, is_value=lambda name, _: bare_key(name) in swept):
            yield bare_key(name), value
        return
    texts = BETWEEN.split(entry.strip()) if isinstance(entry, str) else entry
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"`{entry}` is not a set of params; type overrides: {EXAMPLE}.")
    for text in filter(None, texts):
        override = read_override(text)
        if override.is_sweep_override() or override.value_type is None:
            raise ConfigError(f"`{text}` is not one value; type one, such as model.filters=32.")
        yield bare_key(override.get_key_element()), value_of(override)


def _unknown(name: str, swept: Mapping[str, Dimension]) -> ConfigError:
    return ConfigError(
        f"`{name}` is not swept{aside(name, swept)}; an entry sets {', '.join(swept)}. "
        f"Set what is the same in every trial once: {name}=VALUE."
    )
