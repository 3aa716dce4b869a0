"""Plan, study, queue and worker, without training anything."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from configs import values
from optuna.trial import TrialState
from plans import FILTERS_AND_BLOCKS, FakeRun, plan, study, sweep_of

from cnn_sweeps.config import Config
from cnn_sweeps.config.schema import CnnModel, Tracking
from cnn_sweeps.errors import ConfigError, DivergedError, StoreError
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.controller import fill_queue
from cnn_sweeps.sweeps.outcome import Display
from cnn_sweeps.sweeps.plan.base_config import BaseConfig
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.feasibility import refuse_impossible
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.results.ranking import Ranking
from cnn_sweeps.sweeps.space.space import parse_space
from cnn_sweeps.sweeps.study import trial_queue
from cnn_sweeps.sweeps.study.events import Event, TrialEnded
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.stored_studies import default_name
from cnn_sweeps.sweeps.study.study import SweepStudy, refuse_another
from cnn_sweeps.sweeps.study.time_limit import IdleTime
from cnn_sweeps.sweeps.workers.worker import Worker


def filters_of(config: Config) -> float:
    """A score that more filters and more blocks raise."""
    assert isinstance(config.model, CnnModel)
    filters = config.model.filters
    assert isinstance(filters, int)
    return filters / 100 + config.model.conv_blocks / 10


def test_values_are_applied_over_the_base() -> None:
    """A trial's values replace those of the base, and are checked."""
    made = plan().config({"model.filters": 8, "model.conv_blocks": 2})
    assert made.model == CnnModel(filters=8, conv_blocks=2, dense_units=8)


def test_base_config_adds_keys_with_a_plus() -> None:
    """A key with + may be new in the base."""
    key = "+trainer.optimizer.params.beta_1"
    given = {"trainer": {**values()["trainer"], "optimizer": {"params": {}}}}
    made = plan({key: "choice(0.8,0.9)"}, **given).config({key: 0.8})
    assert made.trainer.optimizer.params == {"beta_1": 0.8}


def test_base_config_refuses_an_unknown_key() -> None:
    """A swept key that does not exist is refused with those that do."""
    with pytest.raises(ConfigError, match=r"model\.filtrs: there is no such key"):
        plan({"model.filtrs": "4,8"}).config({"model.filtrs": 4})


def test_base_config_takes_the_base_of_the_chosen_group() -> None:
    """Where a config group is swept, each option has its own base."""
    dnn = values(model={"name": "dnn", "dense_units": 8})
    base_config = BaseConfig(groups=("model",), bases={'["dnn"]': dnn, '["cnn"]': values()})
    space = parse_space({"model": "dnn,cnn", "trainer.epochs": "1,2"})
    made = base_config.config(space, {"model": "dnn", "trainer.epochs": 2})
    assert (made.model.name, made.trainer.epochs) == ("dnn", 2)


def test_plan_survives_storage() -> None:
    """What is stored with the study is the same plan."""
    made = plan(objectives={"val_accuracy": "maximize", "train_seconds": "minimize"})
    again = Plan.from_json(made.to_json())
    assert (again.space, again.objectives, again.sampler) == (
        made.space,
        made.objectives,
        made.sampler,
    )
    assert again.digest() == made.digest()


def test_cells_that_mean_one_experiment_are_tried_once() -> None:
    """Filters mean nothing without a block: 2 x 3 cells are 5 experiments."""
    cells = list(plan().distinct_cells().values())
    assert len(cells) == 5
    assert [cell["model.filters"] for cell in cells if cell["model.conv_blocks"] == 0] == [4]


def test_default_name_follows_what_is_asked() -> None:
    """The same sweep has the same name, another one another."""
    assert default_name("x", plan()) == default_name("x", plan())
    for told in ("/Users/me/x", "../x", "team/x\n"):
        assert Path(default_name(told, plan())).name == default_name(told, plan())
    assert default_name("x", plan()) != default_name("x", plan({"model.filters": "4,8"}))
    assert default_name("x", plan()) != default_name("x", plan(seed=1))


