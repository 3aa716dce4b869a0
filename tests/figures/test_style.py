"""The look of all pictures."""

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from cnn_sweeps.figures import style

pytestmark = pytest.mark.drawn


def read(png: bytes) -> Image.Image:
    """The picture in a PNG file."""
    from io import BytesIO

    return Image.open(BytesIO(png))


def test_a_figure_is_as_large_as_asked_and_says_what_it_is() -> None:
    """Its size is in pixels, its title and the line below it are there."""
    with style.figure_style():
        figure = style.new(700, 300, "Kernels", "cnn · 3f2a")
    assert read(style.png(figure)).size == (700, 300)
    assert [text.get_text() for text in figure.texts] == ["Kernels", "cnn · 3f2a"]


def test_axes_are_placed_by_pixels_from_the_top_left_corner() -> None:
    """What is drawn into them is where it was asked for, and nowhere else."""
    with style.figure_style():
        figure = style.new(400, 200, "")
        axes = style.place(figure, 100, 50, 40, 30)
    axes.set_axis_off()
    axes.imshow(np.zeros((3, 4, 3)), aspect="auto")
    dark = np.argwhere(np.asarray(read(style.png(figure)).convert("L")) < 128)
    assert (dark.min(axis=0).tolist(), dark.max(axis=0).tolist()) == ([50, 100], [79, 139])


def test_settings_of_the_user_come_back() -> None:
    """A notebook that draws a run keeps its own style."""
    before = dict(mpl.rcParams)
    with style.figure_style():
        assert mpl.rcParams["text.parse_math"] is False
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("text", ["$5", "$a_1$", "猫", r"\alpha", "a\nb"])
def test_any_name_can_be_written(text: str) -> None:
    """Names of classes are the user's own: no formula is made of them, and nothing is warned of."""
    with style.figure_style():
        figure = style.new(300, 100, text)
    assert read(style.png(figure)).size == (300, 100)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("T-shirt/top", "T-shirt/top"), ("abcdefghijklmnop", "abcdef…lmnop"), ("", "")],
)
def test_long_names_lose_their_middle(text: str, shown: str) -> None:
    """What tells two long names apart stands at their beginning or end."""
    assert style.shorten_name(text, 12) == shown


def test_colours_are_those_of_okabe_and_ito() -> None:
    """All eight, each once."""
    assert len(set(style.PALETTE)) == 8
