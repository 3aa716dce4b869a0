"""What a sweep would do, told without doing it: `cnn-sweeps -m --dry-run`.

Nothing is trained and TensorFlow is not imported; the sizes come from `geometry`, the times
from the trials that the study already holds. The images are read only where earlier runs have
stored epochs, which go by their digest.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from cnn_sweeps.config.schema import Config
from cnn_sweeps.data.cores import cores
from cnn_sweeps.errors import InputError
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.eta import EpochCost, Timing, approximate_duration
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.preview import (
    MOST_CELLS,
    Experiment,
    Remaining,
    SpacePreview,
    saved_by_wsd,
)
from cnn_sweeps.sweeps.space.dimension import Dimension
from cnn_sweeps.sweeps.study.attributes import metrics_of
from cnn_sweeps.sweeps.study.counts import NOT_AGAIN
from cnn_sweeps.text.format import first_line, pluralize
from cnn_sweeps.text.table import Table
from cnn_sweeps.trajectories.cache import TrajectoryStore

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from cnn_sweeps.sweeps.study.study import SweepStudy

MOST_ROWS = 20
"""Experiments that are listed."""


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a sweep would do.

    Attributes:
        facts: names, and what is known of each, in one line or several.
        table: the experiments of the space, up to `MOST_ROWS`.
        more: how many more there are.
    """

    facts: Sequence[tuple[str, str]]
    table: Table
    more: int


def describe(plan: Plan, budget: Budget, study: "SweepStudy | None") -> DryRun:
    """What the sweep would do: its space, what is known of it, sizes, epochs and time.

    Args:
        plan: what is swept.
        budget: how much of it.
        study: the sweep's study; None when there is none yet.
    """
    preview = SpacePreview.of(plan)
    finished = _finished(study)
    known = preview.known(study.carried_values(trial) for trial in finished) if study else set()
    rest = Remaining.of(preview, budget, len(finished), known)
    rest, stored = _with_stored(rest, budget)
    facts = [
        ("space", str(plan.space.dimensions[0])),
        *(("", str(dimension)) for dimension in plan.space.dimensions[1:]),
        ("cells", _cells(preview)),
        (
            "known",
            f"{len(known):,}, from {pluralize(len(finished), 'trial')}" if finished else "none",
        ),
        ("to do", _to_do(rest, plan, budget)),
        *([("", NOT_AGAIN)] if study and study.counts().failed else []),
        *(
            [("", f"{pluralize(stored, 'epoch')} of earlier runs: read, not trained")]
            if stored
            else []
        ),
        ("goal", str(plan.objectives)),
        ("chosen by", _chooser(plan, budget)),
        ("pruner", str(plan.pruner)),
        *([("schedule", told)] if (told := saved_by_wsd(plan)) else []),
        ("duplicates", plan.duplicates),
        ("networks", _networks(preview)),
        ("time", _time(rest, budget, _timings(finished))),
    ]
    more = max(len(preview.experiments) - MOST_ROWS, 0)
    return DryRun(facts=facts, table=_table(preview), more=more)


def _with_stored(rest: Remaining, budget: Budget) -> tuple[Remaining, int]:
    """What is left, with what earlier runs have stored of it, and how many epochs that saves.

    Where a sampler chooses, nobody knows yet which trainings there will be.
    """
    stored: dict[str, int] = {}
    for experiment in rest.experiments if rest.exact else ():
        if experiment.parts and experiment.config is not None:
            with suppress(InputError):  # a trial will say it
                last = _stored(experiment.config, max(1, min(budget.n_jobs, rest.trials)))
                for (key, before, _), reached in zip(experiment.parts, last, strict=False):
                    stored[key] = max(stored.get(key, before), reached)
    with_stored = replace(rest, stored=stored)
    return with_stored, rest.epochs_trained - with_stored.epochs_trained


