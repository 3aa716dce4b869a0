"""Figures of the space: values by each key, and by all keys together."""

import math
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cnn_sweeps.figures.style import BLUE, VERMILLION
from cnn_sweeps.report.figures.axes import (
    GREY,
    LARGE,
    NOT_USED,
    PAPER,
    canvas,
    is_used,
    label,
    pruned_trials,
    rescale,
    scale,
    scored_trials,
    shorten_label,
)
from cnn_sweeps.sweeps.results.results import Objective, SweepResults, SweptParam, Trial
from cnn_sweeps.text import format as measures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CATEGORIES: Final = 12
"""Values of a key that stand side by side; more of them, where they are numbers, on a scale."""
SPREAD: Final = 0.22
"""How far points over one value are moved apart."""
GOLDEN: Final = (math.sqrt(5) - 1) / 2
BELOW: Final = -0.16
"""Where trials pass an axis that does not count in them, below its least value."""


def slice_of(results: SweepResults, axis: SweptParam, objective: Objective) -> "Figure":
    """The value of each trial over one key."""
    figure, axes = canvas()
    trials = [*scored_trials(results), *pruned_trials(results, objective.name)]
    if not has_few_values(axis):
        trials = [trial for trial in trials if axis.key in trial.params]
    values = [{**trial.last, **trial.values}[objective.name] for trial in trials]
    number = sum(bool(trial.values) for trial in trials)  # the others, behind these, were pruned
    if has_few_values(axis):
        places = _side_by_side(axes, axis, trials)
        _medians(axes, places[:number], values[:number])
    else:
        places = [float(trial.params[axis.key] or 0) for trial in trials]
        rescale(axes, "x", "log" if axis.log else "linear")
    axes.plot(places[:number], values[:number], "o", color=BLUE, alpha=0.65, markersize=5)
    if number < len(trials):
        axes.plot(places[number:], values[number:], "x", color=GREY, markersize=5, label="pruned")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1))
    best = [number for number, trial in enumerate(trials) if trial.best]
    axes.plot(
        [places[number] for number in best],
        [values[number] for number in best],
        "*",
        color=VERMILLION,
        markersize=13,
    )
    if values:
        rescale(axes, "y", scale(values))
    axes.set(xlabel=axis.key, ylabel=label(objective.name))
    return figure


def has_few_values(axis: SweptParam) -> bool:
    """Whether the values of a key stand side by side, rather than on a scale of numbers."""
    return not axis.numeric or 0 < len(axis.values) <= MOST_CATEGORIES


def _medians(axes: "Axes", places: Sequence[float], values: Sequence[float]) -> None:
    """A bar at the median of those that stand together."""
    columns: dict[int, list[float]] = {}
    for place, value in zip(places, values, strict=True):
        columns.setdefault(round(place), []).append(value)
    axes.hlines(
        [median(column) for column in columns.values()],
        [place - 2 * SPREAD for place in columns],
        [place + 2 * SPREAD for place in columns],
        color=GREY,
        linewidth=2,
    )


def _side_by_side(axes: "Axes", axis: SweptParam, trials: Sequence[Trial]) -> list[float]:
    """Places of the trials over a tick for each value; those over one value are moved apart."""
    texts = _texts(axis, trials)
    axes.set_xticks(range(len(texts)), list(map(shorten_label, texts)))
    axes.set_xlim(-0.6, len(texts) - 0.4)
    axes.grid(visible=False, axis="x")
    if max(map(len, map(shorten_label, texts)), default=0) * len(texts) > 60:  # noqa: PLR2004 -- letters of one line
        axes.tick_params("x", labelrotation=30)
    places: list[float] = []
    seen: dict[int, int] = {}
    for trial in trials:
        place = texts.index(_text(axis, trial))
        # Golden steps: each point falls into the largest gap that is left, and always the same.
        step = (seen.setdefault(place, 0) * GOLDEN + 0.5) % 1 - 0.5
        seen[place] += 1
        places.append(place + 2 * SPREAD * step)
    return places


def _texts(axis: SweptParam, trials: Sequence[Trial]) -> list[str]:
    """The values of a key as they stand on its axis."""
    known = list(dict.fromkeys(map(measures.setting, axis.values)))
    other = [text for trial in trials if (text := _text(axis, trial)) not in known]
    return [*known, *dict.fromkeys(other)]


def _text(axis: SweptParam, trial: Trial) -> str:
    return measures.setting(trial.params[axis.key]) if axis.key in trial.params else NOT_USED


