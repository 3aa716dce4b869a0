"""The one look of all pictures: colours, sizes of text, how a figure is begun and written.

Pictures are Matplotlib figures without pyplot, so that no window opens and no state is left
behind. Those of a run are PNG, at most `WIDTH` pixels wide: MLflow's pages show them so.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008): colours that stay apart for colour-blind readers.
BLACK: Final = "#000000"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
YELLOW: Final = "#F0E442"
BLUE: Final = "#0072B2"
VERMILLION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
PALETTE: Final = (BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE, BLACK, YELLOW)
"""In the order in which lines of one picture take them; yellow is weak on white, and last."""
INK: Final = "#333D47"
FAINT: Final = "#6B7682"
"""Of text: what is said, and what only stands beside it."""

# Dashes and markers keep the two apart in black and white.
TRAINING: Final[dict[str, Any]] = {"color": BLUE, "linestyle": "-", "marker": "o"}
VALIDATION: Final[dict[str, Any]] = {"color": VERMILLION, "linestyle": "--", "marker": "s"}

WIDTH: Final = 1320
"""Pixels of a picture that takes the whole width."""
DPI: Final = 140
TITLE: Final = 12.5
HEADING: Final = 11.0
TEXT: Final = 9.5
SMALL: Final = 8.0
"""Sizes of text in points; at 140 dots an inch the smallest is 16 pixels high."""

SETTINGS: Final[dict[Any, Any]] = {
    "font.size": TEXT,
    "axes.titlesize": HEADING,
    "axes.labelsize": TEXT,
    "axes.edgecolor": "#8A94A0",
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "grid.color": "#E4E8EC",
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,  # a $ in the name of a class is no formula
}


@contextmanager
def figure_style() -> Iterator[None]:
    """The settings under which figures are made and written; what was set before comes back.

    A letter that the font does not have is drawn as a box, and nothing is said of it.
    """
    import matplotlib as mpl

    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def new(width: int, height: int, title: str, about: str = "") -> "Figure":
    """An empty figure with its title at the top left, and a fainter line below it.

    Call it, and everything that is drawn into the figure, inside `figure_style`.

    Args:
        width: in pixels, at most `WIDTH` to be shown as it is.
        height: in pixels.
        title: what the picture shows.
        about: of what, such as the name of the run; empty for no second line.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    figure.text(16 / width, 1 - 12 / height, title, size=TITLE, weight="bold", va="top")
    if about:
        figure.text(16 / width, 1 - 46 / height, about, size=TEXT, color=FAINT, va="top")
    return figure


HEAD: Final = 84
"""Pixels at the top of a figure that its two lines of title need."""


def place(figure: "Figure", left: float, top: float, width: float, height: float) -> "Axes":
    """Axes at a place in pixels, counted from the top left corner of the figure.

    A layout that measures itself would draw everything twice.
    """
    across, down = (float(side) * DPI for side in figure.get_size_inches())
    return figure.add_axes(
        (left / across, 1 - (top + height) / down, width / across, height / down)
    )


def png(figure: "Figure") -> bytes:
    """The figure as a PNG file, without the channel of transparency that `savefig` would add."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    file, canvas = BytesIO(), FigureCanvasAgg(figure)
    with figure_style():
        canvas.draw()  # type: ignore[no-untyped-call]  # Matplotlib's types are not complete
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]  # as above
    # Level 6, the default, makes the file a tenth smaller in twice the time.
    Image.fromarray(pixels).convert("RGB").save(file, format="png", compress_level=3)
    return file.getvalue()


def readable_on(colour: Sequence[float]) -> str:
    """Black or white, whichever stands out more from a colour: at 4.5 to 1 or more.

    Args:
        colour: red, green and blue, from 0 to 1.

    Source: WCAG 2.2, relative luminance and contrast ratio.
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]  # noqa: PLR2004 -- sRGB
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "white" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "black"


def shorten_name(text: str, length: int) -> str:
    """A name that has room for so many letters; the middle of a longer one is left out.

    Long names of one data set often differ only in their beginning or their end.
    """
    if len(text) <= length:
        return text
    end = (length - 1) // 2
    return f"{text[: length - 1 - end]}…{text[len(text) - end :]}"


def shorten_names(names: Sequence[str], length: int) -> list[str]:
    """Names of classes, each of at most so many letters.

    Where two become the same the number of its class, from 0, stands before each.
    """
    short = [shorten_name(name, length) for name in names]
    if len(set(short)) == len(short):
        return short
    numbers = [f"{number}: " for number in range(len(names))]
    return [n + shorten_name(name, length - len(n)) for n, name in zip(numbers, names, strict=True)]


def warm_up() -> None:
    """Import what draws, and find the fonts; the first picture takes half a second for it."""
    with figure_style():
        figure = new(100, 100, "a", "b")
    png(figure)
