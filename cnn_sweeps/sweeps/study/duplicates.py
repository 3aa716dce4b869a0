"""What becomes of a trial whose experiment the study has already tried.

`skip` tells the sampler the known value and asks it again, up to the cells that are left;
`reuse` lets the trial end as the first one, for which it waits; `replicate` trains it again with
the next seed, so that the noise between seeds becomes visible.
"""

import dataclasses
from collections.abc import Sequence
from typing import get_args

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.plan.cells import SEED
from cnn_sweeps.sweeps.plan.search_plan import Duplicates, SearchPlan
from cnn_sweeps.sweeps.space.conditions import bare_key


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


def first_known(earlier: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Of earlier trials of an experiment the one that knows most of it; None where there is none.

    That is the first that is complete, else one that was pruned, else one that runs.
    """
    ranks = {TrialState.COMPLETE: 0, TrialState.PRUNED: 1}
    return min(earlier, key=lambda trial: ranks.get(trial.state, 2), default=None)


def with_seed(config: Config, repetition: int) -> Config:
    """The same experiment with the seed of its repetition; the first keeps its own."""
    return dataclasses.replace(config, seed=config.seed + repetition) if repetition else config
