"""How things are said, the same everywhere: first lines, numbers of things, times, metrics.

Metrics have a heading with its unit, a direction, and columns of equal digits.
"""

import math
from collections.abc import Sequence

MINUTE, HOUR = 60, 3600

HEADS = {"images_per_second": "images/s", "peak_memory_mb": "peak memory MB"}
"""Headings that do not follow from the name."""
SECONDS = "_seconds"
FEW = 10
"""From here on one digit behind the point is enough."""
SMALL = 0.01
"""Below this four digits behind the point would say nothing."""
NUMBER_LONGEST = 12
"""Characters that a value of a column may take before its decimals are left unequal."""


def first_line(text: object) -> str:
    """The first line of a reason or an error; empty where it says nothing."""
    return next(iter(str(text or "").strip().splitlines()), "")


def pluralize(number: int, thing: str, things: str | None = None) -> str:
    """So many things: `1 trial`, `1,200 trials`, `2 trajectories`.

    Args:
        number: how many.
        thing: the word for one.
        things: the word for several, where that is not formed with an s.
    """
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"


def duration(seconds: float, decimals: int = 0) -> str:
    """A measured time: `16 s`, `1 min 12 s`, `2 h 5 min`.

    Args:
        seconds: measured; rounded down, as clocks do.
        decimals: of a time of less than a minute.
    """
    if seconds < MINUTE:
        return f"{int(seconds * 10**decimals) / 10**decimals:.{decimals}f} s"
    minutes, rest = divmod(int(seconds), MINUTE)
    hours, minutes = divmod(minutes, MINUTE)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def head(metric: str) -> str:
    """The heading of a column: the metric as it is typed, or its name with the unit."""
    if metric.endswith(SECONDS):
        return f"{metric.removesuffix(SECONDS)} s"
    return HEADS.get(metric, metric)


def rising(metric: str) -> bool:
    """Whether more of it is better: of accuracies and speed, and of nothing else."""
    return metric.endswith("accuracy") or metric == "images_per_second"


def texts(metric: str, values: Sequence[float | None]) -> list[str]:
    """One metric of several runs, with as many digits in each, so that the points align.

    Counts get thousands marks, seconds one digit, shares four; empty where there is none.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    form = _form(metric, known)
    return ["" if value is None else format(value, form) for value in values]


def setting(value: object, digits: int = 4) -> str:
    """A setting as it is typed: `true`, `null`; a number with so many digits that say something."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def aligned(values: Sequence[object]) -> list[str]:
    """Settings of several runs as text, decimals of equal length where all are numbers."""
    given = [*map(setting, values)]
    behind = max((len(text.partition(".")[2]) for text in given), default=0)
    numbers = all(isinstance(v, int | float) for v in values if v != "")
    if not numbers or not behind or any("e" in text or "n" in text for text in given):
        return given  # names; whole numbers; powers of ten, infinity and the like
    padded = [f"{float(text):.{behind}f}" if text else "" for text in given]
    return padded if max(map(len, padded)) <= NUMBER_LONGEST else given


def _form(metric: str, known: Sequence[float]) -> str:
    """How all values of a metric are written."""
    largest = max(map(abs, known), default=0.0)
    if metric.endswith(SECONDS):
        return ".1f" if largest >= 1 else ".3f"
    if largest >= 1 and all(value == int(value) for value in known):
        return ",.0f"
    if 0 < largest < SMALL:
        return ".2e"
    return ",.1f" if largest >= FEW else ".4f"
