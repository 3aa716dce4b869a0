"""Figures as parts of a page."""

import pytest
from matplotlib.figure import Figure

from cnn_sweeps.report import svg
from cnn_sweeps.report.figures.axes import canvas


@pytest.mark.drawn
def test_a_figure_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep's report has a dozen of them, and nothing else happens while it is written."""
    drawn: list[Figure] = []
    draw = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, by: (drawn.append(self), draw(self, by)))
    with svg.svg_style():
        figure, axes = canvas()
        axes.plot([1, 2], [3, 4], label="loss")
        element = svg.inline_svg(figure, "lines", "Loss by epoch")
    assert element.startswith('<svg role="img" aria-label="Loss by epoch"')
    assert drawn == [figure]
