"""What came out: one metric against another, and the trainings of the best."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from cnn_sweeps.figures.style import BLUE, PALETTE, VERMILLION
from cnn_sweeps.findings import Findings, Trial
from cnn_sweeps.history import Epoch
from cnn_sweeps.report.pictures.marks import GREY, canvas, label, rescale, scale, scored

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_NAMED: Final = 12
"""Winners that are named in a picture; more would hide each other."""


def against(findings: Findings, across: str, up: str) -> "Figure":
    """One metric against another, a point for each trial; the best stand out, and are named.

    Where both are objectives the best are the Pareto front, and a line leads along it.
    """
    figure, axes = canvas()
    trials = [t for t in scored(findings) if across in _known(t) and up in _known(t)]
    points = [(_known(trial)[across], _known(trial)[up]) for trial in trials]
    rest = [point for point, trial in zip(points, trials, strict=True) if not trial.best]
    best = [(*point, t.number) for point, t in zip(points, trials, strict=True) if t.best]
    if rest:
        axes.plot(*zip(*rest, strict=True), "o", color=BLUE, alpha=0.65, markersize=5)
    front = len(findings.objectives) > 1
    xs, ys, numbers = zip(*sorted(best), strict=True)
    line = "-" if len(findings.objectives) == 2 else "none"  # noqa: PLR2004 -- more have no line
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


def curves(findings: Findings, metric: str) -> "Figure":
    """One metric of the best trials over the epochs: validation, and training dashed."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 -- late, as all of Matplotlib

    figure, axes = canvas()
    for curve, colour in zip(findings.curves, PALETTE, strict=False):
        held_out = _series(curve.epochs, f"val_{metric}")
        training = _series(curve.epochs, metric)
        named: dict[str, Any] = {"label": f"{curve.rank}. trial {curve.trial}", "color": colour}
        if held_out:
            axes.plot(*zip(*held_out, strict=True), marker="o", markersize=3.5, **named)
            named.pop("label")
        if training:
            axes.plot(*zip(*training, strict=True), linestyle="--", linewidth=1, alpha=0.8, **named)
    axes.plot([], [], color=GREY, linestyle="--", linewidth=1, label="training")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    shown = [
        v
        for c in findings.curves
        for n in (metric, f"val_{metric}")
        for _, v in _series(c.epochs, n)
    ]
    rescale(axes, "y", scale(shown))
    axes.set(xlabel="epoch", ylabel=metric)
    axes.legend(loc="best")
    return figure


def _series(epochs: Sequence[Epoch], metric: str) -> list[tuple[int, float]]:
    return [(epoch.number, epoch.metrics[metric]) for epoch in epochs if metric in epoch.metrics]
