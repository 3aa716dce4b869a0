"""The queue: few items wait, every slot is claimed once, and who dies loses and doubles nothing."""

from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from kills import DEAD, KilledError, die_before
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState
from plans import FakeRun, plan, study

from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.study import heartbeat, trial_queue
from cnn_sweeps.sweeps.study.attributes import SLOT, TRAJECTORY_KEY, slot_of
from cnn_sweeps.sweeps.study.recovery import recover
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.worker import Worker

SEEDS = {"seed": "range(0,12)"}
EPOCHS_AND_FILTERS = {"trainer.epochs": "1,2,3,4,5", "model.filters": "4,8,12"}
KINDS = [
    pytest.param(plan(SEEDS), Budget(), id="enumerated"),
    pytest.param(plan(SEEDS, sampler="random"), Budget(n_trials=12), id="sampled"),
]


def waiting(made: SweepStudy) -> int:
    """Items in the queue that nobody has claimed, as Optuna's own tools see them."""
    return len(made.optuna_study.get_trials(states=(TrialState.WAITING,)))


def claim_all(made: SweepStudy) -> None:
    """Claim trials for a process that does not live, as long as there are any."""
    while made.claim(DEAD):
        pass


def work(made: SweepStudy) -> None:
    """Let a worker that has just begun carry out what is left, after the dead ones' trials."""
    fresh = SweepStudy.load(made.address)
    recover(fresh, None, retries=2, show=lambda _: None)
    Worker(study=fresh, execute=FakeRun()).work()


def assert_all_done_once(made: SweepStudy, slots: int = 12) -> None:
    """Each slot has exactly one finished trial, each experiment one, and nothing is left over."""
    counts = made.counts()
    assert (counts.total, counts.finished, counts.waiting) == (slots, slots, 0)
    done = made.trials(TrialState.COMPLETE)
    assert sorted(map(slot_of, done)) == list(range(slots))
    assert len({str(trial.params) for trial in done}) == slots
    assert waiting(made) == 0


@pytest.mark.parametrize(("swept", "budget"), KINDS)
def test_two_items_wait_for_each_worker(tmp_path: Path, swept: Plan, budget: Budget) -> None:
    """However many a sweep has: who claims one brings in the one that comes so many after it."""
    made = study(tmp_path, swept)
    fill_queue(made, Budget(n_trials=budget.n_trials, n_jobs=2))
    assert made.counts().total == made.counts().waiting == 12
    claimed, most = [], 0
    while (trial := made.claim(Owner.here())) is not None:
        most = max(most, waiting(made))
        claimed.append(slot_of(trial))
    assert (most, claimed) == (4, list(range(12)))


@pytest.mark.parametrize("step", range(4), ids=["claimed", "owned", "brought in", "done"])
@pytest.mark.parametrize(("swept", "budget"), KINDS)
def test_a_worker_that_dies_in_a_claim_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swept: Plan, budget: Budget, step: int
) -> None:
    """Another worker finds what it left, with no controller there."""
    monkeypatch.setattr(heartbeat, "GRACE", 0.0)
    made = study(tmp_path, swept)
    fill_queue(made, budget)
    with monkeypatch.context() as patch:
        die_before(step, patch)
        with pytest.raises(KilledError):
            claim_all(made)
    work(made)
    assert_all_done_once(made)


@pytest.mark.parametrize("step", range(4), ids=["scheduled", "counted", "first", "second"])
@pytest.mark.parametrize(("swept", "budget"), KINDS)
def test_a_controller_that_dies_while_it_fills_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swept: Plan, budget: Budget, step: int
) -> None:
    """Once the schedule is stored workers need no controller; before that nothing is there."""
    made = study(tmp_path, swept)
    with monkeypatch.context() as patch:
        die_before(step, patch)
        with pytest.raises(KilledError):
            fill_queue(made, budget)
    if step == 0:
        assert made.counts().total == 0
        fill_queue(made, budget)
    work(made)
    assert_all_done_once(made)


@pytest.mark.parametrize(("swept", "budget"), KINDS)
@pytest.mark.parametrize("total", [6, 4, 9], ids=["less", "least", "less and more"])
def test_a_worker_goes_by_what_was_typed_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swept: Plan, budget: Budget, total: int
) -> None:
    """It was at work before the same command was typed with another number of trials."""
    monkeypatch.setattr(trial_queue, "LOOK", 0.0)
    made = study(tmp_path, swept)
    fill_queue(made, budget)
    earlier = SweepStudy.load(made.address)
    Worker(study=earlier, execute=FakeRun()).work(most=1)
    for most in (4, total):
        fill_queue(made, Budget(n_trials=most))
    Worker(study=earlier, execute=FakeRun()).work()
    assert_all_done_once(made, total)


