"""What a sampler proposes for a slot: a pure function of what is known, whoever asks.

The sampler never sees the queue. It is asked in a study in memory that is made anew of what was
observed, in the order of the slots, with random numbers that follow from the seed and the number of
the proposal (`plan.proposal`).
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Self

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from cnn_sweeps.sweeps.plan.proposal import Proposal
from cnn_sweeps.sweeps.plan.samplers import SAMPLERS, build_sampler
from cnn_sweeps.sweeps.plan.search_plan import SearchPlan
from cnn_sweeps.sweeps.space.enqueue import is_complete
from cnn_sweeps.sweeps.space.space import Space
from cnn_sweeps.sweeps.study.attributes import CELL, RESAMPLED, slot_of

FIXED = "fixed_params"
"""Optuna's name of the values that a waiting trial has already."""
SHARED = "relative_params"
"""End of Optuna's names of what samplers tell each other of params that are not stored yet."""
OBSERVED = (TrialState.COMPLETE, TrialState.PRUNED)
Note = Callable[[Mapping[str, Any]], None]


class Observation(FrozenTrial):
    """A trial as a sampler sees it, which nobody changes: a copy has the same parts.

    Optuna copies each trial that is added to a study, and when it changes one it puts another one
    in its place.
    """

    @classmethod
    def of(cls, trial: FrozenTrial) -> Self:
        """What a sampler may know of a trial."""
        return cls(
            number=trial.number,
            state=trial.state,
            value=None,
            values=trial.values,
            datetime_start=trial.datetime_start,
            datetime_complete=trial.datetime_complete,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={},
            system_attrs={k: v for k, v in trial.system_attrs.items() if k != FIXED},
            intermediate_values=trial.intermediate_values,
            trial_id=trial._trial_id,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Another trial of the same parts."""
        return copy(self)


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What a process has observed: it is read once, and a proposal is made of it as if anew.

    Attributes:
        ended: trials that have ended with or without a value, by number; they change no more.
    """

    ended: dict[int, Observation] = field(default_factory=dict)

    def known_to(
        self, claimed: FrozenTrial, trials: Sequence[FrozenTrial], space: Space
    ) -> list[Observation]:
        """Points with their values, and those that others train now, in the order of the slots.

        Of the latter a sampler knows that they need not be tried again (TPE's constant liar). A
        repetition that was told the value of its experiment counts too: so it learns not to repeat.
        """
        found: list[tuple[int, int, Observation]] = []
        for trial in trials:
            number = trial.number
            if trial.state in OBSERVED:
                if number not in self.ended:
                    self.ended[number] = Observation.of(trial)
                found.append((slot_of(trial), number, self.ended[number]))
            elif number != claimed.number and _is_trained(trial, space):
                found.append((slot_of(trial), number, Observation.of(trial)))
        return [observation for *_, observation in sorted(found, key=itemgetter(0, 1))]


def _is_trained(trial: FrozenTrial, space: Space) -> bool:
    """Whether somebody trains a trial now, with all of its values."""
    return trial.state == TrialState.RUNNING and is_complete(trial.params, space)


class Proposer(BaseSampler):
    """Gives a claimed trial the values that are proposed for it, as it asks for them."""

    def __init__(self, ask: Callable[[], Trial], note: Note) -> None:
        """Make ready; nothing is computed for a trial that has all of its values.

        Args:
            ask: makes the proposal, see `propose`.
            note: stores what the sampler notes with a trial, such as its generation.
        """
        self._ask, self._note = ask, note
        self._asked: Trial | None = None

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002 -- as Optuna calls it
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """None: what is modelled together is so in the study in memory."""
        return {}

    def sample_relative(
        self,
        study: optuna.Study,  # noqa: ARG002 -- as Optuna calls it
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Nothing, see `infer_relative_search_space`."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,  # noqa: ARG002 -- as Optuna calls it
        trial: FrozenTrial,  # noqa: ARG002
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value proposed for one key."""
        if self._asked is not None:
            return _suggest(self._asked, param_name, param_distribution)
        self._asked = self._ask()
        value = _suggest(self._asked, param_name, param_distribution)
        kept = self._asked.study.get_trials(deepcopy=False)[self._asked.number].system_attrs
        self._note({k: v for k, v in kept.items() if k != FIXED and SHARED not in k})
        return value


def propose(
    plan: SearchPlan,
    claimed: FrozenTrial,
    trials: Sequence[FrozenTrial],
    observations: Observations | None = None,
) -> Trial:
    """A trial of a study in memory that has what was observed; its values are the proposal.

    Args:
        plan: what is searched.
        claimed: which trial it is for; the values that it has stay.
        trials: all of the study.
        observations: what was observed of them before, by this process.
    """
    proposal = Proposal(slot=slot_of(claimed), resampled=int(claimed.user_attrs.get(RESAMPLED, 0)))
    storage = InMemoryStorage()
    memory = optuna.create_study(
        storage=storage,
        directions=list(plan.objectives.directions),
        sampler=build_sampler(plan.sampler, plan.space, proposal),
        pruner=optuna.pruners.NopPruner(),
    )
    if SAMPLERS[plan.sampler.name].learns:
        study_id = storage.get_study_id_from_name(memory.study_name)
        for known in (observations or Observations()).known_to(claimed, trials, plan.space):
            storage.create_new_trial(study_id, known)  # it was checked when it was stored
    if given := claimed.user_attrs.get(CELL):
        memory.enqueue_trial(given)
    return memory.ask()


def _suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    """The value of a key, asked for as a user's program would."""
    match distribution:
        case CategoricalDistribution():
            return trial.suggest_categorical(name, distribution.choices)
        case IntDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_int(name, low, high, step=step, log=log)
        case FloatDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_float(name, low, high, step=step, log=log)
    raise TypeError(distribution)
