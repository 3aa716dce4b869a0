"""Pictures made of images: some of each class, and the mistakes that a network is most sure of."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.data.arrays import Images
from cnn_sweeps.evaluation.evaluation import SPLITS, Split
from cnn_sweeps.figures import style
from cnn_sweeps.figures.canvas import Canvas, as_rgb

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SAMPLES: Final = 120
"""Classes that are shown."""
ROWS: Final = 30
"""Rows that a block has; more classes stand in blocks side by side."""
SAMPLE_LETTERS: Final = 19
LETTER: Final = 11
"""Pixels that a letter takes, on average."""

MOST: Final = 18
COLUMNS: Final = 6
LETTERS: Final = 19
VERSION_TILE: Final = 116
VERSION_GAP: Final = 20
"""Pixels between an image and what is made of it."""
TILE: Final = 170
"""Pixels along a side of a picture."""
STEP: Final = 216
"""Pixels from one picture to the next."""


def samples(
    images: Images,
    labels: NDArray[np.int64],
    names: Sequence[str],
    about: str,
    split: str = "training",
) -> "Figure":
    """A row for each class: its name, how many images it has, and the first of them.

    Args:
        images: those of a split, (n, height, width, channels).
        labels: their classes.
        names: a name for each class.
        about: the name of the run.
        split: which images they are.
    """
    shown = min(len(names), MOST_SAMPLES)
    blocks = math.ceil(shown / ROWS)
    rows = math.ceil(shown / blocks)
    shown_names = style.shorten_names(names, SAMPLE_LETTERS)[:shown]
    name_room = 24 + LETTER * max(map(len, shown_names))
    tile = min(max(900 // rows, 48), 84)
    wide = (style.WIDTH - 32) // blocks
    columns = (wide - name_room) // (tile + 4)
    which = f"{shown} of {len(names)} classes" if shown < len(names) else f"{shown} classes"
    canvas = Canvas(
        width=style.WIDTH,
        height=style.HEAD + 24 + rows * (tile + 4),
        title=f"The first images of {which}, of {len(labels):,} {split} images",
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


def augmentations(
    images: NDArray[np.uint8], versions: Sequence[NDArray[np.uint8]], about: str
) -> "Figure":
    """A row for each image: as it is stored, and what some steps of a training make of it.

    Args:
        images: training images, (n, height, width, channels).
        versions: the same images augmented, once for each step.
        about: the name of the run.
    """
    tile, gap = VERSION_TILE, 4
    canvas = Canvas(
        width=style.WIDTH,
        height=style.HEAD + 24 + len(images) * (tile + gap),
        title=f"{len(images)} training images, and what augmentation makes of them",
        about=f"{about} · left: as stored, then in {len(versions)} steps",
    )
    for row, image in enumerate(images):
        top = style.HEAD + 14 + row * (tile + gap)
        canvas.put(as_rgb(image), 16, top, tile, tile)
        for column, version in enumerate(versions, 1):
            left = 16 + VERSION_GAP + column * (tile + gap)
            canvas.put(as_rgb(version[row]), left, top, tile, tile)
    return canvas.figure()


def most_confident(
    labels: NDArray[np.int64], scores: NDArray[np.floating[Any]]
) -> NDArray[np.int64]:
    """The numbers of the images that were taken for another class, the surest first."""
    predicted = scores.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    return wrong[np.argsort(-scores[wrong, predicted[wrong]], kind="stable")]


def mistakes(
    images: Images,
    labels: NDArray[np.int64],
    scores: NDArray[np.floating[Any]],
    names: Sequence[str],
    about: str,
    split: Split = "test",
) -> "Figure":
    """The most confident mistakes as pictures, with what they are and what they were taken for.

    Args:
        images: those of a split, (n, height, width, channels).
        labels: their true classes.
        scores: a probability for each image and class.
        names: a name for each class.
        about: the name of the run.
        split: which images they are.
    """
    wrong, shown = most_confident(labels, scores), style.shorten_names(names, LETTERS)
    chosen = wrong[:MOST]
    rows = math.ceil(len(chosen) / COLUMNS) or 1
    canvas = Canvas(
        width=style.WIDTH,
        height=style.HEAD + 20 + rows * (TILE + 108) if len(chosen) else style.HEAD + 60,
        title=_title(len(chosen), len(wrong), f"{len(labels):,} {SPLITS[split]} images"),
        about=f"{about} · blue: the true class, orange: the predicted one and its probability",
    )
    for place, number in enumerate(chosen):
        row, column = divmod(place, COLUMNS)
        left, top = 22 + column * STEP, style.HEAD + 14 + row * (TILE + 108)
        canvas.put(as_rgb(images[number]), left, top, TILE, TILE)
        below = top + TILE + 6
        said = int(scores[number].argmax())
        canvas.write(
            f"{SPLITS[split]} image {number}", left, below, size=style.SMALL, color=style.FAINT
        )
        canvas.write(shown[labels[number]], left, below + 20, color=style.BLUE)
        canvas.write(shown[said], left, below + 42, color=style.VERMILLION)
        canvas.write(percent(float(scores[number, said])), left, below + 64, size=style.SMALL)
    return canvas.figure()


def _title(shown: int, wrong: int, images: str) -> str:
    if not wrong:
        return f"No mistake among {images}"
    which = f"The {shown} most confident of" if shown < wrong else "All"
    return f"{which} {wrong:,} mistakes among {images}"


def percent(share: float) -> str:
    """A probability; what is nearly certain is not rounded to certain."""
    text = f"{share:.1%}"
    return "more than 99.9%" if text == "100.0%" else text
