"""Formats that are the same everywhere: first lines, plurals, times, metrics.

Metrics have a heading with its unit, a direction, and in each value digits that say something.
"""

import math
from collections.abc import Sequence

MINUTE, HOUR = 60, 3600
MB = 10**6

HEADS = {
    "images_per_second": "images/s",
    "peak_memory_mb": "peak memory MB",
    "peak_gpu_memory_mb": "peak GPU memory MB",
}
"""Headings that do not follow from the name."""
SECONDS = "_seconds"
FEW, LARGE = 10, 1e7
"""From the one on a digit behind the point is enough, from the other on a power of ten."""
SMALL = 0.01
"""Below this four digits behind the point would say nothing."""
SHORT = 0.001
"""The same of seconds, which have three."""
LARGEST_COUNT = 1e12
"""From here on nobody reads all the digits of a count."""
DIGITS = range(4, 18)
"""How many digits of a setting are shown: as few as tell it from the others."""
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


def rounded(value: float, decimals: int = 4) -> str:
    """A number with three digits or more that say something: `0.9312`, `16.2`, `7.75e+44`.

    Args:
        value: any; its size alone decides, so that one number does not take digits from another.
        decimals: of a number between 0.01 and 10.
    """
    size = abs(value)
    if 0 < size < SMALL or LARGE <= size < math.inf:
        return f"{value:.2e}"
    return f"{value:,.1f}" if size >= FEW else f"{value:.{decimals}f}"


def texts(metric: str, values: Sequence[float | None]) -> list[str]:
    """One metric of several runs; empty where there is none.

    Counts get thousands marks, seconds one digit behind the point, shares four; a value that is
    very large or small stands as a power of ten, and the others beside it stay as they are.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    write = _seconds if metric.endswith(SECONDS) else _count if _counts(metric, known) else rounded
    return ["" if value is None else write(value) for value in values]


def setting(value: object, digits: int = 4) -> str:
    """A setting as it is typed: `true`, `null`; a number with so many digits that say something."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def aligned_numbers(values: Sequence[object]) -> list[str]:
    """Settings of several runs as text, decimals of equal length where all are numbers."""
    given = _distinct(values)
    behind = max((len(text.partition(".")[2]) for text in given), default=0)
    numbers = all(isinstance(v, int | float) for v in values if v != "")
    if not numbers or not behind or any("e" in text or "n" in text for text in given):
        return given  # names; whole numbers; powers of ten, infinity and the like
    padded = [f"{float(text):.{behind}f}" if text else "" for text in given]
    return padded if max(map(len, padded)) <= NUMBER_LONGEST else given


def _distinct(values: Sequence[object]) -> list[str]:
    """Settings as text, with so many digits that different ones look different."""
    made = ([setting(value, digits) for value in values] for digits in DIGITS)
    wanted = len(set(map(repr, values)))
    return next((texts for texts in made if len(set(texts)) >= wanted), [*map(setting, values)])


def _seconds(value: float) -> str:
    size = abs(value)
    if 0 < size < SHORT or LARGE <= size < math.inf:
        return rounded(value)
    return f"{value:.1f}" if size >= 1 else f"{value:.3f}"


def _counts(metric: str, known: Sequence[float]) -> bool:
    """Whether the values of a metric are counts; an accuracy of 1 is none."""
    if metric.endswith("accuracy") or not any(abs(value) >= 1 for value in known):
        return False
    return all(value == int(value) for value in known)


def _count(value: float) -> str:
    return f"{value:,.0f}" if abs(value) < LARGEST_COUNT or math.isinf(value) else rounded(value)
