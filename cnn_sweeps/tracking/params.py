"""Values on their way into MLflow: flat names, text within its limits, batches of its size."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")

# Limits of the tracking API (`mlflow.utils.validation`). Beyond them MLflow refuses the
# whole batch, or cuts the value without a sign.
PARAM_LENGTH: Final = 6_000
TAG_LENGTH: Final = 8_000
KEY_LENGTH: Final = 250
PARAMS_PER_BATCH: Final = 100
METRICS_PER_BATCH: Final = 1_000


def flatten(config: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """The config as MLflow params: dotted names, every value as text.

    Args:
        config: nested mappings of JSON values.
        prefix: what stands in front of every name.

    Returns:
        One entry for each leaf; an absent value reads `null`, a list is JSON, and so is
        an empty mapping, which would vanish otherwise.
    """
    flat: dict[str, str] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = as_text(value)
    return flat


def as_text(value: object) -> str:
    """One value as a person would type it: text as it is, everything else as JSON."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float | Mapping | Sequence):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def shorten(text: str, limit: int) -> str:
    """The text, cut to the limit with an ellipsis that shows the cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def key(name: str) -> str:
    """A name that MLflow accepts: other characters than word, dot, dash, space become `_`."""
    return re.sub(r"[^\w.\- ]", "_", name)[:KEY_LENGTH] or "_"


def tags(values: Mapping[str, object]) -> dict[str, str]:
    """Tags within MLflow's limits."""
    return {key(name): shorten(as_text(value), TAG_LENGTH) for name, value in values.items()}


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most `size`."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
