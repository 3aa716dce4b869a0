"""Tables for a terminal, a file and Markdown."""

import io

from cnn_sweeps.console import Output
from cnn_sweeps.table import Table

TABLE = Table(
    head=("cell", "train s"),
    rows=(("filters=16", "9.5"), ("a|b", "12.0")),
    text=frozenset({"cell"}),
    title="Filters",
    strong=frozenset({0}),
)


def shown(*, terminal: bool, width: int = 60) -> str:
    """What is printed."""
    stream = io.StringIO()
    TABLE.show(Output(file=stream, force_terminal=terminal, width=width, highlight=False))
    return stream.getvalue()


def test_text_stands_on_the_left_and_numbers_on_the_right() -> None:
    """Columns are aligned, and no line ends in spaces."""
    assert TABLE.to_text().splitlines() == [
        "Filters",
        "cell        train s",
        "filters=16      9.5",
        "a|b            12.0",
    ]


def test_a_file_gets_plain_text_of_any_width() -> None:
    """No lines are drawn or broken where nobody looks at a terminal."""
    assert shown(terminal=False, width=5) == TABLE.to_text() + "\n"


def test_a_terminal_gets_a_drawing() -> None:
    """With the rows that stand out in bold."""
    drawn = shown(terminal=True)
    assert "┃" in drawn
    assert "\x1b[1m" in drawn


def test_markdown_keeps_bars_in_cells() -> None:
    """A bar would otherwise begin another column."""
    assert TABLE.to_markdown().splitlines() == [
        "| cell | train s |",
        "| --- | ---: |",
        "| filters=16 | 9.5 |",
        r"| a\|b | 12.0 |",
    ]
