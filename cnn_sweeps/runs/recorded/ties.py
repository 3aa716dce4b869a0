"""The order of equally good runs, and how it is told: the cheaper one comes first."""

import math
from collections.abc import Mapping, Sequence

from cnn_sweeps.text import format as measures

PARAMS, SECONDS = "trainable_params", "train_seconds"
MARK = "="
"""Behind the rank of a run that is as good as the one above it."""
MARKED = f"Rank with {MARK}: as good as the row above."
MOST_NAMED = 5
"""Runs of a tie that are named one by one."""


def cost(metrics: Mapping[str, float]) -> tuple[float, float]:
    """What decides between equally good runs: parameters, then seconds of training.

    Args:
        metrics: of one run; what is missing or no number counts as more than anything.
    """
    known = [metrics.get(name, math.inf) for name in (PARAMS, SECONDS)]
    params, seconds = (math.inf if math.isnan(value) else value for value in known)
    return params, seconds


def marks(values: Sequence[object]) -> list[str]:
    """For each of the ranked values what stands behind its rank: a mark, or nothing."""
    above = (object(), *values)
    return [MARK if over == value else "" for over, value in zip(above, values, strict=False)]


def sentence(
    things: str, names: Sequence[str], metrics: Sequence[Mapping[str, float]], earlier: str
) -> str:
    """Which runs share the first place, and why one of them stands first.

    Args:
        things: what they are: `trials`, `runs`.
        names: of those that are equally good, in their order.
        metrics: of each.
        earlier: what the first of them is where nothing tells them apart: `was first in the queue`.

    Returns:
        A sentence; empty where there are no two.
    """
    if len(names) < 2:  # noqa: PLR2004 -- a tie takes two
        return ""
    shown = [*names[:MOST_NAMED]]
    if len(names) > MOST_NAMED:
        shown.append(f"{len(names) - MOST_NAMED} more")
    (params, seconds), *others = map(cost, metrics)
    if params < min(others)[0]:
        why = f"{names[0]} has the fewest parameters ({params:,.0f})"
    elif (params, seconds) < min(others):
        shortest = measures.texts(SECONDS, [seconds])[0]
        why = f"of those with the fewest parameters, {names[0]} was trained fastest ({shortest} s)"
    else:
        why = f"{names[0]} {earlier}"
    listed = f"{', '.join(shown[:-1])} and {shown[-1]}"
    return f"{things.capitalize()} {listed} tie for the best; {why}."
