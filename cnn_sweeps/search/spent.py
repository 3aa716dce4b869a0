"""How long a sweep has run, told from its trials."""

import time
from collections.abc import Iterator, Sequence

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.search.attributes import SEEN


def seconds_spent(trials: Sequence[FrozenTrial]) -> float:
    """Wall seconds during which trials ran, however many at once and in however many calls."""
    spent, until = 0.0, 0.0
    for begin, end in sorted(_intervals(trials)):
        spent += max(0.0, end - max(begin, until))
        until = max(until, end)
    return spent


def _intervals(trials: Sequence[FrozenTrial]) -> Iterator[tuple[float, float]]:
    """From when to when each trial ran; up to now where it still does."""
    for trial in trials:
        if trial.datetime_start is None:
            continue
        begin, ended = trial.datetime_start.timestamp(), trial.datetime_complete
        if SEEN in trial.user_attrs:
            # It ended in the storage when somebody found its worker dead, hours later perhaps.
            yield begin, max(begin, trial.user_attrs[SEEN])
        elif trial.state == TrialState.RUNNING:
            yield begin, time.time()
        elif ended is not None:
            yield begin, ended.timestamp()