def test_a_sweep_from_scratch_is_one_of_its_own() -> None:
    """With trajectory.reuse=false everything is trained, also after the same sweep has ended."""
    scratch = plan(trajectory={"reuse": False})
    assert default_name("x", scratch) != default_name("x", plan())
    assert default_name("x", scratch) == default_name("x", plan(trajectory={"reuse": False}))


def test_exhaustive_sweep_tries_every_cell_once(tmp_path: Path) -> None:
    """Every distinct cell is trained once, and the queue is then empty."""
    made, fake = study(tmp_path), FakeRun(filters_of)
    fill_queue(made, Budget())
    Worker(study=made, execute=fake).work()
    assert len({repr(config.model) for config in fake.seen}) == len(fake.seen) == 5
    assert made.claim(Owner.here()) is None
    assert made.counts().finished == made.counts().total == 5


def test_a_sampler_fills_exactly_the_budget(tmp_path: Path) -> None:
    """With a sampler, as many trials run as the budget says, within the space."""
    made, fake = study(tmp_path, plan(sampler="tpe")), FakeRun(filters_of)
    fill_queue(made, Budget(n_trials=4))
    Worker(study=made, execute=fake).work()
    assert len(fake.seen) == 4
    params = [trial.params for trial in made.trials(TrialState.COMPLETE)]
    assert all(set(p) == set(FILTERS_AND_BLOCKS) for p in params)


def test_budget_is_a_total_that_the_same_command_continues_to(tmp_path: Path) -> None:
    """Filling again adds only what is missing of a larger total."""
    for sampler in ("tpe", "auto"):
        made = study(tmp_path, plan(sampler=sampler), name=sampler)
        fill_queue(made, Budget(n_trials=2))
        Worker(study=made, execute=FakeRun()).work()
        again = study(tmp_path, plan(sampler=sampler), name=sampler)
        fill_queue(again, Budget(n_trials=3))
        assert len(again.trials(TrialState.WAITING)) == 1
        fill_queue(again, Budget(n_trials=3))
        assert len(again.trials()) == 3


def test_covered_space_is_enumerated_by_auto() -> None:
    """`auto` enumerates when the budget covers the space, and samples when it does not."""
    made = plan()
    assert Budget().enumerates(made)
    assert Budget(n_trials=6).enumerates(made)
    assert not Budget(n_trials=5).enumerates(made)
    assert not Budget().enumerates(plan({"model.dropout": "interval(0.0,0.5)"}))
    assert Budget(n_trials=1).enumerates(plan(sampler="grid"))


@pytest.mark.parametrize("key", ["n_trials", "timeout", "n_jobs"])
def test_budget_refuses_what_is_not_above_0(key: str) -> None:
    """A budget of nothing is refused by name."""
    with pytest.raises(ConfigError, match=rf"hydra\.sweeper\.{key}=-1 is invalid"):
        Budget.parse({key: -1, "n_jobs": 1} if key != "n_jobs" else {key: -1})


def test_trial_knows_its_hash_and_its_run(tmp_path: Path) -> None:
    """A finished trial carries its config hash, its MLflow run and all its metrics."""
    made = study(tmp_path)
    fill_queue(made, Budget(n_trials=1))
    Worker(study=made, execute=FakeRun()).work()
    (trial, *_) = made.trials(TrialState.COMPLETE)
    assert len(trial.user_attrs["config_hash"]) == 64
    assert trial.user_attrs["mlflow_run_id"] == "run1"
    assert trial.user_attrs["metrics.trainable_params"] == 1000


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(DivergedError("the loss became nan in epoch 2"), "epoch 2", id="diverged"),
        pytest.param(ZeroDivisionError("division"), "ZeroDivisionError: division", id="bug"),
        pytest.param(
            ValueError("no http://me:secret@h/x"), "ValueError: no http://me:***@h/x", id="password"
        ),
        pytest.param(None, "val_accuracy", id="nan"),
    ],
)
def test_a_failing_trial_is_recorded_and_the_sweep_goes_on(
    tmp_path: Path, error: Exception | None, reason: str
) -> None:
    """A trial that fails says why, and every other trial runs."""

    def score(config: Config) -> float:
        if filters_of(config) == 0.14:
            if error is None:
                return float("nan")
            raise error
        return 0.5

    made, outcomes = study(tmp_path), list[Event]()
    fill_queue(made, Budget())
    Worker(study=made, execute=FakeRun(score), emit=outcomes.append).work()
    (failed,) = made.trials(TrialState.FAIL)
    assert reason in failed.user_attrs["reason"]
    assert "secret" not in f"{failed.user_attrs} {outcomes}"
    assert [o.trial for o in outcomes if isinstance(o, TrialEnded) and o.state == "failed"] == [
        failed.number
    ]
    assert len(made.trials(TrialState.COMPLETE)) == 4


