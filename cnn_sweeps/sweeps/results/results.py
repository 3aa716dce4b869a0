"""The results of a sweep as plain values: everything that a report of it shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from cnn_sweeps.evaluation.evaluation import Evaluation
from cnn_sweeps.figures.examples import Examples
from cnn_sweeps.runs.recorded import ties
from cnn_sweeps.sweeps.comparison.answer import Answer
from cnn_sweeps.sweeps.study.retry import Retry
from cnn_sweeps.text.json import plain_values
from cnn_sweeps.text.table import Table
from cnn_sweeps.training.epoch import Epoch

VERSION = 1
"""Of the form of `SweepResults.to_json`; names are added without a new one, not taken away."""
Value = bool | int | float | str | None
"""A value of a swept key: a number, a switch, or the text of anything else."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What was sought.

    Attributes:
        name: a metric.
        direction: `minimize` or `maximize`.
    """

    name: str
    direction: str

    @property
    def sign(self) -> int:
        """What a value is multiplied by for less to be better."""
        return -1 if self.direction == "maximize" else 1


@dataclass(frozen=True, kw_only=True)
class SweptParam:
    """One swept key.

    Attributes:
        key: its dotted name.
        values: all its values in their order; empty for an interval.
        numeric: whether they are numbers, with a distance between them.
        log: whether they are searched on a logarithmic scale.
        low: the least number; for an interval.
        high: the greatest number; for an interval.
        told: the key with its values as they would be typed, and when it counts.
    """

    key: str
    values: tuple[Value, ...] = ()
    numeric: bool = False
    log: bool = False
    low: float | None = None
    high: float | None = None
    told: str = ""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial that has ended.

    Attributes:
        number: its number in the study.
        state: complete, pruned or fail.
        rank: 1 for the best; None without a value.
        best: whether it is the best, or on the Pareto front.
        params: the swept values, of the keys that count in it.
        values: objectives by metric name; empty without a value.
        metrics: everything else it measured; test metrics for winners alone.
        config_hash: its full hash; None when it failed before it had one.
        run_id: its MLflow run.
        reason: why it was pruned or failed.
        traceback: where in the code it failed; None for a failure with a plain reason.
        begin: seconds since the first trial began; None when it never ran.
        end: likewise.
        worker: which of the workers that ran at once, from 0.
        epochs: how many epochs it has.
        epochs_trained: how many of them were trained, and not from cache.
        epochs_asked: how many it would have had, had it not been pruned.
        seconds_paid: what was spent on training it; None where the store does not say.
        reused: whether it was answered as a whole from another run.
        lineage: a line for each segment of a training that changes on its way.
        retries: how it came to be tried again, the first time in front; empty where it was not.
        reported: the objective after each epoch, by its number from 1; empty where none is known
            before the end.
        last: of a pruned trial the objective after its last epoch, by name; empty of any other.
    """

    number: int
    state: str
    rank: int | None = None
    best: bool = False
    params: Mapping[str, Value]
    values: Mapping[str, float]
    metrics: Mapping[str, float]
    config_hash: str | None = None
    run_id: str | None = None
    reason: str | None = None
    traceback: str | None = None
    begin: float | None = None
    end: float | None = None
    worker: int = 0
    epochs: int = 0
    epochs_trained: int = 0
    epochs_asked: int = 0
    seconds_paid: float | None = None
    reused: bool = False
    lineage: tuple[str, ...] = ()
    retries: tuple[Retry, ...] = ()
    reported: Mapping[int, float] = field(default_factory=dict)
    last: Mapping[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long its worker was busy with it."""
        return 0.0 if self.begin is None or self.end is None else self.end - self.begin


def tied_best(trials: Sequence[Trial]) -> str:
    """Which trials share the first place, as a sentence; empty where one has it alone."""
    first = [trial for trial in trials if trial.rank and trial.values == trials[0].values]
    numbers, metrics = [f"{trial.number}" for trial in first], [trial.metrics for trial in first]
    return ties.sentence("trials", numbers, metrics, "was first in the queue")


@dataclass(frozen=True, kw_only=True)
class Importance:
    """How much each key had to do with good values of an objective.

    Attributes:
        objective: the metric.
        shares: by key, the greatest first, 1 in all; empty where it cannot be told.
        reason: why it cannot be told.
    """

    objective: str
    shares: Mapping[str, float]
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The training of one of the best trials.

    Attributes:
        trial: its number.
        rank: its rank.
        epochs: every epoch, in order.
        network: what was trained, such as `cnn 64x2`; empty where that is not known.
    """

    trial: int
    rank: int
    epochs: tuple[Epoch, ...]
    network: str = ""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Where the time went.

    Attributes:
        wall: seconds during which trials ran that have ended.
        workers: how many ran at once, at most.
        busy: seconds of all workers together.
        phases: seconds of all trials by phase: data, build, train, other.
        train_original: seconds that the trainings took when they were made, for this sweep or
            before; what they would have cost without reuse.
    """

    wall: float
    workers: int
    busy: float
    phases: Mapping[str, float]
    train_original: float

    @property
    def use(self) -> float:
        """The share of the time in which a worker was busy, from 0 to 1."""
        return self.busy / (self.wall * self.workers) if self.wall and self.workers else 0.0


@dataclass(frozen=True, kw_only=True)
class Command:
    """Something to type.

    Attributes:
        purpose: what for.
        line: the command.
    """

    purpose: str
    line: str


@dataclass(frozen=True, kw_only=True)
class SweepResults:
    """A sweep, as far as it has come.

    Attributes:
        study: its name.
        question: what it asks, as a sentence.
        answer: what an exercise found, from pairs of trials with one seed; None for a search.
        fixed: what was set for all trials, as it would be typed.
        objectives: what is sought.
        axes: what is varied.
        sampler: who chose the values.
        pruner: who ended trials early.
        begun: when the first trial began, UTC; None when none has.
        ended: when the last one ended, UTC; None when none has.
        unfinished: trials that wait or run.
        trials: those that have ended, best first; then the pruned, then the failed.
        ranking: the same as a table, a row for each.
        importances: one for each objective.
        curves: the trainings of the best few.
        timing: where the time went.
        environment: where the best was trained, by name; empty where that is not known.
        images: what the best was trained on: images per class and split, and what should be
            known of them; empty where that is not known.
        commands: how to go on from here.
        missing: what could not be found out, a sentence for each.
        evaluation: what the best is worth on the split that it was scored on; None where that is
            not stored.
        examples: images of that split with what the best says of them; None likewise.
    """

    study: str
    question: str
    answer: Answer | None
    fixed: tuple[str, ...]
    objectives: tuple[Objective, ...]
    axes: tuple[SweptParam, ...]
    sampler: str
    pruner: str
    begun: datetime | None
    ended: datetime | None
    unfinished: int
    trials: tuple[Trial, ...]
    ranking: Table
    importances: tuple[Importance, ...]
    curves: tuple[Curve, ...]
    timing: Timing
    environment: Mapping[str, Any]
    commands: tuple[Command, ...]
    missing: tuple[str, ...] = ()
    images: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    examples: Examples | None = None

    @property
    def winners(self) -> tuple[Trial, ...]:
        """The best trial, or the Pareto front."""
        return tuple(trial for trial in self.trials if trial.best)

    def of_state(self, state: str) -> tuple[Trial, ...]:
        """The trials that ended so: complete, pruned or fail."""
        return tuple(trial for trial in self.trials if trial.state == state)

    def to_json(self) -> dict[str, Any]:
        """All of it but pictures and the table, which repeats the trials; NaN becomes null."""
        left_out = ("answer", "ranking", "examples")
        shown = [each.name for each in fields(self) if each.name not in left_out]
        values = {name: plain_values(getattr(self, name)) for name in shown}
        values["timing"]["use"] = self.timing.use
        answer = self.answer.to_json() if self.answer else None
        values["examples"] = self.examples.to_json() if self.examples else None
        return {
            "version": VERSION,
            "study": values.pop("study"),
            "answer": plain_values(answer),
            **values,
        }
