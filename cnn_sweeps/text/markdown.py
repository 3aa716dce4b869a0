"""Markdown as MLflow's pages show it."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from cnn_sweeps.text.escape import one_line, printable

MARKUP: Final = re.compile(
    r"[`*]|(?<![^\W_])_|_(?![^\W_])|~(?=~)|(?<=~)~|<(?=[\w/!?])|&(?=#?\w+;)|(?<=\])[(:]"
    r"|\\(?=[!-/:-@\[-`{-~]|$)"
)
"""What means something: code, emphasis, HTML, the address of a link, what takes that away."""


def plain_text(text: str) -> str:
    """A text that is one line of text in Markdown too, with no markup of its own."""
    # A < alone opens nothing: "loss 0.19 <= 0.2" stays as it is, and so does the _ of val_loss.
    return MARKUP.sub(r"\\\g<0>", one_line(text))


def cell(text: str) -> str:
    """The same as a cell of a table."""
    return plain_text(text).replace("|", r"\|")


def code(text: str) -> str:
    """A text as code within a line, whatever is in it."""
    fence = "`" * (_longest_fence(text) + 1)
    air = " " if "`" in text else ""
    return f"{fence}{air}{one_line(text)}{air}{fence}"


def block(lines: Sequence[str]) -> str:
    """Lines to be copied into a terminal."""
    fence = "`" * max(3, _longest_fence("\n".join(lines)) + 1)
    return "\n".join((fence, *map(printable, lines), fence))


def _longest_fence(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def bullets(lines: Sequence[str]) -> str:
    """A list; a line with breaks in it stays one item."""
    return "\n".join(f"- {' '.join(line.split())}" for line in lines)


def run_link(text: str, experiment_id: str, run_id: str) -> str:
    """A link to a run, on whatever port MLflow's pages are."""
    return f"[{_label(text)}](#/experiments/{experiment_id}/runs/{quote(run_id)})"


def file_link(text: str, experiment_id: str, run_id: str, path: str) -> str:
    """A link to the page of an artifact of a run."""
    address = f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/{quote(path)}"
    return f"[{_label(text)}]({address})"


def picture_links(experiment_id: str, run_id: str, paths: Sequence[str]) -> str:
    """A line with a link to each picture of a run; empty where there is none.

    Shown within the description, in full width, they would push aside what stands beside it.
    """
    links = [file_link(_name(path), experiment_id, run_id, path) for path in paths]
    return f"Pictures: {', '.join(links)}." if links else ""


def _name(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0].replace("_", " ")


def _label(text: str) -> str:
    return re.sub(r"[\[\]]", r"\\\g<0>", plain_text(text))
