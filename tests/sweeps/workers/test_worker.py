"""What a worker does with repetitions, enqueued points, conditions and pruned trials."""

import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import instant, score, slow
from kills import DEAD, KilledError
from optuna.exceptions import StorageInternalError
from optuna.trial import Trial, TrialState
from plans import FakeRun, epoch, plan, study
from requests.exceptions import ConnectionError as NoConnection

from cnn_sweeps.config import Config
from cnn_sweeps.config.schema import CnnModel
from cnn_sweeps.errors import ConfigError, DivergedError, PrunedError, StoppedError, StoreError
from cnn_sweeps.provenance import code
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study import duplicates, repetition, requeue
from cnn_sweeps.sweeps.study.attributes import (
    ATTEMPT,
    FAILURES_ALLOWED,
    OPEN,
    PARENT,
    REPETITION,
)
from cnn_sweeps.sweeps.study.events import Event, TrialEnded
from cnn_sweeps.sweeps.study.index import NEVER
from cnn_sweeps.sweeps.study.recovery import recover
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers import worker
from cnn_sweeps.sweeps.workers.launcher import asked_to_stop
from cnn_sweeps.sweeps.workers.worker import EpochCallback, RunTrial, Worker
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.patience import Attempts, patient

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


def test_git_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each of the trials that one worker carries out."""
    asked = list[Path]()
    monkeypatch.setattr(code, "_commit", lambda folder: asked.append(folder) or ("c0ffee", False))

    def recorded(config: Config, **fields: Any) -> Any:
        assert code.commit() == ("c0ffee", False)
        return instant(config, **fields)

    assert len(swept(study(tmp_path, plan(SIX)), Budget(), recorded)) == 6
    assert asked == [Path.cwd()]


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


def test_a_run_that_ends_after_its_sweep_does_not_count_twice(tmp_path: Path, store: Store) -> None:
    """Its host was cut off for so long that another one has the result: one finished run stands."""
    made = study(tmp_path, plan(SIX, tracking={"dir": str(store.dir)}))
    runs = list[str]()

    def cut_off(config: Config, *, trial: int, started: Any, **fields: Any) -> Any:
        with store.start_run(f"trial {trial}", tags={}) as run:
            started(run.run_id, identify(config, "0" * 64))
            if trial == 0:
                requeue.after_interruption(made, made.trials()[0], "its worker seemed dead")
                Worker(study=made, execute=cut_off).work()
        runs.append(run.run_id)
        return instant(config, trial=trial, started=lambda *_: None, **fields)

    swept(made, Budget(), cut_off)
    assert made.counts().finished == made.counts().total == 6
    assert [store.get(run_id).status for run_id in runs] == ["FINISHED"] * 6 + ["KILLED"]


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
    assert len(fake.seen) == 6
    assert all(found == list(range(len(found))) for found in seeds_of(fake.seen).values())


def seeds_of(seen: list[Config]) -> dict[str, list[int]]:
    """The seeds with which each experiment was trained, in their order."""
    seeds: dict[str, list[int]] = {}
    for config in seen:
        seeds.setdefault(repr(config.model), []).append(config.seed)
    return {model: sorted(found) for model, found in seeds.items()}


REPLICATED = {"model.filters": "choice(4,8)"}


@pytest.mark.parametrize(
    ("ending", "begun"),
    [
        pytest.param(StoppedError("stopped by Ctrl-C"), 0, id="stopped"),
        pytest.param(KilledError(), 0, id="killed"),
        pytest.param(StoreError("the disk is full"), 0, id="refused"),
        pytest.param(DivergedError("loss became nan"), 1, id="failed"),
    ],
)
def test_replicate_trains_no_seed_twice(tmp_path: Path, ending: BaseException, begun: int) -> None:
    """A trial that is resumed has the seed that it began with, whatever ended in between."""
    made = study(tmp_path, plan(REPLICATED, sampler="random", duplicates="replicate"))
    done, first = FakeRun(score), list[Config]()
    fill_queue(made, Budget(n_trials=7))

    def disturbed(config: Config, **_: Any) -> Any:
        first.append(config)
        Worker(study=SweepStudy.load(made.address), execute=done).work(most=5)
        raise ending

    with suppress(KilledError, StoreError):
        Worker(study=made, execute=disturbed, owner=DEAD).work(most=1)
    recover(made, None, retries=2, show=lambda _: None)
    Worker(study=made, execute=done).work()
    assert len(done.seen) == 7 - begun
    seeds = seeds_of([*done.seen, *first[:begun]])
    assert all(found == list(range(len(found))) for found in seeds.values())


def test_repetitions_that_are_numbered_at_once_on_two_hosts_have_two_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later slot has looked before the first one said which experiment it is."""
    made = study(tmp_path, plan(REPLICATED, sampler="random", duplicates="replicate"))
    fill_queue(made, Budget(n_trials=2))
    first, second = made.claim(Owner.here()), made.claim(Owner.here())
    assert first is not None
    assert second is not None
    for trial in (second, first):
        repetition.name(made, trial, experiment_key="e", trajectory_key="t")
    looks: list[float] = []

    def look(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            made.note(second, {REPETITION: 0})

    monkeypatch.setattr("time.sleep", look)
    assert repetition.number(made, first, "e") == 1
    assert len(looks) == 3


def test_replicate_goes_on_in_a_study_of_an_earlier_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It noted no repetitions: its trials have the first numbers."""
    made = study(tmp_path, plan(REPLICATED, sampler="random", duplicates="replicate"))
    fake = FakeRun(score)
    fill_queue(made, Budget(n_trials=6))
    with monkeypatch.context() as patch:
        patch.setattr(repetition, "REPETITION", "not noted")
        Worker(study=made, execute=fake).work(most=3)
    Worker(study=made, execute=fake).work()
    assert all(found == list(range(len(found))) for found in seeds_of(fake.seen).values())


def reusing(folder: Path) -> SweepStudy:
    """A study whose first three trials are one experiment: filters without a block are none."""
    space = {"model.filters": "choice(4,8,16,32)", "model.conv_blocks": "choice(0,1)"}
    made = study(folder, plan(space, sampler="random", duplicates="reuse"))
    points = tuple(f"model.filters={filters} model.conv_blocks=0" for filters in (4, 8, 16))
    fill_queue(made, Budget(n_trials=5, enqueue=points))
    return made


def in_hand(made: SweepStudy, owner: Owner) -> Trial:
    """A trial that another worker trains."""
    trial = made.claim(owner)
    assert trial is not None
    config = made.plan.config(made.values_of(trial))
    key, trajectory = made.plan.experiment_key(config), made.plan.trajectory_key(config)
    repetition.name(made, trial, experiment_key=key, trajectory_key=trajectory)
    return trial


def without_blocks(config: Config) -> bool:
    """Whether it is the experiment that is repeated."""
    return isinstance(config.model, CnnModel) and config.model.conv_blocks == 0


ENDS: dict[str, Any] = {
    "complete": lambda made, trial: made.done(trial, [0.5], {"metrics.epochs": 1}),
    "pruned": lambda made, trial: (trial.report(0.1, 1), made.pruned(trial, "below the median")),
    "failed": lambda made, trial: made.failed(trial, "loss became nan"),
}


@pytest.mark.parametrize("end", ENDS)
def test_reuse_waits_for_the_worker_that_trains_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Its trial ends as the other one does, as if one worker had tried them in turn."""
    theirs = reusing(tmp_path)
    other, waited, fake = in_hand(theirs, Owner.here()), list[float](), FakeRun(score)

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            ENDS[end](theirs, other)

    monkeypatch.setattr("time.sleep", sleep)
    made, told = SweepStudy.load(theirs.address), list[Event]()
    Worker(study=made, execute=fake, emit=told.append).work()
    alike = [t for t in made.trials() if made.carried_values(t)["model.conv_blocks"] == 0][1:]
    assert len(waited) == 2
    assert len(alike) >= 2
    assert made.counts().finished == made.counts().total == 5
    trained = [config for config in fake.seen if without_blocks(config)]
    if end == "failed":
        assert len(trained) == 1
        return
    assert not trained
    assert {t.state for t in alike} == {theirs.frozen(other).state}
    assert {t.user_attrs["reused_from"] for t in alike} == {other.number}
    assert all(t.intermediate_values == alike[0].intermediate_values for t in alike)
    state = "reused" if end == "complete" else "pruned"
    assert [e.state for e in told if isinstance(e, TrialEnded)].count(state) >= len(alike)


def test_reuse_waits_for_no_dead_worker(tmp_path: Path) -> None:
    """Its own trial is trained at once; what is requeued is answered from that."""
    theirs = reusing(tmp_path)
    in_hand(theirs, DEAD)
    made, fake = SweepStudy.load(theirs.address), FakeRun(score)
    Worker(study=made, execute=fake).work()
    recover(made, None, retries=2, show=lambda _: None)
    Worker(study=made, execute=fake).work()
    assert made.counts().finished == made.counts().total == 5
    assert len([config for config in fake.seen if without_blocks(config)]) == 1


def test_a_worker_that_waits_for_another_can_be_stopped(tmp_path: Path) -> None:
    """Its trial is requeued, and is no failed attempt."""
    theirs = reusing(tmp_path)
    other, asked = in_hand(theirs, Owner.here()), list[int]()

    def stop() -> bool:
        running = theirs.optuna_study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        asked.append(len(running))
        return 2 in asked

    told: list[Event] = []
    Worker(
        study=SweepStudy.load(theirs.address), execute=instant, emit=told.append, stop=stop
    ).work()
    assert isinstance(told[-1], TrialEnded)
    assert told[-1].reason == f"interrupted while trial {other.number} trained the same"
    assert theirs.counts().running == 1
    assert not theirs.trials(TrialState.FAIL)


def test_a_database_that_goes_away_in_a_training_costs_no_trial(tmp_path: Path) -> None:
    """The trial is requeued, as where the tracking store refuses."""
    made = study(tmp_path, plan(SIX))
    fill_queue(made, Budget())

    def away(config: Config, **_: Any) -> Any:
        raise StorageInternalError("An exception is raised during the commit.")

    with pytest.raises(StoreError, match="the study's storage .* cannot be used"):
        Worker(study=made, execute=away).work()
    assert (made.counts().waiting, made.counts().total) == (6, 6)
    assert not made.trials(TrialState.FAIL)


def away(*_: Any, **__: Any) -> Any:
    """A server that has stopped."""
    raise NoConnection("Connection refused")


def test_epochs_that_could_not_be_reported_are_reported_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database came back when the training had ended."""
    made, report = study(tmp_path, plan(SIX)), Trial.report
    fill_queue(made, Budget())

    def train(config: Config, *, callbacks: Any, **fields: Any) -> Any:
        monkeypatch.setattr(Trial, "report", away)
        for number in (1, 2, 3):
            for callback in callbacks:
                callback.on_epoch(epoch(number, accuracy=number / 10))
        monkeypatch.setattr(Trial, "report", report)
        return instant(config, callbacks=(), **fields)

    with patient(60):
        Worker(study=made, execute=train).work(most=1)
    (trial,) = made.trials(TrialState.COMPLETE)
    assert trial.intermediate_values == {1: 0.1, 2: 0.2, 3: 0.3}


def test_what_a_worker_asks_and_tells_between_epochs_waits_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How far a trial is, and whether a placed worker is to stop."""
    made = study(tmp_path, plan(SIX))
    fill_queue(made, Budget())
    trial = made.claim(Owner.here())
    assert trial is not None
    monkeypatch.setattr(SweepStudy, "note", away)
    monkeypatch.setattr(SweepStudy, "attribute", away)
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("it waits"))
    with patient(60):
        EpochCallback(made, trial).on_epoch(epoch(1))
        assert not asked_to_stop(made, Attempts())


