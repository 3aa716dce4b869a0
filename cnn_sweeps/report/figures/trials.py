"""Figures of the trials: results, history of the search, timeline of the workers.

One metric against another and the trainings of the best; values by trial and what they depend on;
the bars of all trials, worker by worker.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from cnn_sweeps.figures.style import (
    BLUE,
    ORANGE,
    PALETTE,
    SKY,
    VERMILLION,
    readable_on,
    shorten_name,
)
from cnn_sweeps.report.figures import axes as shared
from cnn_sweeps.report.figures.axes import (
    GREY,
    LARGE,
    PAPER,
    SMALL,
    canvas,
    label,
    rescale,
    scale,
    scored_trials,
)
from cnn_sweeps.sweeps.results.results import Importance, Objective, SweepResults, Trial
from cnn_sweeps.text.format import setting
from cnn_sweeps.training.epoch import Epoch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LETTERS: Final = 40
"""Of a name in a legend."""
MOST_NAMED: Final = 12
"""Winners that are named in a picture; more would hide each other."""

KINDS: Final = {"trained": BLUE, "from cache": SKY, "pruned": ORANGE, "failed": VERMILLION}
LONG_ENOUGH: Final = 0.025
"""Share of the whole time from which on a bar has room for the number of its trial."""


def scatter_plot(results: SweepResults, across: str, up: str) -> "Figure":
    """One metric against another, a point for each trial; the best stand out, and are named.

    Where both are objectives the best are the Pareto front, and a line leads along it.
    """
    figure, axes = canvas()
    trials = [t for t in scored_trials(results) if across in _known(t) and up in _known(t)]
    points = [(_known(trial)[across], _known(trial)[up]) for trial in trials]
    rest = [point for point, trial in zip(points, trials, strict=True) if not trial.best]
    best = [(*point, t.number) for point, t in zip(points, trials, strict=True) if t.best]
    if rest:
        axes.plot(*zip(*rest, strict=True), "o", color=BLUE, alpha=0.65, markersize=5)
    front = len(results.objectives) > 1
    xs, ys, numbers = zip(*sorted(best), strict=True)
    line = "-" if len(results.objectives) == 2 else "none"  # noqa: PLR2004 -- more have no line
    named = f"{'Pareto front' if front else 'best'}, with the number of the trial"
    axes.plot(xs, ys, linestyle=line, marker="*", markersize=12, color=VERMILLION, label=named)
    for x, y, number in zip(xs, ys, numbers, strict=True) if len(xs) <= MOST_NAMED else ():
        axes.annotate(f"{number}", (x, y), xytext=(6, -11), textcoords="offset points")
    rescale(axes, "x", scale([x for x, _ in points]))
    rescale(axes, "y", scale([y for _, y in points]))
    axes.set(xlabel=label(across), ylabel=label(up))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def _known(trial: Trial) -> dict[str, float]:
    return {**trial.metrics, **trial.values}


def curves(results: SweepResults, metric: str) -> "Figure":
    """One metric of the best trials over the epochs: validation, and training dashed."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 -- late, as all of Matplotlib

    figure, axes = canvas()
    names = _names(results)
    for curve, colour, name in zip(results.curves, PALETTE, names, strict=False):
        held_out = _series(curve.epochs, f"val_{metric}")
        training = _series(curve.epochs, metric)
        told = f"{curve.rank}. trial {curve.trial}" + f": {name}" * bool(name)
        named: dict[str, Any] = {"label": told, "color": colour}
        if held_out:
            axes.plot(*zip(*held_out, strict=True), marker="o", markersize=3.5, **named)
            named.pop("label")
        if training:
            axes.plot(*zip(*training, strict=True), linestyle="--", linewidth=1, alpha=0.8, **named)
    if any(_series(curve.epochs, metric) for curve in results.curves):
        axes.plot([], [], color=GREY, linestyle="--", linewidth=1, label="training")
    given_up = [trial.reported for trial in pruned_trials(results, metric)]
    for number, reported in enumerate(given_up):
        look: dict[str, Any] = {"color": GREY, "linewidth": 0.8, "marker": ".", "markersize": 4}
        axes.plot(
            *zip(*reported.items(), strict=True),
            label=None if number else "pruned",
            zorder=1,
            **look,
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    shown = [
        v
        for c in results.curves
        for n in (metric, f"val_{metric}")
        for _, v in _series(c.epochs, n)
    ] + [value for reported in given_up for value in reported.values()]
    rescale(axes, "y", scale(shown))
    axes.set(xlabel="epoch", ylabel=metric)
    axes.legend(loc="best")
    return figure


def _names(results: SweepResults) -> list[str]:
    """What tells the curves apart: their networks, else the swept values in which they differ."""
    networks = [curve.network for curve in results.curves]
    if len(set(networks)) == len(networks):
        return networks
    params = {trial.number: trial.params for trial in results.trials}
    swept = [params.get(curve.trial, {}) for curve in results.curves]
    keys = dict.fromkeys(key for each in swept for key in each)
    differing = [key for key in keys if len({each.get(key) for each in swept}) > 1]
    told = [
        " ".join(
            f"{key.rpartition('.')[2]}={setting(each[key])}" for key in differing if key in each
        )
        for each in swept
    ]
    return [
        shorten_name(name or network, LETTERS) for name, network in zip(told, networks, strict=True)
    ]


def pruned_trials(results: SweepResults, metric: str) -> list[Trial]:
    """The pruned trials that have a curve of a metric, on the images of whichever split."""
    return shared.pruned_trials(results, f"val_{metric}") or shared.pruned_trials(results, metric)


def _series(epochs: Sequence[Epoch], metric: str) -> list[tuple[int, float]]:
    return [(epoch.number, epoch.metrics[metric]) for epoch in epochs if metric in epoch.metrics]


def progress(results: SweepResults, objective: Objective) -> "Figure":
    """The value of each trial, and the best so far."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 -- late, as all of Matplotlib

    figure, axes = canvas()
    trials, name = scored_trials(results), objective.name
    numbers = [trial.number for trial in trials]
    values = [trial.values[name] for trial in trials]
    better = min if objective.sign > 0 else max
    axes.plot(numbers, values, "o", color=BLUE, alpha=0.65, markersize=5, label="trial")
    axes.step(
        numbers,
        list(accumulate(values, better)),
        where="post",
        color=VERMILLION,
        linewidth=1.8,
        label="best so far",
    )
    given_up = shared.pruned_trials(results, name)
    last = [trial.last[name] for trial in given_up]
    if last:
        at = [trial.number for trial in given_up]
        axes.plot(at, last, "x", color=GREY, markersize=5, label="pruned")
    ended = [trial.number for trial in results.trials if not trial.values and not trial.last]
    if ended:
        bottom = axes.get_xaxis_transform()
        axes.plot(ended, [0.02] * len(ended), "x", color=GREY, transform=bottom, label="no value")
    rescale(axes, "y", scale([*values, *last]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="trial", ylabel=label(name))
    axes.legend(loc="best")
    return figure


def importance(found: Importance) -> "Figure":
    """The share of each key in good values, the greatest on top."""
    from matplotlib.ticker import PercentFormatter  # noqa: PLC0415

    keys, shares = list(found.shares)[::-1], list(found.shares.values())[::-1]
    figure, axes = canvas((SMALL[0], max(1.6, 0.9 + 0.42 * len(keys))))
    bars = axes.barh(keys, shares, color=BLUE, height=0.6)
    axes.bar_label(bars, [f"{share:.0%}" for share in shares], padding=4)
    axes.set_xlim(0, max(shares) * 1.18)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"importance for {found.objective}")
    return figure


def timeline(results: SweepResults) -> "Figure":
    """A bar for each trial over the sweep's own time, coloured by how it ended."""
    from matplotlib.colors import to_rgb  # noqa: PLC0415 -- late, as all of Matplotlib
    from matplotlib.patches import Patch  # noqa: PLC0415

    rows = max(results.timing.workers, 1)
    figure, axes = canvas((LARGE[0], min(6.0, 1.3 + 0.45 * rows)))
    ran = [trial for trial in results.trials if trial.begin is not None]
    whole = max((trial.end or 0.0 for trial in ran), default=0.0)
    for kind, colour in KINDS.items():
        bars = [trial for trial in ran if _kind(trial) == kind]
        axes.barh(
            [trial.worker for trial in bars],
            [trial.seconds for trial in bars],
            left=[trial.begin or 0.0 for trial in bars],
            height=0.7,
            color=colour,
            edgecolor=PAPER,
            linewidth=0.6,
        )
        for trial in bars:
            if trial.seconds >= LONG_ENOUGH * whole:
                middle = (trial.begin or 0.0) + trial.seconds / 2
                ink = readable_on(to_rgb(colour))
                axes.text(
                    middle, trial.worker, f"{trial.number}", color=ink, ha="center", va="center"
                )
    axes.set_yticks(range(rows), [f"worker {row + 1}" for row in range(rows)])
    axes.set_ylim(rows - 0.45, -0.55)
    axes.set_xlim(0, whole or 1)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("seconds")
    there = [kind for kind in KINDS if any(_kind(trial) == kind for trial in ran)]
    figure.legend(
        handles=[Patch(color=KINDS[kind], label=kind) for kind in there],
        loc="outside upper right",
        ncols=len(KINDS),
    )
    return figure


def _kind(trial: Trial) -> str:
    if trial.state == "complete":
        return "from cache" if trial.reused or not trial.epochs_trained else "trained"
    return "pruned" if trial.state == "pruned" else "failed"
