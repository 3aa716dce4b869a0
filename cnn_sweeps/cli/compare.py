"""`cnn-sweeps compare`: the leaderboard of a store, in the terminal or for a program."""

import re
from argparse import ArgumentTypeError, Namespace
from dataclasses import replace
from difflib import get_close_matches

from cnn_sweeps.cli import arguments, output
from cnn_sweeps.cli.arguments import Arguments
from cnn_sweeps.runs import lookup
from cnn_sweeps.runs.leaderboard import (
    Leaderboard,
    Names,
    Question,
    rank,
    records,
    table,
    to_csv,
)
from cnn_sweeps.runs.record import FINISHED
from cnn_sweeps.runs.validate import compose_tracking
from cnn_sweeps.text import terminal
from cnn_sweeps.text.json import dumped
from cnn_sweeps.tracking import Store, checked_prefix, queries

METRIC = "val_accuracy"
TOP = 20
"""Rows of the table, where nothing else is asked for; a program gets all."""
KEY = re.compile(r"\b(metrics?|params?|parameters?)\.[`\"]?([\w./-]+)", re.IGNORECASE)
"""A metric or a param that a filter names."""


def main(typed: list[str]) -> int:
    """Print the leaderboard; 0 also where no run fits the filter.

    Raises:
        ConfigError: an unknown metric or experiment, or a filter that MLflow cannot read.
        UnknownHashError: there are no runs at all, or a hash fits none or several experiments.
        StoreError: the store cannot be read.
    """
    asked = _parser().parse_intermixed_args(typed)
    names, overrides = arguments.divide(asked.words, range(1000), "compare [HASH ...]")
    prefixes = [checked_prefix(name) for name in names]
    store = lookup.open_store(compose_tracking(overrides))
    question = Question(
        metric=asked.metric,
        where=asked.where,
        experiment=asked.experiment,
        ascending=asked.ascending,
        each=asked.all_runs,
    )
    board = rank(store, prefixes, question)
    if board is None:
        _say_nothing_fits(asked, store)
    else:
        _print(board, asked, store)
    return 0


def _parser() -> Arguments:
    made = arguments.parser(
        "compare",
        "[HASH ...] [options]",
        "Rank the runs of all studies, and single runs, by a metric: one row for each experiment, "
        "with the settings that differ. With hashes, only these are compared.",
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
        "--top", type=_count, metavar="N", help=f"the best N ({TOP}; all with --csv and --json)"
    )
    order = made.add_mutually_exclusive_group()
    order.add_argument(
        "--ascending",
        action="store_true",
        default=None,
        help="lower is better (default except for accuracies and images per second)",
    )
    order.add_argument(
        "--descending", dest="ascending", action="store_false", help="higher is better"
    )
    made.add_argument(
        "--all-runs",
        action="store_true",
        help="one row for each run, including failed and running ones",
    )
    form = made.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print all columns as CSV")
    form.add_argument("--json", action="store_true", help="print all columns as JSON")
    return made


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text} is not a number of rows; type an integer from 1")
    return int(text)


def _say_nothing_fits(asked: Namespace, store: Store) -> None:
    """Say that no run fits, and which names of the filter no run has."""
    out = output.console()
    out.print(f"no run in {store.address} matches.", markup=False, soft_wrap=True)
    every = queries.matching(store, "", asked.experiment)
    known = {name for run in every for name in (*run.metrics, *run.params)}
    for _, name in KEY.findall(asked.where):
        if name not in known:
            near = get_close_matches(name, known, n=3)
            hint = f"; similar: {', '.join(near)}" if near else ""
            out.print(f"  no run has {name}{hint}", markup=False, soft_wrap=True)


def _print(board: Leaderboard, asked: Namespace, store: Store) -> None:
    ids = {number: name for name, number in store.experiments().items()}
    names = Names(studies=queries.sweeps(store), experiments=ids)
    program = asked.csv or asked.json
    shown = replace(board, runs=board.runs[: asked.top or (None if program else TOP)])
    if differences := _differences(shown, names, store):
        terminal.warn("\n".join(differences))
    if asked.json:
        print(dumped(records(shown, names)))
        return
    if asked.csv:
        print(to_csv(records(shown, names)), end="")
        return
    out = output.console()
    if shown.runs:
        table(shown, names, each=asked.all_runs).show(out)
    for line in _remarks(board, len(shown.runs), each=asked.all_runs):
        out.print(line, markup=False, soft_wrap=True)


def _differences(board: Leaderboard, names: Names, store: Store) -> list[str]:
    """Where studies in the folder of the store differ from the runs that are shown."""
    shown = dict.fromkeys(filter(None, map(names.study, board.runs)))
    if not shown:
        return []
    from cnn_sweeps.sweeps.results.runs import differences  # noqa: PLC0415 -- imports Optuna

    return [f"{name}: {said}" for name in shown for said in differences(name, store)]


def _remarks(board: Leaderboard, shown: int, *, each: bool) -> list[str]:
    """What the table does not show."""
    of_all, lines = len(board.runs), []
    kind = "run" if each else "experiment"
    if shown < of_all:
        lines.append(f"the best {shown} of {of_all} {kind}s; --top {of_all} shows all")
    if board.without:
        many = board.without > 1
        lines.append(
            f"{board.without} {kind}{'s have' if many else ' has'} no {board.metric}, and "
            f"{'are' if many else 'is'} left out"
        )
    if not of_all and not board.without:
        lines.append(f"no run is {FINISHED}; --all-runs shows the others")
    return lines