def _stored(config: Config, workers: int) -> Sequence[int]:
    """The last stored epoch of each segment of a training; empty where nothing is stored."""
    if not TrajectoryStore.under(config.tracking.dir).folder.is_dir():
        return ()
    from cnn_sweeps.runs.stored_epochs import stored_segments  # noqa: PLC0415 -- imports MLflow

    return stored_segments(config, config.trainer.threads or max(1, cores() // workers))


def _finished(study: "SweepStudy | None") -> list["FrozenTrial"]:
    return [trial for trial in study.trials() if trial.state.is_finished()] if study else []


def _timings(finished: Sequence["FrozenTrial"]) -> list[Timing]:
    """What the finished trials took, where they were trained."""
    if not finished:
        return []

    measured = [metrics_of(trial.user_attrs) for trial in finished]
    return [
        Timing(epochs=m["epochs"], params=m.get("total_params"), seconds=m["total_seconds"])
        for m in measured
        if m.get("epochs") and m.get("total_seconds")
    ]


def _cells(preview: SpacePreview) -> str:
    size, distinct = preview.plan.space.size, len(preview.experiments)
    refused = [e.refusal for e in preview.experiments.values() if e.refusal is not None]
    different = pluralize(distinct, "different experiment")
    told = f"{size:,}, {different}" if size else "infinitely many"
    if not preview.complete and size:
        told = f"{size:,}; {MOST_CELLS:,} drawn at random are {different}"
    if refused:
        told += f"\n{len(refused):,} give no valid config: {first_line(refused[0])}"
    return told


def _to_do(rest: Remaining, plan: Plan, budget: Budget) -> str:
    about = "" if rest.exact else "about "
    if plan.pruner.name != "none":
        about = "at most "
    limit = "" if budget.timeout is None else f", none started after {budget.timeout:g} s"
    be = "is" if rest.epochs_trained == 1 else "are"
    fewer = rest.epochs_trained < rest.epochs
    trained = f", of which {rest.epochs_trained:,} {be} trained" if fewer else ""
    trials, epochs = pluralize(rest.trials, "trial"), pluralize(rest.epochs, "epoch")
    return f"{trials}, {about}{epochs}{trained}{limit}"


def _chooser(plan: Plan, budget: Budget) -> str:
    first = f", {len(budget.enqueue)} of them enqueued" if budget.enqueue else ""
    if budget.enumerates(plan):
        return f"enumeration (sampler {plan.sampler.name}), every cell once{first}"
    return f"sampler {plan.sampler.name}, {pluralize(budget.slots(plan), 'trial')}{first}"


def _networks(preview: SpacePreview) -> str:
    sized = [(e.params, e.title) for e in preview.experiments.values() if e.params is not None]
    if not sized:
        return "sizes are known once they are built"
    ends = [min(sized), max(sized)]
    return " to ".join(f"{params:,} parameters ({name})" for params, name in dict.fromkeys(ends))


def _time(rest: Remaining, budget: Budget, timings: Sequence[Timing]) -> str:
    if not rest.trials:
        return "nothing is left to do"
    if not timings:
        return "no trial has been timed yet"
    workers = max(budget.n_jobs, 1)
    left = approximate_duration(rest.seconds(_pace(rest, timings), workers))
    told = f"{left} with {workers} {'worker' if workers == 1 else 'workers'}"
    return f"{told}, estimated from {pluralize(len(timings), 'trial')}"


def _pace(rest: Remaining, timings: Sequence[Timing]) -> EpochCost:
    """The pace of the finished trials, by the sizes of the networks where those are known."""
    if any(e.params is None and e.refusal is None for e in rest.experiments):
        return EpochCost.fit([replace(timing, params=None) for timing in timings])
    return EpochCost.fit(timings)


def _table(preview: SpacePreview) -> Table:
    """The first cells, with what is known of their networks."""
    shown = list(islice(preview.experiments.values(), MOST_ROWS))
    settings = {d.key: [_value(d, e.cell) for e in shown] for d in preview.plan.space.dimensions}
    columns = {
        **settings,
        "parameters": [_parameters(experiment) for experiment in shown],
        "epochs": [str(experiment.epochs or "") for experiment in shown],
    }
    return Table(
        head=tuple(columns),
        rows=tuple(zip(*columns.values(), strict=True)),
        title="the first experiments",
    )


def _parameters(experiment: Experiment) -> str:
    if experiment.refusal is not None:
        return "impossible"
    return "" if experiment.params is None else f"{experiment.params:,}"


def _value(dimension: Dimension, cell: Mapping[str, Any]) -> str:
    """A value as it would be typed; of a continuous dimension, where it lies."""
    if dimension.key not in cell:
        return ""
    if dimension.values is None:
        return f"{dimension.low:g}–{dimension.high:g}"
    return str(dimension.text(cell[dimension.key]))