def parallel_coordinates(results: SweepResults) -> "Figure":
    """Every trial as a line through its values, coloured by the first objective."""
    from matplotlib import colormaps  # noqa: PLC0415 -- late, as all of Matplotlib
    from matplotlib.cm import ScalarMappable  # noqa: PLC0415
    from matplotlib.colors import ListedColormap, Normalize  # noqa: PLC0415

    trials, columns = scored_trials(results), len(results.axes) + len(results.objectives)
    figure, axes = canvas((max(LARGE[0], 1.5 * columns), LARGE[1]))
    first = results.objectives[0].name
    values = [trial.values[first] for trial in trials]
    # The ends of the scale could not be seen on a dark page, or on a white one.
    palette = ListedColormap(colormaps["cividis"](np.linspace(0.3, 0.85, 256)))
    lie = Normalize(min(values), max(values))
    _frame(axes, results, trials)
    heights = list(zip(*_heights(results, trials), strict=True))
    order = sorted(range(len(trials)), key=lambda number: -(trials[number].rank or 0))
    faint = max(0.25, min(0.8, 40 / len(trials)))
    for number in order:
        best = trials[number].best
        style: dict[str, Any] = {"linewidth": 1.2, "alpha": faint}
        if best:
            style = {"linewidth": 2.6, "color": VERMILLION, "zorder": 3}
        axes.plot(heights[number], **{"color": palette(float(lie(values[number]))), **style})
    figure.colorbar(
        ScalarMappable(lie, palette), ax=axes, label=label(first), pad=0.02, fraction=0.03
    )
    return figure


def _frame(axes: "Axes", results: SweepResults, trials: Sequence[Trial]) -> None:
    """A vertical line for each key and objective, with what stands where on it."""
    names = [axis.key for axis in results.axes]
    names += [label(objective.name) for objective in results.objectives]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks([])
    axes.set_xlim(-0.3, len(names) - 0.7)
    axes.set_ylim(BELOW - 0.06 if some_unused(results) else -0.06, 1.06)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params("x", length=0)
    white = {"boxstyle": "round,pad=0.15", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.8}
    for place, ticks in enumerate(_ticks(results, trials)):
        axes.axvline(place, color="#8a94a0", linewidth=0.9, zorder=0)
        for text, height in ticks.items():
            axes.annotate(
                text,
                (place, height),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=9.5,
                bbox=white,
                zorder=4,
            )


def some_unused(results: SweepResults) -> bool:
    """Whether some key does not count in a trial with a value."""
    trials = scored_trials(results)
    return not all(is_used(axis, trials) for axis in results.axes)


def _ticks(results: SweepResults, trials: Sequence[Trial]) -> list[dict[str, float]]:
    """What stands on each vertical line, and how high."""
    found = []
    for axis in results.axes:
        ticks = {NOT_USED: BELOW} if not is_used(axis, trials) else {}
        if axis.values:
            shown = _known(axis, trials)
            every = max(1, math.ceil(len(shown) / MOST_CATEGORIES))
            heights = {
                shorten_label(text): _share(n, 0, len(shown) - 1) for n, text in enumerate(shown)
            }
            ticks |= dict(list(heights.items())[::every])
        else:
            ticks |= {f"{axis.low:g}": 0.0, f"{axis.high:g}": 1.0}
        found.append(ticks)
    for objective in results.objectives:
        values = [trial.values[objective.name] for trial in trials]
        found.append({f"{min(values):.4g}": 0.0, f"{max(values):.4g}": 1.0})
    return found


def _heights(results: SweepResults, trials: Sequence[Trial]) -> list[list[float]]:
    """For each vertical line, how high each trial passes it, from 0 to 1."""
    found = [_passes(axis, trials) for axis in results.axes]
    for objective in results.objectives:
        values = [trial.values[objective.name] for trial in trials]
        found.append([_share(value, min(values), max(values)) for value in values])
    return found


def _passes(axis: SweptParam, trials: Sequence[Trial]) -> list[float]:
    """How high each trial passes the vertical line of a key."""
    if axis.values:
        places = {text: place for place, text in enumerate(_known(axis, trials))}
        heights = {text: _share(place, 0, len(places) - 1) for text, place in places.items()}
        return [heights.get(_text(axis, trial), BELOW) for trial in trials]
    change = math.log if axis.log else float
    low, high = change(axis.low or 0), change(axis.high or 0)
    values = [trial.params.get(axis.key) for trial in trials]
    return [BELOW if v is None else _share(change(float(v)), low, high) for v in values]


def _known(axis: SweptParam, trials: Sequence[Trial]) -> list[str]:
    """The values that a key has in its space, or has had in a trial."""
    return [text for text in _texts(axis, trials) if text != NOT_USED]


def _share(value: float, low: float, high: float) -> float:
    """Where a value lies between two others, from 0 to 1; in the middle where they are one."""
    return (value - low) / (high - low) if high > low else 0.5
