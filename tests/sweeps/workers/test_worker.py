"""What a worker does with repetitions, enqueued points, conditions and pruned trials."""

from pathlib import Path
from typing import Any

import pytest
from fakes import instant, score, slow
from optuna.trial import TrialState
from plans import FakeRun, plan, study

from cnn_sweeps.config import Config
from cnn_sweeps.errors import ConfigError, PrunedError, StoreError
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study import duplicates, requeue
from cnn_sweeps.sweeps.study.attributes import ATTEMPT, OPEN
from cnn_sweeps.sweeps.study.events import Event, TrialEnded
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers import worker
from cnn_sweeps.sweeps.workers.worker import Worker

SIX = {"model.filters": "choice(4,8,16)", "model.conv_blocks": "range(1,3)"}


def swept(made: SweepStudy, budget: Budget, execute: Any = instant) -> list[TrialEnded]:
    """Carry a study out in this process; how its trials ended."""
    told: list[Event] = []
    fill_queue(made, budget)
    Worker(study=made, execute=execute, emit=told.append).work()
    return [event for event in told if isinstance(event, TrialEnded)]


def cells(made: SweepStudy) -> list[tuple[Any, ...]]:
    """The cells of all trials that count, by number."""
    return [tuple(made.carried_values(trial).values()) for trial in made.trials()]


@pytest.mark.parametrize("error", [ZeroDivisionError(), PrunedError(1, "poor"), None])
def test_a_trial_that_was_requeued_meanwhile_is_left(
    tmp_path: Path, error: Exception | None
) -> None:
    """However it ends here: its slot is another process's, and this one goes on."""
    made = study(tmp_path, plan(SIX))

    def requeued(config: Config, *, trial: int, **fields: Any) -> Any:
        if trial == 0:
            requeue.after_interruption(made, made.trials()[0], "its worker seemed dead")
            if error is not None:
                raise error
        return instant(config, trial=trial, **fields)

    ended = swept(made, Budget(), requeued)
    assert sorted(event.trial for event in ended) == list(range(1, 7))
    assert made.counts().finished == made.counts().total == 6


def test_other_images_are_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    """Another host has other files under the same path; its trial is no failed attempt."""
    made = study(tmp_path, plan(SIX))
    fill_queue(made, Budget())
    Worker(study=made, execute=instant).work(most=1)

    def elsewhere(config: Config, *, started: Any, **_: Any) -> Any:
        started("run", identify(config, "e" * 64))
        raise AssertionError("it trains on other images")

    with pytest.raises(StoreError, match="not those of the sweep study: their digest is eeeeeeee"):
        Worker(study=SweepStudy.load(made.address), execute=elsewhere).work()
    Worker(study=made, execute=instant).work()
    assert made.counts().finished == made.counts().total == 6
    assert {trial.user_attrs[ATTEMPT] for trial in made.trials(TrialState.COMPLETE)} == {1}


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsgaii"])
def test_skip_trains_no_experiment_twice(tmp_path: Path, sampler: str) -> None:
    """Five of six cells under a sampler that repeats itself are five different cells."""
    made, fake = study(tmp_path, plan(SIX, sampler=sampler)), FakeRun(score)
    swept(made, Budget(n_trials=5), fake)
    assert len(fake.seen) == 5
    assert len(set(cells(made))) == len(cells(made)) == 5


def test_skip_tells_the_sampler_what_is_known(tmp_path: Path) -> None:
    """A repetition is told to Optuna with the known value, and is no trial of the budget."""
    made = study(tmp_path, plan(SIX, sampler="random"))
    swept(made, Budget(n_trials=5))
    repeated = [t for t in made.optuna_study.get_trials() if "superseded" in t.user_attrs]
    values = {tuple(t.params.items()): t.values for t in made.trials(TrialState.COMPLETE)}
    assert repeated
    assert all(trial.values == values[tuple(trial.params.items())] for trial in repeated)


def test_a_space_that_is_used_up_ends_the_sweep(tmp_path: Path) -> None:
    """Two networks that mean the same leave fewer experiments than cells."""
    space = {"model.filters": "choice(4,8,16)", "model.conv_blocks": "choice(0,1)"}
    made, fake = study(tmp_path, plan(space, sampler="random")), FakeRun(score)
    swept(made, Budget(n_trials=5), fake)
    assert len(fake.seen) == 4
    assert made.counts().waiting == made.counts().running == 0


def test_reuse_takes_the_known_value(tmp_path: Path) -> None:
    """A repetition is a trial with the value, the hash and the run of the first."""
    made, fake = study(tmp_path, plan(SIX, sampler="random", duplicates="reuse")), FakeRun(score)
    ended = swept(made, Budget(n_trials=5), fake)
    reused = [t for t in made.trials(TrialState.COMPLETE) if "reused_from" in t.user_attrs]
    assert len(made.trials(TrialState.COMPLETE)) == 5
    assert len(fake.seen) == 5 - len(reused)
    assert [event.state for event in ended].count("reused") == len(reused) > 0
    first = made.optuna_study.get_trials()[reused[0].user_attrs["reused_from"]]
    assert first.values == reused[0].values
    assert first.user_attrs["config_hash"] == reused[0].user_attrs["config_hash"]


