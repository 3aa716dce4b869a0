"""How much each swept key had to do with good values, by Optuna's conditional PED-ANOVA.

Source: https://arxiv.org/abs/2601.20800; a key has its share also where only some trials have it.
"""

import warnings
from collections.abc import Iterator

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.findings import Importance
from cnn_sweeps.search.objectives import SIGNS
from cnn_sweeps.search.study import SweepStudy

FEWEST = 8
"""Complete trials below which a share would be chance."""
GOOD = 5
"""Good trials that PED-ANOVA should have at least, says its documentation."""
QUANTILE = 0.1
"""The share of trials that counts as good where there are enough, as Optuna has it."""


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


def _shares(complete: list[FrozenTrial], index: int, sign: float) -> dict[str, float]:
    """Shares by key, the greatest first.

    A study of its own, in memory, holds what one objective is worth: so nothing that repeats
    or was superseded counts, and less is always better, as PED-ANOVA wants it.
    """
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
