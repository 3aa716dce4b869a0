"""How far a study is."""

from dataclasses import dataclass
from typing import Final

NOT_AGAIN: Final = (
    "failed trials are not tried again; type hydra.sweeper.study_name=NAME for a new study"
)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many slots a study has, and how many of them are done with.

    Attributes:
        total: slots of the budget.
        finished: complete, pruned and failed trials.
        waiting: slots that nobody has taken, in the queue or only scheduled.
        running: trials that somebody has taken.
        failed: those of the finished ones that have failed.
    """

    total: int
    finished: int
    waiting: int
    running: int
    failed: int = 0

    @property
    def before(self) -> str:
        """What a sweep that is begun again has behind it; empty where that is nothing."""
        told = {"done": self.finished - self.failed, "failed": self.failed}
        return ", ".join(f"{count} {how} before" for how, count in told.items() if count)
