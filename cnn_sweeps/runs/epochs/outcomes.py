"""A finished run under several rules: values for a program, and a table for a person."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cnn_sweeps.config.metrics import PREFIX
from cnn_sweeps.provenance.identity import SHOWN as SHORT
from cnn_sweeps.text.format import rounded
from cnn_sweeps.text.results import Results
from cnn_sweeps.text.shell import pasteable_command
from cnn_sweeps.text.table import Table
from cnn_sweeps.training.epoch import AVERAGE, AVERAGED

Changes = Mapping[str, Any]
"""What is changed, by full keys."""
TEST = "test_"
SHOWN = (PREFIX, TEST, f"{AVERAGE}{PREFIX}")
"""How the metrics begin that stand in a table."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run would have been under another rule.

    Attributes:
        changes: what is changed, by full keys; empty for the run as it was.
        epochs: after how many it would have stopped; None where that is not known.
        stopped: why it would have; why that is not known where it is not.
        best: the epoch whose weights it would have ended with, unless it took an average.
        weights: with which it would have ended: `epoch 8`, or `average of epochs 4 to 8`.
        metrics: of those weights, beside times.
        average: of an average that was a candidate: its metrics, as `average_val_loss`, and
            `averaged_epochs`, 0 where validation did not prefer it.
        tests: metrics of the test images with those weights, where a run has them.
        seconds: of its epochs, as they were trained.
        epochs_saved: compared with the run as it was; negative for more.
        seconds_saved: likewise.
    """

    changes: Changes
    epochs: int | None = None
    stopped: str
    best: int | None = None
    weights: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    average: Mapping[str, float] = field(default_factory=dict)
    tests: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    epochs_saved: int = 0
    seconds_saved: float = 0.0

    @property
    def is_known(self) -> bool:
        """Whether the stored epochs reach as far as it would have gone."""
        return self.epochs is not None

    @property
    def values(self) -> Mapping[str, float]:
        """All its metrics."""
        return {**self.metrics, **self.average, **self.tests}


@dataclass(frozen=True, kw_only=True)
class WhatIf(Results):
    """A run under several rules.

    Attributes:
        name: the run, for a person.
        run_id: the MLflow run.
        config_hash: of its experiment.
        known: how many epochs of it are known.
        outcomes: the run as it was in front, then one for each set of changes.
    """

    name: str
    run_id: str
    config_hash: str
    known: int
    outcomes: tuple[Outcome, ...]

    def records(self) -> list[dict[str, Any]]:
        """A flat mapping for each rule, for a spreadsheet."""
        keys = [key for outcome in self.outcomes for key in outcome.changes]
        names = [name for outcome in self.outcomes for name in outcome.values]
        return [
            {
                **{key: o.changes.get(key) for key in dict.fromkeys(keys)},
                "epochs": o.epochs,
                "best_epoch": o.best,
                "weights": o.weights,
                **{name: o.values.get(name) for name in dict.fromkeys(names)},
                "seconds": o.seconds if o.is_known else None,
                "epochs_saved": o.epochs_saved if o.is_known else None,
                "seconds_saved": o.seconds_saved if o.is_known else None,
                "stopped": o.stopped,
            }
            for o in self.outcomes
        ]

    def table(self) -> Table:
        """A row for each rule."""
        shown = [name for o in self.outcomes for name in o.values if name.startswith(SHOWN)]
        names = list(dict.fromkeys(shown))
        keys = list(dict.fromkeys(key for o in self.outcomes for key in o.changes))
        rows = []
        for o in self.outcomes:
            saved = (str(o.epochs_saved), f"{o.seconds_saved:.1f}") if o.is_known else ("-", "-")
            rows.append(
                (
                    *(plain_text_of(o.changes.get(key, "as it was")) for key in keys),
                    "-" if o.epochs is None else str(o.epochs),
                    o.weights,
                    *("-" if n not in o.values else rounded(o.values[n]) for n in names),
                    *saved,
                    o.stopped,
                )
            )
        heads = [key.removeprefix("trainer.") for key in keys]
        behind = ("epochs saved", "seconds saved", "stopped")
        return Table(
            head=(*heads, "stops at", "weights", *names, *behind),
            rows=tuple(rows),
            text=frozenset({*heads, "weights", "stopped"}),
            notes=self.notes(),
        )

    def notes(self) -> tuple[str, ...]:
        """How to keep an average that validation prefers: a run of its own, of the same epochs."""
        return tuple(
            f"keep the {o.weights}: "
            + pasteable_command(["cnn-sweeps", "fork", self.config_hash[:SHORT], *_typed(o)])
            for o in self.outcomes[1:]
            if o.average.get(AVERAGED)
        )


def _typed(outcome: Outcome) -> list[str]:
    return [f"{key}={plain_text_of(value)}" for key, value in outcome.changes.items()]


def plain_text_of(value: Any) -> str:
    """A value as it is typed."""
    return value if isinstance(value, str) else json.dumps(value)
