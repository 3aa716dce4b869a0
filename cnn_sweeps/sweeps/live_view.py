"""The terminal view of a running sweep: a line for each trial that ends, progress below.

What is shown is tallied here: counts, the best so far, what each worker has in hand. `LiveView`
draws the picture in a terminal; elsewhere `PlainView` writes the lines alone. A view never ends a
sweep: where nobody reads any more, it writes nothing.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Self, TextIO, get_args

from rich.console import Console, Group, RenderableType
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType, SegmentLines
from rich.table import Column, Table
from rich.text import Text

from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.sweeps.plan.eta import approximate_duration, time_left
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.study.events import (
    EpochEnded,
    Event,
    State,
    TrialDropped,
    TrialEnded,
    TrialStarted,
    WorkerRefused,
)
from cnn_sweeps.text.format import duration, first_line, pluralize, rounded
from cnn_sweeps.text.terminal import Output, can_redraw, say, silence

SCORED: tuple[State, ...] = ("complete", "reused")
TRAINED: tuple[State, ...] = ("complete", "pruned")

STYLES = {"failed": "red", "pruned": "dim", "reused": "dim", "requeued": "yellow"}
"""Colours of the lines in a terminal, by how the trial ended."""
BAR = 10
"""Columns of the bar of epochs."""
GAP = (0, 2, 0, 0)
"""Space on the right of every cell."""
TITLE = 2
"""Which cell of a worker's line holds the title of the network."""
WORDS, BARS = 72, 50
"""Columns from which there is room for every word, and for the bars."""
BELOW = 5
"""Lines of a terminal that are kept from the workers: counts, best, time, and a little air."""


@dataclass(frozen=True, kw_only=True)
class InHand:
    """A trial that a worker is training.

    Attributes:
        claimed: which trial, and what it trains.
        since: when it was taken, on the clock of the tally.
        epoch: the last epoch that has ended; 0 before the first.
        value: the first objective after it.
    """

    claimed: TrialStarted
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
        dropped: how many slots of the budget were given up.
    """

    total: int
    done: int
    workers: int
    objectives: Objectives
    clock: Callable[[], float] = time.monotonic
    states: Counter[State] = field(default_factory=Counter)
    in_hand: dict[int, InHand] = field(default_factory=dict)
    front: list[TrialEnded] = field(default_factory=list)
    dropped: int = 0

    def __post_init__(self) -> None:
        """Start the clock."""
        self._began = self.clock()
        self._durations: list[float] = []

    def take(self, event: Event) -> str | None:
        """Count an event; the line to print for it, if it is worth one."""
        match event:
            case TrialStarted():
                self.in_hand[event.worker] = InHand(claimed=event, since=self.clock())
            case EpochEnded():
                self._progressed(event)
            case TrialEnded():
                self._ended(event)
                return self._line(event)
            case TrialDropped():
                self.total -= 1
                self.dropped += 1
                if self.dropped == 1:  # the others have the same reason
                    return f"fewer trials than asked for: {event.reason}"
            case WorkerRefused():
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

    def rate(self, trials: Iterable[TrialEnded]) -> None:
        """Let trials compete for the best, each experiment once; one without a hash is known."""
        for ended in trials:
            known = {rival.config_hash for rival in self.front}
            if ended.values and ended.config_hash and ended.config_hash not in known:
                rivals = [*self.front, ended]
                best = self.objectives.pareto_front([rival.values for rival in rivals])
                self.front = [rivals[index] for index in best]

    def _progressed(self, event: EpochEnded) -> None:
        trial = self.in_hand.get(event.worker)
        if trial is not None and trial.claimed.trial == event.trial:
            self.in_hand[event.worker] = replace(trial, epoch=event.epoch, value=event.value)

    def _ended(self, event: TrialEnded) -> None:
        # The controller speaks for a worker that has died, so the trial tells whose line it is.
        holders = [w for w, trial in self.in_hand.items() if trial.claimed.trial == event.trial]
        trial = self.in_hand.pop(holders[0]) if holders else None
        if event.state == "requeued":
            return
        self.done += 1
        self.states[event.state] += 1
        self._durations.append(self.clock() - trial.since if trial else event.seconds)
        if event.state in SCORED:
            self.rate([event])

    def _line(self, ended: TrialEnded) -> str:
        width = len(str(self.total))
        place = f"[{self.done:>{width}}/{self.total}]"
        return f"{place} {self.described(ended)}"

    def described(self, ended: TrialEnded) -> str:
        """A trial that has ended, in one line."""
        width = len(str(self.total))
        parts = [f"trial {ended.trial:<{width}}", *self._told(ended), ended.name]
        return "  ".join(filter(None, parts))

    def _told(self, ended: TrialEnded) -> list[str]:
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


class View:
    """Shows a sweep from its first trial to its last; this one shows nothing."""

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Leave the terminal as it was found; exceptions pass."""

    def show(self, event: Event) -> None:
        """Take in what a worker tells."""

    def tick(self) -> None:
        """Bring what is shown up to date; called a few times a second."""


def view_of(
    total: int,
    done_before: int,
    workers: int | None,
    objectives: Objectives,
    *,
    stream: TextIO | None = None,
    earlier: Sequence[TrialEnded] = (),
) -> View:
    """The view that suits the stream: live in a terminal, plain lines elsewhere.

    Args:
        total: trials in the budget.
        done_before: of these, how many had ended before this call.
        workers: how many trials run at a time; 0 (this process itself) shows as one. None
            where they do not tell what they do, so that there is no picture to draw.
        objectives: what the sweep is after.
        stream: where to; standard output when None.
        earlier: trials of earlier calls that may still be the best.
    """
    tally = Tally(
        total=total, done=done_before, workers=max(workers or 1, 1), objectives=objectives
    )
    tally.rate(earlier)
    out = stream or sys.stdout
    console = Output(file=out)
    if workers is not None and can_redraw(out) and console.is_terminal:
        return LiveView(tally, console)
    return PlainView(tally, out)


