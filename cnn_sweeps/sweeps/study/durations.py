"""Time and epochs that the trials of a sweep have taken."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.sweeps.study.attributes import EPOCHS_TRAINED, LAST_HEARTBEAT, metrics_of


def seconds_spent(trials: Sequence[FrozenTrial]) -> float:
    """Wall seconds during which trials ran, however many at once and in however many calls."""
    spent, until = 0.0, 0.0
    for begin, end in sorted(_intervals(trials)):
        spent += max(0.0, end - max(begin, until))
        until = max(until, end)
    return spent


@dataclass(frozen=True, kw_only=True)
class Epochs:
    """Epochs of complete trials.

    Attributes:
        asked: how many the trials consist of.
        trained: how many were trained for them; the others were from cache.
    """

    asked: int
    trained: int


def epochs_spent(trials: Sequence[FrozenTrial]) -> Epochs:
    """Add up what complete trials say of their epochs."""
    told = [trial.user_attrs for trial in trials if EPOCHS_TRAINED in trial.user_attrs]
    return Epochs(
        asked=sum(int(metrics_of(attributes)["epochs"]) for attributes in told),
        trained=sum(attributes[EPOCHS_TRAINED] for attributes in told),
    )


def interval(trial: FrozenTrial) -> tuple[float, float] | None:
    """From when to when a trial ran; up to now where it still does, None where it never did."""
    if trial.datetime_start is None:
        return None
    begin, ended = trial.datetime_start.timestamp(), trial.datetime_complete
    if LAST_HEARTBEAT in trial.user_attrs:
        # It ended in the storage when somebody found its worker dead, hours later perhaps.
        return begin, max(begin, trial.user_attrs[LAST_HEARTBEAT])
    if trial.state == TrialState.RUNNING:
        return begin, time.time()
    return (begin, ended.timestamp()) if ended is not None else None


def _intervals(trials: Sequence[FrozenTrial]) -> Iterator[tuple[float, float]]:
    return (told for trial in trials if (told := interval(trial)) is not None)
