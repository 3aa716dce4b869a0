"""The ranked table of a sweep, for the terminal, for MLflow and for a spreadsheet."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.sweeps.results.test_scores import best_trials, values_of
from cnn_sweeps.sweeps.study.attributes import CONFIG_HASH, METRICS, REASON, RUN_ID
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text import format as measures
from cnn_sweeps.text.table import Table
from cnn_sweeps.tracking import params

ALWAYS = ("trainable_params", "train_seconds")
"""Metrics shown for every trial, beside the objectives."""
TESTED = "test_accuracy"
HASH = "config hash"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One trial in the table.

    Attributes:
        rank: 1 for the best; None for a trial without a value.
        trial: its number in the study.
        best: whether it is the best, or on the Pareto front.
        values: objectives by metric name; empty when it failed.
        params: the swept values.
        metrics: everything else it measured; test metrics for winners alone.
        config_hash: its full hash; None when it failed before it had one.
        run_id: its MLflow run.
        state: complete, pruned or fail.
        reason: why it was pruned or failed.
    """

    rank: int | None
    trial: int
    best: bool
    values: Mapping[str, float]
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    config_hash: str | None
    run_id: str | None
    state: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """All finished trials, best first; then the pruned, then the failed.

    Attributes:
        rows: the table.
        differences: where the study and the runs of its trials differ, a sentence for each trial.
    """

    rows: tuple[Row, ...]
    differences: tuple[str, ...] = ()

    @property
    def winners(self) -> tuple[Row, ...]:
        """The best trial, or the Pareto front."""
        return tuple(row for row in self.rows if row.best)

    @classmethod
    def of(
        cls,
        study: SweepStudy,
        scores: Mapping[int, Mapping[str, float]],
        differences: tuple[str, ...] = (),
    ) -> "Ranking":
        """Rank a study's trials; `scores` are the winners' test metrics by trial number."""
        ranked = study.plan.objectives.rank(study.trials(TrialState.COMPLETE), values_of)
        best = {trial.number for trial in best_trials(study)}
        rows = [
            _row(study, trial, rank, best=trial.number in best, scores=scores.get(trial.number, {}))
            for rank, trial in enumerate(ranked, 1)
        ]
        others = study.trials(TrialState.PRUNED) + study.trials(TrialState.FAIL)
        unranked = [_row(study, trial, None, best=False, scores={}) for trial in others]
        return cls(rows=(*rows, *unranked), differences=differences)

    def records(self) -> list[dict[str, Any]]:
        """One flat mapping a row, every row with the same keys."""
        flat = [
            {name: _readable(name, value) for name, value in _record(row).items()}
            for row in self.rows
        ]
        keys = list(dict.fromkeys(key for record in flat for key in record))
        return [{key: record.get(key) for key in keys} for record in flat]

    def to_csv(self) -> str:
        """The table for a spreadsheet, with full hashes."""
        records = self.records()
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(records[0]) if records else ["rank"])
        writer.writeheader()
        writer.writerows(records)
        return text.getvalue()

    def to_markdown(self) -> str:
        """The table as it is shown in the terminal, in Markdown."""
        return self.table().to_markdown()

    def table(self) -> Table:
        """The table for reading: numbers rounded, units in the heading."""
        rows = self.rows
        names = list(dict.fromkeys(name for row in rows for name in row.values))
        params = list(dict.fromkeys(key for row in rows for key in row.params))
        extra = [name for name in ALWAYS if name not in names]
        tested = [TESTED] if any(TESTED in row.metrics for row in rows) else []
        scores = {measures.head(name): self._measured(name) for name in (*names, *tested)}
        settings = {key: [row.params.get(key, "") for row in rows] for key in params}
        columns = {
            "rank": [_rank(row) for row in rows],
            **scores,
            **{key: measures.aligned(values) for key, values in settings.items()},
            **{measures.head(name): self._measured(name) for name in extra},
            "trial": [str(row.trial) for row in rows],
            HASH: [(row.config_hash or row.reason or "")[:SHOWN] for row in rows],
        }
        words = {
            key for key, values in settings.items() if any(isinstance(v, str) and v for v in values)
        }
        return Table(
            head=tuple(columns),
            rows=tuple(zip(*columns.values(), strict=True)),
            text=frozenset({HASH, *words}),
            strong=frozenset(number for number, row in enumerate(rows) if row.best),
            first=("rank", *scores, HASH, *settings),
            every="ranking.csv of the sweep's run in MLflow",
        )

    def _measured(self, name: str) -> list[str]:
        """One metric of all rows; an objective has a value only where the trial has one."""
        both = [{**row.metrics, **row.values} if row.rank else {} for row in self.rows]
        return measures.texts(name, [metrics.get(name) for metrics in both])


def _row(
    study: SweepStudy,
    trial: FrozenTrial,
    rank: int | None,
    *,
    best: bool,
    scores: Mapping[str, float],
) -> Row:
    names = study.plan.objectives.names
    return Row(
        rank=rank,
        trial=trial.number,
        best=best,
        values=dict(zip(names, trial.values or (), strict=False)) if rank else {},
        params=study.carried_values(trial),
        metrics={**trial.user_attrs.get(METRICS, {}), **scores},
        config_hash=trial.user_attrs.get(CONFIG_HASH),
        run_id=trial.user_attrs.get(RUN_ID),
        state=trial.state.name.lower(),
        reason=trial.user_attrs.get(REASON),
    )


def _record(row: Row) -> dict[str, Any]:
    return {
        "rank": row.rank,
        "trial": row.trial,
        **row.values,
        **row.params,
        **{key: value for key, value in row.metrics.items() if key not in row.values},
        "config_hash": row.config_hash,
        "run_id": row.run_id,
        "state": row.state,
        "reason": row.reason,
    }


def _readable(name: str, value: Any) -> Any:
    """A score with no more digits than it has, as MLflow has it."""
    return params.shortest(name, value) if isinstance(value, float) else value


def _rank(row: Row) -> str:
    return row.state if row.rank is None else f"{row.rank}{'*' if row.best else ''}"
