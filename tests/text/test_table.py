"""Tables for a terminal, a file and Markdown."""

import io

import pytest
from rich.cells import cell_len

from cnn_sweeps.text.table import Table
from cnn_sweeps.text.terminal import Output

TABLE = Table(
    head=("cell", "train s"),
    rows=(("filters=16", "9.5"), ("a|b", "12.0")),
    text=frozenset({"cell"}),
    title="Filters",
    strong=frozenset({0}),
)
WIDE = Table(
    head=("rank", "model.filters", "val_accuracy", "config hash"),
    rows=(("1", "16", "0.9312", "a638e5f2a81c"), ("2", "8", "0.9000", "b638e5f2a81c")),
    text=frozenset({"config hash"}),
    first=("rank", "val_accuracy", "config hash"),
    every="--csv",
)


def shown(*, terminal: bool, width: int = 60, table: Table = TABLE) -> str:
    """What is printed, without colours."""
    stream = io.StringIO()
    table.show(Output(file=stream, force_terminal=terminal, width=width, color_system=None))
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
    stream = io.StringIO()
    TABLE.show(Output(file=stream, force_terminal=True, width=60, color_system="standard"))
    assert "┃" in stream.getvalue()
    assert "\x1b[1mfilters=16" in stream.getvalue()


def test_markdown_keeps_bars_in_cells() -> None:
    """A bar would otherwise begin another column."""
    assert TABLE.to_markdown().splitlines() == [
        "| cell | train s |",
        "| --- | ---: |",
        "| filters=16 | 9.5 |",
        r"| a\|b | 12.0 |",
    ]


def test_every_line_of_a_file_has_as_many_columns() -> None:
    """An empty cell is a dash, and a line break or tab in a cell is a space."""
    table = Table(head=("a", "b", "c"), rows=(("1", "", "x\ty\nz"), ("2", "3", "4")))
    assert [line.split() for line in table.to_text().splitlines()] == [
        ["a", "b", "c"],
        ["1", "-", "x", "y", "z"],
        ["2", "3", "4"],
    ]


def test_wide_and_combining_characters_are_counted_as_they_are_drawn() -> None:
    """Columns stay aligned in a terminal, where a Chinese character takes two places."""
    table = Table(head=("name", "n"), rows=(("数据", "1"), ("é", "2"), ("abc", "3")))
    lines = table.to_text().splitlines()
    assert {cell_len(line) for line in lines} == {7}


@pytest.mark.parametrize(
    ("width", "head", "hidden"),
    [
        pytest.param(80, ("rank", "model.filters", "val_accuracy", "config hash"), "", id="all"),
        pytest.param(40, ("rank", "val_accuracy", "config hash"), "1 more column", id="three"),
        pytest.param(30, ("rank", "filters", "accuracy"), "1 more column", id="folded headings"),
        pytest.param(22, ("rank", "accuracy"), "2 more columns", id="two"),
        pytest.param(10, ("rank",), "3 more columns", id="one"),
    ],
)
def test_a_narrow_terminal_gets_fewer_columns_and_no_half_ones(
    width: int, head: tuple[str, ...], hidden: str
) -> None:
    """The least important ones are left out and named, with what shows them."""
    lines = shown(terminal=True, width=width, table=WIDE).splitlines()
    (names,) = [line for line in lines if "rank" in line and "┃" in line]
    shown_first = tuple(name.strip() for name in names.strip("┃").split("┃"))
    assert sorted(shown_first) == sorted(head)
    said = " ".join(" ".join(lines).split())
    assert (hidden in said, "--csv" in said) == (True, bool(hidden))


def test_a_heading_is_broken_before_a_column_is_dropped() -> None:
    """At its dots and underscores; its parts stand below each other, and nothing is lost."""
    table = Table(
        head=("rank", "trainer.optimizer.learning_rate", "model.dense_units"),
        rows=(("1", "0.001", "64"),),
    )
    drawn = shown(terminal=True, width=32, table=table)
    parts = ("trainer.", "optimizer.", "learning_", "rate", "model.", "dense_", "units")
    assert [part for part in parts if part not in drawn] == []
    assert "not shown" not in drawn
    assert max(map(len, drawn.splitlines())) <= 32
    assert "trainer.optimizer.learning_rate" in shown(terminal=True, width=80, table=table)


def test_an_empty_column_is_dropped_before_any_other() -> None:
    """Whatever it is called: it says nothing."""
    table = Table(
        head=("rank", "test_accuracy", "model.filters"),
        rows=(("1", "", "16"), ("2", "", "8")),
        first=("rank", "test_accuracy"),
    )
    drawn = shown(terminal=True, width=22, table=table)
    assert "filters" in drawn
    assert "1 more column not shown (test_accuracy)" in " ".join(drawn.split())


def test_a_wide_column_does_not_take_the_place_of_narrow_ones() -> None:
    """What has no room is left out alone."""
    table = Table(head=("a", "b", "c"), rows=(("1", "x" * 40, "2"),))
    drawn = shown(terminal=True, width=20, table=table)
    assert ("2" in drawn, "x" in drawn) == (True, False)


def test_notes_stand_below_in_every_form() -> None:
    """In a terminal, in a file and in Markdown, where they are no markup."""
    table = Table(head=("a",), rows=(("1",),), notes=("Trials 1 and 2 tie <b>.",))
    for terminal in (True, False):
        assert "Trials 1 and 2 tie <b>." in shown(terminal=terminal, table=table)
    assert table.to_markdown().endswith("\n\nTrials 1 and 2 tie \\<b>.\n")


def test_where_every_column_is_needed_cells_are_broken() -> None:
    """A comparison without its right side would be none."""
    table = Table(head=("what", "-", "+"), rows=(("k" * 20, "x" * 20, "y" * 20),), folded=True)
    drawn = shown(terminal=True, width=40, table=table)
    assert (drawn.count("x"), drawn.count("y")) == (20, 20)
    assert max(map(len, drawn.splitlines())) <= 40


def test_what_looks_like_markup_is_text() -> None:
    """A name in square brackets is shown as it is."""
    table = Table(head=("[bold]a",), rows=(("[red]b[/red]",),))
    drawn = shown(terminal=True, table=table)
    assert "[bold]a" in drawn
    assert "[red]b[/red]" in drawn
