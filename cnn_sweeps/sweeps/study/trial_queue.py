"""An Optuna study used as a queue of trials, whatever its trials are."""

import time
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from cnn_sweeps.errors import CnnSweepsError, StoreError, reason_of
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.plan.proposal import Proposal
from cnn_sweeps.sweeps.plan.samplers import build_sampler
from cnn_sweeps.sweeps.plan.search_plan import SearchPlan
from cnn_sweeps.sweeps.study.attributes import (
    ATTEMPT,
    BEAT,
    CELL,
    DEADLINE,
    EXPERIMENT_KEY,
    OWNER,
    PARENT,
    REASON,
    REPLACED,
    RESAMPLED,
    TRACEBACK,
    TRAJECTORY_KEY,
    carried_attributes,
    slot_of,
    standing_trials,
)
from cnn_sweeps.sweeps.study.counts import Counts
from cnn_sweeps.sweeps.study.durations import seconds_spent
from cnn_sweeps.sweeps.study.heartbeat import Watch
from cnn_sweeps.sweeps.study.order import Prefix, claimable_trials
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.text.redact import hidden_in

FIXED = "fixed_params"
"""Optuna's name of the values that a waiting trial has already."""


@dataclass(frozen=True, kw_only=True)
class TrialQueue:
    """An Optuna study used as a queue.

    A waiting trial is a place in the budget. It carries its values where they are enumerated;
    where it carries none, the sampler fills them in when the trial is claimed. Claiming is
    atomic in the storage, so no place is used twice, and no worker can add one.

    Attributes:
        optuna_study: the Optuna study, with the plan's own sampler and pruner.
        storage: where it is stored.
        address: how another process finds it.
        plan: what is searched, and how.
        corrected: by number, trials that are shown otherwise than the storage has them.
        watch: what this process has seen of the trials of others.
    """

    optuna_study: optuna.Study
    storage: BaseStorage
    address: StudyAddress
    plan: SearchPlan
    corrected: Mapping[int, FrozenTrial] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)

    def prefix(self, experiment_key: str, cell: Mapping[str, Any]) -> Prefix:
        """A cell on its way into the queue."""
        return Prefix(cell=cell, experiment_key=experiment_key)

    def enqueue(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        resampled: int = 0,
        experiment_key: str | None = None,
        trajectory_key: str | None = None,
        kept: Mapping[str, Any] | None = None,
        sampled: Mapping[str, Any] | None = None,
    ) -> None:
        """Add one place to the budget, with values (all or some) or for the sampler to fill.

        Args:
            values: of some or all dimensions.
            resampled: how often the sampler was asked for this place and repeated itself.
            experiment_key: which experiment the values are, if that is known.
            trajectory_key: which trajectory that belongs to, if that is known.
            kept: further attributes that the place keeps when it is requeued.
            sampled: what the sampler noted with the trial that it proposed these values to, such
                as their generation; Optuna's system attributes.
        """
        cell = dict(values or {})
        known = {
            CELL: cell,
            ATTEMPT: 1,
            RESAMPLED: resampled,
            EXPERIMENT_KEY: experiment_key,
            TRAJECTORY_KEY: trajectory_key,
        }
        # As Optuna's `enqueue_trial` does, which takes nothing of what a sampler noted.
        self.optuna_study.add_trial(
            optuna.create_trial(
                state=TrialState.WAITING,
                user_attrs=carried_attributes({**known, **(kept or {})}),
                system_attrs={**(sampled or {}), FIXED: cell},
            )
        )

    def frozen(self, trial: Trial) -> FrozenTrial:
        """What the storage holds of a claimed trial."""
        return self.storage.get_trial(self.id_of(trial.number))

    def claim(self, owner: Owner) -> Trial | None:
        """Take a waiting trial; None when none waits.

        One whose trajectory is being trained is left for later: then it can be read.
        """
        states = (TrialState.WAITING, TrialState.RUNNING)
        for waiting in claimable_trials(
            self.optuna_study.get_trials(deepcopy=False, states=states)
        ):
            if self._take(waiting):
                # Before the trial is made: that asks the sampler for what it models together.
                self.optuna_study.sampler = self._sampler_of(waiting)
                trial = Trial(self.optuna_study, self.id_of(waiting.number))
                trial.set_user_attr(OWNER, {**owner.to_json(), BEAT: time.time()})
                return trial
        return None

    def _sampler_of(self, waiting: FrozenTrial) -> BaseSampler:
        """The sampler that proposes the params of a trial, as it would for any worker."""
        resampled = int(waiting.user_attrs.get(RESAMPLED, 0))
        proposal = Proposal(slot=slot_of(waiting), resampled=resampled)
        return build_sampler(self.plan.sampler, self.plan.space, proposal)

    def drop(self, waiting: FrozenTrial) -> None:
        """Take a waiting place out of the budget, unless somebody takes it first."""
        if self._take(waiting):
            self.end(waiting, {REPLACED: True})

    def _take(self, waiting: FrozenTrial) -> bool:
        """Let a waiting trial run; False where another process was quicker."""
        number = self.id_of(waiting.number)
        try:
            return self.storage.set_trial_state_values(number, state=TrialState.RUNNING)
        except optuna.exceptions.UpdateFinishedTrialError:
            return False

    def carried_values(self, trial: FrozenTrial) -> dict[str, Any]:
        """The values of a stored trial, whether it has run or waits."""
        return {**trial.user_attrs.get(CELL, {}), **trial.params}

    def done(self, trial: Trial, values: list[float]) -> None:
        """Record a finished trial."""
        self.optuna_study.tell(trial, values)

    def pruned(self, trial: Trial, reason: str) -> None:
        """Record a trial that was ended early for want of promise."""
        trial.set_user_attr(REASON, reason)
        self.optuna_study.tell(trial, state=TrialState.PRUNED)

    def failed(self, trial: Trial, error: BaseException | str) -> None:
        """Record a failed trial with its reason; it keeps its place in the budget."""
        trial.set_user_attr(REASON, hidden_in(reason_of(error)))
        if isinstance(error, BaseException) and not isinstance(error, CnnSweepsError):
            text = "".join(traceback.format_exception(error))
            trial.set_user_attr(TRACEBACK, hidden_in(text))
        self.optuna_study.tell(trial, state=TrialState.FAIL)

    def end(self, trial: FrozenTrial, attributes: Mapping[str, Any]) -> bool:
        """Fail a trial that runs, whoever's it is; False where it has ended already.

        Args:
            trial: which.
            attributes: what is noted with it before it ends; what is None is not.
        """
        trial_id = self.id_of(trial.number)
        try:
            for key, value in attributes.items():
                if value is not None:
                    self.storage.set_trial_user_attr(trial_id, key, value)
            self.storage.set_trial_state_values(trial_id, state=TrialState.FAIL)
        except optuna.exceptions.UpdateFinishedTrialError:
            return False
        return True

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """The trials in these states, or all, by their place; not those that have given it on."""
        stored = self.optuna_study.get_trials(deepcopy=False)
        shown = [self.corrected.get(trial.number, trial) for trial in stored]
        return standing_trials([trial for trial in shown if not states or trial.state in states])

    def counts(self) -> Counts:
        """How far the sweep is."""
        return Counts.of(self.trials())

    @property
    def deadline(self) -> float | None:
        """When no further trial may begin, in seconds since 1970; None for never."""
        return self.optuna_study.user_attrs.get(DEADLINE)

    def set_deadline(self, timeout: float | None) -> None:
        """Let the sweep run on until `timeout` seconds are spent altogether."""
        spent = seconds_spent(self.optuna_study.get_trials(deepcopy=False))
        left = None if timeout is None else timeout - spent
        self.optuna_study.set_user_attr(DEADLINE, None if left is None else time.time() + left)

    @property
    def parent_run_id(self) -> str | None:
        """The MLflow run of the sweep."""
        return self.optuna_study.user_attrs.get(PARENT)

    def id_of(self, number: int) -> int:
        """The storage's own number of a trial."""
        study_id = self.storage.get_study_id_from_name(self.optuna_study.study_name)
        return self.storage.get_trial_id_from_study_id_trial_number(study_id, number)


