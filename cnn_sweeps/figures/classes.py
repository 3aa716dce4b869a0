"""Precision, recall and F1 of each class, with how sure they are."""

from typing import TYPE_CHECKING, Final

import numpy as np

from cnn_sweeps.evaluation.evaluation import SPLITS, Evaluation
from cnn_sweeps.evaluation.metrics import ClassScore
from cnn_sweeps.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST: Final = 50
"""Rows; of more classes those with the lowest F1."""
ROW: Final = 34
LETTERS: Final = 22
SCORES: Final = {"precision": style.BLUE, "recall": style.VERMILLION, "f1": style.GREEN}


def class_scores(evaluation: Evaluation, about: str) -> "Figure":
    """A row for each class: its scores as numbers and as dots, with 95 % intervals.

    Args:
        evaluation: of one split.
        about: the name of the run.
    """
    every = evaluation.classes
    shown = every if len(every) <= MOST else sorted(every, key=_rank)[:MOST]
    names = style.shorten_names([each.name for each in shown], LETTERS)
    which = f"the {len(shown)} of {len(every)} classes with the lowest F1 · " * (shown != every)
    with style.figure_style():
        title = f"Scores of each class: {evaluation.images:,} {SPLITS[evaluation.split]} images"
        height = style.HEAD + 110 + ROW * len(shown)
        figure = style.new(
            style.WIDTH, height, title, f"{about} · {which}lines: 95 % bootstrap intervals"
        )
        for column, (name, colour) in enumerate(SCORES.items()):
            left = 290 + column * 345
            axes = style.place(figure, left, style.HEAD + 40, 235, ROW * len(shown))
            _panel(axes, shown, name, colour)
            if not column:
                labels = [f"{n}  ({each.support:,})" for n, each in zip(names, shown, strict=True)]
                axes.set_yticks(range(len(shown)), labels)
    return figure


def _rank(each: ClassScore) -> tuple[bool, float]:
    """The lowest F1 first, classes without images last."""
    return not each.support, each.f1


def _panel(
    axes: "Axes", classes: tuple[ClassScore, ...] | list[ClassScore], name: str, colour: str
) -> None:
    """One score of all classes, the first class on top."""
    values = [getattr(each, name) for each in classes]
    ends = np.array([each.intervals.get(name, (np.nan, np.nan)) for each in classes])
    rows = range(len(classes))
    axes.hlines(rows, ends[:, 0], ends[:, 1], color=colour, linewidth=7, alpha=0.3)
    known = [row for row in rows if classes[row].support]
    axes.plot(
        [values[row] for row in known], known, "o", color=colour, markersize=4.5, clip_on=False
    )
    for row, each in enumerate(classes):
        said = f"{values[row]:.3f}" if each.support else "no images"
        axes.text(1.04, row, said, va="center", size=style.TEXT, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(len(classes) - 0.5, -0.5))
    axes.set_yticks([])
    axes.set_title("F1" if name == "f1" else name.capitalize(), loc="left")
    axes.grid(visible=True, axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