def test_replicate_trains_again_with_the_next_seed(tmp_path: Path) -> None:
    """Repetitions of a cell have seeds 0, 1, 2, so that the noise is seen."""
    made = study(tmp_path, plan({"model.filters": "choice(4,8)"}, duplicates="replicate"))
    fake = FakeRun(score)
    swept(made, Budget(n_trials=6), fake)
    seeds: dict[str, list[int]] = {}
    for config in fake.seen:
        seeds.setdefault(repr(config.model), []).append(config.seed)
    assert len(fake.seen) == 6
    assert all(found == list(range(len(found))) for found in seeds.values())


def test_unknown_policy_is_refused() -> None:
    """Only the three policies are possible."""
    with pytest.raises(ConfigError, match="skip, reuse or replicate"):
        duplicates.parse("twice")


def test_enqueued_points_come_first(tmp_path: Path) -> None:
    """Known good points are tried before all others, in the budget, once."""
    points = ("model.filters=16 model.conv_blocks=2", "model.filters=8 model.conv_blocks=1")
    for name, sampler, trials in (("grid", "grid", None), ("tpe", "tpe", 4)):
        made = study(tmp_path, plan(SIX, sampler=sampler), name=name)
        budget = Budget(n_trials=trials, enqueue=points)
        swept(made, budget)
        assert set(cells(made)[:2]) == {(16, 2), (8, 1)}
        assert len(cells(made)) == (trials or 6)
        fill_queue(made, budget)
        assert made.counts().waiting == 0


@pytest.mark.parametrize(("sampler", "trials"), [("grid", None), ("tpe", 3)])
def test_an_inactive_key_is_no_part_of_a_trial(
    tmp_path: Path, sampler: str, trials: int | None
) -> None:
    """Where there is no block, filters are neither sampled nor stored."""
    conditional: dict[str, Any] = {
        "model.conv_blocks": "range(0,3)",
        "model.filters": {"sweep": "choice(4,8)", "when": {"model.conv_blocks": ">0"}},
    }
    made = study(tmp_path, plan(conditional, sampler=sampler))
    swept(made, Budget(n_trials=trials))
    for trial in made.trials(TrialState.COMPLETE):
        assert ("model.filters" in trial.params) == (trial.params["model.conv_blocks"] > 0)
    assert len(made.trials()) == (trials or 5)


def test_a_hopeless_trial_is_pruned(tmp_path: Path) -> None:
    """A trial far behind the others ends early, is PRUNED, and its epochs are known."""
    space = {"model.filters": "choice(12,13,14,15,16,1)"}
    made = study(tmp_path, plan(space, pruner="median", trainer={"epochs": 4}))
    ended = swept(made, Budget(), slow)
    (pruned,) = made.trials(TrialState.PRUNED)
    assert made.carried_values(pruned) == {"model.filters": 1}
    assert 0 < len(pruned.intermediate_values) < 4
    assert "median" in pruned.user_attrs["reason"]
    assert [event.epochs for event in ended if event.state == "pruned"] == [
        len(pruned.intermediate_values)
    ]
    assert made.counts().finished == 6


def test_a_worker_stops_after_its_epoch(tmp_path: Path) -> None:
    """Asked to stop, a worker ends the epoch in hand and puts the trial back."""
    made = study(tmp_path, plan(SIX, trainer={"epochs": 50}))
    fill_queue(made, Budget())
    told: list[Event] = []
    seen: list[Config] = []

    def once(config: Config, **how: Any) -> Any:
        seen.append(config)
        return slow(config, **how)

    Worker(study=made, execute=once, emit=told.append, stop=lambda: bool(seen)).work()
    assert [event.state for event in told if isinstance(event, TrialEnded)] == ["requeued"]
    assert made.counts().waiting == made.counts().total == 6


@pytest.mark.parametrize("patience", [0.0, 60.0], ids=["leaves", "waits"])
def test_a_patient_worker_does_not_leave_between_two_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    """Nothing waits, and the trial that somebody has may come back; it leaves when all is done."""
    monkeypatch.setattr(worker, "LOOK", 0.0)
    made, looks = study(tmp_path, plan(SIX)), [0]
    fill_queue(made, Budget())
    made.optuna_study.set_user_attr(OPEN, True)
    other = made.claim(Owner.here())
    assert other is not None

    def look() -> bool:
        looks[0] += 1
        if looks[0] == 10:
            requeue.after_interruption(made, made.frozen(other), "interrupted")
        return False

    Worker(study=made, execute=instant, stop=look, patience=patience).work()
    assert (made.counts().finished, looks[0] > 10) == ((6, True) if patience else (5, False))
