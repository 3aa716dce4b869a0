"""A report as text: Markdown, JSON, and in short for MLflow's pages."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from cnn_sweeps.report import content
from cnn_sweeps.sweeps.results.results import SweepResults
from cnn_sweeps.text.escape import printable
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.text.markdown import block, bullets, code, file_link, picture_links, plain_text
from cnn_sweeps.tracking import RunRecord

LONGEST = 8_000
"""Characters that MLflow keeps of a description."""
ROWS = (20, 10, 5, 0)
"""How many trials are listed, from what is best to what is always short enough."""
PROGRAM = "cnn-sweeps"
FILES = {
    "report.html": "the report (download it and open it)",
    "ranking.csv": "all trials, for a spreadsheet",
    "answer.md": "the answer",
    "plan.json": "the plan",
}


def markdown(results: SweepResults) -> str:
    """The whole report without its pictures."""
    return printable("\n".join(_parts(results)).rstrip() + "\n")


def to_json(results: SweepResults) -> str:
    """Everything that was found, in a form that stays."""
    return dump_json(results.to_json()) + "\n"


def _parts(results: SweepResults) -> Iterator[str]:
    yield f"# {plain_text(results.study)}\n"
    if results.answer is not None:
        yield results.answer.to_markdown()
    else:
        yield f"**{plain_text(results.question)}**\n"
        yield from (f"{plain_text(sentence)}\n" for sentence in content.answer(results))
    yield f"{content.state(results)}: {content.summary(results)}\n"
    yield from (f"> {plain_text(each)}\n" for each in results.missing)
    if results.trials:
        yield f"## All trials\n\n{results.ranking.to_markdown()}"
    yield f"## Search space\n\n{_bullets(plain_text(axis.told) for axis in results.axes)}"
    yield from _importances(results)
    yield from (f"{plain_text(each)}\n" for each in content.unknown_importances(results))
    yield from _evaluation(results)
    if results.trials:
        yield f"## Time\n\n{_bullets(map(plain_text, content.savings(results)))}"
        yield content.phases(results).to_markdown()
    if any(not trial.values for trial in results.trials):
        yield f"## Failed and pruned\n\n{content.ended_early(results).to_markdown()}"
    if any(trial.retries for trial in results.trials):
        yield f"## Retried trials\n\n{content.retries_table(results).to_markdown()}"
    if results.images:
        yield f"## Images\n\n{content.images(results).to_markdown()}"
        yield _bullets(plain_text(each) for each in content.notices(results))
    if results.environment:
        yield f"## Environment of the best\n\n{content.environment(results).to_markdown()}"
    yield "## Commands\n"
    yield from (f"{each.purpose}:\n\n{block([each.line])}\n" for each in results.commands)


def _importances(results: SweepResults) -> Iterator[str]:
    for each in results.importances:
        if each.shares:
            shares = (f"{plain_text(key)}: {share:.0%}" for key, share in each.shares.items())
            yield f"Parameter importance for {plain_text(each.objective)}:\n\n{_bullets(shares)}"


def _evaluation(results: SweepResults) -> Iterator[str]:
    found = results.evaluation
    if found is not None:
        yield f"## Evaluation of the best\n\n{plain_text(content.evaluated(results))}\n"
        yield found.overall_table().to_markdown()
        yield found.class_table().to_markdown()
        yield f"Most frequent mistakes:\n\n{found.confusion_table().to_markdown()}"


def _bullets(lines: Iterable[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)


def of_sweep(results: SweepResults, run: RunRecord, pictures: Sequence[str] = ()) -> str:
    """The description of a sweep's run, within the length that MLflow keeps if rows make it so.

    Args:
        results: what the sweep came to.
        run: the sweep's own run.
        pictures: paths of its artifacts that are pictures.
    """
    made = [_text(results, run, pictures, rows) for rows in ROWS]
    return next((text for text in made if len(text) <= LONGEST), made[-1])


def _text(results: SweepResults, run: RunRecord, pictures: Sequence[str], rows: int) -> str:
    parts = [
        *_answer(results),
        f"Trials: {content.summary(results)}.",
        *_ranking(results, rows),
        bullets([plain_text(line) for line in content.savings(results)]),
        block(_commands(results)),
        bullets(list(_files(results, run))),
        picture_links(run.experiment_id, run.run_id, pictures),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _answer(results: SweepResults) -> Iterator[str]:
    """The question and its answer; what was searched, where no exercise says it in its own."""
    if results.answer is not None:
        yield results.answer.to_markdown().strip()
        return
    yield f"**{plain_text(results.question)}**"
    yield bullets([plain_text(sentence) for sentence in content.answer(results)])
    yield f"Searched: {', '.join(code(axis.told) for axis in results.axes)}."


def _ranking(results: SweepResults, rows: int) -> Iterator[str]:
    """The first rows of the ranking, and how many there are in all."""
    table = results.ranking
    if rows and table.rows:
        yield replace(table, rows=table.rows[:rows]).to_markdown().strip()
    if len(table.rows) > rows:
        yield f"{rows or 'None'} of {len(table.rows)} trials are listed here."


def _commands(results: SweepResults) -> list[str]:
    """How to go on, each line below what it is for; whoever reads this browses the runs already."""
    ours = [each for each in results.commands if each.line.startswith(PROGRAM)]
    return [text for each in ours for text in (f"# {each.purpose}", each.line)]


def _files(results: SweepResults, run: RunRecord) -> Iterator[str]:
    for path, what in FILES.items():
        if path != "answer.md" or results.answer is not None:
            yield f"{file_link(path, run.experiment_id, run.run_id, path)}: {what}"
