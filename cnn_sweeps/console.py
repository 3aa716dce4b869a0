"""What a person sees in the terminal, on standard output."""

import shlex
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cnn_sweeps.streams import silence

if TYPE_CHECKING:
    from cnn_sweeps.result import RunResult
    from cnn_sweeps.search.ranking import Ranking, Row
    from cnn_sweeps.search.spent import Epochs
    from cnn_sweeps.search.study import SweepStudy
    from cnn_sweeps.tracking import Store

WIDE = 200
"""Columns when the output is no terminal: lines are not broken in a file."""


class Output(Console):
    """A console that lets the work go on when nobody reads it any more."""

    def on_broken_pipe(self) -> None:
        """Fall silent; rich would end the program."""
        self.quiet = True
        silence(self.file)


def console() -> Console:
    """Standard output; no colours and no line breaks where it is not a terminal."""
    plain = Output(highlight=False)
    return plain if plain.is_terminal else Output(highlight=False, width=WIDE)


def say(text: str) -> None:
    """Print a line, whether or not somebody still reads."""
    try:
        print(text, flush=True)
    except OSError:
        silence(sys.stdout)


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
        out.print(f"  {asked} epochs: {trained} trained, {asked - trained} known already")
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


def sweep_ended(study: "SweepStudy", ranking: "Ranking", store: "Store", spent: "Epochs") -> None:
    """Print the ranked table, what was spent on it, and how to go on from it."""
    out = console()
    head, *body = ranking.cells()
    out.print(f"{study.study.study_name}: {len(body)} trials")
    table = Table()
    for name in head:
        table.add_column(name, justify="left" if name == "config hash" else "right", no_wrap=True)
    for row, line in zip(ranking.rows, body, strict=True):
        table.add_row(*map(escape, line), style="bold" if row.best else "")
    out.print(table)
    for row in ranking.rows:
        if row.reason:
            out.print(f"trial {row.trial} failed: {escape(row.reason.splitlines()[0])}")
    if spent.trained < spent.asked:
        known = spent.asked - spent.trained
        out.print(f"{spent.asked} epochs: {spent.trained} trained, {known} known already")
    if not ranking.winners:
        out.print("no trial has a value.")
    else:
        best = ranking.rows[0]
        overrides = [*study.plan.fixed, *study.plan.space.overrides(best.params)]
        overrides += _as_it_ran(study, best, store)
        out.print(f"best again:  cnn-sweeps {escape(shlex.join(overrides))}")
        _ways_on(out, (best.config_hash or "")[:12], store)


def _as_it_ran(study: "SweepStudy", best: "Row", store: "Store") -> list[str]:
    """What its worker added to a trial: the threads, and the seed of a repetition."""
    config = study.plan.config(best.params)
    asked = {"seed": config.seed, "trainer.threads": config.trainer.threads}
    ran = store.get(best.run_id).params if best.run_id else {}
    return [
        f"{key}={ran[key]}"
        for key, value in asked.items()
        if ran.get(key, f"{value}") != f"{value}"
    ]


def _ways_on(out: Console, short: str, store: "Store") -> None:
    out.print(f"  more:    cnn-sweeps show {short}")
    out.print(f"  browse:  {escape(store.ui_command)}")
    page = f"#/experiments/{store.experiment_id}/runs?workflowType=machine_learning"
    out.print(f"           then open http://127.0.0.1:5000/{page}")
