"""From plain values to a checked `Config`, or a refusal in plain words."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cnn_sweeps.config.fields import (
    describe,
    find,
    keys_of,
    names_of,
    put,
    typed,
    unknown_key,
)
from cnn_sweeps.config.path import ADAPTER, canonical
from cnn_sweeps.config.schema import Config
from cnn_sweeps.config.spelling import ONE_FORM, in_one_form, without_idle
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.text.dotted import dotted
from cnn_sweeps.text.escape import BYTES, NO_TEXT
from cnn_sweeps.text.json import from_text

UNKNOWN = ("unexpected_keyword_argument",)
MISSING = "???"
"""How OmegaConf writes a value that must be given."""
MOST_LINES = 4
"""Lines that a refusal may have; further errors show once these are fixed."""


def load(container: Mapping[str, Any], *, typed: bool = False) -> Config:
    """Check plain values (as JSON has them) and freeze them, in their one form.

    A text where a number, a truth value or a list of numbers is wanted is read as that, as an
    environment variable (`${oc.env:NAME}`) gives it.

    Args:
        container: the values.
        typed: whether they were typed just now, and not stored: then a phase is refused that would
            switch something off without saying so.

    Raises:
        ConfigError: with a line or two for each of the first few values that are refused:
            what was given, what is possible, what to type.
    """
    config = _load_part(container)
    if not config.trainer.phases:
        return without_idle(config)
    return canonical(config, _load_part, without_idle, typed=typed)


def settled(config: Config) -> Config:
    """The config as it reads back once it is stored, whatever it was made of after `load`."""
    return load(to_json(config)) if config.rules >= ONE_FORM else config


def _load_part(container: Mapping[str, Any]) -> Config:
    """Check plain values and freeze them; phases stay as they were typed."""
    _require_given(container)
    for key, value in dotted(container):
        if isinstance(value, str) and BYTES.search(value):
            raise ConfigError(NO_TEXT.format(key=key))
    given = checked = _check(container)
    if not isinstance(given, Config):
        wanted = _keys(given, container)
        container, text = _with_texts_read(container, wanted), container
        checked = _check(container)
        if not isinstance(checked, Config):  # what still is refused is shown as it was given
            container = _with_texts_read(text, wanted - _keys(checked, container))
            checked = _check(container)
    if isinstance(checked, Config):
        return in_one_form(checked)
    raise ConfigError(_explain_first(checked, container))


def with_values(plain: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values of a config with others in their places, by dotted keys; in place.

    Raises:
        ConfigError: a key below a value that has none.
    """
    for key, value in values.items():
        put(plain, key, value)
    return plain


def to_json(config: Config) -> dict[str, Any]:
    """The plain values of a config: `load` of them gives the config again."""
    return {f.name: plain_value(getattr(config, f.name)) for f in dataclasses.fields(config)}


def plain_value(value: Any) -> Any:
    """One value of a config as JSON has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain_value(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [plain_value(item) for item in value]
    if isinstance(value, dict):
        return {key: plain_value(item) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value


def _check(container: Mapping[str, Any]) -> Config | list[ErrorDetails]:
    """The config, or why it is refused."""
    try:
        return ADAPTER.validate_json(json.dumps(container))
    except ValidationError as error:
        return error.errors()


def _keys(errors: list[ErrorDetails], container: Mapping[str, Any]) -> set[str]:
    return {_key(error, container) for error in errors if error["type"] not in UNKNOWN}


def _with_texts_read(
    container: Mapping[str, Any], keys: set[str], prefix: str = ""
) -> dict[str, Any]:
    """The values, with those of some keys as what their texts say."""
    read = {}
    for name, value in container.items():
        key = f"{prefix}{name}"
        if key in keys and not isinstance(value, Mapping):
            read[name] = from_text(value)
        elif isinstance(value, Mapping):
            read[name] = _with_texts_read(value, keys, f"{key}.")
        else:
            read[name] = value
    return read


def _require_given(container: Mapping[str, Any], path: tuple[str, ...] = ()) -> None:
    """Refuse mandatory values that were not given; they would pass as text."""
    for key, value in container.items():
        if isinstance(value, Mapping):
            _require_given(value, (*path, key))
        elif value == MISSING:
            name = ".".join((*path, key))
            raise ConfigError(f"{name} is required. Type {name}=VALUE")


def _explain_first(errors: list[ErrorDetails], container: Mapping[str, Any]) -> str:
    """What there is room for, each key once: a union is refused for each of its types."""
    told: dict[str, str] = {}
    for error in errors:
        text = _explain(error, container)
        key = text.partition(":")[0] if error["type"] in UNKNOWN else _key(error, container)
        told.setdefault(key, text)
    first, *more = told.values()
    for text in more:
        if len(f"{first}\n{text}".splitlines()) > MOST_LINES:
            break
        first = f"{first}\n{text}"
    return first


def _key(error: ErrorDetails, container: Mapping[str, Any]) -> str:
    return find(error["loc"], container).key


def _explain(error: ErrorDetails, container: Mapping[str, Any]) -> str:
    place = find(error["loc"], container)
    kind, given = error["type"], error["input"]
    if kind in UNKNOWN:
        return unknown_key(place.key, str(error["loc"][-1]), keys_of(place, container))
    if kind in ("missing", "missing_argument"):
        return f"{place.key} is required: it takes {describe(place.annotation)}."
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tag = error.get("ctx", {}).get("tag")
        known = ", ".join(names_of(place.annotation))
        return _refuse(f"{place.key}.name", tag, known, None)
    if keys := keys_of(place, container):  # a group, such as trainer.optimizer=sgd
        hint = f" Type {place.key}.name={given}" if "name" in keys else ""
        refused = f"{typed(place.key, given)} is invalid"
        return f"{refused}: {place.key} is a group of {', '.join(keys)}.{hint}"
    return _refuse(place.key, given, describe(place.annotation), place.default)


def _refuse(key: str, given: Any, possible: str, example: Any) -> str:
    text = f"{typed(key, given)} is invalid: {key} takes {possible}."
    if example in (None, dataclasses.MISSING, ...):
        return text
    return f"{text} Type, for example, {typed(key, plain_value(example))}"
