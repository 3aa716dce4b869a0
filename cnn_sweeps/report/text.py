"""A report as text: Markdown, a table for a spreadsheet, and JSON."""

from collections.abc import Iterator

from cnn_sweeps.findings import Findings
from cnn_sweeps.json_text import dumped
from cnn_sweeps.markdown import plain
from cnn_sweeps.report import tables, words


def markdown(findings: Findings) -> str:
    """The whole report without its pictures."""
    return "\n".join(_parts(findings)).rstrip() + "\n"


def to_json(findings: Findings) -> str:
    """Everything that was found, in a form that stays."""
    return dumped(findings.to_json()) + "\n"


def _parts(findings: Findings) -> Iterator[str]:
    yield f"# {plain(findings.study)}\n"
    if findings.answer is not None:
        yield findings.answer.to_markdown()
    else:
        yield f"**{plain(findings.question)}**\n"
        yield from (f"{plain(sentence)}\n" for sentence in words.answer(findings))
    yield f"{words.state(findings)}: {words.summary(findings)}\n"
    yield from (f"> {plain(each)}\n" for each in findings.missing)
    if findings.trials:
        yield f"## All trials\n\n{findings.ranking.to_markdown()}"
    yield f"## What was searched\n\n{_bullets(plain(axis.told) for axis in findings.axes)}"
    yield from _importances(findings)
    yield from (f"{plain(each)}\n" for each in words.unknown_importances(findings))
    if findings.trials:
        yield f"## Time\n\n{_bullets(words.savings(findings))}"
        yield tables.phases(findings).to_markdown()
    if any(not trial.values for trial in findings.trials):
        yield f"## Failed and pruned\n\n{tables.ended_early(findings).to_markdown()}"
    if findings.environment:
        yield f"## Environment of the best\n\n{tables.environment(findings).to_markdown()}"
    yield "## Commands\n"
    yield from (f"{each.purpose}:\n\n```\n{each.line}\n```\n" for each in findings.commands)


def _importances(findings: Findings) -> Iterator[str]:
    for each in findings.importances:
        if each.shares:
            shares = (f"{plain(key)}: {share:.0%}" for key, share in each.shares.items())
            yield f"What good values of {each.objective} depend on:\n\n{_bullets(shares)}"


def _bullets(lines: Iterator[str] | list[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)