def test_a_claim_that_is_requeued_before_it_is_owned_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its storage was away for so long that another process took it for dead; the next is taken."""
    monkeypatch.setattr(heartbeat, "GRACE", 0.0)
    made = study(tmp_path, plan(SEEDS))
    fill_queue(made, Budget())
    other, tell = SweepStudy.load(made.address), JournalStorage.set_trial_user_attr

    def late(storage: JournalStorage, trial_id: int, key: str, value: object) -> None:
        monkeypatch.setattr(JournalStorage, "set_trial_user_attr", tell)
        assert recover(other, None, retries=2, show=lambda _: None) == 1
        tell(storage, trial_id, key, value)

    monkeypatch.setattr(JournalStorage, "set_trial_user_attr", late)
    trial = made.claim(Owner.here())
    assert trial is not None
    assert trial.number > 0


class Quicker:
    """Another process, which claims trials behind the back of one that has just looked."""

    def __init__(self, slower: SweepStudy, monkeypatch: pytest.MonkeyPatch, claims: int) -> None:
        self.looks, self._slower, self._claims = 0, slower, claims
        self._get = slower.optuna_study.get_trials
        monkeypatch.setattr(slower.optuna_study, "get_trials", self)

    def __call__(self, **how: Any) -> list[FrozenTrial]:
        """What the slower one sees; then trials are claimed."""
        self.looks += 1
        seen = self._get(**how)
        other = SweepStudy.load(self._slower.address)
        self.claimed = [other.claim(Owner.here()) for _ in range(self._claims)]
        return seen


@pytest.mark.parametrize("claims", [1, 3, 7])
def test_who_was_too_slow_takes_another_trial_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claims: int
) -> None:
    """Without another look, which on a server takes long, and in which others are quicker again."""
    made = study(tmp_path, plan(SEEDS))
    fill_queue(made, Budget(n_jobs=4))
    quicker = Quicker(made, monkeypatch, claims)
    trial = made.claim(Owner.here())
    assert trial is not None
    assert quicker.looks == 1
    assert trial.number >= claims


def test_who_was_too_slow_leaves_the_trajectory_of_who_was_quicker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody has claimed meanwhile is being trained, though this process has not seen it."""
    made = study(tmp_path, plan(EPOCHS_AND_FILTERS))
    fill_queue(made, Budget(n_jobs=4))  # the five of 12 filters wait, and three of 8
    Quicker(made, monkeypatch, 1)
    trial = made.claim(Owner.here())
    assert trial is not None
    assert made.carried_values(made.frozen(trial))["model.filters"] == 8


@pytest.mark.parametrize(
    ("memory", "attempts"), [(60.0, [2, 1]), (0.0, [2, 2])], ids=["a moment ago", "long ago"]
)
def test_who_was_too_slow_a_moment_ago_does_not_want_what_everybody_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: float, attempts: list[int]
) -> None:
    """On a server each attempt waits for who was quicker; only a claim composes a later item."""
    monkeypatch.setattr(trial_queue, "YIELDING", memory)
    monkeypatch.setattr(trial_queue.SystemRandom, "shuffle", lambda _, trials: trials.reverse())
    claim, item = SweepStudy._claim, SweepStudy._item
    calls = Counter[str]()

    def counted(queue: SweepStudy, *how: Any) -> bool:
        calls["claim"] += queue is made
        return claim(queue, *how)

    def composed(queue: SweepStudy, slot: int) -> FrozenTrial:
        calls["item"] += queue is made
        return item(queue, slot)

    made = study(tmp_path, plan({"seed": "range(0,40)"}))
    fill_queue(made, Budget(n_jobs=4))
    monkeypatch.setattr(SweepStudy, "_claim", counted)
    monkeypatch.setattr(SweepStudy, "_item", composed)
    Quicker(made, monkeypatch, 1)
    for expected in attempts:
        calls.clear()
        assert made.claim(Owner.here()) is not None
        assert calls == {"claim": expected, "item": 1}


