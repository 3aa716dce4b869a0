"""Requeueing: the one place where the slot of a trial goes back into the queue.

A slot goes back when the worker of its trial died (up to `hydra.sweeper.retries` times), when
the trial was interrupted on purpose or the store refused, and when it would repeat an experiment.
The order is always the same: marked as replaced, failed, enqueued. The process may die between any
two of these steps:

1. Marked and still running: its owner is dead, so it is found again and requeued.
2. Failed and not yet enqueued: a replaced trial is no part of the budget, so the slot is missing,
   and a worker that finds nothing else to do, or the next call of the sweep, fills it.

In no other order is both true: nothing is lost, and no slot is there twice.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from optuna.trial import FrozenTrial, Trial, TrialState

from cnn_sweeps.sweeps.plan.pruners import epoch_metric
from cnn_sweeps.sweeps.space.enqueue import is_complete
from cnn_sweeps.sweeps.study import repetition
from cnn_sweeps.sweeps.study.attributes import (
    ATTEMPT,
    CELL,
    EPOCH,
    EXPERIMENT_KEY,
    GIVEN_UP,
    IN_VAIN,
    JOB_ENDED,
    KEPT,
    LAST_HEARTBEAT,
    REASON,
    REPLACED,
    RESAMPLED,
    RETRIES,
    SLOT,
    TRAJECTORY_KEY,
    slot_of,
)
from cnn_sweeps.sweeps.study.events import State, TrialEnded
from cnn_sweeps.sweeps.study.retry import Retry, history, plain_history
from cnn_sweeps.sweeps.study.trial_queue import TrialQueue
from cnn_sweeps.trajectories.lock import hold_lock

logger = logging.getLogger(__name__)

MOST_IN_VAIN: Final = 5
"""Jobs in a row that a scheduler ends before a trial has come an epoch further."""


def after_death(
    study: TrialQueue, trial: FrozenTrial, reason: str, *, retries: int, last_heartbeat: float
) -> TrialEnded | None:
    """Requeue a trial whose worker died, or fail it where that has happened too often.

    Args:
        study: whose trial.
        trial: it runs, and no living process owns it.
        reason: what the worker died of.
        retries: how often a slot is tried again.
        last_heartbeat: when the worker was last known to live, in seconds since 1970.

    Returns:
        What became of it; None where another process was quicker.
    """
    attempt = trial.user_attrs.get(ATTEMPT, 1)
    # One that is marked already was given a retry by a process that died before it was done.
    if attempt > retries and REPLACED not in trial.user_attrs:
        last = f"{reason}, {attempt} times" if attempt > 1 else reason
        return _give_up(study, trial, last, **{LAST_HEARTBEAT: last_heartbeat})
    attributes = {REASON: reason, LAST_HEARTBEAT: last_heartbeat}
    progress = _carried(trial.user_attrs)
    requeued = _requeue(study, trial, attributes, attempt=attempt + 1, progress=progress)
    return _ended(trial, "requeued", reason) if requeued else None


def after_interruption(
    study: TrialQueue, trial: FrozenTrial, reason: str, *, job_ended: bool = False
) -> TrialEnded | None:
    """Requeue a trial that was ended on purpose, or for want of a store: no failed attempt.

    Where a scheduler ends its jobs again and again before they have come an epoch further, it
    fails: else it would be begun for ever.

    Args:
        study: whose trial.
        trial: it runs.
        reason: why it was ended.
        job_ended: whether a scheduler has asked for it; it may stand with the trial as well.

    Returns:
        What became of it; None where another process was quicker.
    """
    known = trial.user_attrs
    ended_so = job_ended or JOB_ENDED in known
    progress = _progress(study, trial) if ended_so else _carried(known)
    if (times := progress[IN_VAIN]) >= MOST_IN_VAIN:
        return _give_up(study, trial, _in_vain(study, trial, times))
    attempt = known.get(ATTEMPT, 1)
    requeued = _requeue(study, trial, {REASON: reason}, attempt=attempt, progress=progress)
    return _ended(trial, "requeued", reason) if requeued else None


def _carried(known: Mapping[str, Any]) -> dict[str, int]:
    """How far a slot had come when a scheduler last ended a job of it."""
    return {name: int(known.get(name, 0)) for name in (KEPT, IN_VAIN)}


def _progress(study: TrialQueue, trial: FrozenTrial) -> dict[str, int]:
    """After how many epochs the next attempt at a trial begins, and how often that was no more."""
    known, reuses = trial.user_attrs, study.reuses_epochs(trial)
    told = EPOCH in known or epoch_metric(study.plan.objectives) is not None
    if reuses and not told:
        return _carried(known)  # nobody knows
    kept = _last_epoch(trial) if reuses else 0
    in_vain = kept <= known.get(KEPT, 0)
    return {KEPT: kept, IN_VAIN: _carried(known)[IN_VAIN] + 1 if in_vain else 0}


def _last_epoch(trial: FrozenTrial) -> int:
    """The last epoch of a trial that is known to have ended, from 1; 0 for none."""
    return int(trial.user_attrs.get(EPOCH, max(trial.intermediate_values, default=0)))


def _in_vain(study: TrialQueue, trial: FrozenTrial, times: int) -> str:
    """Why a trial is tried no more, and what to do."""
    if not study.reuses_epochs(trial):
        return (
            f"its job ended {times} times before the training did, which trajectory.reuse=false "
            "begins anew each time: give the job more time, or leave trajectory.reuse=false out"
        )
    epoch = _last_epoch(trial) + 1
    return f"its job ended {times} times in a row within epoch {epoch}: give the job more time"


def _give_up(
    study: TrialQueue, trial: FrozenTrial, reason: str, **seen: float
) -> TrialEnded | None:
    """Fail a trial that is not requeued; None where another process was quicker."""
    if not study.end(trial, {REASON: reason, **seen}):
        return None
    logger.error("trial %d failed, and is not requeued: %s", trial.number, reason)
    return _ended(trial, "failed", reason)


def resample(study: TrialQueue, trial: Trial, values: list[float] | None) -> bool:
    """End a trial that repeats another one, and give its slot to the sampler again.

    Args:
        study: whose trial.
        trial: it is claimed by this process.
        values: what is known of its experiment, for the sampler to learn from; None while that
            is being found out.

    Returns:
        Whether the slot is in the queue; not where every experiment of the space was tried.
    """
    with hold_lock(study.address.lock):
        again = repetition.again(study, trial)
        trial.set_user_attr(REPLACED, True)
        if again is None:
            trial.set_user_attr(GIVEN_UP, True)
        study.optuna_study.tell(trial, values, state=None if values else TrialState.FAIL)
        if again is not None:
            whole = again.cell and is_complete(again.cell, study.plan.space)
            key = study.plan.experiment_key_of(again.cell) if whole else None
            kept = {SLOT: slot_of(trial)}
            study.enqueue(again.cell, resampled=again.resampled, experiment_key=key, kept=kept)
    return again is not None


def _requeue(
    study: TrialQueue,
    trial: FrozenTrial,
    attributes: Mapping[str, Any],
    *,
    attempt: int,
    progress: Mapping[str, int],
) -> bool:
    """Give the slot of a running trial, with its values and history, to a new one.

    Args:
        study: whose trial.
        trial: it runs; whoever owns it does not go on with it.
        attributes: what is said of its end, the reason among it.
        attempt: which try of those that `hydra.sweeper.retries` counts the new one is.
        progress: how far it has come, see `_progress`.

    Returns:
        Whether it was done here, and not by another process that was quicker.
    """
    known = trial.user_attrs
    retry = Retry.after(trial.number, known, attributes[REASON])
    values = study.carried_values(trial)
    if not (whole := is_complete(values, study.plan.space)):
        # Its worker died while it asked for them: the sampler is asked again, from the first on.
        values = known.get(CELL, {})
    with hold_lock(study.address.lock):
        if not study.end(trial, {REPLACED: True, **attributes}):
            return False
        study.enqueue(
            values,
            resampled=known.get(RESAMPLED, 0),
            experiment_key=known.get(EXPERIMENT_KEY),
            trajectory_key=known.get(TRAJECTORY_KEY),
            kept={
                ATTEMPT: attempt,
                SLOT: slot_of(trial),
                RETRIES: plain_history([*history(known), retry]),
                **progress,
            },
            sampled=trial.system_attrs if whole else None,
        )
    logger.info("trial %d requeued for attempt %d: %s", trial.number, retry.attempt, retry.reason)
    return True


def _ended(trial: FrozenTrial, state: State, reason: str) -> TrialEnded:
    return TrialEnded(worker=0, trial=trial.number, state=state, reason=reason)
