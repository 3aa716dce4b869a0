"""Many small pictures in one: painted into one array, since axes for each would take seconds."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.figures import style

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

Pixels = NDArray[np.uint8]
"""Height, width, and red, green and blue."""

WHITE: Final = 255
RGB: Final = 3
NARROW: Final = 8


@dataclass(kw_only=True)
class Canvas:
    """A figure that pictures and texts are put on, each at a place in pixels from the top left.

    Attributes:
        width: in pixels.
        height: in pixels.
        title: what the picture shows.
        about: of what, below the title.
    """

    width: int
    height: int
    title: str
    about: str
    _pixels: Pixels = field(init=False)
    _texts: list[tuple[float, float, str, dict[str, Any]]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._pixels = np.full((self.height, self.width, RGB), WHITE, np.uint8)

    def put(self, picture: Pixels, left: int, top: int, width: int, height: int) -> None:
        """Put a picture into a box: as large as it fits, in its own proportions, at the left.

        Pixels stay pixels: nothing is smoothed.
        """
        scale = min(width / picture.shape[1], height / picture.shape[0])
        across = max(1, round(picture.shape[1] * scale))
        down = max(1, round(picture.shape[0] * scale))
        top += (height - down) // 2
        self._pixels[top : top + down, left : left + across] = enlarge_pixels(picture, down, across)

    def write(self, text: str, x: float, y: float, **how: Any) -> None:
        """Write a text with its upper left corner there; `how` is Matplotlib's."""
        self._texts.append((x, y, text, {"va": "top", "size": style.TEXT, **how}))

    def figure(self) -> "Figure":
        """The finished figure."""
        with style.figure_style():
            made = style.new(self.width, self.height, self.title, self.about)
            made.add_artist(_sheet(self._pixels))
            for x, y, text, how in self._texts:
                made.text(x / self.width, 1 - y / self.height, text, **how)
        return made


def _sheet(pixels: Pixels) -> "Artist":
    """The painted pixels as they are; `imshow` would resample each of them to itself, slowly."""
    from matplotlib.artist import Artist

    class Sheet(Artist):
        def draw(self, renderer: Any) -> None:
            """Put the pixels on the whole figure, below everything else."""
            rgba = np.dstack([pixels, np.full(pixels.shape[:2], WHITE, np.uint8)])
            renderer.draw_image(renderer.new_gc(), 0, 0, rgba[::-1])

    sheet = Sheet()
    sheet.set_zorder(-1)
    return sheet


def columns_for(count: int) -> int:
    """How many of so many pictures stand side by side: 64 make a square."""
    return min(count, NARROW if count <= NARROW**2 else 2 * NARROW)


def enlarge_pixels(picture: Pixels, height: int, width: int) -> Pixels:
    """The picture with so many pixels, each taken from the nearest one."""
    rows = np.arange(height) * picture.shape[0] // height
    columns = np.arange(width) * picture.shape[1] // width
    taken: Pixels = picture[rows[:, None], columns]
    return taken


def as_rgb(images: NDArray[np.uint8]) -> Pixels:
    """Images of one channel as greys, of three as colours, of others as greys of their mean."""
    channels = images.shape[-1]
    if channels == RGB:
        return images
    if channels > 1:
        images = images.mean(axis=-1, keepdims=True).astype(np.uint8)
    return np.repeat(images, RGB, axis=-1)


def apply_colour_map(
    values: NDArray[np.floating[Any]], low: float, high: float, colours: str
) -> Pixels:
    """Numbers as colours of one of Matplotlib's maps; what is no number is left white."""
    from matplotlib import colormaps

    known = np.isfinite(values)
    share = (np.where(known, values, low) - low) / ((high - low) or 1.0)
    pixels: Pixels = colormaps[colours](np.clip(share, 0, 1), bytes=True)[..., :RGB]
    return np.where(known[..., None], pixels, np.uint8(WHITE))