class PlainView(View):
    """One line for each trial that has ended, at once, without colours or redrawing."""

    def __init__(self, tally: Tally, stream: TextIO) -> None:
        self._tally, self._stream = tally, stream

    def show(self, event: Event) -> None:
        """Write the line of a trial that has ended."""
        line = self._tally.take(event)
        if line is not None:
            say(line, stream=self._stream)


class WorkerView(View):
    """One line for each trial that workers of this host have ended; others count elsewhere."""

    def __init__(self, objectives: Objectives, total: int) -> None:
        self._tally = Tally(total=total, done=0, workers=1, objectives=objectives)

    def show(self, event: Event) -> None:
        """Write the line of a trial that has ended."""
        if isinstance(event, TrialEnded):
            say(self._tally.described(event))


class LiveView(View):
    """The lines of `PlainView`, and below them the workers, the counts, the best and the time."""

    def __init__(self, tally: Tally, console: Console) -> None:
        self._tally, self._console = tally, console
        self._drawn: list[int] = []
        self._live = Live(
            console=console, auto_refresh=False, transient=True, get_renderable=self._draw
        )

    def __enter__(self) -> Self:
        """Draw the picture for the first time."""
        self._live.start(refresh=True)
        return self

    def __exit__(self, *raised: object) -> None:
        """Take the picture away; the lines stay."""
        with self._unbroken():
            self._live.stop()

    def show(self, event: Event) -> None:
        """Print the line of a trial that has ended, above the picture."""
        line = self._tally.take(event)
        if line is not None:
            style = STYLES.get(event.state, "") if isinstance(event, TrialEnded) else "red"
            with self._unbroken():
                self._console.print(Text(line, style), soft_wrap=True)

    def tick(self) -> None:
        """Draw the picture as it is now."""
        with self._unbroken():
            self._live.refresh()

    @contextmanager
    def _unbroken(self) -> Iterator[None]:
        """Erase what a resize has broken; fall silent when the terminal has gone away."""
        try:
            self._mend()
            yield
        except OSError:
            self._console.quiet = True
            silence(self._console.file)

    def _mend(self) -> None:
        """Make room for rich in a terminal that has become narrower.

        Rich moves up by the lines that it drew, but the terminal has wrapped them into more.
        """
        width = max(self._console.width, 1)
        broken = sum(max(length - 1, 0) // width for length in self._drawn)
        self._drawn = [min(length, width) for length in self._drawn]
        if broken:
            erase = (ControlType.ERASE_IN_LINE, 2)
            up = [(ControlType.CURSOR_UP, 1), erase] * broken
            self._console.control(Control(ControlType.CARRIAGE_RETURN, erase, *up))

    def _draw(self) -> RenderableType:
        """The picture, measured, so that a resize can be repaired."""
        lines = self._console.render_lines(self._picture(), pad=False)
        self._drawn = [sum(segment.cell_length for segment in line) for line in lines]
        return SegmentLines(lines, new_lines=True)

    def _picture(self) -> Group:
        return Group(self._workers(), *map(Text, (self._counts(), self._best(), self._time())))

    def _workers(self) -> RenderableType:
        tally, room = self._tally, max(self._console.height - BELOW, 1)
        numbers = sorted({*range(tally.workers), *tally.in_hand})
        shown = numbers if len(numbers) <= room else numbers[: room - 1]
        columns = 6 if self._console.width >= BARS else 5
        # Only the title gives way; the other cells are worth nothing in halves.
        table = Table.grid(*(Column(no_wrap=i != TITLE) for i in range(columns)), padding=GAP)
        for number in shown:
            table.add_row(*self._row(number, tally.in_hand.get(number)))
        hidden = len(numbers) - len(shown)
        return Group(table, Text(f"and {hidden} more workers")) if hidden else table

    def _row(self, number: int, trial: InHand | None) -> list[RenderableType]:
        """What one worker does; fewer words and no bar where there is little room."""
        width = self._console.width
        who = f"worker {number}" if width >= WORDS else str(number)
        if trial is None:
            return [who, "waiting"]
        claimed, epoch = trial.claimed, f"{trial.epoch}/{trial.claimed.epochs}"
        title = Text(claimed.title, no_wrap=True, overflow="ellipsis")
        bar = [ProgressBar(claimed.epochs, trial.epoch, width=BAR)] if width >= BARS else []
        name = f"{self._tally.objectives.names[0]} " if width >= WORDS else ""
        value = "" if trial.value is None else f"{name}{rounded(trial.value)}"
        return [who, f"trial {claimed.trial}", title, *bar, epoch, value]

    def _counts(self) -> str:
        tally = self._tally
        states = [f"{n} {state}" for state in get_args(State) if (n := tally.states[state])]
        return "  ".join([f"{tally.done} of {pluralize(tally.total, 'trial')}", *states])

    def _best(self) -> str:
        front = self._tally.front
        if not front:
            return "no trial has completed yet"
        if len(self._tally.objectives.names) > 1:
            return f"Pareto front: {pluralize(len(front), 'trial')}"
        best = front[0]
        return f"best {self._tally.scores(best.values)}  {(best.config_hash or '')[:SHOWN]}"

    def _time(self) -> str:
        left = self._tally.seconds_left
        rest = "" if left is None else f", {approximate_duration(left)} left"
        return f"{duration(self._tally.seconds)} spent{rest}"
