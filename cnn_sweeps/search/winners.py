"""The test split, scored once the search is over, for the winners alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps import runtime
from cnn_sweeps.config.loading import load
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.runtime import quiet_stderr
from cnn_sweeps.search import processes
from cnn_sweeps.search.attributes import RUN_ID
from cnn_sweeps.search.study import SweepStudy
from cnn_sweeps.tracking import Store

CONFIG = "config.yaml"
"""Artifact of a run: its whole config."""

Scores = Mapping[int, dict[str, float]]


def best_trials(study: SweepStudy) -> list[FrozenTrial]:
    """The best trial, or the Pareto front where there are several objectives."""
    objectives, complete = study.plan.objectives, study.trials(TrialState.COMPLETE)
    if len(objectives.names) == 1:
        return objectives.rank(complete, values_of)[:1]
    front = objectives.pareto_front([values_of(trial) for trial in complete])
    return [complete[index] for index in front]


def values_of(trial: FrozenTrial) -> list[float]:
    """The objectives of a finished trial."""
    return list(trial.values)


def score(study: SweepStudy, store: Store, *, apart: bool) -> Scores:
    """Test metrics of each winner by trial number; logged to its run as well.

    Args:
        study: whose winners.
        store: where their runs are.
        apart: whether to score in a process of the pool, which has TensorFlow at hand.
    """
    known, asked = {}, []
    for trial in best_trials(study):
        run_id = trial.user_attrs[RUN_ID]
        logged = _tests(store.get(run_id).metrics)
        if logged:
            known[trial.number] = logged
        else:
            # As it was run: with the seed of a repetition, and with its worker's threads.
            asked.append((trial.number, run_id, yaml.safe_load(store.read_text(run_id, CONFIG))))
    if not asked:
        return known
    tracking = study.plan.first.tracking
    scored: Scores = (
        processes.call(score_all, tracking, asked) if apart else score_all(tracking, asked)
    )
    return {**known, **scored}


def score_all(tracking: Tracking, asked: Sequence[tuple[int, str, dict[str, Any]]]) -> Scores:
    """Score stored models on the test split; (trial number, run id, config) each.

    Where models are not stored the winner is trained again, which gives the same weights
    (same config, same environment).
    """
    with quiet_stderr():
        from cnn_sweeps.run import run, score_stored  # noqa: PLC0415 -- TensorFlow
    store = Store.open(tracking)
    scores = {}
    for number, run_id, plain in asked:
        config = load(plain)
        runtime.prepare(config.trainer, config.seed)
        if config.tracking.log_model:
            scores[number] = score_stored(store.load_model(run_id), config)
        else:
            scores[number] = _tests(run(config, store).metrics)
        store.reopen(run_id).log_metrics(scores[number])
    return scores


def _tests(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name.startswith("test_")}
