"""What the first convolution looks for."""

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.figures import style
from cnn_sweeps.figures.canvas import RGB, Canvas, Pixels, coloured, columns_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST: Final = 128
GAP: Final = 8
COLOURS: Final = "PuOr"
"""From orange over white to violet, which colour-blind readers tell apart."""


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
    shown = min(filters, MOST)
    columns = columns_for(shown)
    tile = min((style.WIDTH - 32) // columns - GAP, 88)
    rows = math.ceil(shown / columns)
    which = f"{shown} of {filters}" if shown < filters else f"{filters}"
    canvas = Canvas(
        width=max(32 + columns * (tile + GAP), 900),
        height=style.HEAD + 50 + rows * (tile + 30),
        title=f"The {which} kernels of {layer}, {height}×{width} pixels",
        about=about,
    )
    for number, picture in enumerate(pictures(weights)[:shown]):
        row, column = divmod(number, columns)
        left, top = 16 + column * (tile + GAP), style.HEAD + 14 + row * (tile + 30)
        canvas.put(picture, left, top + 20, tile, tile)
        canvas.write(f"{number}", left, top, size=style.SMALL, color=style.FAINT)
    canvas.write(_key(weights), 16, canvas.height - 34, size=style.SMALL)
    return canvas.figure()


def pictures(weights: NDArray[np.floating[Any]]) -> list[Pixels]:
    """A picture of each kernel."""
    most = _most(weights)
    if weights.shape[2] == RGB:
        colours = np.round(255 * (0.5 + weights / (2 * most or 1.0))).astype(np.uint8)
        return [colours[..., number] for number in range(weights.shape[3])]
    flat = _mean(weights)
    return [coloured(flat[..., n], -most, most, COLOURS) for n in range(weights.shape[3])]


def _mean(weights: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    mean: NDArray[np.floating[Any]] = weights.mean(axis=2)
    return mean


def _most(weights: NDArray[np.floating[Any]]) -> float:
    """The largest weight that is shown, whatever its sign."""
    shown = weights if weights.shape[2] == RGB else _mean(weights)
    return float(np.abs(shown).max())


def _key(weights: NDArray[np.floating[Any]]) -> str:
    """How to read the colours."""
    most = _most(weights)
    if weights.shape[2] == RGB:
        return f"red, green and blue: the weight of that channel, from {-most:.2f} to {most:.2f}"
    of = "weight" if weights.shape[2] == 1 else f"mean of {weights.shape[2]} weights"
    return f"orange {-most:.2f}, white 0, violet {most:.2f}: the {of} of a pixel"
