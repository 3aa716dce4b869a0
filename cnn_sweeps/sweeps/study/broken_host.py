"""A host where everything fails, which would take the trials that other hosts could train.

Failing is quicker than training, and a failed trial is not retried. So a worker whose host has
failed several trials in a row, while others train some, leaves the rest to them. The last host
goes on if it has ever trained one: then it may be the trials.
"""

from operator import itemgetter

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.errors import StoreError
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study.attributes import ANYWHERE, FAILURES_ALLOWED, OWNER, REASON, REPLACED
from cnn_sweeps.sweeps.study.index import SCORED
from cnn_sweeps.sweeps.study.retry import host_of
from cnn_sweeps.sweeps.study.trial_queue import TrialQueue
from cnn_sweeps.text.format import first_line, pluralize


def refuse_broken_host(study: TrialQueue, owner: Owner) -> None:
    """Refuse to go on where the last trials of a host have failed, and those of others have not.

    Args:
        study: whose trials.
        owner: a process of the host.

    Raises:
        StoreError: as many as `hydra.sweeper.max_failures` have, for no fault of their own.
    """
    host = host_of({OWNER: owner.to_json()})
    own, elsewhere = list[FrozenTrial](), set[TrialState]()
    for trial in study.optuna_study.get_trials(deepcopy=False):
        if REPLACED in trial.user_attrs:
            continue
        if host_of(trial.user_attrs) == host:
            own.append(trial)
        elif OWNER in trial.user_attrs:
            elsewhere.add(trial.state)
    works = any(trial.state in SCORED for trial in own)
    able = TrialState.RUNNING in elsewhere or not (works or elsewhere.isdisjoint(SCORED))
    failed = _failures_in_a_row(own)
    if able and len(failed) >= (study.attribute(FAILURES_ALLOWED) or Budget.max_failures):
        last = first_line(failed[0].user_attrs.get(REASON, "")).rstrip(".")
        raise StoreError(
            f"{pluralize(len(failed), 'trial')} in a row failed on the host {host}, and others "
            f"train those of {study.address.name}: {last}.\n"
            "  Fix this host and start it again, or type a larger hydra.sweeper.max_failures."
        )


def _failures_in_a_row(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """The failures since the last trial that came to something, the last one first."""
    ended = [(moment, trial) for trial in trials if (moment := trial.datetime_complete)]
    failed = []
    for _, trial in sorted(ended, key=itemgetter(0), reverse=True):
        if trial.state in SCORED:
            break
        if ANYWHERE not in trial.user_attrs:
            failed.append(trial)
    return failed
