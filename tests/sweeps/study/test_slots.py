"""What is typed for a sweep that is under way: more, less, and points to try first."""

from pathlib import Path
from typing import Any

import pytest
from plans import FakeRun, plan, study

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.study import repetition, requeue, trial_queue
from cnn_sweeps.sweeps.study.attributes import slot_of
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.worker import Worker

UNITS = {"model.dense_units": "range(8,400)"}
GRID = {"model.filters": "4,8,12", "model.dense_units": "16,32"}


def sampled() -> Plan:
    """A sampler fills the slots."""
    return plan(UNITS, sampler="random")


def begun(folder: Path, made: Plan, done: int, **budget: Any) -> SweepStudy:
    """A study of which so many trials are done."""
    opened = study(folder, made)
    fill_queue(opened, Budget(**budget))
    Worker(study=opened, execute=FakeRun()).work(most=done)
    return SweepStudy.load(opened.address)


def claimed(made: SweepStudy) -> list[dict[str, Any]]:
    """The values of what is left, in the order in which workers take it."""
    found = []
    while (trial := made.claim(Owner.here())) is not None:
        found.append(made.carried_values(made.frozen(trial)))
    return found


@pytest.mark.parametrize("trials", [5, 6, 4], ids=["as many", "more", "fewer"])
def test_a_point_goes_before_what_the_sampler_would_propose(tmp_path: Path, trials: int) -> None:
    """In the place of a slot that nobody has begun, and typed again it changes nothing."""
    made = begun(tmp_path, sampled(), 2, n_trials=5)
    asked = Budget(n_trials=trials, enqueue=("model.dense_units=64", "model.dense_units=65"))
    for _ in range(2):
        fill_queue(made, asked)
        items = made.schedule.items
        assert [items[slot].cell.get("model.dense_units") for slot in (2, 3)] == [64, 65]
        assert made.counts().total == trials
    trials_left = claimed(made)
    assert [cell.get("model.dense_units") for cell in trials_left[:2]] == [64, 65]
    assert len(trials_left) == trials - 2


@pytest.mark.parametrize(
    ("trials", "filters", "units"), [(None, 4, 16), (4, 12, 32)], ids=["all", "some"]
)
def test_a_cell_goes_before_the_others(
    tmp_path: Path, trials: int | None, filters: int, units: int
) -> None:
    """Of an enumerated space, whether it was to be trained or not."""
    grid = plan(GRID, sampler="grid")
    made = begun(tmp_path, grid, 1, n_trials=trials)
    typed = f"model.filters={filters} model.dense_units={units}"
    asked = Budget(n_trials=trials, enqueue=(typed,))
    for _ in range(2):
        fill_queue(made, asked)
    assert made.counts().total == (trials or 6)
    first, *rest = claimed(made)
    assert first == {"model.filters": filters, "model.dense_units": units}
    assert first not in rest
    assert len(rest) == (trials or 6) - 2


def test_a_point_of_an_earlier_call_keeps_its_slot(tmp_path: Path) -> None:
    """Another one is tried first beside it, in the place of an open one."""
    made = begun(tmp_path, sampled(), 0, n_trials=3, enqueue=("model.dense_units=64",))
    fill_queue(made, Budget(n_trials=3, enqueue=("model.dense_units=65",)))
    cells = [item.cell.get("model.dense_units") for item in made.schedule.items.values()]
    assert cells == [64, 65, None]


@pytest.mark.parametrize(
    ("made", "point"),
    [(sampled(), "model.dense_units=7"), (plan(GRID, sampler="grid"), "model.filters=12")],
    ids=["sampled", "enumerated"],
)
def test_a_point_that_no_trial_is_left_for_is_refused(
    tmp_path: Path, made: Plan, point: str
) -> None:
    """Before anything is changed; what has been tried is typed again without harm."""
    asked = Budget(n_trials=2, enqueue=(point.replace("=7", "=70").replace("12", "4"),))
    opened = begun(tmp_path, made, 2, n_trials=2, enqueue=asked.enqueue)
    fill_queue(opened, asked)
    typed = point.replace("=7", "=77")
    with pytest.raises(ConfigError, match=f"of 2 trials none is left for `{typed}`") as refused:
        fill_queue(opened, Budget(n_trials=2, enqueue=(typed,)))
    assert "Type hydra.sweeper.n_trials=3, or" in str(refused.value)
    fill_queue(opened, Budget(n_trials=3, enqueue=(typed,)))
    assert opened.counts().waiting == 1


