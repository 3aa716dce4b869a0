"""What the figures of a report have in common: sizes, colours, scales."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

from cnn_sweeps.figures import style
from cnn_sweeps.sweeps.results.results import SweepResults, SweptParam, Trial
from cnn_sweeps.text import format as measures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY: Final = "#8A94A0"
PAPER: Final = "#FEFEFE"
"""What is behind a picture: white, which a page in the dark can tell from the white of a text."""
SMALL: Final = (6.1, 3.5)
"""Inches of a picture that has another beside it: readable on a phone, too."""
LARGE: Final = (12.6, 4.4)
WIDE_RANGE: Final = 50
"""From here on the greatest and the least value of a metric need a logarithmic scale."""
LONGEST: Final = 18
"""Letters of a label."""
NOT_USED: Final = "not used"
"""Stands for the value of a key that does not count in a trial."""


def canvas(size: tuple[float, float] = SMALL) -> tuple["Figure", "Axes"]:
    """An empty figure with one pair of axes."""
    from matplotlib.figure import Figure  # noqa: PLC0415 -- late, as all of Matplotlib

    figure = Figure(figsize=size, dpi=72, layout="constrained")
    return figure, figure.subplots()


def scored_trials(results: SweepResults) -> list[Trial]:
    """The trials with a value, by number."""
    return sorted((t for t in results.trials if t.values), key=lambda trial: trial.number)


def pruned_trials(results: SweepResults, metric: str) -> list[Trial]:
    """The pruned trials with a last value of this metric, by number."""
    return sorted((t for t in results.trials if metric in t.last), key=lambda trial: trial.number)


def scale(values: Sequence[float]) -> str:
    """The scale on which values can be told apart."""
    least = min(values, default=0.0)
    return "log" if least > 0 and max(values) / least > WIDE_RANGE else "linear"


def label(metric: str) -> str:
    """The name of a metric on an axis, with its unit."""
    return measures.head(metric)


def rescale(axes: "Axes", which: Literal["x", "y"], kind: str) -> None:
    """Set a scale; its ticks are plain numbers, for a formula would need another font."""
    from matplotlib.ticker import NullFormatter  # noqa: PLC0415 -- late, as all of Matplotlib

    if kind == "linear":
        return
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": kind})
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def shorten_label(text: str) -> str:
    """As much of a name as there is room for below a picture."""
    return style.shorten_name(text, LONGEST)


def is_used(axis: SweptParam, trials: Sequence[Trial]) -> bool:
    """Whether the key counts in all of the trials."""
    return all(axis.key in trial.params for trial in trials)
