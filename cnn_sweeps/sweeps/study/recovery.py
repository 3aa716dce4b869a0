"""Recovery from dead processes: trials are requeued, runs in MLflow are closed.

It also inspects the studies of a folder without changing them.
"""

import logging
import time
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.errors import StoreError
from cnn_sweeps.provenance.process import GRACE, Owner
from cnn_sweeps.sweeps.study import requeue
from cnn_sweeps.sweeps.study.attributes import (
    INTERRUPTED,
    JOB_ENDED,
    OWNER,
    REASON,
    REPLACED,
    RUN_ID,
    slot_of,
)
from cnn_sweeps.sweeps.study.events import TrialEnded
from cnn_sweeps.sweeps.study.heartbeat import forget_beat, last_beat
from cnn_sweeps.sweeps.study.journal import SUFFIX
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.trial_queue import TrialQueue
from cnn_sweeps.tracking import Store, artifacts
from cnn_sweeps.tracking.names import TRIAL

logger = logging.getLogger(__name__)

Show = Callable[[TrialEnded], None]
DIED = "its worker died"
UNOWNED = "claimed, and never begun"


def recover(
    study: TrialQueue,
    store: Store | None,
    *,
    retries: int,
    show: Show,
    died: Mapping[int, str] | None = None,
    handled: Set[int] = frozenset(),
) -> int:
    """Requeue the trials that nobody owns any more, and close their MLflow runs.

    Args:
        study: whose trials.
        store: where their runs are; None for none.
        retries: how often a trial is requeued; then it has failed.
        show: is told what became of each.
        died: cause of death by process number, where it is known.
        handled: workers whose end the pool has yet to notice, and will say why.

    Returns:
        How many trials were orphaned.
    """
    orphans = [trial for trial in orphans_of(study) if pid_here(trial) not in handled]
    if orphans:
        numbers = ", ".join(str(trial.number) for trial in orphans)
        logger.warning("recovering trials whose worker does not live: %s", numbers)
    for trial in orphans:
        # One that was asked to stop had no time to requeue it itself.
        asked = trial.user_attrs.get(INTERRUPTED, None if OWNER in trial.user_attrs else UNOWNED)
        if asked is None:
            reason = (died or {}).get(pid_here(trial), DIED)
            seen = _last_sign(study, trial, watched=died is not None)
            ended = requeue.after_death(study, trial, reason, retries=retries, last_heartbeat=seen)
        else:
            ended = requeue.after_interruption(study, trial, asked)
        if ended is not None:
            show(ended)
        forget_beat(study.address, trial.number)
    if orphans and store is not None:
        close_runs(study, store, DIED)
    return len(orphans)


def note_interruption(study: TrialQueue, pids: Set[int], reason: str, *, job_ended: bool) -> None:
    """Note with the trials of processes of this host that these are asked to stop.

    Whoever finds such a trial without its worker takes it for interrupted, not for failed: a
    scheduler kills a few seconds later, Ray after 3.

    Args:
        study: whose trials.
        pids: the processes.
        reason: why.
        job_ended: whether a scheduler has asked, for the time of its job is over.
    """
    for trial in study.trials(TrialState.RUNNING):
        owner = trial.user_attrs.get(OWNER) or {}
        if owner.get("pid") in pids and Owner.from_json(owner).is_here:
            with suppress(UpdateFinishedTrialError):
                study.storage.set_trial_user_attr(trial._trial_id, INTERRUPTED, reason)
                if job_ended:
                    study.storage.set_trial_user_attr(trial._trial_id, JOB_ENDED, True)


def requeue_interrupted(study: TrialQueue, store: Store | None, *, show: Show, reason: str) -> None:
    """Requeue orphaned trials that were ended on purpose; this is no failed attempt."""
    for trial in orphans_of(study):
        if (ended := requeue.after_interruption(study, trial, reason)) is not None:
            show(ended)
    if store is not None:
        close_runs(study, store, reason)


def close_runs(study: TrialQueue, store: Store, reason: str) -> None:
    """End the MLflow runs of trials that do not run (any more), each with its trial's reason.

    A worker begins a run after its trial and ends it before. So whose trial has ended after the
    runs were listed, and whose run still runs after that, belongs to nobody.
    """
    if study.parent_run_id is None:
        return
    listed = store.children(study.parent_run_id, status="RUNNING")
    trials = {str(trial.number): trial for trial in study.optuna_study.get_trials(deepcopy=False)}
    for run in listed:
        trial = trials.get(run.tags.get(TRIAL, ""))
        if trial is not None and trial.state == TrialState.RUNNING:
            continue
        if store.get(run.run_id).status == "RUNNING":
            told = reason if trial is None else trial.user_attrs.get(REASON, reason)
            store.close_run(run.run_id, "FAILED", told)
            logger.info("run %s closed: %s", run.run_id, told)


