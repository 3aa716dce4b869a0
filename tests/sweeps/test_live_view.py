"""A sweep on the screen: the lines, the live picture, and the time that is left."""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from cnn_sweeps.sweeps.live_view import LiveView, PlainView, Tally, view_of
from cnn_sweeps.sweeps.plan.eta import EpochCost, Timing, approximate_duration, time_left
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.study.events import (
    EpochEnded,
    Event,
    State,
    TrialEnded,
    TrialStarted,
    WorkerRefused,
)
from cnn_sweeps.text.terminal import Output

ONE = Objectives.parse({})
TWO = Objectives.parse({"val_accuracy": "maximize", "train_seconds": "minimize"})
UP = "\x1b[1A"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time, in seconds."""
        return self.now


def digest(trial: int) -> str:
    """A config hash for a trial."""
    return hashlib.sha256(str(trial).encode()).hexdigest()


def claimed(trial: int = 0, worker: int = 0, title: str = "cnn 16x2") -> TrialStarted:
    """A worker that has taken a trial of five epochs."""
    return TrialStarted(worker=worker, trial=trial, title=title, epochs=5)


def ended(trial: int = 4, *values: float, state: State = "complete", **more: Any) -> TrialEnded:
    """A trial of worker 0 that has ended."""
    given: dict[str, Any] = {
        "name": f"cnn 16x2 e5 · {digest(trial)[:12]}",
        "config_hash": digest(trial),
        "epochs": 5,
        "seconds": 16.24,
        **more,
    }
    return TrialEnded(worker=0, trial=trial, state=state, values=values, **given)


def tally(objectives: Objectives = ONE, **more: Any) -> Tally:
    """A sweep of 18 trials, of which 2 were done before."""
    return Tally(**{"total": 18, "done": 2, "workers": 2, "objectives": objectives, **more})


def lines(*events: Event, objectives: Objectives = ONE) -> list[str]:
    """What is written where there is no terminal."""
    stream = io.StringIO()
    with view_of(18, 2, 2, objectives, stream=stream) as view:
        for event in events:
            view.show(event)
            view.tick()
    return stream.getvalue().splitlines()


def picture(*events: Event, width: int = 80, height: int = 25, made: Tally | None = None) -> str:
    """The live picture after some events, without what redraws it."""
    made = made or tally()
    for event in events:
        made.take(event)
    console = Output(file=io.StringIO(), width=width, height=height, color_system=None)
    with console.capture() as capture:
        console.print(LiveView(made, console)._picture())
    return capture.get()


def test_a_trial_is_one_line() -> None:
    """Place, number, objective, seconds, network and hash."""
    assert lines(claimed(4), ended(4, 0.93119)) == [
        f"[ 3/18] trial 4   val_accuracy 0.9312  16.2 s  cnn 16x2 e5 · {digest(4)[:12]}"
    ]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            ended(state="failed", reason="the loss is nan\n  in epoch 2", name=""),
            "[ 3/18] trial 4   failed: the loss is nan",
            id="failed",
        ),
        pytest.param(
            ended(state="failed", reason=" \n", name=""),
            "[ 3/18] trial 4   failed",
            id="failed without a reason",
        ),
        pytest.param(
            ended(state="pruned", epochs=2, name="cnn"),
            "[ 3/18] trial 4   pruned at epoch 2  16.2 s  cnn",
            id="pruned",
        ),
        pytest.param(
            ended(4, 0.5, state="reused", name="cnn"),
            "[ 3/18] trial 4   val_accuracy 0.5000  reused  cnn",
            id="reused",
        ),
        pytest.param(
            ended(state="requeued", reason="interrupted", name="cnn"),
            "[ 2/18] trial 4   requeued: interrupted  cnn",
            id="requeued is not done",
        ),
        pytest.param(
            WorkerRefused(worker=1, message="the disk is full\n  Free some."),
            "worker 1 stops: the disk is full",
            id="refused",
        ),
    ],
)
def test_a_line_says_how_a_trial_ended(event: Event, expected: str) -> None:
    """Each state has its word; of a long reason the first line is shown."""
    assert lines(event) == [expected]


def test_every_objective_is_shown() -> None:
    """A line has all values, large ones without digits that nobody reads."""
    (line,) = lines(ended(4, 0.5, 12345.6), objectives=TWO)
    assert "val_accuracy 0.5000  train_seconds 12,345.6  16.2 s" in line


def test_plain_lines_have_no_control_characters() -> None:
    """A log file holds text alone, and nothing of epochs."""
    text = "".join(lines(claimed(), EpochEnded(worker=0, trial=0, epoch=1, value=0.5), ended(0, 1)))
    assert "\x1b" not in text
    assert "\r" not in text
    assert text.count("trial") == 1


def test_each_line_is_flushed() -> None:
    """Who follows a log sees a trial when it ends, not when a buffer is full."""

    class Counting(io.StringIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    stream = Counting()
    with view_of(18, 0, 1, ONE, stream=stream) as view:
        view.show(ended())
        assert stream.flushed == 1


def test_an_encoding_without_the_dot_is_no_failure() -> None:
    """A stream that knows ASCII alone gets a question mark for what it cannot show."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with view_of(18, 0, 1, ONE, stream=stream) as view:
        view.show(ended(4, 0.5))
    assert b"cnn 16x2 e5 ? " in stream.buffer.getvalue()  # type: ignore[attr-defined]


