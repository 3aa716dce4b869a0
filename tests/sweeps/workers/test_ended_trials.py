"""What a supervisor shows of trials whose workers tell it nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from plans import study

from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps import supervisor
from cnn_sweeps.sweeps.live_view import View
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study.events import Event, TrialEnded
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.supervisor import Interrupts, Supervisor

FAR = Owner(host="lab-2:0a1b2c3d", pid=17, started="4711")


class Heard(View):
    """Keeps which worker has told the end of which trial."""

    def __init__(self) -> None:
        self.ended: list[tuple[int, int]] = []

    def show(self, event: Event) -> None:
        """Keep it."""
        if isinstance(event, TrialEnded):
            self.ended.append((event.worker, event.trial))


class Slow:
    """A group with one worker, number 7, that tells the end of a trial a moment too late."""

    def __init__(self, made: SweepStudy) -> None:
        self._made, self._untold = made, list[int]()
        self.pids: set[int] = set()

    @property
    def idle(self) -> bool:
        """Whether the worker has gone."""
        return not self.pids

    def step(self, show: Callable[[Event], None], *, waiting: Callable[[], bool]) -> dict[int, str]:
        """Tell of the trial before, and end one here and one elsewhere."""
        for number in self._untold:
            show(TrialEnded(worker=7, trial=number, state="complete", values=(0.5,)))
        self._untold.clear()
        self.pids = {Owner.here().pid} if waiting() else set()
        for owner in (Owner.here(), FAR) if self.pids else ():
            if (trial := self._made.claim(owner)) is not None:
                self._made.values_of(trial)
                self._made.done(trial, [0.5])
                self._untold += [trial.number] if owner is not FAR else []
        return {}

    def ask_to_stop(self) -> None:
        """Nothing."""

    def kill(self) -> None:
        """Nothing."""


@pytest.mark.parametrize("others", [True, False], ids=["controller", "worker"])
def test_the_end_of_each_trial_is_shown_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: bool
) -> None:
    """A controller counts trials of all hosts; who has joined shows those of its own workers."""
    monkeypatch.setattr(supervisor, "NEWS", 0.0)
    made = study(tmp_path)
    fill_queue(made, Budget())
    before = made.claim(FAR)
    assert before is not None
    made.values_of(before)
    made.done(before, [0.5])
    heard = Heard()
    asked = Supervisor(study=made, store=None, budget=Budget(), view=heard, others=others)
    asked.run(Slow(made), Interrupts())
    own = [(7, number) for number in (1, 3)]
    assert sorted(heard.ended) == sorted([*own, *([(0, 2), (0, 4)] if others else [])])
