"""Trials that share a trajectory: the order in which they cost least."""

from pathlib import Path

from optuna.trial import TrialState
from plans import plan, study

from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.study.order import Prefix, claimable_trials, queue_order
from cnn_sweeps.sweeps.study.slots import fill_queue

EPOCHS_AND_FILTERS = {"trainer.epochs": "1,4,2", "model.filters": "4,8"}


def order(made: Plan) -> list[tuple[int, int]]:
    """Filters and epochs of the cells as they are queued."""
    prefixes = queue_order(Prefix.of(made, cell) for cell in made.space.cells())
    return [(p.cell["model.filters"], p.cell["trainer.epochs"]) for p in prefixes]


def test_those_of_a_trajectory_stand_together_with_the_longest_first() -> None:
    """The course with more work goes first, and each begins with its last epoch."""
    assert order(plan(EPOCHS_AND_FILTERS)) == [(8, 4), (8, 2), (8, 1), (4, 4), (4, 2), (4, 1)]


def test_those_that_leave_a_trajectory_early_go_first() -> None:
    """What they leave with is the last that was trained; the others follow, the longest first."""
    wsd = plan({"trainer.epochs": "20,5,10"}, trainer={"schedule": {"name": "wsd"}})
    cells = list(queue_order(Prefix.of(wsd, cell) for cell in wsd.space.cells()))
    assert [(p.epochs, p.leaves) for p in cells] == [(5, 4), (10, 8), (20, 16)]
    assert len({p.trajectory_key for p in cells}) == 1
    both = plan({"trainer.schedule.name": "constant,wsd", "trainer.epochs": "5,10"})
    cells = list(queue_order(Prefix.of(both, cell) for cell in both.space.cells()))
    assert [(p.epochs, p.leaves) for p in cells] == [(5, 4), (10, 8), (10, None), (5, None)]


def test_epochs_that_set_the_schedule_make_other_trajectories() -> None:
    """A learning rate that decays until the last epoch is another one for each number of them."""
    made = plan({"trainer.epochs": "1,2"}, trainer={"schedule": {"name": "cosine"}})
    trajectories = {
        p.trajectory_key for p in queue_order(Prefix.of(made, cell) for cell in made.space.cells())
    }
    assert len(trajectories) == 2


def test_a_cell_that_cannot_be_carried_out_is_queued_all_the_same() -> None:
    """It fails when its turn comes, with the reason."""
    made = plan({"model.conv_blocks": "1,9"})
    impossible = Prefix.of(made, {"model.conv_blocks": 9})
    assert (impossible.trajectory_key, impossible.epochs) == (None, 0)


def test_nobody_takes_what_somebody_trains(tmp_path: Path) -> None:
    """The second worker gets another trajectory; when only that one is left, it gets that."""
    made = study(tmp_path, plan(EPOCHS_AND_FILTERS))
    fill_queue(made, Budget())
    taken = [made.claim(Owner.here()) for _ in range(6)]
    filters = [made.frozen(t).system_attrs["fixed_params"]["model.filters"] for t in taken if t]
    assert filters[:3] == [8, 4, 8]
    assert sorted(filters) == [4, 4, 4, 8, 8, 8]
    assert made.claim(Owner.here()) is None


def test_a_trial_without_a_known_trajectory_keeps_its_turn(tmp_path: Path) -> None:
    """A sampler's place has no values yet, and waits for nobody."""
    made = study(tmp_path, plan({"model.dropout": "interval(0,0.5)"}))
    fill_queue(made, Budget(n_trials=2))
    made.claim(Owner.here())
    states = (TrialState.WAITING, TrialState.RUNNING)
    assert [t.number for t in claimable_trials(made.optuna_study.get_trials(states=states))] == [1]
