"""Where a trial is not what its run has: how it ended, values, metrics, epochs, params, hash."""

import copy
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.config.loading import to_json
from cnn_sweeps.errors import ConfigError, InputError
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.sweeps.plan.objectives import ObjectiveError, Objectives
from cnn_sweeps.sweeps.plan.pruners import epoch_metric
from cnn_sweeps.sweeps.space.conditions import bare_key
from cnn_sweeps.sweeps.study.attributes import CELL, CONFIG_HASH, metric_attributes, metrics_of
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text.untrusted import json_of
from cnn_sweeps.tracking import RunRecord, flatten
from cnn_sweeps.tracking.names import PRUNED_EPOCH

STATE = "state"
HASH = "config hash"
CLOSE = 1e-12
"""Relative difference of one number in two databases."""
Curves = Mapping[str, Mapping[int, float]]
"""Metrics of a run by name and epoch."""


class Change(NamedTuple):
    """What differs.

    Attributes:
        name: of it.
        here: what the study says.
        there: what the run says; None where it says nothing.
    """

    name: str
    here: Any
    there: Any


def changes(
    study: SweepStudy, trial: FrozenTrial, run: RunRecord, curves: Curves
) -> tuple[Change, ...]:
    """Where a trial differs from its run, each once.

    Args:
        study: whose trial.
        trial: it has ended.
        run: with the metrics of the epoch that counts.
        curves: of the run, as far as they are needed.
    """
    return tuple(dict.fromkeys(_changes(study, trial, run, curves)))


def _changes(
    study: SweepStudy, trial: FrozenTrial, run: RunRecord, curves: Curves
) -> Iterator[Change]:
    objectives = study.plan.objectives
    state = _state(run, objectives)
    if trial.state != state and (state or trial.state == TrialState.COMPLETE):
        yield Change(STATE, trial.state.name, state.name if state else run.status)
    known = metrics_of(trial.user_attrs)
    told = dict(zip(objectives.names, trial.values or (), strict=False))
    for stored in (known, told):  # the attributes of the trial, and Optuna's own values
        yield from _different(stored, run.metrics)
    if trial.state == TrialState.COMPLETE:
        lost = (name for name in told if name not in run.metrics)
        yield from (Change(name, told[name], None) for name in lost)
    yield from _different_params(study, trial, run)
    hashes = trial.user_attrs.get(CONFIG_HASH), run.config_hash
    if None not in hashes and hashes[0] != hashes[1]:
        yield Change(HASH, *hashes)
    metric = epoch_metric(objectives)
    if metric is not None and metric in curves:
        by_epoch = {f"{metric} of epoch {n}": v for n, v in trial.intermediate_values.items()}
        logged = {f"{metric} of epoch {n}": v for n, v in curves[metric].items()}
        yield from _different(by_epoch, logged)


def confirmed_metrics(study: SweepStudy, trial: FrozenTrial, run: RunRecord) -> set[str]:
    """The metrics of which the study and the last values of a run say the same."""
    known = metrics_of(trial.user_attrs)
    told = dict(zip(study.plan.objectives.names, trial.values or (), strict=False))
    both = [{name for name, *_ in _different(each, run.metrics)} for each in (told, known)]
    return (told.keys() | known.keys()) & (run.metrics.keys() - set().union(*both))


def _state(run: RunRecord, objectives: Objectives) -> TrialState | None:
    """How a trial ended by what its run has; None where that does not tell."""
    if run.status == "FINISHED":
        with suppress(ObjectiveError):  # then the trial has failed for want of a value
            objectives.values(run.metrics)
            return TrialState.COMPLETE
    if run.status == "KILLED" and PRUNED_EPOCH in run.tags:
        return TrialState.PRUNED
    return TrialState.FAIL if run.status == "FAILED" else None


def _different(study: Mapping[str, float], run: Mapping[str, float]) -> Iterator[Change]:
    for name, value in study.items():
        if name in run and not _same(value, run[name]):
            yield Change(name, value, run[name])


