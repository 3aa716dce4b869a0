"""Read JSON and YAML that anybody may have written, such as what is stored with a run.

A few lines of YAML can stand for more values than there is memory, and brackets in brackets end
Python's own readers with a traceback.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import yaml

MOST: Final = 200_000
"""Values in one file; a record of a thousand epochs has less than ten thousand."""


def json_of(text: str | bytes) -> Any:
    """The values in a text of JSON.

    Raises:
        ValueError: it is none, is nested too deeply, or stands for too many values.
    """
    return _bounded(json.loads, text)


def yaml_of(text: str) -> Any:
    """The plain values in a text of YAML; it names no classes.

    Raises:
        ValueError: see `json_of`.
    """
    return _bounded(yaml.safe_load, text)


def yaml_texts_of(text: str) -> Any:
    """The same, with every single value as the text that stands there.

    Raises:
        ValueError: see `json_of`.
    """
    return _bounded(partial(yaml.load, Loader=yaml.BaseLoader), text)


def _bounded(parse: Callable[[Any], Any], text: str | bytes) -> Any:
    try:
        value = parse(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    left, waiting = MOST, [value]
    while waiting:
        each, left = waiting.pop(), left - 1
        if left < 0:
            raise ValueError(f"it stands for more than {MOST:,} values")
        waiting += (
            each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        )
    return value