def test_a_point_that_repeats_an_experiment_is_asked_for_once(tmp_path: Path) -> None:
    """The sampler got its slot; the same command goes on with that."""
    made = plan({"model.dense_units": "8,16", "model.filters": "4,8,16"}, sampler="random")
    points = ("model.filters=4", "model.filters=4 model.dense_units=8")
    asked = Budget(n_trials=4, enqueue=points)
    opened = begun(tmp_path, made, 4, n_trials=4, enqueue=points)
    fill_queue(opened, asked)
    assert opened.counts().waiting == 0


def test_what_is_typed_of_a_point_outlasts_repetitions(tmp_path: Path) -> None:
    """The rest of it is asked for again, and at last taken from what is left."""
    swept = {"model.filters": "choice(4,8)", "model.dense_units": "8,9"}
    made = study(tmp_path, plan(swept, sampler="random"))
    points = ("model.filters=8", "model.filters=8 model.dense_units=9")
    fill_queue(made, Budget(n_trials=3, enqueue=points))
    for _ in range(repetition.PATIENCE):
        trial = made.claim(Owner.here())
        assert trial is not None
        assert slot_of(trial) == 0
        assert made.values_of(trial)["model.filters"] == 8
        repetition.name(made, trial, experiment_key=str(trial.number), trajectory_key="")
        assert requeue.resample(made, trial, [0.4])
    left = made.claim(Owner.here())
    assert left is not None
    assert made.values_of(left) == {"model.filters": 8, "model.dense_units": 8}


def test_who_claims_meanwhile_loses_no_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its place was claimed before it was taken out of the budget: the next one is given up."""
    made = begun(tmp_path, sampled(), 0, n_trials=4)
    worker, drop, held = SweepStudy.load(made.address), SweepStudy.drop, list[int]()

    def late(study: SweepStudy, waiting: Any) -> bool:
        if not held and (trial := worker.claim(Owner.here())) is not None:
            held.append(slot_of(trial))
        return drop(study, waiting)

    monkeypatch.setattr(SweepStudy, "drop", late)
    fill_queue(made, Budget(n_trials=4, enqueue=("model.dense_units=64",)))
    assert held == [0]
    assert made.counts().total == 4
    assert claimed(made)[0] == {"model.dense_units": 64}


def test_a_worker_that_waits_reads_the_items_again_where_there_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands take a while, and nobody else gets at the queue meanwhile."""
    made = begun(tmp_path, sampled(), 0, n_trials=2)
    waiting = SweepStudy.load(made.address)
    assert len(claimed(waiting)) == 2
    read: list[SweepStudy] = []
    once = SweepStudy.read_schedule
    monkeypatch.setattr(
        SweepStudy, "read_schedule", lambda self: (read.append(self), once(self))[1]
    )
    assert [waiting.claim(Owner.here()) for _ in range(3)] == [None] * 3
    assert waiting not in read
    fill_queue(made, Budget(n_trials=4))
    assert len(claimed(waiting)) == 2
    assert read.count(waiting) == 1


def test_a_worker_that_waits_sees_the_items_of_each_of_two_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No lock holds between them, so both may store theirs after the other was read."""
    made = begun(tmp_path, sampled(), 0, n_trials=2)
    other, waiting = SweepStudy.load(made.address), SweepStudy.load(made.address)
    assert len(claimed(waiting)) == 2
    store = trial_queue.together

    def later(*arguments: Any) -> bool:
        monkeypatch.setattr(trial_queue, "together", store)
        fill_queue(other, Budget(n_trials=3))
        assert len(claimed(waiting)) == 1
        return store(*arguments)

    monkeypatch.setattr(trial_queue, "together", later)
    fill_queue(made, Budget(n_trials=20))
    assert len(claimed(waiting)) == 17