def close_superseded(study: TrialQueue, store: Store) -> None:
    """End the finished runs of requeued trials whose place another trial has filled.

    Their worker died, or seemed to, after its run had ended and before it told the trial. Until
    the other one has its result the run stays as it is: that is answered from it.
    """
    trials = study.optuna_study.get_trials(deepcopy=False)
    complete = [
        t for t in trials if t.state == TrialState.COMPLETE and REPLACED not in t.user_attrs
    ]
    kept = {trial.user_attrs.get(RUN_ID) for trial in complete}
    filled = {slot_of(trial): trial.number for trial in complete}
    for trial in trials:
        run_id, number = trial.user_attrs.get(RUN_ID), filled.get(slot_of(trial))
        if REPLACED not in trial.user_attrs or not run_id or run_id in kept or number is None:
            continue
        run = artifacts.run_by_id(store, run_id)
        if run is not None and run.status == "FINISHED" and not run.deleted:
            reason = trial.user_attrs.get(REASON, DIED)
            store.close_run(run_id, "KILLED", f"{reason}; trial {number} has its result")
            logger.info("run %s closed: trial %d has its result", run_id, number)


def _last_sign(study: TrialQueue, trial: FrozenTrial, *, watched: bool) -> float:
    """When the worker of a trial last lived, by the clock that also says when the trial began.

    Args:
        study: whose trial.
        trial: its worker has died.
        watched: whether the workers of this host are looked at all the time.
    """
    owner = trial.user_attrs.get(OWNER)
    if watched and (owner is None or Owner.from_json(owner).is_here):
        return time.time()
    return last_beat(study.address, trial) or last_heartbeat(study)


def last_heartbeat(study: TrialQueue) -> float:
    """When a process last worked on a study, as far as its trials tell; seconds since 1970."""
    signs = [0.0]
    for trial in study.optuna_study.get_trials(deepcopy=False):
        times = (trial.datetime_start, trial.datetime_complete)
        signs += [moment.timestamp() for moment in times if moment is not None]
        signs.append(last_beat(study.address, trial) or 0.0)
    return max(signs)


def pid_here(trial: FrozenTrial) -> int:
    """Process number of the worker of a trial, if it is one of this host; else 0."""
    owner = trial.user_attrs.get(OWNER)
    return int(owner["pid"]) if owner and Owner.from_json(owner).is_here else 0


def orphans_of(study: TrialQueue) -> list[FrozenTrial]:
    """Running trials that no living process owns."""
    running = study.optuna_study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [trial for trial in running if not study.watch.is_owned(study.address, trial)]


def seems_owned(address: StudyAddress, trial: FrozenTrial) -> bool:
    """Whether a living process has a running trial, as it looks at a single glance.

    Of a trial on another host it goes by the clock of that host: good enough to tell a person.
    """
    stored = trial.user_attrs.get(OWNER)
    if stored is not None:
        return Owner.from_json(stored).lives(last_beat(address, trial))
    begun = trial.datetime_start
    return begun is not None and time.time() - begun.timestamp() < GRACE


@dataclass(frozen=True, kw_only=True)
class Look:
    """What can be seen of one study.

    Attributes:
        name: of the study.
        orphans: running trials whose worker does not live.
        running: trials that live.
        waiting: trials that wait.
        refusal: why it cannot be read; None where it can.
    """

    name: str
    orphans: int = 0
    running: int = 0
    waiting: int = 0
    refusal: str | None = None


def examine_journals(folder: Path) -> list[Look]:
    """Look at each journal in a folder, which need not exist."""
    return [_look(file) for file in sorted(folder.glob(f"*{SUFFIX}"))]


def _look(file: Path) -> Look:
    address = StudyAddress(storage=str(file), name=file.stem)
    try:
        storage = address.open()
        names = [study.study_name for study in storage.get_all_studies()]
        open_ = (TrialState.RUNNING, TrialState.WAITING)
        trials = [
            trial
            for study_id in map(storage.get_study_id_from_name, names)
            for trial in storage.get_all_trials(study_id, deepcopy=False, states=open_)
        ]
    except StoreError as error:
        return Look(name=file.stem, refusal=str(error))
    running = [seems_owned(address, t) for t in trials if t.state == TrialState.RUNNING]
    return Look(
        name=file.stem,
        orphans=running.count(False),
        running=running.count(True),
        waiting=len(trials) - len(running),
    )
