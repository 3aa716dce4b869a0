"""Collect the results of a sweep from its study and the runs of its trials.

How much each swept key had to do with good values is told by Optuna's conditional PED-ANOVA
(https://arxiv.org/abs/2601.20800); a key has its share also where only some trials have it.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import optuna
from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps import figures
from cnn_sweeps.errors import StoreError
from cnn_sweeps.evaluation.evaluation import Evaluation
from cnn_sweeps.figures.examples import Examples
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.sweeps.plan.objectives import SIGNS
from cnn_sweeps.sweeps.results.commands import commands
from cnn_sweeps.sweeps.results.exercise_answer import answer_of
from cnn_sweeps.sweeps.results.ranking import Ranking
from cnn_sweeps.sweeps.results.results import (
    Curve,
    Importance,
    Objective,
    SweepResults,
    SweptParam,
    Timing,
    Trial,
)
from cnn_sweeps.sweeps.results.runs import Reading, Runs, RunStore
from cnn_sweeps.sweeps.space.dimension import Dimension
from cnn_sweeps.sweeps.study.durations import seconds_spent
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text.redact import without_password
from cnn_sweeps.tracking import RunRecord, artifacts, names
from cnn_sweeps.tracking.finished_runs import epochs_of
from cnn_sweeps.tracking.imports import import_quickly

MOST_CURVES = 5
"""Of so many of the best trials the learning curves are shown."""

FEWEST = 8
"""Complete trials below which a share would be chance."""
GOOD = 5
"""Good trials that PED-ANOVA should have at least, says its documentation."""
QUANTILE = 0.1
"""The share of trials that counts as good where there are enough, as Optuna has it."""


def rank_trials(study: SweepStudy, store: RunStore) -> Ranking:
    """The trials of a study, best first, with the scores on the test split that are known."""
    read = Reading.of(study, store)
    scores = read.runs.scores(read.study)
    return Ranking.of(read.study, scores, read.differences, read.runs.by_id)


def results(study: SweepStudy, store: RunStore) -> SweepResults:
    """Everything that a report of a sweep shows, whatever is left of it.

    Args:
        study: the sweep, finished or not.
        store: where its runs are.
    """
    return results_of(Reading.of(study, store))


def results_of(read: Reading) -> SweepResults:
    """The same of a study that was read already."""
    study, runs, plan = read.study, read.runs, read.study.plan
    scores = runs.scores(study)
    ranking = Ranking.of(study, scores, runs=runs.by_id)
    every = study.trials()
    best = ranking.winners[0] if ranking.winners else None
    best_run = runs.by_id.get(best.run_id or "") if best else None
    shown = _shown(best_run, runs)
    ended = [moment for trial in every if (moment := trial.datetime_complete)]
    begun = [moment for trial in every if (moment := trial.datetime_start)]
    counts = study.counts()
    return SweepResults(
        study=study.optuna_study.study_name,
        question=_question(study) if plan.exercise is None else plan.exercise.question,
        answer=answer_of(study, scores),
        fixed=tuple(map(without_password, plan.fixed)),
        objectives=_objectives(study),
        axes=tuple(map(_axis, plan.space.dimensions)),
        sampler=str(plan.sampler),
        pruner=str(plan.pruner),
        begun=_utc(min(begun)) if begun else None,
        ended=_utc(max(ended)) if ended else None,
        unfinished=counts.waiting + counts.running,
        trials=ranking.rows,
        ranking=ranking.table(),
        importances=importances(study),
        curves=_curves(ranking, runs),
        timing=_timing(ranking.rows, seconds_spent([t for t in every if t.state.is_finished()])),
        environment=_stored(best_run, runs, names.ENVIRONMENT_FILE),
        images=_stored(best_run, runs, names.IMAGES_FILE),
        commands=commands(study, best, runs.store),
        missing=(*runs.missing, *read.differences, *shown.missing),
        evaluation=shown.evaluation,
        examples=shown.examples,
    )


def _question(study: SweepStudy) -> str:
    keys = [dimension.key for dimension in study.plan.space.dimensions]
    listed = f"{', '.join(keys[:-1])} and {keys[-1]}" if len(keys) > 1 else keys[0]
    which = f"values of {listed} give" if len(keys) > 1 else f"value of {listed} gives"
    wanted = {"maximize": "the highest", "minimize": "the lowest"}
    sought = [f"{wanted[each.direction]} {each.name}" for each in _objectives(study)]
    return f"Which {which} {' and '.join(sought)}?"


def _objectives(study: SweepStudy) -> tuple[Objective, ...]:
    asked = study.plan.objectives
    pairs = zip(asked.names, asked.directions, strict=True)
    return tuple(Objective(name=name, direction=direction) for name, direction in pairs)


def _axis(dimension: Dimension) -> SweptParam:
    return SweptParam(
        key=dimension.key,
        values=dimension.choices,
        numeric=dimension.kind != "categorical",
        log=dimension.log,
        low=None if dimension.choices else float(dimension.low),
        high=None if dimension.choices else float(dimension.high),
        told=str(dimension),
    )


def _curves(ranking: Ranking, runs: Runs) -> tuple[Curve, ...]:
    """The epochs of the best trials, as they were logged."""
    found: list[Curve] = []
    for row in ranking.rows:
        if runs.store is None or row.rank is None or len(found) == MOST_CURVES:
            break
        if row.run_id in runs.by_id:
            # A run whose metrics were deleted has no curve, and is no reason to have no report.
            with suppress(StoreError, KeyError):
                run = runs.by_id[row.run_id or ""]
                epochs, network = epochs_of(runs.store, run), run.name.partition(" · ")[0]
                made = Curve(trial=row.number, rank=row.rank, epochs=epochs, network=network)
                found.append(made)
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """What the figures of the best show, as values: see `SweepResults`."""

    evaluation: Evaluation | None = None
    examples: Examples | None = None
    missing: tuple[str, ...] = ()


def _shown(run: RunRecord | None, runs: Runs) -> _Shown:
    """What was stored with the figures of the best; nothing where it has none."""
    evaluation = _stored(run, runs, figures.EVALUATION)
    examples = _stored(run, runs, figures.EXAMPLES)
    if run is None or not evaluation or not examples:
        return _Shown()
    try:
        read = Evaluation.from_json(evaluation), Examples.from_json(examples)
    except ValueError:
        name = (run.config_hash or run.run_id)[:SHOWN]
        said = "The evaluation of the best cannot be read"
        return _Shown(missing=(f"{said}; `cnn-sweeps figures {name}` makes it again.",))
    return _Shown(evaluation=read[0], examples=read[1])


def _stored(run: RunRecord | None, runs: Runs, path: str) -> Mapping[str, object]:
    """A JSON file of the best, such as where it was trained; empty where there is none."""
    if run is None or runs.store is None:
        return {}
    with suppress(StoreError, ValueError):
        stored = artifacts.read_json(runs.store, run, path)
        return stored if isinstance(stored, dict) else {}
    return {}


def _timing(trials: tuple[Trial, ...], wall: float) -> Timing:
    busy = sum(trial.seconds for trial in trials)
    own = [trial for trial in trials if not trial.reused]
    phases = {
        "data": sum(trial.metrics.get("data_seconds", 0.0) for trial in own),
        "build": sum(trial.metrics.get("build_seconds", 0.0) for trial in own),
        "train": sum(trial.seconds_paid or 0.0 for trial in trials),
    }
    return Timing(
        wall=wall,
        workers=max((trial.worker + 1 for trial in trials if trial.begin is not None), default=0),
        busy=busy,
        phases={**phases, "other": max(0.0, busy - sum(phases.values()))},
        # Of a pruned trial nothing is known but what it has paid.
        train_original=sum(
            trial.metrics.get("train_seconds", trial.seconds_paid or 0.0) for trial in trials
        ),
    )


def _utc(moment: datetime) -> datetime:
    """Optuna's local time, without a zone, in UTC and to the second."""
    return moment.astimezone(UTC).replace(microsecond=0)


