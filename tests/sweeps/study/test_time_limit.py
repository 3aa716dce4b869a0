"""The end of a sweep's time: by the clock of its controller, whatever those of other hosts say."""

from pathlib import Path

import pytest
from plans import FakeRun, plan, study

from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.study.time_limit import LOOK, Countdown, TimeLimit
from cnn_sweeps.sweeps.workers.worker import Worker


class Clock:
    """Seconds that a test sets."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """What it says."""
        return self.now


def joined(made: SweepStudy, clock: Clock) -> SweepStudy:
    """The study as another process has it, whose clock that is."""
    other = SweepStudy.load(made.address)
    other.countdown.clock = clock
    return other


@pytest.mark.parametrize("days", [-3, 3], ids=["behind", "ahead"])
def test_a_worker_whose_clock_is_set_otherwise_neither_leaves_nor_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """It goes on while there is time, and begins nothing when the controller says there is none."""
    made, fake, clock = study(tmp_path), FakeRun(), Clock()
    fill_queue(made, Budget())
    made.set_time_limit(100)
    monkeypatch.setattr("time.time", lambda: 1.8e9 + days * 86_400)
    other = joined(made, clock)
    Worker(study=other, execute=fake).work(2)
    made.countdown.clock = Clock(1e9)
    assert made.time_is_over()
    clock.now += LOOK
    Worker(study=other, execute=fake).work()
    assert len(fake.seen) == 2
    assert other.counts().waiting == 3


def test_who_joins_goes_on_no_longer_than_there_was_time_when_it_heard(tmp_path: Path) -> None:
    """Where the controller has died nobody says that the time is over."""
    made, clock = study(tmp_path), Clock(5e5)
    made.set_time_limit(100)
    other = joined(made, clock)
    assert not other.time_is_over()
    clock.now += 99
    assert not other.time_is_over()
    clock.now += 1
    assert other.time_is_over()


def test_a_sweep_that_is_continued_has_new_time(tmp_path: Path) -> None:
    """As much as before, or without end: whoever has stayed hears of it."""
    made, clock = study(tmp_path), Clock()
    made.set_time_limit(100)
    other = joined(made, clock)
    other.time_is_over()
    for timeout in (100, None):
        clock.now += 80
        made.set_time_limit(timeout)
        assert not other.time_is_over()
    clock.now += 1e9
    assert not other.time_is_over()


def test_the_study_is_asked_once_a_second(tmp_path: Path) -> None:
    """Trials that take no time do not each cost a look."""
    made, clock = study(tmp_path, plan()), Clock()
    other = joined(made, clock)
    assert not other.time_is_over()
    made.set_time_limit(0)
    assert not other.time_is_over()
    clock.now += LOOK
    assert other.time_is_over()


def test_what_an_earlier_version_has_stored_is_no_limit() -> None:
    """It compared the clocks of hosts, under another name."""
    assert TimeLimit.from_json(None) == TimeLimit()
    assert not Countdown(limit=TimeLimit.from_json(None)).over
