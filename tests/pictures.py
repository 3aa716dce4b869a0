"""Pictures that nobody looks at are empty: drawing them takes longer than a small run trains.

What a test that is marked `drawn` makes of figures is drawn, as in tests/figures.
"""

import io
from collections.abc import Callable
from html import escape
from typing import Any

import pytest

from cnn_sweeps.figures import style
from cnn_sweeps.report import svg
from cnn_sweeps.report.figures import drawing

DRAWN: dict[Any, tuple[str, Callable[..., Any]]] = {
    style: ("png", style.png),
    svg: ("inline_svg", svg.inline_svg),
    drawing: ("processes", drawing.processes),
}


def empty_png(_figure: object) -> bytes:
    """A file of one pixel."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, format="png")
    return file.getvalue()


def empty_svg(_figure: object, _name: str, label: str) -> str:
    """An element with nothing in it."""
    return f'<svg role="img" aria-label="{escape(label)}"></svg>'


def leave_undrawn() -> None:
    """From now on figures are made, and not drawn; also those of fixtures that many tests share."""
    style.png = empty_png
    svg.inline_svg = empty_svg
    drawing.processes = lambda _: 1  # others would draw them


@pytest.fixture(autouse=True)
def pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are drawn where a test is marked so."""
    if request.node.get_closest_marker("drawn"):
        draw(monkeypatch)


def draw(patch: pytest.MonkeyPatch) -> None:
    """For as long as a patch lasts, draw them: also for what is made before a test begins."""
    for module, (name, drawer) in DRAWN.items():
        patch.setattr(module, name, drawer)
