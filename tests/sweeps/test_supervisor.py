"""When a supervisor lets something else be done beside the training."""

from collections.abc import Callable
from pathlib import Path

import pytest
from plans import plan, study

from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.live_view import View
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study.events import Event, TrialEnded
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.supervisor import Interrupts, Supervisor


class Silent(View):
    """Shows nothing."""

    def __init__(self) -> None:
        """Nothing to draw in."""

    def show(self, event: Event) -> None:
        """Nothing."""


class Together:
    """Workers that end one trial after another, and leave together after the last."""

    def __init__(self, made: SweepStudy, workers: int) -> None:
        self._made, self._all, self.pids = made, set(range(1, workers + 1)), set[int]()

    @property
    def idle(self) -> bool:
        """Whether the workers have gone."""
        return not self.pids

    def step(self, show: Callable[[Event], None], *, waiting: Callable[[], bool]) -> dict[int, str]:
        """End a trial, and look once more before the next."""
        self.pids = self._all if waiting() else set()
        if self.pids and (trial := self._made.claim(Owner.here())) is not None:
            self._made.values_of(trial)
            self._made.done(trial, [0.5])
            show(TrialEnded(worker=0, trial=trial.number, state="complete", values=(0.5,)))
        return {}

    def ask_to_stop(self) -> None:
        """Nothing."""

    def kill(self) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("trials", "workers", "seats", "first"),
    [
        pytest.param(12, 2, 2, 8, id="most have ended"),
        pytest.param(24, 1, 1, 18, id="few are left"),
        pytest.param(12, 2, 0, None, id="nobody knows how many workers there are"),
    ],
)
def test_the_spare_time_of_workers_begins_before_they_leave(
    tmp_path: Path, trials: int, workers: int, seats: int, first: int | None
) -> None:
    """Workers that leave together leave no time; it is told once after each trial from then on."""
    made = study(tmp_path, plan({"model.filters": f"range(1,{trials + 1})"}))
    fill_queue(made, Budget())
    told: list[int] = []
    Supervisor(
        study=made,
        store=None,
        budget=Budget(),
        view=Silent(),
        seats=seats,
        spare=lambda: told.append(made.counts().finished),
    ).run(Together(made, workers), Interrupts())
    assert told == ([] if first is None else list(range(first, trials + 1)))


def test_whoever_reads_meanwhile_is_told_how_many_trials_have_ended(tmp_path: Path) -> None:
    """At each turn, also where nobody has time to spare."""
    made = study(tmp_path, plan({"model.filters": "1,2,3"}))
    fill_queue(made, Budget())
    told: list[int] = []
    Supervisor(study=made, store=None, budget=Budget(), view=Silent(), meanwhile=told.append).run(
        Together(made, 1), Interrupts()
    )
    assert told[:3] == [1, 2, 3]
