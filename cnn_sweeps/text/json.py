"""Values as JSON that every program can read, and not only Python's own reader."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cnn_sweeps.text.escape import in_json
from cnn_sweeps.text.untrusted import yaml_texts_of

DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def dump_json(value: Any) -> str:
    """A value as indented JSON; what JSON does not know is text, numbers that are none are null."""
    made = json.dumps(
        plain_values(value), indent=2, ensure_ascii=False, allow_nan=False, default=str
    )
    return in_json(made)


def read_mapping(file: Path) -> dict[str, Any]:
    """The names and values in a JSON file; empty where it is not there, or holds something else."""
    try:
        told = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def plain_values(value: Any) -> Any:
    """A value made of what JSON has: no NaN and no infinity, times as text.

    Source: RFC 8259, section 6, which permits neither.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain_values(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, datetime) else value


def from_text(value: Any) -> Any:
    """What a text says: a number, true, false, null, a list or a mapping; other values as they are.

    So come values out of environment variables, and out of quotes, in which names may have
    characters that are no others' in Hydra. Texts inside of lists and mappings are read too.
    """
    if isinstance(value, list):
        return [from_text(item) for item in value]
    if isinstance(value, dict):
        return {key: from_text(item) for key, item in value.items()}
    return _said(value) if isinstance(value, str) else value


def _said(text: str) -> Any:
    """What a text says by itself."""
    in_brackets = text.lstrip().startswith(("[", "{"))
    for read in (json.loads, _flow) if in_brackets else (_word, _number):
        with suppress(ValueError, RecursionError):
            return read(text)
    return text


def _word(text: str) -> Any:
    """A number, or true, false or null, however they are written."""
    return json.loads(text.lower())


def _number(text: str) -> Any:
    """A number that is no JSON: `.5` and `+5`; another text as it is."""
    return float(text) if DECIMAL.fullmatch(text.strip()) else text


def _flow(text: str) -> Any:
    """A list or a mapping in brackets as Hydra and YAML have it, with few quotes: `{Käfer: 2}`."""
    return from_text(yaml_texts_of(text))


def sha256(value: Any, *, compact: bool = False) -> str:
    """SHA-256 of a value's JSON with sorted keys, in hexadecimal; hashes are stored: they stay.

    Args:
        value: of what JSON has.
        compact: whether the JSON is without white space, and NaN refused.
    """
    separators = (",", ":") if compact else None
    text = json.dumps(value, sort_keys=True, separators=separators, allow_nan=not compact)
    return hashlib.sha256(text.encode()).hexdigest()
