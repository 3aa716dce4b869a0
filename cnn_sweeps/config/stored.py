"""Configs that were stored: by an earlier version, or by a newer one.

A field that an earlier version did not have is filled in with its neutral value, and never with
today's default. A field or an option that this version does not have was stored by a newer one.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from cnn_sweeps.config.fields import dataclasses_of
from cnn_sweeps.config.loading import MISSING, load, plain_value
from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import ConfigError, NewerVersionError

NAME = "name"
"""The field that selects among the dataclasses of a group."""


def load_stored(container: Any) -> Config:
    """Check the plain values of a config that was stored, and freeze them.

    Raises:
        NewerVersionError: a newer version of cnn_sweeps stored it.
        ConfigError: they were changed or damaged.
    """
    if not isinstance(container, Mapping):
        raise ConfigError("the config is not a mapping of keys to values.")
    refuse_newer(container, "the config")
    return load(with_neutral_values(container))


def with_neutral_values(container: Mapping[str, Any]) -> dict[str, Any]:
    """Stored values with the neutral value of every field that they do not have."""
    return _filled(Config, container, lambda field: field.metadata["neutral"])


def with_defaults(container: Mapping[str, Any]) -> dict[str, Any]:
    """Values that are going to be stored, with today's default of every added field.

    Without it they would be read back as those of an earlier version.
    """
    return _filled(Config, container, _default_of)


def without_neutral(config: Config) -> dict[str, Any]:
    """The plain values of a config, as versions read them that lack the fields added since.

    What is left out reads back as neutral.
    """
    return _bare(config)


def refuse_newer(container: Mapping[str, Any], what: str) -> None:
    """Refuse values with a field, an option or a rules number that is not known here.

    Raises:
        NewerVersionError: naming the first of them.
    """
    for key in _unknown(Config, container, ""):
        raise NewerVersionError(
            f"{what} was created by a newer version of cnn_sweeps: {key} is not known here."
        )


def _filled(cls: type, values: Mapping[str, Any], choose: Any) -> dict[str, Any]:
    filled = dict(values)
    for field, annotation in _fields(cls):
        value = filled.get(field.name)
        if isinstance(value, Mapping):
            filled[field.name] = dict(value)
            for inner in _possible(annotation, value):
                filled[field.name] = _filled(inner, filled[field.name], choose)
        elif field.name not in filled and "neutral" in field.metadata:
            filled[field.name] = plain_value(choose(field))
    return filled


def _bare(value: Any) -> dict[str, Any]:
    bare = {}
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        if "neutral" in field.metadata and held == field.metadata["neutral"]:
            continue
        nested = dataclasses.is_dataclass(held) and not isinstance(held, type)
        bare[field.name] = _bare(held) if nested else plain_value(held)
    return bare


def _unknown(cls: type, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Keys that the schema lacks, and values that it does not list."""
    fields = {field.name: (field, annotation) for field, annotation in _fields(cls)}
    for name, value in values.items():
        key = f"{prefix}{name}"
        if name not in fields:
            yield key
            continue
        field, annotation = fields[name]
        if isinstance(value, Mapping):
            possible = _possible(annotation, value)
            if len(possible) == 1:
                yield from _unknown(possible[0], value, f"{key}.")
            elif not possible and dataclasses_of(annotation, None):
                yield f"{key}.{NAME}={value[NAME]}"
        elif not _listed(annotation, value) or _above(field, value):
            yield f"{key}={value}"


def _fields(cls: type) -> Iterator[tuple[dataclasses.Field[Any], Any]]:
    hints = get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        yield field, hints[field.name]


def _possible(annotation: Any, values: Mapping[str, Any]) -> list[type]:
    """The dataclasses that values can be of: one, unless the name is missing or left open."""
    every = dataclasses_of(annotation, None)
    name = values.get(NAME)
    if len(every) < 2 or name is None or _is_open(name):  # noqa: PLR2004 -- nothing to choose
        return every
    return [c for c in every if name in get_args(get_type_hints(c).get(NAME))]


def _listed(annotation: Any, value: Any) -> bool:
    """Whether a text is one of those that a field lists; what is left open is not looked at."""
    lists = get_origin(annotation) is Literal and isinstance(value, str) and not _is_open(value)
    return not lists or value in get_args(annotation)


def _is_open(value: Any) -> bool:
    """Whether a base config leaves a value to an interpolation or to whoever sweeps it."""
    return isinstance(value, str) and ("${" in value or value == MISSING)


def _above(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a rules number is higher than those that are known."""
    number = field.name == "rules" and isinstance(value, int)
    return number and value > _default_of(field)


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
