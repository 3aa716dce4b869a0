"""What the trials of a sweep want of each other's epochs."""

from typing import Any

import pytest
from plans import plan

from cnn_sweeps.sweeps.plan.branch_epochs import wanted_epochs
from cnn_sweeps.trajectories.retention import WantedEpochs

EPOCHS, SCHEDULE = "trainer.epochs", "trainer.schedule.name"


def wanted(values: dict[str, Any], swept: dict[str, str], **trainer: Any) -> tuple[set[int], ...]:
    """States and weights that are wanted of a trial."""
    found = wanted_epochs(plan(swept, trainer=trainer), values)
    return set(found.states), set(found.weights)


def test_lengths_end_in_the_middle_of_longer_ones() -> None:
    """Their weights are wanted; those of longer trainings are never reached."""
    swept = {EPOCHS: "20,5,10", "model.filters": "4,8"}
    assert wanted({EPOCHS: 10, "model.filters": 4}, swept) == (set(), {5, 10})
    assert wanted({EPOCHS: 20, "model.filters": 8}, swept) == (set(), {5, 10, 20})


@pytest.mark.parametrize(("epochs", "stable"), [(5, {4}), (10, {4, 8}), (20, {4, 8, 16})])
def test_each_length_leaves_the_stable_part_with_a_state(epochs: int, stable: set[int]) -> None:
    """With it the cooldown begins."""
    swept = {EPOCHS: "20,5,10"}
    assert wanted({EPOCHS: epochs}, swept, schedule={"name": "wsd"}) == (stable, {epochs})


def test_a_constant_rate_goes_on_where_others_cool_down() -> None:
    """Schedules that begin alike are one trajectory."""
    swept = {EPOCHS: "5,10", SCHEDULE: "constant,wsd"}
    assert wanted({EPOCHS: 10, SCHEDULE: "constant"}, swept) == ({4, 8}, {5, 10})
    assert wanted({EPOCHS: 5, SCHEDULE: "wsd"}, swept) == ({4}, {5})


def test_decays_until_the_end_share_nothing() -> None:
    """Nor does what is no trajectory, or cannot be carried out."""
    swept = {EPOCHS: "5,10"}
    assert wanted({EPOCHS: 10}, swept, schedule={"name": "cosine"}) == (set(), {10})
    assert wanted_epochs(plan({"model.filters": "4,8"}), {"model.filters": 4}) == WantedEpochs()
    short = wanted({EPOCHS: 4}, {EPOCHS: "2,4"}, schedule={"name": "wsd", "warmup_epochs": 3})
    assert short == ({3}, {4})


def test_averages_need_the_epochs_before_the_end() -> None:
    """Of trials of each length, and of those that share only the beginning with this one."""
    swept = {EPOCHS: "5,10"}
    assert wanted({EPOCHS: 10}, swept, weight_averaging=3) == (set(), {3, 4, 5, 8, 9, 10})
    cooling = wanted({EPOCHS: 10}, swept, weight_averaging=3, schedule={"name": "wsd"})
    assert cooling == ({4, 8}, {3, 4, 8, 9, 10})
    swept = {"trainer.weight_averaging": "null,2,4"}
    assert wanted({"trainer.weight_averaging": None}, swept, epochs=5) == (set(), {2, 3, 4, 5})


def test_a_sampler_that_draws_lengths_is_prepared_for_all() -> None:
    """Of a range of integers each may come."""
    states, weights = wanted({EPOCHS: 4}, {EPOCHS: "range(2,7)"}, schedule={"name": "wsd"})
    assert (states, weights) == ({1, 2, 3}, {4})
