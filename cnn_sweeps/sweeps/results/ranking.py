"""The ranked table of a sweep, for the terminal, for MLflow and for a spreadsheet."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import TrialState

from cnn_sweeps.config.metrics import PREFIX
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.recorded import ties
from cnn_sweeps.sweeps.comparison.sentences import listed_hosts
from cnn_sweeps.sweeps.plan.plan import EPOCHS
from cnn_sweeps.sweeps.results.hosts import measured_on
from cnn_sweeps.sweeps.results.results import Trial, tied_best
from cnn_sweeps.sweeps.results.test_scores import best_trials, ranked_trials
from cnn_sweeps.sweeps.results.trials import Scores, TrialReader
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text import format as measures
from cnn_sweeps.text.results import Results
from cnn_sweeps.text.table import Table
from cnn_sweeps.tracking import RunRecord, params
from cnn_sweeps.training.epoch import EPOCH_METRICS

ALWAYS = ("epochs", "trainable_params", "train_seconds")
"""Metrics shown for every trial, beside the objectives."""
TESTED = "test_accuracy"
HASH = "config hash"


@dataclass(frozen=True, kw_only=True)
class Ranking(Results):
    """All finished trials, best first; then the pruned, then the failed.

    Attributes:
        rows: the table.
        differences: where the study and the runs of its trials differ, a sentence for each trial.
        hosts: where seconds that are ranked were measured; none where others are.
    """

    rows: tuple[Trial, ...]
    differences: tuple[str, ...] = ()
    hosts: frozenset[str] = frozenset()

    @property
    def winners(self) -> tuple[Trial, ...]:
        """The best trial, or the Pareto front."""
        return tuple(row for row in self.rows if row.best)

    @classmethod
    def of(
        cls,
        study: SweepStudy,
        scores: Scores,
        differences: tuple[str, ...] = (),
        runs: Mapping[str, RunRecord] | None = None,
    ) -> "Ranking":
        """Rank a study's trials.

        Args:
            study: whose trials.
            scores: the winners' test metrics by trial number.
            differences: see the attribute.
            runs: the runs of the trials by id, as far as they are known.
        """
        best = {trial.number for trial in best_trials(study)}
        reader = TrialReader(study, scores, runs)
        rows = [
            reader.read(trial, rank, best=trial.number in best)
            for rank, trial in enumerate(ranked_trials(study), 1)
        ]
        others = study.trials(TrialState.PRUNED) + study.trials(TrialState.FAIL)
        timed = measured_on(study) if study.plan.objectives.are_timed else {}
        return cls(
            rows=(*rows, *map(reader.read, others)),
            differences=differences,
            hosts=frozenset().union(*(timed.get(row.number, ()) for row in rows)),
        )

    def records(self) -> list[dict[str, Any]]:
        """One flat mapping a row, every row with the same keys."""
        flat = [
            {name: _readable(name, value) for name, value in _record(row).items()}
            for row in self.rows
        ]
        keys = list(dict.fromkeys(key for record in flat for key in record))
        return [{key: record.get(key) for key in keys} for record in flat]

    def to_markdown(self) -> str:
        """The table as it is shown in the terminal, in Markdown."""
        return self.table().to_markdown()

    def table(self) -> Table:
        """The table for reading: numbers rounded, units in the heading."""
        rows = self.rows
        objectives = list(dict.fromkeys(name for row in rows for name in row.values))
        keys = list(dict.fromkeys(key for row in rows for key in row.params))
        settings = {key: [row.params.get(key, "") for row in rows] for key in keys}
        scores = self._columns((*objectives, *self._tested()))
        columns = {
            "rank": self._ranks(),
            **scores,
            **{key: measures.aligned_numbers(values) for key, values in settings.items()},
            **self._columns(self._beside(objectives)),
            "trial": [str(row.number) for row in rows],
            HASH: [(row.config_hash or row.reason or "")[:SHOWN] for row in rows],
        }
        if columns.get(EPOCHS) == columns["epochs"]:
            del columns["epochs"]
        return Table(
            head=tuple(columns),
            rows=tuple(zip(*columns.values(), strict=True)),
            text=frozenset({HASH, *(key for key in keys if _has_words(settings[key]))}),
            strong=frozenset(number for number, row in enumerate(rows) if row.best),
            first=("rank", *map(measures.head, objectives), *settings, HASH, *scores, "epochs"),
            every="ranking.csv of the sweep's run in MLflow",
            notes=tuple(self._notes()),
        )

    def _tested(self) -> tuple[str, ...]:
        """The score of the test images, where any trial has it."""
        return (TESTED,) if any(TESTED in row.metrics for row in self.rows) else ()

    def _beside(self, objectives: Sequence[str]) -> list[str]:
        """The metrics that are shown beside the objectives: those asked for, and some always."""
        asked = [name for row in self.rows for name in row.metrics if _is_asked(name)]
        return [name for name in dict.fromkeys((*asked, *ALWAYS)) if name not in objectives]

    def _columns(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Metrics of all rows, by the heads of their columns."""
        return {measures.head(name): self._measured(name) for name in names}

    def _notes(self) -> Iterator[str]:
        if tied := tied_best(self.rows):
            yield tied
        if any(ties.MARK in rank for rank in self._ranks()):
            yield ties.MARKED
        if any(row.last for row in self.rows):
            yield "Of a pruned trial, the value is that of its last epoch."
        if len(self.hosts) > 1:
            yield (
                f"The trials were trained on {listed_hosts(self.hosts)}: seconds of one are not "
                "comparable with those of another, so the order may be that of the hosts."
            )

    def _ranks(self) -> list[str]:
        """The cells of the first column: a star for the best, a mark for a tie."""
        marks = ties.marks([row.values for row in self.rows])
        return [
            f"{row.rank}{'*' * row.best}{mark}" if row.rank else row.state
            for row, mark in zip(self.rows, marks, strict=True)
        ]

    def _measured(self, name: str) -> list[str]:
        """One metric of all rows; a pruned trial has what it came to."""
        return measures.texts(name, [_shown(row).get(name) for row in self.rows])


def _has_words(values: Iterable[object]) -> bool:
    """Whether a column of settings has a text, and not numbers alone."""
    return any(isinstance(value, str) and value for value in values)


def _is_asked(metric: str) -> bool:
    """Whether a metric is one of those that `trainer.metrics` lists."""
    return metric.startswith(PREFIX) and metric not in EPOCH_METRICS


def _shown(row: Trial) -> Mapping[str, float]:
    """What a trial measured, as far as it came."""
    measured = {**row.metrics, **row.values} if row.rank else row.last
    return {"epochs": row.epochs, **measured} if row.epochs else measured


def _record(row: Trial) -> dict[str, Any]:
    return {
        "rank": row.rank,
        "trial": row.number,
        **row.values,
        **row.params,
        **{
            key: value
            for key, value in _shown(row).items()
            if key not in {**row.values, **row.last}
        },
        **{f"last_{name}": value for name, value in row.last.items()},
        "config_hash": row.config_hash,
        "run_id": row.run_id,
        "state": row.state,
        "reason": row.reason,
    }


def _readable(name: str, value: Any) -> Any:
    """A score with no more digits than it has, as MLflow has it."""
    return params.shortest_decimal(name, value) if isinstance(value, float) else value