def _same(one: float, other: float) -> bool:
    """Whether two databases have one number; MLflow's have no infinity but the largest number."""
    one, other = (max(-sys.float_info.max, min(sys.float_info.max, v)) for v in (one, other))
    return math.isclose(one, other, rel_tol=CLOSE) or (math.isnan(one) and math.isnan(other))


def _different_params(study: SweepStudy, trial: FrozenTrial, run: RunRecord) -> Iterator[Change]:
    """The swept keys, and what a swept group is made of, where the run was given another value."""
    values = study.carried_values(trial)
    keys = [bare_key(key).partition("@")[0].replace("/", ".") for key in values]
    try:
        asked = flatten(to_json(study.plan.config(values)))
    except InputError:
        return
    replicated = study.plan.duplicates == "replicate"  # then each repetition has its own seed
    for key, text in asked.items():
        swept = any(key == outer or key.startswith(f"{outer}.") for outer in keys)
        if not swept or (key == "seed" and replicated):
            continue
        # A field of a group may have come after the run; a key that was swept was there.
        if run.params.get(key, None if key in keys and run.params else text) != text:
            yield Change(key, text, run.params.get(key))


def correct_trial(
    study: SweepStudy, trial: FrozenTrial, run: RunRecord, changed: Sequence[Change]
) -> FrozenTrial:
    """The trial with what its run has in the place of what differs."""
    there = {change.name: change.there for change in changed if change.there is not None}
    made = copy.deepcopy(trial)
    metrics = metrics_of(made.user_attrs) or run.metrics
    own = {name: there.get(name, value) for name, value in metrics.items()}
    names = study.plan.objectives.names
    if STATE in there:
        ways = (TrialState.COMPLETE, TrialState.PRUNED)
        made.state = next((s for s in ways if s.name == there[STATE]), TrialState.FAIL)
    if made.state == TrialState.COMPLETE:
        kept = dict(zip(names, made.values or (), strict=False))
        made.values = [there.get(n, kept.get(n, run.metrics.get(n, math.nan))) for n in names]
    params = {}
    for dimension in study.plan.space.dimensions:
        if (key := bare_key(dimension.key)) in there:
            with suppress(ConfigError):  # no value of the space: the study's own stays
                params[dimension.key] = dimension.label(_parsed(there[key]))
    made.params = {key: params.get(key, value) for key, value in made.params.items()}
    cell = {key: params.get(key, value) for key, value in made.user_attrs.get(CELL, {}).items()}
    known = {
        **metric_attributes(own),
        CELL: cell or None,
        CONFIG_HASH: there.get(HASH, trial.user_attrs.get(CONFIG_HASH)),
    }
    made.user_attrs = {**made.user_attrs, **{k: v for k, v in known.items() if v is not None}}
    return made


def sentence(
    study: SweepStudy,
    trial: FrozenTrial,
    made: FrozenTrial,
    run: RunRecord,
    changed: Sequence[Change],
) -> str:
    """What differs, for a person, and which of the two is shown.

    Args:
        study: whose trial.
        trial: as the study has it.
        made: as it is shown.
        run: what it was compared with.
        changed: where they differ.
    """
    told = [
        f"{name} is {_text(here)}, and {'not there' if there is None else _text(there)} in the run"
        for name, here, there in changed
    ]
    lost = [name for name, _, there in changed if there is None]
    kept = [*lost, *(key for key, *_ in _different_params(study, made, run) if key not in lost)]
    but = f", but the study's {' and '.join(kept)}" if kept else ""
    return (
        f"Trial {trial.number} in the study differs from its run {run.run_id[:SHOWN]} in MLflow: "
        f"{'; '.join(told)}. What the run has is shown{but}."
    )


def _parsed(text: str) -> Any:
    """A param of a run as the value that it was."""
    try:
        return json_of(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    return value[:SHOWN] if isinstance(value, str) else repr(value)
