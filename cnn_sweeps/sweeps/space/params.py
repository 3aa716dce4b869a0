"""One entry of `hydra.sweeper.params`: a sweep, and when it counts."""

from collections.abc import Mapping
from typing import Any

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.space.value import text_of

When = Mapping[str, Any]
"""Key to a plain value, a list of them, or a comparison such as `>0`."""

EXAMPLE = '{sweep: choice(16,32), when: {model.conv_blocks: ">0"}}'


def split_condition(key: str, value: Any) -> tuple[Any, When | None]:
    """A value of `params` as its sweep and its condition."""
    if not isinstance(value, Mapping) or not {"sweep", "when"} & set(value):
        return value, None
    when = value.get("when", {})
    right = "sweep" in value and set(value) <= {"sweep", "when"}
    if not right or not isinstance(when, Mapping) or ("when" in value and not when):
        raise ConfigError(
            f"hydra.sweeper.params.{key} is {dict(value)}; a sweep with a condition is "
            f"written `{key}: {EXAMPLE}`."
        )
    return value["sweep"], when or None


def expression(key: str, value: Any) -> str:
    """One value of `params` as it would stand on the command line."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        inner = next(iter(value), "filters")
        raise ConfigError(
            f"hydra.sweeper.params.{key} holds a mapping; "
            f"write the whole path as one key: `{key}.{inner}: choice(16,32)`."
        )
    if isinstance(value, list | tuple):
        if not value:
            raise ConfigError(
                f"hydra.sweeper.params.{key} is an empty list; write `{key}: [16, 32]`."
            )
        # The comma list takes null, which `choice()` does not; it needs two elements.
        texts = [text_of(item) for item in value]
        return ",".join(texts) if len(texts) > 1 else f"choice({texts[0]})"
    return text_of(value)
