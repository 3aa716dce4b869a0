"""What a person sees in the terminal, on standard output."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from cnn_sweeps.text.format import first_line, pluralize
from cnn_sweeps.text.terminal import Output, silence

if TYPE_CHECKING:
    from cnn_sweeps.runs.result import RunResult
    from cnn_sweeps.sweeps.comparison.answer import Answer
    from cnn_sweeps.sweeps.results.ranking import Ranking
    from cnn_sweeps.sweeps.study.durations import Epochs
    from cnn_sweeps.sweeps.study.study import SweepStudy
    from cnn_sweeps.tracking import Store

WIDE = 1_000_000
"""Columns when the output is no terminal: lines are not broken in a file."""


def console() -> Console:
    """Standard output; no colours and no line breaks where it is not a terminal."""
    plain = Output()
    return plain if plain.is_terminal else Output(width=WIDE)


def say(text: str) -> None:
    """Print a line, whether or not somebody still reads."""
    try:
        print(text, flush=True)
    except OSError:
        silence(sys.stdout)


def show_facts(
    facts: Sequence[tuple[str, str]], out: Console, styles: Mapping[str, str] | None = None
) -> None:
    """Print names and what is known of each, the latter in a column of its own.

    Args:
        facts: names, and texts of one line or several.
        out: where to.
        styles: how a name looks in a terminal, where it stands out.
    """
    if out.is_terminal:
        grid = Grid.grid(padding=(0, 2, 0, 0))
        for name, text in facts:
            style = (styles or {}).get(name, "")
            grid.add_row(Text(name, style, no_wrap=True), Text(text, overflow="fold"))
        out.print(grid)
        return
    width = max(len(name) for name, _ in facts)
    for name, text in facts:
        for number, line in enumerate(text.splitlines()):
            out.out(f"{'' if number else name:<{width}}  {line}".rstrip(), highlight=False)


def run_ended(result: "RunResult", store: "Store") -> None:
    """Print what a single run came to, and where it is."""
    out, metrics = console(), result.metrics
    shown = ("loss", "accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy")
    scores = "  ".join(f"{name} {metrics[name]:.4f}" for name in shown if name in metrics)
    out.print(f"[bold]{escape(result.name)}[/bold]  ({result.training.stopped})")
    out.print(f"  {scores}")
    out.print(
        f"  {int(metrics['trainable_params']):,} trainable parameters  "
        f"{metrics['train_seconds']:.1f} s training  {metrics['total_seconds']:.1f} s in all"
    )
    out.print(f"  weights {result.weights_sha256[:12]}  MLflow run {result.run_id}")
    asked, trained = len(result.training.epochs), result.epochs_trained
    if trained < asked:
        out.print(f"  {_epochs(asked, trained)}")
    for line in result.left_out:
        out.print(f"  {escape(line)}", soft_wrap=True)
    _ways_on(out, result.identity.short, store)


def sweep_started(study: "SweepStudy") -> None:
    """Print what is swept, and how much of it is left."""
    out, plan = console(), study.plan
    out.print(f"[bold]sweep {escape(study.study.study_name)}[/bold]")
    for dimension in plan.space.dimensions:
        out.print(f"  {escape(str(dimension))}")
    counts = study.counts()
    cells = f"{plan.space.size} cells, " if plan.space.size else ""
    before = f", {counts.finished} done before" if counts.finished else ""
    out.print(f"  {cells}{counts.total} trials{before}  sampler {plan.sampler.name}")


def sweep_ended(
    study: "SweepStudy", ranking: "Ranking", store: "Store", spent: "Epochs", again: str
) -> None:
    """Print the ranked table, what was spent on it, and how to go on from it.

    Args:
        study: the sweep.
        ranking: its trials.
        store: where its runs are.
        spent: on how many epochs.
        again: the command that does the best again; empty where there is none.
    """
    out = console()
    out.print(f"{study.study.study_name}: {len(ranking.rows)} trials", markup=False)
    if study.plan.exercise is None:  # else its answer says it better
        ranking.table().show(out)
    for row in ranking.rows:
        if row.reason:
            ended = "failed" if row.state == "fail" else row.state
            out.print(f"trial {row.trial} {ended}: {escape(first_line(row.reason))}")
    if spent.trained < spent.asked:
        out.print(_epochs(spent.asked, spent.trained))
    if not ranking.winners:
        out.print("no trial has a value.")
    else:
        best = ranking.rows[0]
        out.print(f"best again:  {again}", markup=False, soft_wrap=True)
        _ways_on(out, (best.config_hash or "")[:12], store)


def report_written(place: str) -> None:
    """Print where the report of a sweep is."""
    say(f"  report:  {place}")


def _epochs(asked: int, trained: int) -> str:
    """What was trained of the epochs that were asked for."""
    return f"{pluralize(asked, 'epoch')}: {trained} trained, {asked - trained} known already"


def _ways_on(out: Console, short: str, store: "Store") -> None:
    show = shlex.join(["cnn-sweeps", "show", short, *store.whereabouts])
    # The terminal breaks a long line, so that it is copied as one.
    out.print(f"  more:    {show}", markup=False, soft_wrap=True)
    out.print(f"  browse:  {store.ui_command}", markup=False, soft_wrap=True)


def show_answer(answer: "Answer") -> None:
    """Print question, tables, sentences, and how to read them."""
    out = console()
    out.print()
    out.print(Text(answer.question, style="bold"))
    answer.table.show(out)
    if answer.comparisons:
        answer.differences.show(out)
    said = [Text(f"- {line}") for line in answer.sentences]
    for line in (*said, Text(" ".join(answer.notes), style="dim")):
        out.print(line, soft_wrap=not out.is_terminal)  # a line of a file is as long as it is
