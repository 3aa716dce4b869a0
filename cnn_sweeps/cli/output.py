"""What a person sees in the terminal, on standard output."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from cnn_sweeps.data import free_memory
from cnn_sweeps.errors import CnnSweepsError
from cnn_sweeps.text.format import pluralize, rounded
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.text.results import Results
from cnn_sweeps.text.shell import pasteable_command
from cnn_sweeps.text.terminal import Output, say, warn
from cnn_sweeps.training.epoch import EPOCH_METRICS

if TYPE_CHECKING:
    from cnn_sweeps.config.schema import Config
    from cnn_sweeps.runs.result import RunResult
    from cnn_sweeps.sweeps.dry_run import DryRun
    from cnn_sweeps.tracking import RunRecord, Store
    from cnn_sweeps.training.epoch import TrainingResult

WIDE = 1_000_000
"""Columns when the output is no terminal: lines are not broken in a file."""
LEAST_MEMORY = 0.6e9
"""Bytes that training a small network takes in one process, TensorFlow included, measured."""


def console() -> Output:
    """Standard output; no colours and no line breaks where it is not a terminal."""
    plain = Output()
    return plain if plain.is_terminal else Output(width=WIDE)


def print_results(found: Results, asked: Namespace, heading: str, about: str = "") -> None:
    """Print results as was asked for: `--json`, `--csv`, or a table below a heading."""
    if asked.json:
        say(dump_json(found))
    elif asked.csv:
        say(found.to_csv(), end="")
    else:
        out = console()
        out.heading(heading, about)
        found.table().show(out)


def warn_of_little_memory(*, workers: bool) -> None:
    """Say beforehand what the system ends without a word: a program that takes too much memory."""
    free, least = free_memory.free_bytes(), LEAST_MEMORY
    if workers:
        from cnn_sweeps.sweeps.plan.budget import LEAST_BYTES  # noqa: PLC0415 -- of sweeps alone

        least = LEAST_BYTES
    if free is None or free >= least:
        return
    instead = f"hydra.sweeper.n_jobs=0 needs {LEAST_MEMORY / 1e6:.0f} MB; " if workers else ""
    warn(
        f"{free / 1e6:.0f} MB of memory are free and training takes {least / 1e6:.0f} MB or more: "
        f"the system may kill it.\n{instead}close other programs, or allow this one more memory."
    )


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
    further = result.training.epochs[-1].measured
    shown = (*EPOCH_METRICS, *further, "test_loss", "test_accuracy")
    scores = "  ".join(f"{name} {rounded(metrics[name])}" for name in shown if name in metrics)
    out.heading(result.name, f"  ({result.training.stopped})")
    out.print(f"  {scores}")
    frozen = f", {int(metrics['frozen_params']):,} frozen" if "frozen_params" in metrics else ""
    out.print(
        f"  {int(metrics['trainable_params']):,} trainable parameters{frozen}  "
        f"{metrics['train_seconds']:.1f} s training  {metrics['total_seconds']:.1f} s in all"
    )
    out.print(f"  weights {result.weights_sha256[:12]}  MLflow run {result.run_id}")
    if result.training.average is not None:
        out.print(f"  {averaged_line(result.training)}")
    asked, trained = len(result.training.epochs), result.epochs_trained
    if trained < asked:
        out.print(f"  {epochs_line(asked, trained)}")
    for line in (*result.notices, *result.left_out):
        out.print(f"  {line}", soft_wrap=True)
    next_commands(out, result.identity.short, store)


def run_interrupted(config: "Config") -> None:
    """Print how far a single run came, and how to go on; nothing where no epoch is stored."""
    from cnn_sweeps.runs.stored_epochs import stored_epochs  # noqa: PLC0415 -- MLflow

    with suppress(CnnSweepsError):  # that it was interrupted is all there is to say
        if stored := stored_epochs(config):
            epochs = pluralize(config.trainer.epochs, "epoch")
            say(f"Stopped with {stored} of {epochs} stored. Run the same command to resume.")


def averaged_line(training: "TrainingResult") -> str:
    """Whether the average of the last epochs was taken, and what it was compared with."""
    average, best = training.average, training.epochs[training.best - 1].metrics
    if average is None:
        return ""
    told = [
        f"{name} {rounded(value)} against {rounded(best[name])} of epoch {training.best}"
        for name, value in average.metrics.items()
    ]
    taken = "taken" if average.taken else "not taken"
    return f"average of epochs {average.first} to {average.last} {taken}: {', '.join(told)}"


def show_dry_run(dry_run: "DryRun", out: Console) -> None:
    """Print what a sweep would do."""
    show_facts(dry_run.facts, out)
    out.print()
    dry_run.table.show(out)
    if dry_run.more:
        out.print(f"and {dry_run.more:,} more")


def epochs_line(asked: int, trained: int) -> str:
    """What was trained of the epochs that were asked for."""
    return f"{pluralize(asked, 'epoch')}: {trained} trained, {asked - trained} from cache"


def next_commands(
    out: Console, short: str, store: "Store", sweep: "RunRecord | None" = None
) -> None:
    """Print the commands that lead on from a run, or from the best run of a sweep."""
    from cnn_sweeps.tracking.pages import browse  # noqa: PLC0415 -- the store has imported it

    show = pasteable_command(["cnn-sweeps", "show", short, *store.whereabouts])
    # The terminal breaks a long line, so that it is copied as one.
    out.print(f"  more:    {show}", soft_wrap=True)
    out.print(f"  browse:  {browse(store, sweep)}", soft_wrap=True)
