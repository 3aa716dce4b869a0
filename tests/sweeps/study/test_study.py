"""What a study proposes is the same however its sweep was interrupted, and whoever asks."""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from kills import DEAD
from optuna.trial import TrialState
from plans import FakeRun, plan, study

from cnn_sweeps.config import Config
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.controller import fill_queue
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.plan.samplers import SAMPLERS
from cnn_sweeps.sweeps.study import requeue
from cnn_sweeps.sweeps.study.attributes import REPLACED, slot_of
from cnn_sweeps.sweeps.study.recovery import recover
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.worker import Worker

RANGES = {
    "trainer.optimizer.learning_rate": "tag(log, interval(1e-4, 1e-1))",
    "model.dropout": "interval(0.0, 0.5)",
}
SLOTS = 14
"""More than the 10 trials with which TPE begins."""
HERE = [name for name, sampler in SAMPLERS.items() if all(map(find_spec, sampler.packages))]
CONTINUOUS = [name for name in HERE if not SAMPLERS[name].enumerates and name != "auto"]
BY_NUMBER = ["random", "qmc"]
"""Samplers that do not learn from trials, whose proposals are the same in any order."""
Disturb = Callable[[SweepStudy], None]


def score(config: Config) -> float:
    """A score that is best in the middle."""
    return -abs(config.model.dropout - 0.2) - config.trainer.optimizer.learning_rate


def proposals(made: SweepStudy) -> dict[int, dict[str, object]]:
    """The params of the trials that count, by slot."""
    return {slot_of(trial): dict(trial.params) for trial in made.trials()}


def work(made: SweepStudy, most: int | None = None, execute: object = None) -> None:
    """Let a worker that has just begun carry trials out."""
    fresh = SweepStudy.load(made.address)
    Worker(study=fresh, execute=execute or FakeRun(score)).work(most)  # type: ignore[arg-type]


def swept(folder: Path, sampler: str, disturb: Disturb | None = None) -> SweepStudy:
    """A study that was carried out, with or without something in between."""
    made = study(folder, planned(sampler))
    fill_queue(made, Budget(n_trials=SLOTS))
    if disturb is not None:
        disturb(made)
    recover(made, None, retries=9, show=lambda _: None)
    fill_queue(made, Budget(n_trials=SLOTS))
    work(made)
    return made


Calm = Callable[[str], dict[int, dict[str, object]]]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Calm:
    """Gives what a sampler proposes in a sweep that nobody interrupted; swept once for all."""
    return cache(lambda sampler: proposals(swept(tmp_path_factory.mktemp("calm"), sampler)))


def planned(sampler: str) -> Plan:
    """A search over two ranges."""
    return plan(RANGES, sampler=sampler)


def timeouts(made: SweepStudy) -> None:
    """The time is up after each few trials."""
    for most in (1, 4, 2):
        work(made, most)


def ctrl_c(made: SweepStudy) -> None:
    """A running trial is interrupted, twice."""

    def interrupted(_: Config) -> float:
        raise KeyboardInterrupt

    work(made, 3)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            work(made, execute=FakeRun(interrupted))


def killed_between_two_keys(made: SweepStudy) -> None:
    """A worker is killed when it has the first of two values."""
    work(made, 3)
    trial = SweepStudy.load(made.address).claim(DEAD)
    assert trial is not None
    made.plan.space.dimensions[0].suggest(trial)


def killed_while_requeueing(made: SweepStudy) -> None:
    """The process that puts a slot back is killed before it has."""
    work(made, 3)
    trial = made.claim(DEAD)
    assert trial is not None
    made.plan.space.suggest(trial)
    made.end(made.frozen(trial), {REPLACED: True})


def smaller_budget(made: SweepStudy) -> None:
    """A call with a smaller budget takes waiting trials out."""
    work(made, 3)
    fill_queue(made, Budget(n_trials=6))
    assert made.counts().total == 6


DISTURBANCES = [timeouts, ctrl_c, killed_between_two_keys, killed_while_requeueing, smaller_budget]


@pytest.mark.parametrize("disturb", DISTURBANCES, ids=lambda disturb: disturb.__name__)
@pytest.mark.parametrize("sampler", CONTINUOUS)
def test_an_interrupted_sweep_proposes_what_it_would_have(
    tmp_path: Path, sampler: str, disturb: Disturb, calm: Calm
) -> None:
    """Each slot gets the params that it has in a sweep that nobody interrupted."""
    disturbed = swept(tmp_path, sampler, disturb)
    assert disturbed.counts().finished == SLOTS
    assert len({str(params) for params in calm(sampler).values()}) == SLOTS
    assert proposals(disturbed) == calm(sampler)


@pytest.mark.parametrize("sampler", BY_NUMBER)
def test_several_workers_propose_what_one_would(tmp_path: Path, sampler: str, calm: Calm) -> None:
    """Whoever claims a slot: workers that each hold a trial get what one after the other gets."""
    if sampler not in HERE:
        pytest.skip(f"{sampler} needs a package")
    made = study(tmp_path, planned(sampler))
    fill_queue(made, Budget(n_trials=SLOTS))
    workers = [SweepStudy.load(made.address) for _ in range(3)]
    for turn in range(SLOTS):
        trial = workers[turn % 3].claim(Owner.here())
        assert trial is not None
        made.plan.space.suggest(trial)
    assert proposals(made) == calm(sampler)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_slot_that_repeats_is_asked_again_with_other_numbers(
    tmp_path: Path, sampler: str
) -> None:
    """And with the same ones in a sweep that was interrupted meanwhile."""
    found = []
    for name, times in (("calm", 0), ("disturbed", 2)):
        few = plan({"model.filters": "4,8,12,16", "model.conv_blocks": "1,2"}, sampler=sampler)
        made = study(tmp_path, few, name=name)
        fill_queue(made, Budget(n_trials=6))
        for most in range(times):
            work(made, most + 2)
            trial = made.claim(Owner.here())
            assert trial is not None
            requeue.after_interruption(made, made.frozen(trial), "interrupted")
        work(made)
        found.append(proposals(made))
    assert found[0] == found[1]
    assert len({str(params) for params in found[0].values()}) == len(found[0]) == 6


def test_another_seed_proposes_others(tmp_path: Path) -> None:
    """Of two studies no proposal is the same."""
    named = [{"name": "random", "seed": seed} for seed in (0, 1)]
    made = [study(tmp_path, plan(RANGES, sampler=n), name=str(n["seed"])) for n in named]  # type: ignore[arg-type]
    for each in made:
        fill_queue(each, Budget(n_trials=4))
        work(each)
    first, second = ({str(p) for p in proposals(each).values()} for each in made)
    assert not first & second
    assert all(each.trials(TrialState.COMPLETE) for each in made)