CLOSED_PIPE = """
import sys
from cnn_sweeps.cli.output import console
from cnn_sweeps.sweeps.study.events import TrialEnded
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.live_view import view_of
sys.stdin.read()
with view_of(9, 0, 1, Objectives.parse({})) as view:
    for trial in range(9):
        view.show(TrialEnded(worker=0, trial=trial, state="complete", values=(0.5,)))
console().print("the table")
print("went on", file=sys.stderr)
"""


@pytest.mark.parametrize("begin", ["", "console().print('first')\n"], ids=["view", "console"])
def test_a_closed_pipe_does_not_end_the_sweep(begin: str) -> None:
    """`cnn-sweeps -m | head -1` trains on to the end, and ends well."""
    script = CLOSED_PIPE.replace("with view_of", f"{begin}with view_of")
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    os.close(reading)
    _, told = process.communicate("")
    assert (process.returncode, told) == (0, "went on\n")


@pytest.mark.parametrize(
    ("stream", "term", "kernel", "kind"),
    [
        pytest.param(Terminal(), "xterm", "", LiveView, id="terminal"),
        pytest.param(Terminal(), "dumb", "", PlainView, id="dumb terminal"),
        pytest.param(Terminal(), "xterm", "7", PlainView, id="notebook"),
        pytest.param(io.StringIO(), "xterm", "", PlainView, id="file"),
    ],
)
def test_the_view_suits_the_stream(
    stream: io.StringIO, term: str, kernel: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What redraws itself is for terminals that can; forced colours do not make a file one."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("JPY_PARENT_PID", kernel)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert isinstance(view_of(1, 0, 1, ONE, stream=stream), kind)


def test_the_picture_has_a_line_for_each_worker() -> None:
    """Number, trial, network, bar, epoch and value; a worker without a trial waits."""
    progress = EpochEnded(worker=0, trial=7, epoch=3, value=0.875)
    first, second, *_ = picture(claimed(7), progress).splitlines()
    assert first.split()[:6] == ["worker", "0", "trial", "7", "cnn", "16x2"]
    assert first.split()[6:] == ["━━━━━━", "3/5", "val_accuracy", "0.8750"]
    assert second.split() == ["worker", "1", "waiting"]


def test_the_picture_counts_by_state() -> None:
    """Below the workers: how many are done and how they ended; requeued is no end."""
    states: tuple[State, ...] = ("failed", "complete", "pruned", "requeued", "complete", "reused")
    text = picture(*(ended(n, 0.5, state=state) for n, state in enumerate(states)))
    assert "7 of 18 trials  2 complete  1 pruned  1 failed  1 reused\n" in text


def test_the_picture_names_the_best() -> None:
    """The best value with its hash, whatever came after it."""
    text = picture(ended(1, 0.5), ended(2, 0.9), ended(3, 0.7))
    assert f"best val_accuracy 0.9000  {digest(2)[:12]}\n" in text


def test_a_pruned_trial_is_not_the_best() -> None:
    """What was given up has no value to compete with."""
    assert "no trial has completed yet" in picture(ended(1, 0.9, state="pruned"))


def test_trials_of_earlier_calls_may_be_the_best() -> None:
    """A sweep that is continued does not forget what it found before."""
    made = tally()
    made.rate([ended(1, 0.9)])
    assert f"best val_accuracy 0.9000  {digest(1)[:12]}" in picture(ended(2, 0.5), made=made)


def test_a_trial_is_taken_from_the_worker_that_has_it() -> None:
    """Whoever tells of the end: for a dead worker that is the controller."""
    first, second, *_ = picture(claimed(1), claimed(2, worker=1), ended(2, 0.5)).splitlines()
    assert "trial 1" in first
    assert "waiting" in second


def test_several_objectives_have_a_front() -> None:
    """The number of trials that no other beats; one experiment counts once."""
    events = [ended(1, 0.9, 9.0), ended(2, 0.8, 5.0), ended(3, 0.7, 7.0)]
    again = ended(1, 0.9, 9.0, state="reused")
    unnamed = ended(1, 0.9, 9.0, state="reused", config_hash=None)
    text = picture(*events, again, unnamed, made=tally(TWO))
    assert "Pareto front: 2 trials\n" in text


def test_a_narrow_terminal_keeps_every_number() -> None:
    """On 40 columns words and bars go, and the title is cut, but no line is broken."""
    progress = EpochEnded(worker=0, trial=117, epoch=3, value=0.875)
    text = picture(claimed(117, title="custom build_my_network"), progress, width=40)
    first = text.splitlines()[0]
    assert first.split()[:3] == ["0", "trial", "117"]
    assert first.split()[-2:] == ["3/5", "0.8750"]
    assert "…" in first
    assert max(map(len, text.splitlines())) <= 40


def test_more_workers_than_lines_leave_room_for_the_counts() -> None:
    """In a low terminal some workers are only counted."""
    text = picture(made=tally(workers=30), height=12)
    assert "and 24 more workers" in text
    assert len(text.splitlines()) <= 12
    assert "2 of 18 trials" in text


def live(*events: Event, resize: int | None = None) -> str:
    """Everything that a live view writes to a terminal of 80 columns."""
    stream = Terminal()
    console = Output(file=stream, width=80, height=25, force_terminal=True, highlight=False)
    with LiveView(tally(), console) as view:
        for event in events:
            view.show(event)
        view.tick()
        if resize:
            console.width = resize
        view.tick()
    return stream.getvalue()


def test_ended_trials_are_printed_above_the_picture() -> None:
    """The terminal keeps the same line that a log would have."""
    assert lines(ended(4, 0.5))[0] in live(ended(4, 0.5))


def test_the_terminal_is_left_with_its_cursor() -> None:
    """When the sweep ends, the picture is gone and the cursor is back."""
    text = live(claimed())
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l") >= 0


def test_a_narrower_terminal_is_cleaned_of_wrapped_lines() -> None:
    """Lines that the terminal has wrapped are erased with the rows that they then take."""
    progress = EpochEnded(worker=0, trial=7, epoch=3, value=0.875)
    kept, shrunk = live(claimed(7), progress), live(claimed(7), progress, resize=40)
    assert shrunk.count(UP) > kept.count(UP)


def test_no_colour_is_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR is heeded in the lines and in the picture."""
    monkeypatch.setenv("NO_COLOR", "1")
    text = live(claimed(), EpochEnded(worker=0, trial=0, epoch=1, value=0.1), ended(state="failed"))
    assert "\x1b[3" not in text


def test_a_terminal_that_has_gone_does_not_end_the_sweep() -> None:
    """Where writing fails, the view falls silent."""

    class Leaving(Terminal):
        gone = False

        def write(self, text: str, /) -> int:
            if self.gone:
                raise OSError(5, "Input/output error")
            return super().write(text)

    stream = Leaving()
    console = Output(file=stream, width=80, height=25, force_terminal=True)
    with LiveView(tally(), console) as view:
        stream.gone = True
        view.show(ended())
        view.tick()
    assert console.quiet


@pytest.mark.parametrize(
    ("durations", "waiting", "workers", "under_way", "seconds"),
    [
        pytest.param([10, 20], 4, 2, [], 30, id="mean by workers"),
        pytest.param([10], 4, 2, [], None, id="fewer ended than workers"),
        pytest.param([], 4, 0, [], None, id="nothing ended"),
        pytest.param([10], 0, 1, [4], 6, id="the rest of one under way"),
        pytest.param([10], 0, 1, [14], 0, id="overdue"),
        pytest.param([10] * 4, 1, 4, [], 10, id="one trial is not shared"),
        pytest.param([10] * 2, 0, 2, [9, 1], 9, id="the last decides"),
        pytest.param([10] * 2, 3, 2, [5, 5], 20, id="waiting and under way"),
    ],
)
def test_time_left(
    durations: Sequence[float],
    waiting: int,
    workers: int,
    under_way: Sequence[float],
    seconds: float | None,
) -> None:
    """What is left takes as long as what was, shared by the workers."""
    assert time_left(durations, waiting, workers, under_way) == seconds


def test_the_time_left_is_shown_once_it_can_be_known() -> None:
    """Not before as many trials as workers have ended, one of them trained."""
    clock = Clock()
    made = tally(clock=clock)
    for trial, state in enumerate(("failed", "failed", "complete")):
        assert "left" not in picture(made=made)
        made.take(claimed(trial))
        clock.now += 90
        made.take(ended(trial, 0.5, state=state))
    assert "4 min 30 s spent, about 10 min left\n" in picture(made=made)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (3, "a few seconds"),
        (34, "about 30 s"),
        (58, "about 1 min"),
        (85, "about 1.5 min"),
        (190, "about 3 min"),
        (2_000, "about 35 min"),
        (5_390, "about 90 min"),
        (9_000, "about 2.5 h"),
        (80_000, "about 20 h"),
        (400_000, "about 5 days"),
    ],
)
def test_an_estimate_claims_no_more_than_it_knows(seconds: float, said: str) -> None:
    """Estimates are rounded as a person would."""
    assert approximate_duration(seconds) == said


def timings(*rows: tuple[float, float | None, float]) -> list[Timing]:
    """Timings of (epochs, parameters, seconds)."""
    return [Timing(epochs=e, params=p, seconds=s) for e, p, s in rows]


@pytest.mark.parametrize(
    ("rows", "seconds"),
    [
        pytest.param([(1, 100, 3), (2, 300, 14), (4, 200, 20)], 9.0, id="grows with parameters"),
        pytest.param([(1, 100, 9), (1, 300, 1)], 5.0, id="never falls with parameters"),
        pytest.param([(1, 100, 3), (3, 100, 9)], 3.0, id="one size"),
        pytest.param([(1, None, 3), (1, 300, 5)], 4.0, id="unknown sizes"),
        pytest.param([(1, 100, 1), (1, 200, 4)], 7.2, id="nothing below 0"),
    ],
)
def test_pace(rows: list[tuple[float, float | None, float]], seconds: float) -> None:
    """Seconds of one epoch of 400 parameters, judging by other trials."""
    assert EpochCost.fit(timings(*rows)).seconds(1, 400) == pytest.approx(seconds)