def open_study(
    address: StudyAddress, storage: BaseStorage, objectives: Objectives, *, plan: str, maker: str
) -> optuna.Study:
    """The Optuna study at an address, which is created where there is none.

    Args:
        address: where it is.
        storage: opened there.
        objectives: give it its directions.
        plan: the user attribute that holds its plan.
        maker: who creates such studies, for the refusal.

    Raises:
        StoreError: a study of that name exists that has trials and no such plan.
    """
    study = optuna.create_study(
        study_name=address.name,
        storage=storage,
        directions=list(objectives.directions),
        load_if_exists=True,
    )
    if study.user_attrs.get(plan) is None and study.get_trials(deepcopy=False):
        raise StoreError(
            f"the study {address.name} in {address} was not created by {maker}.\n"
            f"  Type another hydra.sweeper.study_name or hydra.sweeper.storage."
        )
    return study


def store_plan(
    study: optuna.Study, objectives: Objectives, *, plan: str, plain: Mapping[str, Any]
) -> None:
    """Make a new study carry its plan, and name its objectives for Optuna's dashboard."""
    study.set_user_attr(plan, plain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(list(objectives.names))


def has_plan(address: StudyAddress, storage: BaseStorage, *, plan: str) -> bool:
    """Whether there is a study at an address that carries such a plan."""
    same = [study for study in storage.get_all_studies() if study.study_name == address.name]
    return bool(same) and plan in same[0].user_attrs


def refuse_difference(address: StudyAddress, difference: str | None) -> None:
    """Refuse to go on with a study whose plan is another one.

    Raises:
        StoreError: there is a difference.
    """
    if difference is not None:
        raise StoreError(
            f"the study {address.name} holds another sweep: {difference}\n"
            f"  Type another hydra.sweeper.study_name, or leave it out to get a new one."
        )
