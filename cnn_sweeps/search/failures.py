"""What to say of a sweep of which every trial has failed."""

from optuna.trial import TrialState

from cnn_sweeps.search.attributes import REASON, TRACEBACK
from cnn_sweeps.search.study import SweepStudy


def only_failures(study: SweepStudy) -> str | None:
    """The first error in full, where trials have failed and none has come to anything else."""
    failed = study.trials(TrialState.FAIL)
    if not failed or study.trials(TrialState.COMPLETE, TrialState.PRUNED):
        return None
    first = failed[0]
    detail = first.user_attrs.get(TRACEBACK) or first.user_attrs.get(REASON, "")
    many = "1 trial" if len(failed) == 1 else f"{len(failed)} trials"
    return (
        f"{many} failed and none succeeded. The first error, of trial {first.number}:\n"
        f"{detail.rstrip()}"
    )
