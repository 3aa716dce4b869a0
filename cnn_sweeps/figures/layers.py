"""Activations of the layers for some images, and the kernels of the first convolution."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.evaluation.evaluation import SPLITS, Split
from cnn_sweeps.figures import style
from cnn_sweeps.figures.canvas import RGB, Canvas, Pixels, apply_colour_map, as_rgb, columns_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cnn_sweeps.figures.activations import Maps

COLOURS: Final = "inferno"
"""Dark for no answer, bright for a strong one; also when printed in grey."""
ACROSS: Final = 8
"""Layers side by side; deeper networks go on below."""
MOST_LAYERS: Final = 24
MOST_FILTERS: Final = 128
LETTERS: Final = 14
LETTER: Final = 12
"""Pixels that a bold letter takes at `style.TEXT`, at most on average."""
GAP: Final = 8

MOST_KERNELS: Final = 128
KERNEL_GAP: Final = 8
KERNEL_COLOURS: Final = "PuOr"
"""From orange over white to violet, which colour-blind readers tell apart."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Images that were sent through a network.

    Attributes:
        numbers: which, counted from 0 in their split.
        images: the images themselves, (n, height, width, channels).
        names: the class of each.
        split: which images they are.
    """

    numbers: Sequence[int]
    images: NDArray[np.uint8]
    names: Sequence[str]
    split: Split = "test"

    @property
    def word(self) -> str:
        """What people call the split."""
        return SPLITS[self.split]


def convolutions_and_poolings(chosen: Chosen, maps: "Maps", number: int, about: str) -> "Figure":
    """The images as rows, every convolution and pooling as a column, for one filter of each.

    All images of a layer have one scale, so that they can be compared; it stands above.

    Args:
        chosen: the images.
        maps: what the layers returned for them; those with fewer filters are left out.
        number: which filter of each layer, from 0.
        about: the name of the run.
    """
    having = {name: values for name, values in maps.items() if values.shape[-1] > number}
    shown = _spread(having)
    bands = math.ceil(len(shown) / ACROSS)
    columns = math.ceil(len(shown) / bands)
    tile = min((style.WIDTH - 150) // (columns + 1) - GAP, 170)
    band = 78 + len(chosen.numbers) * (tile + GAP)
    which = f" · {len(shown)} of {len(maps)} layers" if len(shown) < len(maps) else ""
    canvas = Canvas(
        width=max(150 + (columns + 1) * (tile + GAP), 900),
        height=style.HEAD + bands * band + 16,
        title=f"Convolutions and pooling: activation of filter {number} in each layer",
        about=f"{about}{which}",
    )
    names = list(shown)
    headings = _headings(names, max(tile // LETTER, 5))
    for start in range(0, len(names), columns):
        top = style.HEAD + (start // columns) * band
        _images(canvas, chosen, top + 70, tile)
        for column, name in enumerate(names[start : start + columns], start=1):
            at = (150 + column * (tile + GAP), top)
            _column(canvas, headings[start + column - 1], shown[name][..., number], at, tile)
    return canvas.figure()


def all_filters(chosen: Chosen, maps: "Maps", layer: str, about: str) -> "Figure":
    """What every filter of one layer makes of the first of the images, numbered.

    Args:
        chosen: the images; the first is shown.
        maps: what the layers returned for them.
        layer: which of them.
        about: the name of the run.
    """
    values = maps[layer][0]
    height, width, filters = values.shape
    shown = min(filters, MOST_FILTERS)
    columns = columns_for(shown)
    tile = min((style.WIDTH - 32 - 200) // columns - GAP, 110)
    rows = math.ceil(shown / columns)
    which = f"{shown} of {filters}" if shown < filters else f"{filters}"
    canvas = Canvas(
        width=max(232 + columns * (tile + GAP), 900),
        height=max(style.HEAD + 54 + rows * (tile + 28), style.HEAD + 330),
        title=f"The {which} filters of {layer}, {height}×{width} pixels each",
        about=about,
    )
    low, high = _scale(values)
    # The root lifts filters that answer faintly; all have one scale, so that they compare.
    lifted = np.sqrt((values - low) / ((high - low) or 1.0))
    top = style.HEAD + 14
    canvas.put(as_rgb(chosen.images)[0], 16, top + 20, 170, 170)
    canvas.write(f"{chosen.word} image {chosen.numbers[0]}", 16, top + 196, size=style.SMALL)
    canvas.write(style.shorten_name(chosen.names[0], LETTERS), 16, top + 218)
    for number in range(shown):
        row, column = divmod(number, columns)
        left, above = 222 + column * (tile + GAP), top + row * (tile + 28)
        canvas.put(
            apply_colour_map(lifted[..., number], 0, 1, COLOURS), left, above + 19, tile, tile
        )
        canvas.write(f"{number}", left, above, size=style.SMALL, color=style.FAINT)
    canvas.write(_key(low, high), 222, canvas.height - 32, size=style.SMALL)
    return canvas.figure()


def _images(canvas: Canvas, chosen: Chosen, top: int, tile: int) -> None:
    """The column of the images themselves, with their numbers and classes beside them."""
    for row, number in enumerate(chosen.numbers):
        at = top + row * (tile + GAP)
        canvas.put(as_rgb(chosen.images)[row], 150, at, tile, tile)
        canvas.write(
            f"{chosen.word} image\n{number}", 16, at + 4, size=style.SMALL, color=style.FAINT
        )
        canvas.write(style.shorten_name(chosen.names[row], 11), 16, at + 48)
    canvas.write("image", 150, top - 66, weight="bold")
    height, width = chosen.images.shape[1:3]
    canvas.write(f"{height}×{width}", 150, top - 44, size=style.SMALL, color=style.FAINT)


def _headings(layers: Sequence[str], room: int) -> list[str]:
    """Names that have room for so many letters, each another: `s1b2conv_1`, or numbered."""
    names = [layer.rpartition("/")[2] for layer in layers]
    brief = [
        name if len(name) <= room else re.sub(r"([a-z])[a-z]*_(\d+)_", r"\1\2", name)
        for name in names
    ]
    return style.shorten_names(brief, room)


def _column(
    canvas: Canvas, heading: str, values: NDArray[np.float32], at: tuple[int, int], tile: int
) -> None:
    """One layer: its heading, its size, its scale, and what it makes of each image."""
    left, top = at
    low, high = _scale(values)
    height, width = values.shape[1:]
    canvas.write(heading, left, top + 4, weight="bold")
    faint: Mapping[str, Any] = {"size": style.SMALL, "color": style.FAINT}
    canvas.write(f"{height}×{width}", left, top + 26, **faint)
    canvas.write(f"{low:.2g} to {high:.2g}", left, top + 46, **faint)
    for row, picture in enumerate(_pictures(values, low, high)):
        canvas.put(picture, left, top + 70 + row * (tile + GAP), tile, tile)


def _pictures(values: NDArray[np.float32], low: float, high: float) -> list[Pixels]:
    return [apply_colour_map(each, low, high, COLOURS) for each in values]


def _scale(values: NDArray[np.float32]) -> tuple[float, float]:
    """The least and the largest value, with 0 between them."""
    known = values[np.isfinite(values)]
    return float(known.min(initial=0)), float(known.max(initial=0))


def _key(low: float, high: float) -> str:
    return f"activation from black {low:.2g} to bright {high:.2g}, on a square-root scale"


def _spread(maps: "Maps") -> dict[str, NDArray[np.float32]]:
    """All layers, or so many of them as there is room for, from the first to the last."""
    names = list(maps)
    if len(names) > MOST_LAYERS:
        chosen = np.linspace(0, len(names) - 1, MOST_LAYERS).round().astype(int)
        names = [names[place] for place in chosen]
    return {name: maps[name] for name in names}


def kernels(weights: NDArray[np.floating[Any]], layer: str, about: str) -> "Figure":
    """Every kernel of a convolution, numbered by its filter.

    Of grey images a kernel has one weight for each pixel: white is 0, violet positive, orange
    negative, as strong as the largest weight of the layer. Of colour images it has three: they
    are shown as one colour, grey for 0, which is then the colour that the filter answers to
    most. Of inputs with other numbers of channels the mean over them is shown.

    Args:
        weights: (height, width, channels, filters).
        layer: the name of the layer.
        about: the name of the run.
    """
    height, width, _, filters = weights.shape
    shown = min(filters, MOST_KERNELS)
    columns = columns_for(shown)
    tile = min((style.WIDTH - 32) // columns - KERNEL_GAP, 88)
    rows = math.ceil(shown / columns)
    which = f"{shown} of {filters}" if shown < filters else f"{filters}"
    canvas = Canvas(
        width=max(32 + columns * (tile + KERNEL_GAP), 900),
        height=style.HEAD + 50 + rows * (tile + 30),
        title=f"The {which} kernels of {layer}, {height}×{width} pixels",
        about=about,
    )
    for number, picture in enumerate(kernel_pictures(weights)[:shown]):
        row, column = divmod(number, columns)
        left, top = 16 + column * (tile + KERNEL_GAP), style.HEAD + 14 + row * (tile + 30)
        canvas.put(picture, left, top + 20, tile, tile)
        canvas.write(f"{number}", left, top, size=style.SMALL, color=style.FAINT)
    canvas.write(_kernel_key(weights), 16, canvas.height - 34, size=style.SMALL)
    return canvas.figure()


def kernel_pictures(weights: NDArray[np.floating[Any]]) -> list[Pixels]:
    """A picture of each kernel."""
    most = _most(weights)
    if weights.shape[2] == RGB:
        colours = np.round(255 * (0.5 + weights / (2 * most or 1.0))).astype(np.uint8)
        return [colours[..., number] for number in range(weights.shape[3])]
    flat = _mean(weights)
    return [
        apply_colour_map(flat[..., n], -most, most, KERNEL_COLOURS) for n in range(weights.shape[3])
    ]


def _mean(weights: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    mean: NDArray[np.floating[Any]] = weights.mean(axis=2)
    return mean


def _most(weights: NDArray[np.floating[Any]]) -> float:
    """The largest weight that is shown, whatever its sign."""
    shown = weights if weights.shape[2] == RGB else _mean(weights)
    return float(np.abs(shown).max())


def _kernel_key(weights: NDArray[np.floating[Any]]) -> str:
    """How to read the colours."""
    most = _most(weights)
    if weights.shape[2] == RGB:
        return f"red, green and blue: the weight of that channel, from {-most:.2f} to {most:.2f}"
    of = "weight" if weights.shape[2] == 1 else f"mean of {weights.shape[2]} weights"
    return f"orange {-most:.2f}, white 0, violet {most:.2f}: the {of} of a pixel"
