"""How far a study is."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many slots a study has, and how many of them are done with.

    Attributes:
        total: slots of the budget.
        finished: complete, pruned and failed trials.
        waiting: slots that nobody has taken, in the queue or only scheduled.
        running: trials that somebody has taken.
    """

    total: int
    finished: int
    waiting: int
    running: int
