"""Matplotlib figures as parts of a page: small, with text that can be read and searched."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, Final

from cnn_sweeps.figures import style
from cnn_sweeps.report.figures.axes import PAPER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, copied and read aloud
    "svg.hashsalt": "cnn_sweeps",  # the same figure gives the same page
    "font.size": 10.5,  # a page shows a picture larger or smaller than it is
    "axes.labelsize": 10.5,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": 9.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
"""What a picture of a page has beside the style of all pictures."""
NOTHING: Final = dict.fromkeys(("Date", "Creator", "Format", "Type"))
FILE_ONLY: Final = re.compile(r"\s*(?:<metadata>.*?</metadata>|<!--.*?-->)", re.DOTALL)
TAG: Final = re.compile(r"<[^>]+>")
DECIMALS: Final = re.compile(r"(\d\.\d\d)\d+")
ID: Final = re.compile(r' id="([^"]+)"')
VARIABLES: Final = {
    style.INK: "--figure-ink",
    style.FAINT: "--figure-soft",
    style.BLACK: "--figure-ink",
    "#E4E8EC": "--figure-grid",
    PAPER: "--paper",
}
"""Colours that a page in the dark has others for, and its name for each."""
COLOUR: Final = re.compile(rf"(fill|stroke): ({'|'.join(VARIABLES)})", re.IGNORECASE)
REFERENCE: Final = re.compile(r'(url\(#|href="#)([^)"]+)')


@contextmanager
def svg_style() -> Iterator[None]:
    """The settings under which the figures of a report are made and written."""
    import matplotlib as mpl  # noqa: PLC0415 -- Markdown, CSV and JSON draw nothing

    with style.figure_style(), mpl.rc_context(SETTINGS):
        yield


def inline_svg(figure: "Figure", name: str, label: str) -> str:
    """The figure as an `svg` element for a page that has others.

    What only a file of its own needs is left out: the declaration, the metadata, and names that
    nothing refers to. Those that stay begin with the name of the figure, so that no two figures
    of a page have the same.

    Args:
        figure: made under `svg_style`.
        name: unique on the page, for `id`s.
        label: what it shows, for those who cannot see it.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 -- as above

    file = io.StringIO()
    # `savefig` would draw it twice: once to lay it out, which drawing does by itself.
    canvas = FigureCanvasSVG(figure)
    canvas.print_svg(file, metadata=NOTHING)  # type: ignore[no-untyped-call]  # as in `style.png`
    element = FILE_ONLY.sub("", file.getvalue().partition("<svg ")[2])
    used = {found[1] for found in REFERENCE.findall(element)}

    def short(tag: re.Match[str]) -> str:
        """A tag, for never a text: a label may hold what looks like a part of one."""
        text = ID.sub(lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", tag[0])
        text = REFERENCE.sub(lambda m: f"{m[1]}{name}-{m[2]}", text)
        text = COLOUR.sub(lambda m: f"{m[1]}: var({VARIABLES[m[2].upper()]}, {m[2]})", text)
        return DECIMALS.sub(r"\1", text)

    begun = f'<svg role="img" aria-label="{escape(label)}" {element}'
    return TAG.sub(short, begun).strip()
