"""One value of a sweep in its two faces.

The *label* is what Optuna stores and its dashboard shows: numbers, booleans, strings and None
as they are, lists and dictionaries as text. The *text* is what stands behind `key=` in a
Hydra override and is read back to exactly that value.
"""

import math
import re
from typing import Any, TypeGuard

from cnn_sweeps.errors import ConfigError

Label = bool | int | float | str | None
BARE = re.compile(r"(?!(?:null|true|false|inf|nan)$)[a-z_/][\w./-]*", re.ASCII | re.IGNORECASE)
SPECIAL = re.compile(r"([\\()\[\]{}:=, \t])")


def text_of(value: Any) -> str:
    """A plain value in Hydra's override grammar, quoted where it would be read as another.

    Raises:
        ConfigError: it cannot be written as an override.
    """
    match value:
        case None:
            return "null"
        case bool() | int() | float():
            return str(value)
        case str():
            return value if BARE.fullmatch(value) else _quoted(value)
        case list() | tuple():
            return f"[{','.join(text_of(item) for item in value)}]"
        case dict():
            pairs = (f"{_dict_key(name)}:{text_of(item)}" for name, item in value.items())
            return f"{{{','.join(pairs)}}}"
    raise ConfigError(
        f"A value of a sweep is a number, a string, true, false, null, a list or a mapping, "
        f"not the {type(value).__name__} {value}; type it as a string: '{value}'."
    )


def _quoted(value: str) -> str:
    """In single quotes; backslashes before a quote are doubled, as the grammar wants it."""
    inner = re.sub(r"(\\*)'", r"\1\1\\'", value)
    return "'" + re.sub(r"(\\+)\Z", r"\1\1", inner) + "'"


def _dict_key(name: Any) -> str:
    """A key of a dictionary: the grammar allows no quotes there, only escapes."""
    return SPECIAL.sub(r"\\\1", name) if isinstance(name, str) else text_of(name)


def label_of(value: Any, text: str) -> Label:
    """What Optuna stores: JSON has neither NaN nor infinity, and Optuna no lists."""
    if isinstance(value, float) and not math.isfinite(value):
        return text
    return value if value is None or isinstance(value, bool | int | float | str) else text


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number and no boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)
