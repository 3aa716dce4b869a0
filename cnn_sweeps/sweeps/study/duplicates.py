"""What becomes of a trial whose experiment the study has already tried.

`skip` tells the sampler the known value and asks it again, up to the cells that are left;
`reuse` lets the trial take the known value; `replicate` trains it again with the next seed,
so that the noise between seeds becomes visible.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.plan.search_plan import Duplicates


@dataclasses.dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of an experiment.

    Attributes:
        number: the trial that found out.
        values: its objectives; None while it still runs, or where it was pruned.
        attributes: everything stored with it.
    """

    number: int
    values: list[float] | None
    attributes: Mapping[str, Any]


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


def tried_again(policy: Duplicates) -> bool:
    """Whether a repetition is trained."""
    return policy == "replicate"


def known_of(earlier_duplicates: Sequence[FrozenTrial]) -> Known:
    """What the earlier trials of an experiment found: the first that is complete knows most."""
    complete = [trial for trial in earlier_duplicates if trial.state == TrialState.COMPLETE]
    best = (complete or list(earlier_duplicates))[0]
    values = list(best.values) if complete else None
    return Known(number=best.number, values=values, attributes=best.user_attrs)


def with_seed(config: Config, repetition: int) -> Config:
    """The same experiment with the seed of its repetition; the first keeps its own."""
    return dataclasses.replace(config, seed=config.seed + repetition) if repetition else config