def test_a_store_that_refuses_ends_the_sweep(tmp_path: Path) -> None:
    """When nothing can be logged any more, no further trial is begun."""

    def score(config: Config) -> float:
        raise StoreError("the disk is full")

    made, fake = study(tmp_path), FakeRun(score)
    fill_queue(made, Budget())
    with pytest.raises(StoreError, match="the disk is full"):
        Worker(study=made, execute=fake).work()
    assert len(fake.seen) == 1
    assert not made.trials(TrialState.RUNNING)


def test_an_interrupted_trial_is_put_back(tmp_path: Path) -> None:
    """Ctrl-C ends the trial in hand and keeps its cell for the next call."""

    def score(config: Config) -> float:
        raise KeyboardInterrupt

    made = study(tmp_path)
    fill_queue(made, Budget())
    with pytest.raises(KeyboardInterrupt):
        Worker(study=made, execute=FakeRun(score)).work()
    again, fake = study(tmp_path), FakeRun(filters_of)
    fill_queue(again, Budget())
    Worker(study=again, execute=fake).work()
    assert len(fake.seen) == 5
    assert not again.trials(TrialState.RUNNING)


def test_a_disturbed_sweep_ranks_as_an_undisturbed_one(tmp_path: Path) -> None:
    """Equals keep the order of their places, also where a place was given on twice."""

    def interrupted(config: Config) -> float:
        raise KeyboardInterrupt

    ranked = []
    for name, times in (("calm", 0), ("disturbed", 6)):
        made = study(tmp_path, name=name)
        fill_queue(made, Budget())
        for _ in range(times):
            with pytest.raises(KeyboardInterrupt):
                Worker(study=made, execute=FakeRun(interrupted)).work()
        Worker(study=made, execute=FakeRun(lambda _: 1.0)).work()
        ranked.append([row.params for row in Ranking.of(made, {}).rows])
    assert ranked[0] == ranked[1]


def test_no_trial_begins_after_the_deadline(tmp_path: Path) -> None:
    """Past the deadline nothing is claimed, and what waits stays."""
    made, fake = study(tmp_path), FakeRun()
    fill_queue(made, Budget())
    made.set_deadline(-1)
    Worker(study=made, execute=fake).work()
    assert fake.seen == []
    assert made.counts().waiting == 5


@pytest.mark.parametrize("skew", [-7200.0, 7200.0], ids=["behind", "ahead"])
def test_the_time_is_up_by_the_clock_of_the_host_that_set_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skew: float
) -> None:
    """On another host, whose clock may show anything, it is up once that one has told it."""
    made, now = study(tmp_path), time.time()

    def is_up_elsewhere() -> bool:
        with monkeypatch.context() as there:
            there.setattr(trial_queue, "this_host", lambda: "lab-2:0a1b2c3d")
            there.setattr(time, "time", lambda: now + skew)
            made.note_time()
            return made.time_is_up

    made.set_deadline(3600)
    made.note_time()
    assert not is_up_elsewhere()
    made.set_deadline(-1)
    assert not is_up_elsewhere()
    made.note_time()
    assert is_up_elsewhere()
    made.set_deadline(3600)
    assert not is_up_elsewhere()