def test_a_database_that_is_gone_between_two_trials_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the words of any storage that cannot be used."""
    made = study(tmp_path, plan(SIX))
    fill_queue(made, Budget())

    def gone(*_: Any, **__: Any) -> Any:
        raise StorageInternalError("An exception is raised during the commit.")

    monkeypatch.setattr(type(made.storage), "get_study_user_attrs", gone)
    made.index.told = NEVER  # a second later
    with pytest.raises(StoreError, match="the study's storage .* cannot be used"):
        Worker(study=made, execute=instant).work()


BROKEN = OSError("CUDA_ERROR_NO_DEVICE")


@pytest.mark.parametrize(
    ("error", "here", "elsewhere", "failed"),
    [
        pytest.param(BROKEN, 1, "running", 3, id="while another one trains"),
        pytest.param(BROKEN, 0, "complete", 3, id="after another one has trained"),
        pytest.param(BROKEN, 1, "complete", 10, id="the last one that is left"),
        pytest.param(BROKEN, 2, "", 10, id="the only one"),
        pytest.param(ConfigError("it does not fit"), 1, "running", 10, id="fit nowhere"),
        pytest.param(DivergedError("NaN"), 1, "running", 10, id="diverge anywhere"),
    ],
)
def test_a_host_that_only_fails_leaves_the_queue_to_others(
    tmp_path: Path, error: Exception, here: int, elsewhere: str, failed: int
) -> None:
    """Failing is quicker than training; an earlier success here does not let it go on."""
    made = study(tmp_path, plan({"model.dense_units": "range(8,20)"}))
    fill_queue(made, Budget())
    made.optuna_study.set_user_attr(FAILURES_ALLOWED, 3)
    Worker(study=made, execute=instant).work(most=here)
    if elsewhere:
        other = in_hand(made, Owner(host="other:boot", pid=1, started="1"))
        if elsewhere == "complete":
            made.done(other, [0.5])

    def fail(config: Config, **_: Any) -> Any:
        raise error

    refused = pytest.raises(StoreError, match=r"3 trials in a row failed on the host .*NO_DEVICE")
    with refused if failed == 3 else nullcontext():
        Worker(study=SweepStudy.load(made.address), execute=fail).work()
    assert len(made.trials(TrialState.FAIL)) == failed


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


def test_a_trial_is_logged_beside_its_sweep(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its experiment is called by now: only there the sweep looks for it."""

    def run(config: Config, store: Store, *, trial: Any, **_: Any) -> str:
        with store.start_run("trial", tags={}, parent_run_id=trial.parent_run_id) as made:
            return made.run_id

    made = study(tmp_path, plan(SIX, tracking={"dir": str(store.dir)}))
    with store.start_run("sweep", tags={}) as parent:
        made.optuna_study.set_user_attr(PARENT, parent.run_id)
    store.client.rename_experiment(store.experiment_id, "course")
    fill_queue(made, Budget())
    fake = SimpleNamespace(run=run, TrialContext=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "cnn_sweeps.runs.run", fake)
    logged = RunTrial(made)(made.plan.first, trial=0, started=lambda *_: None, callbacks=())
    assert [run.run_id for run in store.children(parent.run_id)] == [logged]
    assert "course" in store.experiments()
    assert store.experiment not in store.experiments()


def test_a_host_with_another_store_trains_nothing(tmp_path: Path, store: Store) -> None:
    """It would log trials where nobody looks for them."""
    made = study(tmp_path, plan(SIX, tracking={"dir": str(store.dir)}))
    made.optuna_study.set_user_attr(PARENT, "0" * 32)
    with pytest.raises(StoreError, match="not found"):
        RunTrial(made)
