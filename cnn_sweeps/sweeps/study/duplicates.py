"""What becomes of a trial whose experiment the study has already tried.

`skip` tells the sampler the known value and asks it again, up to the cells that are left;
`reuse` lets the trial end as the first one, for which it waits; `replicate` trains it again with
the next seed, so that the noise between seeds becomes visible.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from optuna.trial import FrozenTrial, Trial, TrialState

from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.plan.cells import SEED
from cnn_sweeps.sweeps.plan.search_plan import Duplicates, SearchPlan
from cnn_sweeps.sweeps.space.conditions import bare_key
from cnn_sweeps.sweeps.study import repetition
from cnn_sweeps.sweeps.study.attributes import (
    CONFIG_HASH,
    REASON,
    REUSED_FROM,
    RUN_ID,
    metric_attributes,
    metrics_of,
)
from cnn_sweeps.sweeps.study.trial_queue import TrialQueue


def parse(given: str | None) -> Duplicates:
    """Check `hydra.sweeper.duplicates`.

    Raises:
        ConfigError: it is none of the three.
    """
    for known in get_args(Duplicates):
        if given == known:
            return known  # type: ignore[no-any-return]
    raise ConfigError(
        f"hydra.sweeper.duplicates={given} is invalid: it takes skip, reuse or replicate."
    )


def refuse_swept_seed(plan: SearchPlan) -> None:
    """Refuse to count seeds up that are swept: a repetition of one would be another cell.

    Raises:
        ConfigError: that was asked for.
    """
    swept = [d for d in plan.space.dimensions if bare_key(d.key) == SEED]
    if swept and plan.duplicates == "replicate":
        raise ConfigError(
            f"hydra.sweeper.duplicates=replicate repeats a training with the next seed, which "
            f"{swept[0]} tries as well.\n"
            "  Type one seed, or leave hydra.sweeper.duplicates=replicate out."
        )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What becomes of a claimed trial.

    Attributes:
        action: whether it is trained, waits for another one, takes the end of that, or gives its
            slot to the sampler again.
        known: the other one; None where it is trained.
    """

    action: Literal["train", "wait", "take", "resample"]
    known: FrozenTrial | None = None

    @property
    def values(self) -> list[float] | None:
        """What its experiment gives, as far as that is known."""
        complete = self.known is not None and self.known.state == TrialState.COMPLETE
        return list(self.known.values) if self.known is not None and complete else None


def verdict(study: TrialQueue, trial: Trial, experiment_key: str) -> Verdict:
    """Decide about a trial that has said which experiment it is (`repetition.name`).

    Where a result is wanted it is waited for, so that what becomes of a trial does not depend on
    how many workers there are. Nobody waits in a circle: who waits trains nothing yet.
    """
    policy = study.plan.duplicates
    if policy == "replicate":
        return Verdict(action="train")
    earlier = repetition.earlier_duplicates(study, trial, experiment_key)
    known = _first_known(earlier)
    if known is None:
        return Verdict(action="train")
    if policy == "skip":
        return Verdict(action="resample", known=known)
    if known.state.is_finished():
        return Verdict(action="take", known=known)
    if study.watch.is_owned(study.address, known):
        return Verdict(action="wait", known=known)
    return Verdict(action="train")  # whoever requeues that of a dead worker will wait for this one


def take(study: TrialQueue, trial: Trial, known: FrozenTrial) -> None:
    """Let a trial end as another one has that was the same experiment."""
    found = known.user_attrs
    same = {key: found[key] for key in (CONFIG_HASH, RUN_ID) if key in found}
    reused = {**same, REUSED_FROM: known.number}
    if known.state == TrialState.PRUNED:
        for epoch, value in known.intermediate_values.items():
            trial.report(value, epoch)
        study.note(trial, reused)
        study.pruned(trial, found[REASON])
        return
    study.done(trial, known.values, {**reused, **metric_attributes(metrics_of(found))})


def _first_known(earlier: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Of earlier trials of an experiment the one that knows most of it; None where there is none.

    That is the first that is complete, else one that was pruned, else one that runs.
    """
    ranks = {TrialState.COMPLETE: 0, TrialState.PRUNED: 1}
    return min(earlier, key=lambda trial: ranks.get(trial.state, 2), default=None)


def with_seed(config: Config, repetition: int) -> Config:
    """The same experiment with the seed of its repetition; the first keeps its own."""
    return dataclasses.replace(config, seed=config.seed + repetition) if repetition else config
