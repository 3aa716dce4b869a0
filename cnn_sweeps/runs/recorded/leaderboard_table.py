"""The leaderboard as a table for a person, and as records for a program.

A person gets few columns, rounded; a program gets all of them with every digit.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnn_sweeps.config.stored import with_neutral_values
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.recorded import ties
from cnn_sweeps.runs.recorded.leaderboard import Leaderboard
from cnn_sweeps.text import format as measures
from cnn_sweeps.text.csv import csv_text
from cnn_sweeps.text.table import Table
from cnn_sweeps.text.untrusted import json_of
from cnn_sweeps.tracking import RunRecord, flatten
from cnn_sweeps.tracking.records import STOPPED

STANDARD = ("val_accuracy", "test_accuracy", "trainable_params", "train_seconds", "epochs")
"""Metrics that are shown beside the one that ranks, where a run has them."""
NO_SETTINGS = frozenset(
    {
        *("data.root", "data.download", "rules"),
        *("trainer.threads", "trainer.deterministic", "trainer.steps_per_execution"),
        *("trainer.progress", "trainer.metrics"),
        *("trainer.optimizer.weight_decay", "trainer.clip_norm"),  # they are among the params
    }
)
"""Params that say where things lay, or how a result was computed, and not what was tried."""
ABOUT = ("rank", "name", "study", "experiment", "config_hash", "run_id", "status", "started")
"""What a program is told of a run beside its metrics and params."""
HASH = "config hash"
Columns = dict[str, list[str]]


def table(board: Leaderboard) -> Table:
    """The leaderboard for a person: of the settings only those that differ."""
    runs, names = board.runs, board.names
    metrics = [name for name in STANDARD if any(name in run.metrics for run in runs)]
    shown = list(dict.fromkeys([board.metric, *metrics]))
    measured = {
        measures.head(name): measures.texts(name, [run.metrics.get(name) for run in runs])
        for name in shown
    }
    settings = _differing(runs)
    if settings.get("trainer.epochs") == measured.get("epochs"):
        settings.pop("trainer.epochs", None)
    about: Columns = {
        "run": [run.name.partition(" · ")[0] for run in runs],
        "study": [names.study(run) for run in runs],
        "experiment": [names.experiment(run) for run in runs],
    }
    if board.each:
        about |= {"status": [r.ending for r in runs], "run id": [r.run_id for r in runs]}
    told = {
        name: cells
        for name, cells in about.items()
        if name == "run" or len({*cells}) > 1 or STOPPED in cells
    }
    columns = {
        "rank": _ranks(board),
        **measured,
        **settings,
        **told,
        HASH: [(run.config_hash or "")[:SHOWN] for run in runs],
    }
    return Table(
        head=tuple(columns),
        rows=tuple(zip(*columns.values(), strict=True)),
        text=frozenset({HASH, *about, *(n for n, c in settings.items() if not _numbers(c))}),
        strong=frozenset({0}),
        first=("rank", next(iter(measured)), HASH, *settings, "run", *measured),
        notes=tuple(_notes(board)),
    )


def _ranks(board: Leaderboard) -> list[str]:
    """The cells of the first column."""
    marks = ties.marks([run.metrics[board.metric] for run in board.runs])
    return [f"{rank}{mark}" for rank, mark in enumerate(marks, 1)]


def _notes(board: Leaderboard) -> Iterator[str]:
    """Which runs share the first place, and what the marks mean."""
    best = [r for r in board.runs if r.metrics[board.metric] == board.runs[0].metrics[board.metric]]
    names = [(run.config_hash or "")[:SHOWN] for run in best]
    if tied := ties.sentence("runs", names, [run.metrics for run in best], "is the oldest"):
        yield tied
    if any(ties.MARK in rank for rank in _ranks(board)):
        yield ties.MARKED


def records(board: Leaderboard) -> list[dict[str, Any]]:
    """Every run with all that is known of it, for a program; params are what MLflow has: text."""
    return [
        {
            "rank": rank,
            "name": run.name,
            "study": board.names.study(run) or None,
            "experiment": board.names.experiment(run),
            "config_hash": run.config_hash,
            "run_id": run.run_id,
            "status": run.ending,
            "started": run.start.isoformat(timespec="seconds"),
            "metrics": dict(sorted(run.metrics.items())),
            "params": dict(sorted(run.params.items())),
        }
        for rank, run in enumerate(board.runs, 1)
    ]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The records for a spreadsheet; metrics and params are columns of their own."""
    parts = ("metrics", "params")
    measured, given = ({name for row in rows for name in row[part]} for part in parts)
    heads = (*ABOUT, *sorted(measured), *sorted(given - measured))
    return csv_text(heads, ({**row["params"], **row["metrics"], **row} for row in rows))


def _differing(runs: Sequence[RunRecord]) -> Columns:
    """The settings that are not the same in all runs, as text."""
    params = [_with_neutral(run.params) for run in runs]
    keys = sorted({key for each in params for key in each} - NO_SETTINGS)
    return {
        key: measures.aligned_numbers([_typed(each.get(key, "")) for each in params])
        for key in keys
        if _differs(key, params)
    }


def _differs(key: str, params: Sequence[Mapping[str, str]]) -> bool:
    """Whether a setting tells runs apart.

    One that other kinds of network or data do not have does not do so by its absence: that is
    what `model.name` or `data.name` says. Nor does a rules number, since kinds differ by it anyway,
    unless all else in its group is the same.
    """
    if key.endswith(".rules"):
        return _tells_alike_apart(key, params)
    kind = f"{key.partition('.')[0]}.name"
    values = {each[key] for each in params if key in each}
    having = {each.get(kind) for each in params if key in each}
    lacking = {each.get(kind) for each in params if key not in each}
    return len(values) > 1 or not having.isdisjoint(lacking)


def _tells_alike_apart(key: str, params: Sequence[Mapping[str, str]]) -> bool:
    """Whether a setting differs between runs whose other settings of its group are the same."""
    group = f"{key.partition('.')[0]}."
    values: dict[frozenset[tuple[str, str]], set[str | None]] = defaultdict(set)
    for each in params:
        others = each.keys() - NO_SETTINGS - {key}
        rest = frozenset((name, each[name]) for name in others if name.startswith(group))
        values[rest].add(each.get(key))
    return any(len(found) > 1 for found in values.values())


def _with_neutral(params: Mapping[str, str]) -> dict[str, str]:
    """Params of a run, with the neutral values of fields that came after it was logged."""
    nested: dict[str, Any] = {}
    for key, text in params.items():
        *groups, leaf = key.split(".")
        node = nested
        for group in groups:
            node = node.setdefault(group, {})
            if not isinstance(node, dict):  # a user's own param with a dot in its name
                return dict(params)
        node[leaf] = text
    return flatten(with_neutral_values(nested))


def _typed(text: str) -> object:
    """A param as a number where it is one."""
    try:
        value = json_of(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text


def _numbers(cells: Sequence[str]) -> bool:
    return all(not cell or isinstance(_typed(cell), int | float) for cell in cells)
