"""Optuna's samplers that use the number of a trial, made to use the slot of its proposal.

A trial that is requeued has another number in the study than the one before it, and asks once
more; a slot of the budget stays what it is.
"""

import copy
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import CmaEsSampler, QMCSampler
from optuna.trial import FrozenTrial

from cnn_sweeps.sweeps.plan.proposal import Proposal
from cnn_sweeps.sweeps.space.space import Space


class NumberedCmaEsSampler(CmaEsSampler):
    """Takes random numbers that do not depend on the number of the trial."""

    def __init__(self, proposal: Proposal, _space: Space, *, seed: int, **settings: Any) -> None:
        super().__init__(seed=proposal.seed(seed), **settings)
        self._proposal = proposal

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Optuna adds the number of the trial to the seed."""
        numbered = copy.copy(trial)
        numbered.number = self._proposal.slot
        return super().sample_relative(study, numbered, search_space)


class NumberedQMCSampler(QMCSampler):
    """Takes the point whose number is the slot, of one sequence that all proposals share.

    Optuna counts in the study, and not atomically, how often it was asked. What repeats another
    trial has no further point in the sequence, and is left to the independent sampler.
    """

    def __init__(self, proposal: Proposal, space: Space, **settings: Any) -> None:
        super().__init__(**settings)
        self._proposal, self._space = proposal, space

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002 -- as Optuna calls it
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """All keys, from the first trial on."""
        return {} if self._proposal.resampled else self._space.distributions()

    def _find_sample_id(
        self,
        study: Study,  # noqa: ARG002 -- as Optuna calls it
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> int:
        return self._proposal.slot
