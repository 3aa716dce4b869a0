"""An answer in the terminal."""

from typing import TYPE_CHECKING

from cnn_sweeps.console import console

if TYPE_CHECKING:
    from cnn_sweeps.exercise.answer import Answer


def show(answer: "Answer") -> None:
    """Print question, tables, sentences, and how to read them."""
    from rich.text import Text  # noqa: PLC0415 -- what only prints is imported late

    out = console()
    out.print()
    out.print(Text(answer.question, style="bold"))
    answer.table.show(out)
    if answer.comparisons:
        answer.differences.show(out)
    said = [Text(f"- {line}") for line in answer.sentences]
    for line in (*said, Text(" ".join(answer.notes), style="dim")):
        out.print(line, soft_wrap=not out.is_terminal)  # a line of a file is as long as it is
