"""How far a sweep is, in numbers."""

from dataclasses import dataclass


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
