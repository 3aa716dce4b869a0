"""The error of a sweep whose trials have all failed."""

from optuna.trial import TrialState

from cnn_sweeps.sweeps.study.attributes import REASON, TRACEBACK
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text.format import first_line, pluralize


def only_failures(study: SweepStudy) -> str | None:
    """The first error in full, where trials have failed and none has come to anything else."""
    failed = study.trials(TrialState.FAIL)
    if not failed or study.trials(TrialState.COMPLETE, TrialState.PRUNED):
        return None
    first = failed[0]
    reason = first.user_attrs.get(REASON, "").strip()
    trace = first.user_attrs.get(TRACEBACK)
    detail = f"{first_line(reason)}\n{trace.rstrip()}" if trace else reason
    many = pluralize(len(failed), "trial")
    return f"{many} failed and none succeeded; trial {first.number}: {detail}"