def test_who_was_too_slow_takes_what_it_has_brought_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else wants that one as long as each has one of its own."""
    made = study(tmp_path, plan({"seed": "range(0,40)"}))
    fill_queue(made, Budget(n_jobs=4))
    Quicker(made, monkeypatch, 1)
    claimed = [made.claim(Owner.here()), made.claim(Owner.here())]
    first, second = (slot_of(trial) for trial in claimed if trial is not None)
    assert second == first + 8  # so many places behind it


@pytest.mark.parametrize(("swept", "budget"), KINDS)
def test_an_item_that_two_processes_bring_in_counts_once(
    tmp_path: Path, swept: Plan, budget: Budget
) -> None:
    """Each has seen that it was missing: the first one counts, also before it was claimed."""
    made = study(tmp_path, swept)
    fill_queue(made, budget)
    for slot in (1, 5, 5):
        made.enqueue_slot(slot)
    assert made.counts().total == made.counts().waiting == 12
    work(made)
    assert_all_done_once(made)
    numbers = {slot_of(trial): trial.number for trial in made.trials()}
    assert (numbers[1], numbers[5]) == (1, 3)


@pytest.mark.parametrize("second", [None, 2, 7], ids=["the same", "fewer workers", "more"])
def test_a_sweep_is_continued_by_another_number_of_workers(
    tmp_path: Path, second: int | None
) -> None:
    """What the one had in the queue the other goes on with."""
    made = study(tmp_path, plan(SEEDS))
    fill_queue(made, Budget(n_jobs=4))
    Worker(study=made, execute=FakeRun()).work(3)
    again = study(tmp_path, plan(SEEDS))
    fill_queue(again, Budget(n_jobs=second or 4))
    assert again.counts().total == 12
    work(again)
    assert_all_done_once(again)


def test_a_larger_total_is_continued_to(tmp_path: Path) -> None:
    """And a smaller one is kept to, whether the rest is in the queue or only scheduled."""
    made = study(tmp_path, plan(SEEDS, sampler="random"))
    for total in (10, 3, 12, 5):
        fill_queue(made, Budget(n_trials=total))
        assert (made.counts().total, waiting(made)) == (total, 2)
        Worker(study=made, execute=FakeRun()).work(1)
    work(made)
    assert sorted(map(slot_of, made.trials(TrialState.COMPLETE))) == list(range(5))


def test_a_worker_looks_beyond_the_queue_for_a_trajectory_that_is_free(tmp_path: Path) -> None:
    """Where all that wait would only wait for somebody's training, it takes a later item."""
    made = study(tmp_path, plan(EPOCHS_AND_FILTERS))
    fill_queue(made, Budget(n_jobs=1))
    trials = [made.claim(Owner.here()) for _ in range(3)]
    cells = [made.frozen(t).system_attrs["fixed_params"] for t in trials if t is not None]
    assert [cell["model.filters"] for cell in cells] == [12, 8, 4]
    assert {cell["trainer.epochs"] for cell in cells} == {5}
    work(made)
    assert made.counts().waiting == 0


def test_each_trajectory_is_begun_with_its_longest(tmp_path: Path) -> None:
    """Also where only two items wait: what comes after it need only be read."""
    made = study(tmp_path, plan(EPOCHS_AND_FILTERS))
    fill_queue(made, Budget(n_jobs=2))
    work(made)
    begun = sorted(made.trials(), key=lambda trial: trial.datetime_start or 0)
    first = {t.user_attrs[TRAJECTORY_KEY]: t.params["trainer.epochs"] for t in reversed(begun)}
    assert list(first.values()) == [5, 5, 5]


def test_a_study_whose_items_are_all_in_the_queue_is_continued(tmp_path: Path) -> None:
    """An earlier version put them there at once, and had no schedule."""
    made = study(tmp_path, plan(SEEDS))
    for slot, cell in enumerate(made.plan.space.cells()):
        made.enqueue(cell, kept={SLOT: slot})
    assert (made.counts().total, waiting(made)) == (12, 12)
    fill_queue(made, Budget())
    assert (made.counts().total, waiting(made)) == (12, 12)
    work(made)
    assert_all_done_once(made)


def test_a_slot_that_nothing_new_is_left_for_is_given_up_for_good(tmp_path: Path) -> None:
    """The same command finds the sweep finished, and asks the sampler no more."""
    made = study(tmp_path, plan({"model.filters": "4,8"}, sampler="random"))
    fill_queue(made, Budget(n_trials=5))
    work(made)
    for _ in range(2):
        assert (made.counts().total, made.counts().finished, made.is_over) == (2, 2, True)
        fill_queue(made, Budget(n_trials=5))


def test_optunas_own_tools_see_points_and_nothing_else(tmp_path: Path) -> None:
    """The schedule is no trial and no user attribute, only its number is; a slot is one trial."""
    made = study(tmp_path, plan(SEEDS))
    fill_queue(made, Budget())
    work(made)
    loaded = optuna.load_study(study_name="study", storage=made.storage)
    assert Counter(trial.state for trial in loaded.trials) == {TrialState.COMPLETE: 12}
    assert set(loaded.user_attrs) == {"cnn_sweeps:plan", "cnn_sweeps:schedules"}
    assert [trial.params["seed"] for trial in loaded.trials] == list(range(12))