def test_time_in_which_nobody_trains_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers come hours later, leave, and come again; the time is up after what they have had."""
    made, start = study(tmp_path), time.time()
    fill_queue(made, Budget())
    clock, stored, extend = [start], list[float](), made.extend_deadline

    def extended(study: SweepStudy, seconds: float) -> None:
        stored.append(seconds)
        extend(seconds)

    monkeypatch.setattr(time, "time", lambda: clock[0])
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(SweepStudy, "extend_deadline", extended)
    made.set_deadline(3600)
    idle = IdleTime(study=made, looked=start)

    def pass_by(hours: int) -> None:
        for _ in range(hours * 120):
            clock[0] += 30
            idle.note()
            made.note_time()

    pass_by(2)
    trial = made.claim(Owner.here())
    assert trial is not None
    idle.note()
    assert made.seconds_left == pytest.approx(3600)
    clock[0] += 1800
    idle.note()
    made.done(trial, [0.5])
    pass_by(3)
    assert not made.time_is_up
    assert made.claim(Owner.here()) is not None
    idle.note()
    assert made.seconds_left == pytest.approx(1800, abs=30)
    pass_by(1)
    assert made.time_is_up
    assert len(stored) < 20  # of hundreds of looks


def test_a_worker_needs_only_the_address(tmp_path: Path) -> None:
    """A study opened by its address alone has plan, space and sampler, and goes on."""
    made = study(tmp_path, plan(sampler="tpe"))
    fill_queue(made, Budget(n_trials=2))
    address = StudyAddress(storage=str(tmp_path / "study.journal"), name="study")
    fake = FakeRun()
    Worker(study=SweepStudy.load(address), execute=fake).work()
    assert len(fake.seen) == 2


def test_unknown_study_is_refused(tmp_path: Path) -> None:
    """A worker that is sent to a study that is not there says so."""
    with pytest.raises(StoreError, match="there is no study nothing"):
        SweepStudy.load(StudyAddress(storage=str(tmp_path / "x.journal"), name="nothing"))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        pytest.param({"params": {"model.filters": "4,8"}}, r"conv_blocks.*was removed", id="space"),
        pytest.param({"sampler": "random"}, "sampler", id="sampler"),
        pytest.param({"objectives": {"loss": "minimize"}}, "objectives", id="objectives"),
        pytest.param({"seed": 3}, "seed was 0 and is now 3; type seed=0 to continue it", id="base"),
    ],
)
def test_a_study_of_another_sweep_is_refused(
    tmp_path: Path, other: dict[str, Any], message: str
) -> None:
    """A study is continued only by the sweep that made it; the difference is shown."""
    study(tmp_path)
    with pytest.raises(StoreError, match=message):
        study(tmp_path, plan(**other))


def test_a_study_of_earlier_rules_tells_how_to_continue_it(tmp_path: Path) -> None:
    """It was begun before the rules of reading a user's own images changed."""
    (tmp_path / "own.npz").touch()
    data = {"name": "npz", "path": str(tmp_path / "own.npz")}
    made = plan(data=data).to_json()
    for base in made["template"]["bases"].values():
        del base["data"]["rules"]  # as an earlier version stored it
    study(tmp_path, Plan.from_json(made))
    with pytest.raises(StoreError, match=r"rules was 1 and is now 2; type data\.rules=1 to cont"):
        study(tmp_path, plan(data=data))
    assert study(tmp_path, plan(data={**data, "rules": 1})).counts().total == 0


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        pytest.param(
            "range(1,3)", "1,2", "was a range of integers and is now a list of choices", id="kind"
        ),
        pytest.param("range(1,40)", "range(1,40,3)", "is now", id="long"),
        pytest.param("1,2,3,4,5,6,7,8,9,10,11,12,13,14", None, "are others now", id="shortened"),
    ],
)
def test_spaces_that_read_the_same_are_told_apart(before: str, now: str | None, told: str) -> None:
    """A refusal never shows two identical texts."""
    later = now or before.replace("7,8", "70,80")
    spaces = [parse_space({"model.filters": text}) for text in (before, later)]
    assert told in spaces[0].difference(spaces[1])


def test_the_same_sweep_is_no_other_one_where_its_first_cell_does_not_fit(tmp_path: Path) -> None:
    """Whoever looks ahead sees the study as whoever carries it out."""
    made = plan({"model.conv_blocks": "5,1", "model.filters": "4,8"})
    refuse_another(study(tmp_path, made).address, made)


