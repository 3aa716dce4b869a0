"""When no further trial may begin (`hydra.sweeper.timeout`), though the clocks of hosts differ.

The controller counts by a clock of its own that nobody sets, and tells the study when the time is
over. Everybody else counts as well, from when it first heard how much was left: that is later, and
matters only where the controller has died meanwhile.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

LOOK: Final = 1.0
"""Seconds between two looks at what the study says."""


@dataclass(frozen=True, kw_only=True)
class TimeLimit:
    """What a controller says of the time.

    Attributes:
        left: seconds in which further trials may begin; None for any, 0 where they are over.
        said: a number by which it is told from what was said before.
    """

    left: float | None = None
    said: float = 0.0

    @classmethod
    def of(cls, left: float | None) -> Self:
        """What is said now."""
        return cls(left=left, said=time.time())

    @classmethod
    def from_json(cls, stored: Any) -> Self:
        """What the study has; nothing of an earlier version, which compared clocks."""
        return cls(left=stored[0], said=stored[1]) if stored else cls()

    def to_json(self) -> list[float] | None:
        """Plain values, to be stored with the study."""
        return None if self.left is None else [self.left, self.said]


@dataclass(kw_only=True)
class Countdown:
    """How a process counts the time that is left.

    Attributes:
        clock: seconds, from anywhere.
        limit: what was heard last.
        heard: when it was heard first, by the clock.
        looked: when it was looked for last.
        own: whether this process decides: the controller.
    """

    clock: Callable[[], float] = time.monotonic
    limit: TimeLimit = TimeLimit()
    heard: float = 0.0
    looked: float = -math.inf
    own: bool = False

    def hear(self, limit: TimeLimit) -> None:
        """Count from now on, if that is new."""
        self.looked = self.clock()
        if limit != self.limit:
            self.limit, self.heard = limit, self.looked

    @property
    def stale(self) -> bool:
        """Whether the study is to be asked again."""
        return not self.own and self.clock() - self.looked >= LOOK

    @property
    def over(self) -> bool:
        """Whether no further trial may begin."""
        left = self.limit.left
        return left is not None and self.clock() - self.heard >= left
