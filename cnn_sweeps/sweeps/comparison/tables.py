"""The tables of an answer."""

from collections.abc import Sequence
from typing import Any

from cnn_sweeps.sweeps.comparison.statistics import (
    POINTS,
    SECONDS_PER_EPOCH,
    BaselineDifference,
    Cell,
    Difference,
    Spread,
)
from cnn_sweeps.text.table import Table

CELL = "cell"
MINUS = "\N{MINUS SIGN}"
ACCURACIES = {"train %": "accuracy", "validation %": "val_accuracy", "test %": "test_accuracy"}
TIMES = {"s/epoch": SECONDS_PER_EPOCH, "s in total": "train_seconds"}
RECORDED = (*ACCURACIES.values(), "loss", "val_loss", "test_loss", *TIMES.values())
RECORDED += ("images_per_second", "epochs", "total_params")
"""Measures that are written down for each cell."""


def of_cells(cells: Sequence[Cell]) -> Table:
    """One row for each cell: parameters, accuracies as mean ± sd, mean times."""
    split = any(cell.by_seed("val_accuracy") for cell in cells)
    shown = {head: name for head, name in ACCURACIES.items() if split or name != "val_accuracy"}
    return Table(
        title="accuracy: mean ± standard deviation over the seeds",
        head=(CELL, "parameters", *shown, *TIMES, "images/s"),
        rows=tuple(_row(cell, list(shown.values())) for cell in cells),
        text=frozenset({CELL}),
        strong=frozenset(number for number, cell in enumerate(cells) if cell.base),
        first=(CELL, "test %", "s in total", "parameters"),
        every="answer.md of the sweep's run",
    )


def of_comparisons(comparisons: Sequence[BaselineDifference]) -> Table:
    """One row for each cell: what it changes against the base model."""
    split = any(comparison.val is not None for comparison in comparisons)
    return Table(
        title="against the base model: accuracy in points with its 95 % interval, then ratios",
        head=(
            CELL,
            "test",
            *(["validation"] if split else []),
            "s/epoch",
            "s in total",
            "parameters",
        ),
        rows=tuple(
            (
                c.cell.label,
                *[signed(some) for some in ((c.test, c.val) if split else (c.test,))],
                *[times(some) for some in (c.epoch_seconds, c.seconds, c.params)],
            )
            for c in comparisons
        ),
        text=frozenset({CELL}),
        first=(CELL, "test", "s in total"),
        every="answer.md of the sweep's run",
    )


def record(cell: Cell) -> dict[str, Any]:
    """Everything measured in a cell, unrounded and by seed."""
    return {
        "cell": dict(cell.values),
        "base": cell.base,
        **{name: _plain(cell.spread(name)) | {"by_seed": cell.by_seed(name)} for name in RECORDED},
        "config_hashes": {outcome.seed: outcome.config_hash for outcome in cell.measured},
        "failed": {outcome.seed: outcome.reason for outcome in cell.failed},
    }


def percent(some: Spread | None) -> str:
    """An accuracy in per cent with its standard deviation, where there is one."""
    if some is None:
        return ""
    sd = "" if some.sd is None else f" ± {POINTS * some.sd:.2f}"
    return f"{POINTS * some.mean:.2f}{sd}"


def signed(some: Difference | None) -> str:
    """A difference in points with its sign and its interval, where there is one."""
    if some is None:
        return ""
    sign = MINUS if round(some.mean, 2) < 0 else "+"
    half = "" if some.half is None else f" ± {some.half:.2f}"
    return f"{sign}{abs(some.mean):.2f}{half}"


def times(ratio: float | None) -> str:
    """A ratio with three digits that say something."""
    return "" if ratio is None else f"{ratio:#.3g}".rstrip(".")


def _row(cell: Cell, accuracies: Sequence[str]) -> tuple[str, ...]:
    label = f"{cell.label} (base)" if cell.base else cell.label
    if not cell.measured:
        return (label, "failed", *("" for _ in (*accuracies, *TIMES, "images/s")))
    return (
        label,
        _mean(cell.spread("total_params"), ",.0f"),
        *(percent(cell.spread(name)) for name in accuracies),
        *(_mean(cell.spread(name), ".1f") for name in TIMES.values()),
        _mean(cell.spread("images_per_second"), ",.0f"),
    )


def _mean(some: Spread | None, form: str) -> str:
    return "" if some is None else format(some.mean, form)


def _plain(some: Spread | None) -> dict[str, Any]:
    return {} if some is None else {"mean": some.mean, "sd": some.sd}
