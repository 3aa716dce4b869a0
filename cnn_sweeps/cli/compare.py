"""`cnn-sweeps compare`: the leaderboard of a store, in the terminal or for a program."""

from argparse import Namespace
from dataclasses import replace

from cnn_sweeps import api
from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import MANY, Arguments, whole_number
from cnn_sweeps.runs.recorded.leaderboard import Leaderboard
from cnn_sweeps.runs.recorded.leaderboard_table import records, table, to_csv
from cnn_sweeps.runs.recorded.record import FINISHED
from cnn_sweeps.text import terminal
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.text.terminal import say

METRIC = "val_accuracy"
TOP = 20
"""Rows of the table, where nothing else is asked for; a program gets all."""


def main(typed: list[str]) -> int:
    """Print the leaderboard; 0 also where no run fits the filter.

    Raises:
        ConfigError: an unknown metric or experiment, or a filter that MLflow cannot read.
        UnknownHashError: there are no runs at all, or a hash fits none or several experiments.
        StoreError: the store cannot be read.
    """
    asked = _parser().read(typed)
    top = asked.top or (None if asked.csv or asked.json else TOP)
    board = api.compare(
        *asked.words,
        metric=asked.metric,
        where=asked.where,
        experiment=asked.experiment,
        ascending=asked.ascending,
        all_runs=asked.all_runs,
        top=top,
    )
    if not board.matched:
        hints = (f"  {hint}" for hint in board.hints)
        terminal.warn("\n".join((f"no run in {board.place} matches.", *hints)))
    if board.matched or asked.csv or asked.json:
        _print(board, asked, top)
    return 0


def _parser() -> Arguments:
    made = Arguments(
        "compare",
        "[HASH ...] [options]",
        "Rank the runs of all studies, and single runs, by a metric: one row for each experiment, "
        "with the settings that differ. With hashes, only these are compared.",
        names=(0, MANY),
    )
    made.add_argument(
        "--metric", default=METRIC, metavar="NAME", help=f"metric to rank by ({METRIC})"
    )
    made.add_argument(
        "--where",
        default="",
        metavar="FILTER",
        help="only matching runs, in MLflow's search syntax: "
        "\"metrics.val_accuracy > 0.9 and params.model.filters = '64'\"",
    )
    made.add_argument("--experiment", metavar="NAME", help="only runs of this MLflow experiment")
    made.add_argument(
        "--top",
        type=whole_number,
        metavar="N",
        help=f"the best N ({TOP}; all with --csv and --json)",
    )
    order = made.add_mutually_exclusive_group()
    order.add_argument(
        "--ascending",
        action="store_true",
        default=None,
        help="lower is better (default: as the metric says; higher for accuracies, F1 and AUCs)",
    )
    order.add_argument(
        "--descending", dest="ascending", action="store_false", help="higher is better"
    )
    made.add_argument(
        "--all-runs",
        action="store_true",
        help="one row for each run, including failed, running and stopped ones",
    )
    made.add_forms("all columns")
    return made


def _print(board: Leaderboard, asked: Namespace, top: int | None) -> None:
    shown = replace(board, runs=board.runs[:top])
    if board.warnings:
        terminal.warn("\n".join(board.warnings))
    if asked.json:
        say(dump_json(records(shown)))
        return
    if asked.csv:
        say(to_csv(records(shown)), end="")
        return
    out = output.console()
    if shown.runs:
        replace(table(shown), every="--csv").show(out)
    for line in _remarks(board, len(shown.runs)):
        out.print(line, soft_wrap=True)


def _remarks(board: Leaderboard, shown: int) -> list[str]:
    """What the table does not show."""
    of_all, lines = len(board.runs), []
    kind = "run" if board.each else "experiment"
    if shown and not board.whole:
        lines.append(f"the best {shown} {kind}s; --top {2 * shown} shows more")
    elif shown < of_all:
        lines.append(f"the best {shown} of {of_all} {kind}s; --top {of_all} shows all")
    if board.without:
        many = board.without > 1
        lines.append(
            f"{board.without} {kind}{'s have' if many else ' has'} no {board.metric}, and "
            f"{'are' if many else 'is'} left out"
        )
    if board.stopped:
        many = board.stopped > 1
        lines.append(
            f"{board.stopped} experiment{'s were' if many else ' was'} stopped by a callback, "
            f"and {'are' if many else 'is'} left out; --all-runs shows the runs"
        )
    if not of_all and not board.without and not board.stopped:
        others = "; --all-runs shows the others"
        lines.append(f"no experiment is {FINISHED}{'' if board.each else others}")
    return lines
