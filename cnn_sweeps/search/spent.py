"""How long a sweep has run, told from its trials."""

from collections.abc import Iterator, Sequence

from optuna.trial import FrozenTrial


def seconds_spent(trials: Sequence[FrozenTrial]) -> float:
    """Wall seconds during which trials ran, however many at once and in however many calls."""
    spent, until = 0.0, 0.0
    for begin, end in sorted(_intervals(trials)):
        spent += max(0.0, end - max(begin, until))
        until = max(until, end)
    return spent


def _intervals(trials: Sequence[FrozenTrial]) -> Iterator[tuple[float, float]]:
    for trial in trials:
        if trial.datetime_start is not None and trial.datetime_complete is not None:
            yield trial.datetime_start.timestamp(), trial.datetime_complete.timestamp()
