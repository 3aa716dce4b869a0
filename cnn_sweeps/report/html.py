"""A report as one page that loads nothing: pictures, style and all are in the file."""

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from cnn_sweeps.report import confusion, content
from cnn_sweeps.report.figures.select import charts
from cnn_sweeps.sweeps.results.results import SweepResults
from cnn_sweeps.text.escape import printable

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

FIRST_ROWS = 30
"""Of a table; a button shows the others."""
MOST_TRACEBACKS = 5


def page(results: SweepResults) -> str:
    """The page, with everything that is not ours escaped."""
    made = _template().render(
        results=results,
        contents=_contents(results),
        words=content,
        tables=content,
        charts=charts(results),
        confusion=confusion.rows,
        style=_read("style.css"),
        script=_read("sorting.js"),
        first=FIRST_ROWS,
        tracebacks=MOST_TRACEBACKS,
    )
    return printable(made)


def _contents(results: SweepResults) -> list[tuple[str, str]]:
    """The parts that there are: the name of each, and its title."""
    parts = {
        ("answer", "Answer"): True,
        ("trials", "All trials"): results.trials,
        ("search", "Search space"): True,
        ("curves", "Learning curves"): results.curves,
        ("evaluation", "Evaluation"): results.evaluation,
        ("time", "Time"): results.trials,
        ("early", "Failed and pruned"): any(not trial.values for trial in results.trials),
        ("retried", "Retried trials"): any(trial.retries for trial in results.trials),
        ("images", "Images"): results.images,
        ("environment", "Environment"): results.environment,
        ("commands", "Commands"): True,
    }
    return [part for part, there in parts.items() if there]


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 -- text has no template

    made = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    made.filters["breakable"] = _breakable
    return made.from_string(_read("page.html"))


def _breakable(name: str) -> "Markup":
    """A dotted name that may be broken into lines where its parts end."""
    from markupsafe import Markup, escape  # noqa: PLC0415 -- comes with Jinja

    return Markup(re.sub(r"([._])", r"\1<wbr>", str(escape(name))))  # noqa: S704 -- escaped


def _read(name: str) -> str:
    return (files("cnn_sweeps.report") / name).read_text(encoding="utf-8")
