"""Markdown as MLflow's pages show it."""

import re
from collections.abc import Sequence
from urllib.parse import quote


def plain(text: str) -> str:
    """A text that is a text in Markdown too: MLflow's pages would show the markup in it."""
    # A < alone opens nothing: "loss 0.19 <= 0.2" stays as it is.
    return re.sub(r"[`*]|<(?=[\w/!?])|(?<=\])\(", r"\\\g<0>", text)


def block(lines: Sequence[str]) -> str:
    """Lines to be copied into a terminal."""
    return "\n".join(("```", *lines, "```"))


def bullets(lines: Sequence[str]) -> str:
    """A list; a line with breaks in it stays one item."""
    return "\n".join(f"- {' '.join(line.split())}" for line in lines)


def run_link(text: str, experiment_id: str, run_id: str) -> str:
    """A link to a run, on whatever port MLflow's pages are."""
    return f"[{text}](#/experiments/{experiment_id}/runs/{run_id})"


def file_link(text: str, experiment_id: str, run_id: str, path: str) -> str:
    """A link to the page of an artifact of a run."""
    return f"[{text}](#/experiments/{experiment_id}/runs/{run_id}/artifacts/{quote(path)})"


def picture_links(experiment_id: str, run_id: str, paths: Sequence[str]) -> str:
    """A line with a link to each picture of a run; empty where there is none.

    Shown within the description, in full width, they would push aside what stands beside it.
    """
    links = [file_link(_name(path), experiment_id, run_id, path) for path in paths]
    return f"Pictures: {', '.join(links)}." if links else ""


def _name(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0].replace("_", " ")
