"""What the images look like: some of each class."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.figures import style
from cnn_sweeps.figures.canvas import Canvas, as_rgb

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST: Final = 120
"""Classes that are shown."""
ROWS: Final = 30
"""Rows that a block has; more classes stand in blocks side by side."""
LETTERS: Final = 19
LETTER: Final = 11
"""Pixels that a letter takes, on average."""


def samples(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    names: Sequence[str],
    about: str,
) -> "Figure":
    """A row for each class: its name, how many training images it has, and the first of them.

    Args:
        images: the training images, (n, height, width, channels).
        labels: their classes.
        names: a name for each class.
        about: the name of the run.
    """
    shown = min(len(names), MOST)
    blocks = math.ceil(shown / ROWS)
    rows = math.ceil(shown / blocks)
    shown_names = style.distinct(names, LETTERS)[:shown]
    name_room = 24 + LETTER * max(map(len, shown_names))
    tile = min(max(900 // rows, 48), 84)
    wide = (style.WIDTH - 32) // blocks
    columns = (wide - name_room) // (tile + 4)
    which = f"{shown} of {len(names)} classes" if shown < len(names) else f"{shown} classes"
    canvas = Canvas(
        width=style.WIDTH,
        height=style.HEAD + 24 + rows * (tile + 4),
        title=f"The first images of {which}, of {len(labels):,} training images",
        about=about,
    )
    for number in range(shown):
        block, row = divmod(number, rows)
        left, top = 16 + block * wide, style.HEAD + 14 + row * (tile + 4)
        of_class = np.flatnonzero(labels == number)
        name, middle = shown_names[number], top + tile / 2
        canvas.write(name, left, middle + 1, va="bottom")
        canvas.write(f"{len(of_class):,}", left, middle + 1, size=style.SMALL, color=style.FAINT)
        for column, image in enumerate(of_class[:columns]):
            at = left + name_room + column * (tile + 4)
            canvas.put(as_rgb(images[image]), at, top, tile, tile)
    return canvas.figure()