def test_a_sweep_that_runs_out_of_time_says_what_was_not_begun(tracking: Tracking) -> None:
    """And how to go on."""
    heard: list[str] = []

    class Listener(Display):
        def notice(self, text: str) -> None:
            heard.append(text)

    made = plan(tracking={"dir": str(tracking.dir)})
    budget = Budget(n_jobs=0, timeout=1e-6)
    sweep_of(made, budget, replace(made.first, tracking=tracking), Listener())
    (said,) = heard
    assert said.startswith("hydra.sweeper.timeout=1e-06 s are over: 5 of 5 trials not begun. Type")


def test_a_broken_journal_is_refused(tmp_path: Path) -> None:
    """A journal that is no journal gives one clear error that names it."""
    (tmp_path / "study.journal").write_text("this is no journal\n")
    with pytest.raises(StoreError, match=r"study\.journal cannot be read"):
        study(tmp_path)


def test_optunas_own_tools_open_the_study(tmp_path: Path) -> None:
    """The journal is an ordinary Optuna journal, with metric names and values."""
    made = study(tmp_path)
    fill_queue(made, Budget())
    Worker(study=made, execute=FakeRun(filters_of)).work()
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
    opened = optuna.load_study(study_name="study", storage=storage)
    assert opened.best_params == {"model.filters": 8, "model.conv_blocks": 2}
    assert opened.metric_names == ["val_accuracy"]


def test_values_that_no_trial_could_have_are_refused_first() -> None:
    """A value that is impossible in every cell is refused before anything starts."""
    with pytest.raises(ConfigError, match=r"model\.filters=0 is invalid"):
        refuse_impossible(plan({"model.filters": "0,4", "trainer.epochs": "1,2"}))
    with pytest.raises(ConfigError, match=r"At most 3 blocks fit"):
        refuse_impossible(plan({"model.conv_blocks": "range(2,5)"}))
    with pytest.raises(ConfigError, match=r"model\.dropout=1\.5 is invalid"):
        refuse_impossible(plan({"model.dropout": "interval(0.0,1.5)"}))


def test_combinations_that_do_not_fit_are_left_to_fail(tmp_path: Path) -> None:
    """Where other cells are possible, one that does not fit becomes a failed trial."""
    made = plan({"model.kernel_size": "3,7", "model.conv_blocks": "1,3"})
    assert refuse_impossible(made).model == CnnModel(
        filters=4, conv_blocks=1, dense_units=8, kernel_size=3
    )
    opened = study(tmp_path, made)
    fill_queue(opened, Budget())
    Worker(study=opened, execute=FakeRun()).work()
    (failed,) = opened.trials(TrialState.FAIL)
    assert "blocks fit" in failed.user_attrs["reason"]


def test_ranking_is_best_first_and_failed_last(tmp_path: Path) -> None:
    """The table is sorted by the objective; failed trials follow with their reason."""

    def score(config: Config) -> float:
        if filters_of(config) == 0.28:
            raise DivergedError("the loss became nan")
        return filters_of(config)

    made = study(tmp_path)
    fill_queue(made, Budget())
    Worker(study=made, execute=FakeRun(score)).work()
    ranking = Ranking.of(made, {3: {"test_accuracy": 0.5}})
    assert [row.rank for row in ranking.rows] == [1, 2, 3, 4, None]
    scores = [row.values.get("val_accuracy", 0) for row in ranking.rows]
    assert scores == sorted(scores, reverse=True)
    assert [row.best for row in ranking.rows] == [True, False, False, False, False]
    assert ranking.rows[-1].reason == "the loss became nan"
    assert ranking.to_csv().count("\n") == 6
    assert ranking.to_markdown().count("\n") == 7
    assert "test_accuracy" in ranking.table().head


def test_several_objectives_rank_the_pareto_front_first(tmp_path: Path) -> None:
    """With two objectives the winners are the trials that no other dominates."""
    two = {"val_accuracy": "maximize", "train_seconds": "minimize"}
    made = study(tmp_path, plan(objectives=two))
    fill_queue(made, Budget())
    Worker(study=made, execute=FakeRun(lambda config: -filters_of(config))).work()
    ranking = Ranking.of(made, {})
    front = {trial.number for trial in made.optuna_study.best_trials}
    assert {row.number for row in ranking.winners} == front
    assert [row.best for row in ranking.rows[: len(front)]] == [True] * len(front)
