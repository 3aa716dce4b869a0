"""Putting right what dead processes left behind: trials, and runs in MLflow."""

import time
from collections.abc import Callable, Mapping, Set

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.search.attributes import ATTEMPT, BEAT, OWNER, SUPERSEDED
from cnn_sweeps.search.events import Ended
from cnn_sweeps.search.execute import TRIAL
from cnn_sweeps.search.owner import GRACE, Owner
from cnn_sweeps.search.study import SweepStudy
from cnn_sweeps.tracking import Store

Show = Callable[[Ended], None]
DIED = "its worker died"


def recover(
    study: SweepStudy,
    store: Store | None,
    *,
    retries: int,
    show: Show,
    died: Mapping[int, str] | None = None,
    seated: Set[int] = frozenset(),
) -> int:
    """Requeue the trials that nobody owns any more, and close their MLflow runs.

    Args:
        study: whose trials.
        store: where their runs are; None for none.
        retries: how often a trial is begun again; then it has failed.
        show: is told what became of each.
        died: cause of death by process number, where it is known.
        seated: workers whose end the pool has yet to notice, and will say why.

    Returns:
        How many trials were orphaned.
    """
    orphans = [(_pid_of(trial), trial) for trial in orphans_of(study)]
    orphans = [(pid, trial) for pid, trial in orphans if pid not in seated]
    for pid, trial in orphans:
        show(_requeue(study, trial, retries, (died or {}).get(pid, DIED)))
    if orphans and store is not None:
        close_runs(study, store, DIED)
    return len(orphans)


def put_back(study: SweepStudy, store: Store | None, *, show: Show, reason: str) -> None:
    """Requeue orphaned trials that were ended on purpose; this is no failed attempt."""
    for trial in orphans_of(study):
        study.give_place_on(trial, reason)
        show(Ended(worker=0, trial=trial.number, state="put back", reason=reason))
    if store is not None:
        close_runs(study, store, reason)


def close_runs(study: SweepStudy, store: Store, reason: str) -> None:
    """End the MLflow runs of trials that do not run (any more)."""
    if study.parent_run_id is None:
        return
    running = {trial.number for trial in study.trials(TrialState.RUNNING)}
    for run in store.children(study.parent_run_id):
        if run.status == "RUNNING" and int(run.tags.get(TRIAL, -1)) not in running:
            store.close_run(run.run_id, "FAILED", reason)


def _pid_of(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get(OWNER, {}).get("pid", 0))


def _requeue(study: SweepStudy, trial: FrozenTrial, retries: int, reason: str) -> Ended:
    attempt = trial.user_attrs.get(ATTEMPT, 1)
    if attempt > retries and SUPERSEDED not in trial.user_attrs:
        last = f"{reason}, {attempt} times" if attempt > 1 else reason
        study.give_up(trial, last)
        return Ended(worker=0, trial=trial.number, state="failed", reason=last)
    study.give_place_on(trial, reason, attempt=attempt + 1)
    return Ended(worker=0, trial=trial.number, state="put back", reason=reason)


def orphans_of(study: SweepStudy) -> list[FrozenTrial]:
    """Running trials that no living process owns."""
    running = study.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [trial for trial in running if not _owned(trial)]


def _owned(trial: FrozenTrial) -> bool:
    stored = trial.user_attrs.get(OWNER)
    if stored is not None:
        return Owner.from_json(stored).lives(trial.user_attrs.get(BEAT))
    begun = trial.datetime_start
    return begun is not None and time.time() - begun.timestamp() < GRACE
