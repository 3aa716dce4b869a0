"""A proposal is a pure function of what is known, and samplers never see the queue."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, Trial, TrialState
from plans import FakeRun, plan, study

from cnn_sweeps.config import Config
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.proposal import Proposal
from cnn_sweeps.sweeps.plan.samplers import SAMPLERS, build_sampler
from cnn_sweeps.sweeps.study.attributes import slot_of
from cnn_sweeps.sweeps.study.proposals import propose
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.worker import Worker

RANGES = {
    "trainer.optimizer.learning_rate": "tag(log, interval(1e-4, 1e-1))",
    "model.dropout": "interval(0.0, 0.5)",
}
HERE = [name for name, s in SAMPLERS.items() if all(map(find_spec, s.packages))]
ASKED = [name for name in HERE if not SAMPLERS[name].enumerates and name != "auto"]
DONE = 14
"""More than the 10 trials with which TPE begins."""


def score(config: Config) -> float:
    """A score that is best in the middle."""
    return -abs(config.model.dropout - 0.2)


def begun(folder: Path, sampler: str, done: int = DONE, **budget: Any) -> SweepStudy:
    """A study with so many trials done, and more in the queue."""
    made = study(folder, plan(RANGES, sampler=sampler), name=sampler)
    fill_queue(made, Budget(n_trials=done + 6, **budget))
    Worker(study=made, execute=FakeRun(score)).work(done)
    return made


def proposed(made: SweepStudy) -> dict[str, Any]:
    """The values of the slot that is claimed next."""
    trial = made.claim(Owner.here())
    assert trial is not None
    return made.plan.space.suggest(trial)


def test_it_is_what_the_sampler_says_of_the_observed_points_alone(tmp_path: Path) -> None:
    """With the random numbers of its slot: TPE in a study that has never seen a queue."""
    made = begun(tmp_path, "tpe")
    memory = optuna.create_study(
        direction="maximize",
        sampler=build_sampler(made.plan.sampler, made.plan.space, Proposal(slot=DONE)),
    )
    memory.add_trials(
        optuna.create_trial(value=t.value, params=t.params, distributions=t.distributions)
        for t in made.trials(TrialState.COMPLETE)
    )
    assert proposed(made) == made.plan.space.suggest(memory.ask())


@pytest.mark.parametrize("sampler", ASKED)
def test_how_long_the_queue_is_makes_no_difference(tmp_path: Path, sampler: str) -> None:
    """Nor does how many workers the sweep was begun with."""
    (tmp_path / "long").mkdir()
    short = begun(tmp_path, sampler)
    long = begun(tmp_path / "long", sampler, n_jobs=8)
    assert proposed(short) == proposed(long)


@pytest.mark.parametrize("sampler", ASKED)
def test_it_makes_no_difference_in_which_order_trials_were_added(
    tmp_path: Path, sampler: str
) -> None:
    """A study that was disturbed has other numbers; its slots are the same."""
    calm = begun(tmp_path, sampler)
    trials = [t for t in calm.optuna_study.get_trials() if t.state.is_finished()]
    (tmp_path / "other").mkdir()
    other = study(tmp_path / "other", plan(RANGES, sampler=sampler))
    other.optuna_study.add_trials(sorted(trials, key=lambda t: (t.number * 5) % DONE))
    fill_queue(other, Budget(n_trials=DONE + 6))
    assert proposed(other) == proposed(calm)


def test_what_others_train_is_not_proposed_again(tmp_path: Path) -> None:
    """TPE keeps away from it, though nobody knows its value yet."""
    made = begun(tmp_path, "tpe")
    first, second = proposed(made), proposed(made)
    assert first != second
    memory = [t for t in made.trials(TrialState.RUNNING) if slot_of(t) == DONE]
    assert [t.params for t in memory] == [first]


def test_the_values_that_a_point_has_are_kept(tmp_path: Path) -> None:
    """The sampler proposes the others."""
    made = study(tmp_path, plan(RANGES, sampler="tpe"))
    fill_queue(made, Budget(n_trials=2, enqueue=("model.dropout=0.25",)))
    values = proposed(made)
    assert values["model.dropout"] == 0.25
    assert 1e-4 <= values["trainer.optimizer.learning_rate"] <= 1e-1


def test_nothing_is_computed_where_the_values_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An enumerated trial asks no sampler, and no study is made for it."""
    made = study(tmp_path)
    fill_queue(made, Budget())
    monkeypatch.setattr(optuna, "create_study", lambda **_: pytest.fail("asked"))
    assert proposed(made)


def test_generations_are_kept_with_the_trials(tmp_path: Path) -> None:
    """What a sampler notes with a trial is stored, for later proposals build upon it."""
    made = study(
        tmp_path,
        plan(RANGES, sampler={"name": "nsgaii", "population_size": 4}),  # type: ignore[arg-type]
    )
    fill_queue(made, Budget(n_trials=10))
    Worker(study=made, execute=FakeRun(score)).work()

    def generation(trial: FrozenTrial) -> Any:
        return next(v for k, v in trial.system_attrs.items() if "generation" in k)

    found = [generation(trial) for trial in made.trials()]
    assert found == sorted(found)
    assert found[:5] == [0, 0, 0, 0, 1]


def asked(made: SweepStudy) -> Trial:
    """A trial that was claimed and given its values."""
    trial = made.claim(Owner.here())
    assert trial is not None
    made.plan.space.suggest(trial)
    return trial


@pytest.mark.parametrize("sampler", ASKED)
def test_who_has_proposed_before_proposes_as_who_has_not(tmp_path: Path, sampler: str) -> None:
    """What a process keeps between proposals changes none, though trials end in any order."""
    made = begun(tmp_path, sampler)
    for values in (0.3, 0.1, 0.2):
        first, second = asked(made), asked(made)
        made.done(second, [values])
        fresh = SweepStudy.load(made.address)
        trials = fresh.optuna_study.get_trials(deepcopy=False)
        claimed = trials[first.number]
        kept = propose(made.plan, claimed, trials, made.observations)
        anew = propose(made.plan, claimed, trials)
        assert made.plan.space.suggest(kept) == made.plan.space.suggest(anew)
        assert len(made.observations.ended) >= DONE or not SAMPLERS[sampler].learns
        made.done(first, [values / 2])
