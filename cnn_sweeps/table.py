"""A table of text: in a terminal, in a file, as Markdown."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

GAP = "  "
"""Between two columns of plain text."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text under a heading, ready to be read; units belong into the heading.

    Attributes:
        head: a name for each column.
        rows: as many cells in each as there are names.
        text: names of the columns that hold text and stand on the left; numbers stand on the right.
        title: what stands above; empty for nothing.
        strong: numbers of the rows that stand out, from 0.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: frozenset[str] = frozenset()
    title: str = ""
    strong: frozenset[int] = field(default=frozenset())

    def show(self, out: "Console") -> None:
        """Print it: with lines and colours in a terminal, as aligned columns elsewhere."""
        if out.is_terminal:
            out.print(self._drawn())
        else:
            # Printed as it is: a line of a file is as long as it has to be.
            out.out(self.to_text(), highlight=False)

    def to_text(self) -> str:
        """Aligned columns of plain text, two spaces between them."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        lines = [
            GAP.join(
                cell.ljust(width) if name in self.text else cell.rjust(width)
                for name, cell, width in zip(self.head, row, widths, strict=True)
            ).rstrip()
            for row in (self.head, *self.rows)
        ]
        return "\n".join([self.title, *lines] if self.title else lines)

    def to_markdown(self) -> str:
        """A table in GitHub's Markdown, ending in a line break; the title is left out."""
        rule = ["---" if name in self.text else "---:" for name in self.head]
        lines = (self.head, rule, *self.rows)
        escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
        return "\n".join(f"| {' | '.join(line)} |" for line in escaped) + "\n"

    def _drawn(self) -> "RenderableType":
        from rich.markup import escape  # noqa: PLC0415 -- only a terminal needs it
        from rich.table import Table as Drawn  # noqa: PLC0415

        drawn = Drawn(title=escape(self.title) or None, title_justify="left", title_style="bold")
        for name in self.head:
            drawn.add_column(
                escape(name), justify="left" if name in self.text else "right", no_wrap=True
            )
        for number, row in enumerate(self.rows):
            drawn.add_row(*map(escape, row), style="bold" if number in self.strong else "")
        return drawn
