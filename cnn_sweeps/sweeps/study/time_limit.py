"""`hydra.sweeper.timeout`: it does not count the time in which nobody trains.

Workers that a scheduler or a person starts may come hours after the sweep was typed, or again hours
after others have gone.
"""

import time
from dataclasses import dataclass, field

from cnn_sweeps.sweeps.study.trial_queue import TrialQueue
from cnn_sweeps.text.format import pluralize


def told_timeout(study: TrialQueue, timeout: float | None) -> str | None:
    """What the end of the time has left out; None where it is not over, or nothing was left."""
    counts = study.counts()
    if timeout is None or not counts.waiting or not study.time_is_up:
        return None
    return (
        f"hydra.sweeper.timeout={timeout:g} s are over: {counts.waiting} of "
        f"{pluralize(counts.total, 'trial')} not begun. "
        "Type a larger hydra.sweeper.timeout to continue."
    )


@dataclass(kw_only=True)
class IdleTime:
    """Moves the deadline of a study on while no trial runs, as the process that has set it sees it.

    It is stored when somebody trains again, or would be reached meanwhile: not at each look.

    Attributes:
        study: whose deadline.
        seconds: idle time that the stored deadline does not have yet.
        looked: when the last look was, by a clock that is never set.
        finished: how many trials had ended by then.
    """

    study: TrialQueue
    seconds: float = 0.0
    looked: float = field(default_factory=time.monotonic)
    finished: int = 0

    def note(self) -> None:
        """Look whether somebody has trained since the last look."""
        left = self.study.seconds_left
        if left is None or left <= 0:
            return
        counts, now = self.study.counts(), time.monotonic()
        busy = counts.running > 0 or counts.finished > self.finished
        self.seconds += 0.0 if busy else now - self.looked
        self.looked, self.finished = now, counts.finished
        if self.seconds and (busy or left < self.seconds):
            self.study.extend_deadline(self.seconds)
            self.seconds = 0.0
