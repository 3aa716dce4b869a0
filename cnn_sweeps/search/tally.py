"""What is known of a running sweep: counts, the best so far, what each worker has in hand."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from cnn_sweeps.search.estimate import time_left
from cnn_sweeps.search.events import Claimed, Dropped, Ended, Event, Progressed, Refused, State
from cnn_sweeps.search.objectives import Objectives
from cnn_sweeps.wording import first_line

SCORED: tuple[State, ...] = ("complete", "reused")
TRAINED: tuple[State, ...] = ("complete", "pruned")


@dataclass(frozen=True, kw_only=True)
class InHand:
    """A trial that a worker is training.

    Attributes:
        claimed: which trial, and what it trains.
        since: when it was taken, on the clock of the tally.
        epoch: the last epoch that has ended; 0 before the first.
        value: the first objective after it.
    """

    claimed: Claimed
    since: float
    epoch: int = 0
    value: float | None = None


@dataclass(kw_only=True)
class Tally:
    """Takes the events of a sweep, and answers what a view asks.

    Attributes:
        total: trials in the budget.
        done: of these, how many have ended, in this call or before.
        workers: how many trials run at a time.
        objectives: what the sweep is after.
        clock: seconds; another one for tests.
        states: how the trials of this call ended.
        in_hand: what each worker trains now.
        front: the best trial first, with those that equal it; for several objectives the
            Pareto front.
    """

    total: int
    done: int
    workers: int
    objectives: Objectives
    clock: Callable[[], float] = time.monotonic
    states: Counter[State] = field(default_factory=Counter)
    in_hand: dict[int, InHand] = field(default_factory=dict)
    front: list[Ended] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._began = self.clock()
        self._durations: list[float] = []

    def take(self, event: Event) -> str | None:
        """Count an event; the line to print for it, if it is worth one."""
        match event:
            case Claimed():
                self.in_hand[event.worker] = InHand(claimed=event, since=self.clock())
            case Progressed():
                self._progressed(event)
            case Ended():
                self._ended(event)
                return self._line(event)
            case Dropped():
                self.total -= 1
            case Refused():
                self.in_hand.pop(event.worker, None)
                return f"worker {event.worker} stops: {first_line(event.message)}"
        return None

    @property
    def seconds(self) -> float:
        """Wall time of this call so far."""
        return self.clock() - self._began

    @property
    def seconds_left(self) -> float | None:
        """An estimate of the wall time to come; None while too little is known.

        Trials that failed or were reused count as the short trials that they are, for more of
        them will come, but alone they say nothing about how long a training takes.
        """
        if not any(self.states[state] for state in TRAINED):
            return None
        now = self.clock()
        under_way = [now - trial.since for trial in self.in_hand.values()]
        waiting = max(self.total - self.done - len(under_way), 0)
        return time_left(self._durations, waiting, self.workers, under_way)

    def rate(self, trials: Iterable[Ended]) -> None:
        """Let trials compete for the best, each experiment once; one without a hash is known."""
        for ended in trials:
            known = {rival.config_hash for rival in self.front}
            if ended.values and ended.config_hash and ended.config_hash not in known:
                rivals = [*self.front, ended]
                best = self.objectives.pareto_front([rival.values for rival in rivals])
                self.front = [rivals[index] for index in best]

    def _progressed(self, event: Progressed) -> None:
        trial = self.in_hand.get(event.worker)
        if trial is not None and trial.claimed.trial == event.trial:
            self.in_hand[event.worker] = replace(trial, epoch=event.epoch, value=event.value)

    def _ended(self, event: Ended) -> None:
        # The controller speaks for a worker that has died, so the trial tells whose line it is.
        holders = [w for w, trial in self.in_hand.items() if trial.claimed.trial == event.trial]
        trial = self.in_hand.pop(holders[0]) if holders else None
        if event.state == "put back":
            return
        self.done += 1
        self.states[event.state] += 1
        self._durations.append(self.clock() - trial.since if trial else event.seconds)
        if event.state in SCORED:
            self.rate([event])

    def _line(self, ended: Ended) -> str:
        width = len(str(self.total))
        place = f"[{self.done:>{width}}/{self.total}]"
        parts = [f"trial {ended.trial:<{width}}", *self._told(ended), ended.name]
        return f"{place} {'  '.join(filter(None, parts))}"

    def _told(self, ended: Ended) -> list[str]:
        """What is said of a trial beside its number and its name."""
        scores = self.scores(ended.values)
        took = f"{ended.seconds:.1f} s" if ended.seconds else ""
        match ended.state:
            case "complete":
                return [scores, took]
            case "reused":
                return [scores, "reused"]
            case "pruned":
                return [f"pruned at epoch {ended.epochs}", scores, took]
        reason = first_line(ended.reason)
        return [f"{ended.state}: {reason}" if reason else ended.state]

    def scores(self, values: Iterable[float]) -> str:
        """Objectives with their names; empty where there are none."""
        pairs = zip(self.objectives.names, values, strict=False)
        return "  ".join(f"{name} {rounded(value)}" for name, value in pairs)


def rounded(value: float) -> str:
    """A metric for reading along: `0.9312`, `16.2`, `693,962`."""
    if abs(value) < 10:  # noqa: PLR2004 -- digits
        return f"{value:.4f}"
    return f"{value:.1f}" if abs(value) < 1000 else f"{value:,.0f}"  # noqa: PLR2004
