"""A table of text: in a terminal, in a file, as Markdown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cnn_sweeps.text import markdown
from cnn_sweeps.text.escape import one_line
from cnn_sweeps.text.format import pluralize

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as Drawn

GAP = "  "
"""Between two columns of plain text."""
NOTHING = "-"
"""An empty cell of plain text: every line has as many columns as the first, for `awk`."""
HEADING = re.compile(r"(?<=[._ ])")
"""Where a heading may be broken into lines."""
LINES = 3
"""Columns of a terminal that a column takes beside its cells: a line, and a space on both sides."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text under a heading, ready to be read; units belong into the heading.

    Attributes:
        head: a name for each column.
        rows: as many cells in each as there are names.
        text: names of the columns that hold text and stand on the left; numbers stand on the right.
        title: what stands above; empty for nothing.
        strong: numbers of the rows that stand out, from 0.
        first: names of the columns that matter most, the most important first; the others follow
            from the left. Where a terminal has no room for all, the last ones are left out.
        every: what shows all columns, for the line that says how many are left out.
        folded: whether cells are broken into lines instead, for every column is needed.
        notes: what stands below, a sentence each.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: frozenset[str] = frozenset()
    title: str = ""
    strong: frozenset[int] = field(default=frozenset())
    first: tuple[str, ...] = ()
    every: str = "a wider terminal"
    folded: bool = False
    notes: tuple[str, ...] = ()

    def show(self, out: "Console") -> None:
        """Print it: with lines and colours in a terminal, as aligned columns elsewhere."""
        if not out.is_terminal:
            # Printed as it is: a line of a file is as long as it has to be.
            out.out(self.to_text(), highlight=False)
        else:
            self._draw(out)
        for note in self.notes:
            out.print(note, style="dim", soft_wrap=not out.is_terminal)

    def _draw(self, out: "Console") -> None:
        every = dict(enumerate(map(one_line, self.head)))
        shown = every if self.folded else self.fitting(out.width)
        out.print(self._drawn(shown))
        if hidden := [name for number, name in enumerate(self.head) if number not in shown]:
            out.print(
                f"{pluralize(len(hidden), 'more column')} not shown "
                f"({', '.join(hidden)}): {self.every} has all",
                style="dim",
            )

    def to_text(self) -> str:
        """Aligned columns of plain text, two spaces between them; an empty cell is a dash."""
        rows = [[one_line(cell) or NOTHING for cell in row] for row in (self.head, *self.rows)]
        widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
        lines = [
            GAP.join(
                _padded(cell, width, left=name in self.text)
                for name, cell, width in zip(self.head, row, widths, strict=True)
            ).rstrip()
            for row in rows
        ]
        return "\n".join([self.title, *lines] if self.title else lines)

    def to_markdown(self) -> str:
        """A table in GitHub's Markdown, ending in a line break; the title is left out."""
        rule = ["---" if name in self.text else "---:" for name in self.head]
        lines = (self.head, rule, *self.rows)
        escaped = (map(markdown.cell, line) for line in lines)
        notes = "".join(f"\n{markdown.plain_text(note)}\n" for note in self.notes)
        return "\n".join(f"| {' | '.join(line)} |" for line in escaped) + f"\n{notes}"

    def fitting(self, width: int) -> dict[int, str]:
        """The headings of the columns for which there is room, by number, broken where they must.

        The most important ones come first, and empty ones last; one is there at least.
        """
        columns = list(zip(self.head, *self.rows, strict=True))
        weight = [*self.first, *self.head]
        order = sorted(
            range(len(columns)),
            key=lambda number: (not any(columns[number][1:]), weight.index(self.head[number])),
        )
        left, found = width - 1, dict[int, int]()
        for number in order:
            head, *cells = map(one_line, columns[number])
            least = max(map(_width, (*HEADING.split(head), *cells)))
            if least + LINES <= left or not found:
                found[number] = least
                left -= least + LINES
        headings = {}
        for number, least in found.items():
            head = one_line(self.head[number])
            more = max(0, _width(head) - least)
            headings[number] = head if more <= left else _broken(head, least)
            left -= more if more <= left else 0
        return dict(sorted(headings.items()))

    def _drawn(self, shown: Mapping[int, str]) -> "Drawn":
        from rich.table import Table as Drawn  # noqa: PLC0415 -- only a terminal needs it
        from rich.text import Text  # noqa: PLC0415

        drawn = Drawn(title=Text(self.title, "bold") if self.title else None, title_justify="left")
        for number, heading in shown.items():
            drawn.add_column(
                Text(heading),
                justify="left" if self.head[number] in self.text else "right",
                no_wrap=not self.folded and len(shown) > 1,
                overflow="fold",
            )
        for number, row in enumerate(self.rows):
            cells = (Text(one_line(row[column])) for column in shown)
            drawn.add_row(*cells, style="bold" if number in self.strong else "")
        return drawn


def _broken(heading: str, width: int) -> str:
    """A heading in lines of that width, as far as its parts allow."""
    lines = [""]
    for part in HEADING.split(heading):
        if lines[-1] and _width(lines[-1] + part) > width:
            lines.append(part)
        else:
            lines[-1] += part
    return "\n".join(lines)


def _width(cell: str) -> int:
    """Columns of a terminal: a Chinese character takes two, a combining accent none."""
    if cell.isascii():
        return len(cell)
    from rich.cells import cell_len  # noqa: PLC0415 -- most cells need no table of characters

    return cell_len(cell)


def _padded(cell: str, width: int, *, left: bool) -> str:
    blank = " " * (width - _width(cell))
    return cell + blank if left else blank + cell
