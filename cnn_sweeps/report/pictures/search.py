"""How the search went: values by trial, and what they depend on."""

from itertools import accumulate
from typing import TYPE_CHECKING

from cnn_sweeps.figures.style import BLUE, VERMILLION
from cnn_sweeps.findings import Findings, Importance, Objective
from cnn_sweeps.report.pictures.marks import GREY, SMALL, canvas, label, rescale, scale, scored

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def progress(findings: Findings, objective: Objective) -> "Figure":
    """The value of each trial, and the best so far."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 -- late, as all of Matplotlib

    figure, axes = canvas()
    trials, name = scored(findings), objective.name
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
    ended = [trial.number for trial in findings.trials if not trial.values]
    if ended:
        bottom = axes.get_xaxis_transform()
        axes.plot(
            ended, [0.02] * len(ended), "x", color=GREY, transform=bottom, label="pruned or failed"
        )
    rescale(axes, "y", scale(values))
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
    axes.set_xlabel(f"share in good values of {found.objective}")
    return figure
