"""A report as text: Markdown, JSON, and in short for MLflow's pages."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cnn_sweeps.report import content
from cnn_sweeps.sweeps.results.results import Findings
from cnn_sweeps.text.json import dumped
from cnn_sweeps.text.markdown import block, bullets, file_link, picture_links, plain
from cnn_sweeps.tracking import RunRecord

LONGEST = 8_000
"""Characters that MLflow keeps of a description."""
ROWS = (20, 10, 5, 0)
"""How many trials are listed, from what is best to what is always short enough."""
PROGRAM = "cnn-sweeps"
FILES = {
    "report.html": "the report (save it and open it)",
    "ranking.csv": "all trials, for a spreadsheet",
    "answer.md": "the answer",
    "plan.json": "the plan",
}


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
        yield from (f"{plain(sentence)}\n" for sentence in content.answer(findings))
    yield f"{content.state(findings)}: {content.summary(findings)}\n"
    yield from (f"> {plain(each)}\n" for each in findings.missing)
    if findings.trials:
        yield f"## All trials\n\n{findings.ranking.to_markdown()}"
    yield f"## What was searched\n\n{_bullets(plain(axis.told) for axis in findings.axes)}"
    yield from _importances(findings)
    yield from (f"{plain(each)}\n" for each in content.unknown_importances(findings))
    if findings.trials:
        yield f"## Time\n\n{_bullets(content.savings(findings))}"
        yield content.phases(findings).to_markdown()
    if any(not trial.values for trial in findings.trials):
        yield f"## Failed and pruned\n\n{content.ended_early(findings).to_markdown()}"
    if findings.environment:
        yield f"## Environment of the best\n\n{content.environment(findings).to_markdown()}"
    yield "## Commands\n"
    yield from (f"{each.purpose}:\n\n```\n{each.line}\n```\n" for each in findings.commands)


def _importances(findings: Findings) -> Iterator[str]:
    for each in findings.importances:
        if each.shares:
            shares = (f"{plain(key)}: {share:.0%}" for key, share in each.shares.items())
            yield f"What good values of {each.objective} depend on:\n\n{_bullets(shares)}"


def _bullets(lines: Iterator[str] | list[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)


def of_sweep(findings: Findings, run: RunRecord, pictures: Sequence[str] = ()) -> str:
    """The description of a sweep's run, within the length that MLflow keeps if rows make it so.

    Args:
        findings: what the sweep came to.
        run: the sweep's own run.
        pictures: paths of its artifacts that are pictures.
    """
    made = [_text(findings, run, pictures, rows) for rows in ROWS]
    return next((text for text in made if len(text) <= LONGEST), made[-1])


def _text(findings: Findings, run: RunRecord, pictures: Sequence[str], rows: int) -> str:
    parts = [
        *_answer(findings),
        f"Trials: {content.summary(findings)}.",
        *_ranking(findings, rows),
        bullets(content.savings(findings)),
        block(_commands(findings)),
        bullets(list(_files(findings, run))),
        picture_links(run.experiment_id, run.run_id, pictures),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _answer(findings: Findings) -> Iterator[str]:
    """The question and its answer; what was searched, where no exercise says it in its own."""
    if findings.answer is not None:
        yield findings.answer.to_markdown().strip()
        return
    yield f"**{plain(findings.question)}**"
    yield bullets([plain(sentence) for sentence in content.answer(findings)])
    yield f"Searched: {', '.join(f'`{axis.told}`' for axis in findings.axes)}."


def _ranking(findings: Findings, rows: int) -> Iterator[str]:
    """The first rows of the ranking, and how many there are in all."""
    table = findings.ranking
    if rows and table.rows:
        yield replace(table, rows=table.rows[:rows]).to_markdown().strip()
    if len(table.rows) > rows:
        yield f"{rows or 'None'} of {len(table.rows)} trials are listed here."


def _commands(findings: Findings) -> list[str]:
    """How to go on, each line below what it is for; whoever reads this browses the runs already."""
    ours = [each for each in findings.commands if each.line.startswith(PROGRAM)]
    return [text for each in ours for text in (f"# {each.purpose}", each.line)]


def _files(findings: Findings, run: RunRecord) -> Iterator[str]:
    for path, what in FILES.items():
        if path != "answer.md" or findings.answer is not None:
            yield f"{file_link(path, run.experiment_id, run.run_id, path)}: {what}"
