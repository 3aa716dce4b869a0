"""Confusion matrices."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.evaluation.evaluation import SPLITS, Evaluation
from cnn_sweeps.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Counts = NDArray[np.int64]

BOTH: Final = 12
"""Up to so many classes a cell has room for its count and its share of the row."""
SHARES: Final = 25
"""Up to so many it has room for the share."""
NAMES: Final = 40
"""So many names have room along a side."""
LISTED: Final = 12
"""Confusions that are listed where the cells have no room for numbers."""
FEW: Final = 4
"""Up to so many classes there is room for long names."""
LETTERS: Final = 18
LETTER: Final = 11
"""Pixels that a letter takes at `style.TEXT`, on average."""


def confusion_matrix(evaluation: Evaluation, about: str) -> "Figure":
    """A row for each true class, a column for each predicted one.

    What is right is blue, what is wrong is orange; the colour of a cell is its share of its row,
    and oranges are as strong as the largest of them allows, so that mistakes can be seen beside
    the many that are right.

    Args:
        evaluation: of one split.
        about: the name of the run.
    """
    counts, classes = np.array(evaluation.confusion), len(evaluation.classes)
    names = [each.name for each in evaluation.classes]
    images = f"{evaluation.images:,} {SPLITS[evaluation.split]} images"
    side = _side(classes)
    shown = style.shorten_names(names, LETTERS if classes > FEW else 2 * LETTERS)
    margin = 60 + LETTER * max(map(len, shown))
    below = 70 + round(0.75 * LETTER * max(map(len, shown)))
    listed = 60 + 27 * math.ceil(LISTED / 2) if classes > SHARES else 0
    width = min(max(margin + side + 40, 960), style.WIDTH)
    height = style.HEAD + 14 + side + below + listed
    with style.figure_style():
        title = f"Confusion matrix: accuracy {evaluation.metrics['accuracy']:.4f} on {images}"
        figure = style.new(width, height, title, f"{about} · {_key(classes)}")
        axes = style.place(figure, margin, style.HEAD + 14, side, side)
        axes.imshow(_colours(counts), interpolation="nearest")
        _name_sides(axes, shown)
        _write_cells(axes, counts)
        if classes > SHARES:
            _list(figure, counts, shown, top=height - listed)
    return figure


def _key(classes: int) -> str:
    """How to read the cells."""
    if classes <= BOTH:
        return "number of images, and % of the true class"
    return "% of the true class" if classes <= SHARES else "colour: fraction of the true class"


def _side(classes: int) -> int:
    """Pixels along a side of the matrix."""
    return min(max(classes * 80, 320), 1050)


def _shares(counts: Counts) -> NDArray[np.float64]:
    """Each cell as a share of its row; a class without test images has none."""
    rows = counts.sum(axis=1, keepdims=True)
    return np.asarray(counts / np.maximum(rows, 1))


def _colours(counts: Counts) -> NDArray[np.float64]:
    """A colour for each cell, from white to blue on the diagonal and to orange beside it."""
    from matplotlib.colors import to_rgb

    strength = _strength(counts)[..., None]
    right = np.eye(len(counts), dtype=bool)[..., None]
    full = np.where(right, to_rgb(style.BLUE), to_rgb(style.VERMILLION))
    return np.asarray(1 - strength * (1 - full))


def _strength(counts: Counts) -> NDArray[np.float64]:
    """How strong the colour of each cell is, from 0 to 1."""
    shares = _shares(counts)
    right = np.eye(len(counts), dtype=bool)
    most = shares[~right].max(initial=0) or 1
    # The root lifts what is small: one mistake in a hundred is still to be seen.
    return np.where(right, shares, 0.85 * np.sqrt(shares / most))


def _name_sides(axes: "Axes", names: Sequence[str]) -> None:
    step = math.ceil(len(names) / NAMES)
    places = range(0, len(names), step)
    size = style.TEXT if len(names) <= SHARES else style.SMALL
    axes.set_xticks(places, [names[i] for i in places], size=size)
    axes.set_yticks(places, [names[i] for i in places], size=size)
    room = _side(len(names)) / len(names) / LETTER
    if max(map(len, names)) > room:
        turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(places, [names[i] for i in places], size=size, **turned)
    axes.set_xlabel("predicted class", weight="bold")
    axes.set_ylabel("true class", weight="bold")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    edges = np.arange(len(names) + 1) - 0.5
    axes.set_xticks(edges, minor=True)
    axes.set_yticks(edges, minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(which="minor", color="#E4E8EC", linewidth=0.8 if len(names) <= NAMES else 0.3)


def _write_cells(axes: "Axes", counts: Counts) -> None:
    """The numbers of each cell that is not empty, as far as there is room.

    The diagonal has one also where it is 0, unless the class has no images.
    """
    if len(counts) > SHARES:
        return
    shares, colours = _shares(counts), _colours(counts)
    both = len(counts) <= BOTH
    known = counts.any(axis=1, keepdims=True)
    for row, column in np.argwhere((counts > 0) | (np.eye(len(counts), dtype=bool) & known)):
        share = f"{100 * shares[row, column]:.0f}"
        if both:
            share = f"{shares[row, column]:.1%}".replace("100.0%", "100%")
        axes.text(
            column,
            row,
            f"{counts[row, column]:,}\n{share}" if both else share,
            ha="center",
            va="center",
            size=style.TEXT if both else style.SMALL,
            weight="bold" if row == column else "normal",
            color=style.readable_on(colours[row, column]),
        )


def _list(figure: "Figure", counts: Counts, names: Sequence[str], top: int) -> None:
    """The largest confusions in words."""
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    order = np.argsort(-wrong, axis=None, kind="stable")[:LISTED]
    cells = [divmod(int(cell), len(counts)) for cell in order]
    lines = [
        f"{names[row]} predicted as {names[column]}: "
        f"{wrong[row, column]:,} of {counts[row].sum():,}"
        for row, column in cells
        if wrong[row, column]
    ]
    across, down = (side * style.DPI for side in figure.get_size_inches())
    figure.text(16 / across, 1 - top / down, "Most frequent", va="top", weight="bold")
    half = math.ceil(LISTED / 2)
    for column in range(2):
        text = "\n".join(lines[column * half : (column + 1) * half])
        left = (16 + column * across / 2) / across
        figure.text(left, 1 - (top + 30) / down, text, va="top", linespacing=1.4)