def importances(study: SweepStudy) -> tuple[Importance, ...]:
    """The shares of each key for each objective, or why they cannot be told."""
    return tuple(_importances(study))


def _importances(study: SweepStudy) -> Iterator[Importance]:
    complete = study.trials(TrialState.COMPLETE)
    objectives = study.plan.objectives
    pairs = zip(objectives.names, objectives.directions, strict=True)
    for index, (name, direction) in enumerate(pairs):
        reason = _reason(complete, index)
        shares = {} if reason else _shares(complete, index, SIGNS[direction])
        yield Importance(objective=name, shares=shares, reason=reason)


def _reason(complete: list[FrozenTrial], index: int) -> str | None:
    """Why nothing can be told."""
    keys = [trial.params.keys() for trial in complete]
    if complete and len(set().union(*keys)) <= 1:
        return "only one key was swept"
    if len(complete) < FEWEST:
        return f"it takes {FEWEST} complete trials or more, and there are {len(complete)}"
    if len({trial.values[index] for trial in complete}) == 1:
        return "every trial has the same value"
    return None


def import_importance() -> None:
    """Import Optuna's importances without scikit-learn, which takes a second of them for fANOVA."""
    import_quickly("optuna.importance", unneeded=["sklearn"])


def _shares(complete: list[FrozenTrial], index: int, sign: float) -> dict[str, float]:
    """Shares by key, the greatest first; see `import_importance`.

    A study of its own, in memory, holds what one objective is worth: so nothing that repeats
    or was superseded counts, and less is always better, as PED-ANOVA wants it.
    """
    import_importance()
    from optuna.importance import (  # noqa: PLC0415 -- few sweeps have enough trials
        PedAnovaImportanceEvaluator,
        get_param_importances,
    )

    alone = optuna.create_study(direction="minimize", storage=optuna.storages.InMemoryStorage())
    alone.add_trials(
        optuna.create_trial(
            value=sign * trial.values[index],
            params=trial.params,
            distributions=trial.distributions,
        )
        for trial in complete
    )
    quantile = min(0.5, max(QUANTILE, GOOD / len(complete)))
    with warnings.catch_warnings():
        # It is experimental, and says of keys that few trials have that their share is less sure.
        warnings.simplefilter("ignore")
        evaluator = PedAnovaImportanceEvaluator(target_quantile=quantile)
        return get_param_importances(alone, evaluator=evaluator)
