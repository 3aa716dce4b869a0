"""A sweep without processes of its own (`n_jobs=0`) beside workers elsewhere."""

from pathlib import Path

import pytest
from fakes import score
from plans import FakeRun, plan, study

from cnn_sweeps.provenance.process import Owner, this_host
from cnn_sweeps.sweeps.live_view import View
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study.events import Event, TrialEnded
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.supervisor import Interrupts, Supervisor
from cnn_sweeps.sweeps.workers.here import Here
from cnn_sweeps.sweeps.workers.worker import Worker

FAR = Owner(host="lab-2:0a1b2c3d", pid=17, started="4711")
DEAD = Owner(host=this_host(), pid=2**22 + 1, started="1")


class Heard(View):
    """Keeps how trials ended."""

    def __init__(self) -> None:
        self.ended: list[tuple[int, str]] = []

    def show(self, event: Event) -> None:
        """Keep it."""
        if isinstance(event, TrialEnded):
            self.ended.append((event.trial, event.state))


@pytest.fixture
def made(tmp_path: Path) -> SweepStudy:
    """A study of three trials that wait."""
    opened = study(tmp_path, plan({"model.filters": "choice(4,8,16)"}))
    fill_queue(opened, Budget())
    return opened


def swept(made: SweepStudy, interrupts: Interrupts) -> tuple[FakeRun, list[tuple[int, str]]]:
    """Carry it out in this process; what was trained here, and how all trials ended."""
    fake, heard = FakeRun(score), Heard()
    supervisor = Supervisor(study=made, store=None, budget=Budget(), view=heard, steers=False)
    worker = Worker(study=made, execute=fake, emit=supervisor.show, stop=interrupts.asked)
    supervisor.run(Here(worker), interrupts)
    return fake, heard.ended


def test_what_a_worker_elsewhere_has_in_hand_is_waited_for(
    made: SweepStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep is over, and its winner scored, when that has its value too."""
    theirs = SweepStudy.load(made.address)
    trial = theirs.claim(FAR)
    assert trial is not None
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            theirs.values_of(trial)
            theirs.done(trial, [0.5])

    monkeypatch.setattr("time.sleep", sleep)
    fake, ended = swept(made, Interrupts())
    assert made.counts().finished == made.counts().total == 3
    assert (len(fake.seen), len(waited)) == (2, 2)
    assert ended == [(1, "complete"), (2, "complete"), (trial.number, "complete")]


def test_what_a_dead_worker_left_is_trained_here(made: SweepStudy) -> None:
    """It is noticed between two trials, not when the sweep is typed again."""
    assert SweepStudy.load(made.address).claim(DEAD) is not None
    fake, ended = swept(made, Interrupts())
    assert made.counts().finished == made.counts().total == 3
    assert len(fake.seen) == 3
    assert (0, "requeued") in ended


def test_a_sweep_that_was_asked_to_stop_waits_for_nobody(made: SweepStudy) -> None:
    """Workers elsewhere go on; the same command takes up what they did."""
    assert SweepStudy.load(made.address).claim(FAR) is not None
    fake, _ = swept(made, Interrupts(count=1))
    assert (fake.seen, made.counts().running, made.counts().waiting) == ([], 1, 2)
