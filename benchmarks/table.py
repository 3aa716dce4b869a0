"""Tables as Markdown, readable as they stand."""

from collections.abc import Sequence

Cell = str | int | float | None


def markdown(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table with padded columns: the first to the left, numbers to the right."""
    body = [[_text(cell) for cell in row] for row in rows]
    widths = [max(3, *map(len, column)) for column in zip(head, *body, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([_line(head, widths), _line(rule, widths), *(_line(r, widths) for r in body)])


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return "–"
        case float():
            return f"{cell:.2f}"
    return str(cell)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
    return f"| {' | '.join(padded)} |"
