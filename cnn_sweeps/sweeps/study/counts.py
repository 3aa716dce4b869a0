"""How far a study is."""

from collections.abc import Iterable
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many places a study holds, and how many of them are done with.

    Attributes:
        total: places in the budget that exist so far.
        finished: complete, pruned and failed trials.
        waiting: places that nobody has taken.
        running: trials that somebody has taken.
    """

    total: int
    finished: int
    waiting: int
    running: int

    @classmethod
    def of(cls, trials: Iterable[FrozenTrial]) -> "Counts":
        """Count the trials of a study, those left out whose place was given on."""
        states = [trial.state for trial in trials]
        return cls(
            total=len(states),
            finished=sum(state.is_finished() for state in states),
            waiting=states.count(TrialState.WAITING),
            running=states.count(TrialState.RUNNING),
        )
