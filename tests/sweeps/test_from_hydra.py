"""From what was typed to a checked sweep: what is refused before anything is imported or made."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cnn_sweeps.errors import CnnSweepsError, ConfigError, StoreError
from cnn_sweeps.sweeps.from_hydra import composed_call, request_of
from cnn_sweeps.sweeps.request import SweepRequest
from cnn_sweeps.sweeps.study.stored_studies import address_of
from cnn_sweeps.sweeps.study.study import SweepStudy

SWEEP = ("data=digits", "data.limit=300", "model.filters=4,8", "hydra.sweeper.study_name=mine")

STOPPING = "trainer.early_stopping"


def asked(*typed: str) -> SweepRequest:
    """The sweep that is typed, checked."""
    with composed_call(typed) as (call, arguments):
        return request_of(call, arguments)


def test_the_study_of_another_sweep_is_refused_first(in_tmp: Path) -> None:
    """A dry run refuses it as well; no database was made for it."""
    made = asked(*SWEEP)
    SweepStudy.create(address_of(made.plan, made.budget, made.config.tracking), made.plan)
    assert asked(*SWEEP, "hydra.sweeper.dry_run=true").budget.dry_run
    with pytest.raises(StoreError, match=r"the seed was 0 and is now 3\n"):
        asked(*SWEEP, "seed=3", "hydra.sweeper.dry_run=true")
    with pytest.raises(StoreError, match=r"`model\.filters=4,8` is now `model\.filters=4,8,16`"):
        asked(*(line.replace("4,8", "4,8,16") for line in SWEEP))
    assert not list(in_tmp.rglob("*.db"))


def create(made: SweepRequest) -> str:
    """Begin the study of a sweep; gives its name."""
    address = address_of(made.plan, made.budget, made.config.tracking)
    SweepStudy.create(address, made.plan)
    return address.name


def test_a_new_study_is_not_named_as_an_option(in_tmp: Path) -> None:
    """One that an earlier version has begun goes on, whatever it is called."""
    typed = (*SWEEP[:-1], "hydra.sweeper.study_name=-mine")
    for dry_run in ("true", "false"):
        with pytest.raises(ConfigError, match=r"=-mine is invalid for a new study: .*\n  Type a"):
            asked(*typed, f"hydra.sweeper.dry_run={dry_run}")
    assert not list(in_tmp.iterdir())
    made = asked(*SWEEP)
    address = address_of(made.plan, replace(made.budget, study_name="-mine"), made.config.tracking)
    SweepStudy.create(address, made.plan)
    assert asked(*typed).budget.study_name == "-mine"
    with pytest.raises(StoreError, match="the study -mine holds another sweep"):
        asked(*typed, "seed=3")


@pytest.mark.parametrize(
    "storage",
    [
        pytest.param((), id="journal"),
        pytest.param(
            ("hydra.sweeper.storage=sqlite:///studies.db",), id="database", marks=pytest.mark.slow
        ),
    ],
)
def test_a_study_under_earlier_rules_is_named(in_tmp: Path, storage: tuple[str, ...]) -> None:
    """The same command would begin another one; with what is told it goes on."""
    for place in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (in_tmp / "images" / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (28, 28)).save(in_tmp / "images" / place)
    typed = ("data=image_folder", "data.path=images", "model.filters=4,8", *storage)
    assert asked(*typed).notes == ()
    name = create(asked(*typed, "data.rules=1"))
    (told,) = asked(*typed).notes
    assert name in told
    assert told.endswith("; type data.rules=1 to continue it.")
    assert asked(*typed, "data.rules=1").notes == ()
    assert asked(*typed, "seed=1").notes == ()
    assert asked(*typed, "hydra.sweeper.study_name=mine").notes == ()
    assert create(asked(*typed)) != name
    assert asked(*typed).notes == ()


def test_a_study_that_goes_on_by_itself_is_not_told(in_tmp: Path) -> None:
    """The rules make no difference for published images: the name is the same."""
    typed = ("data=digits", "data.limit=300", "model.filters=4,8")
    create(asked(*typed, "data.rules=1"))
    assert asked(*typed).notes == ()


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param(("trainer.clip_norm=1", "model.filters=4,8"), id="fixed"),
        pytest.param(("trainer.clip_norm=1,2",), id="swept"),
        pytest.param(("model.dense_units=0,8", "model.dropout=0,0.3"), id="one-name"),
        pytest.param(("trainer.clip_norm=1,2", "hydra.sweeper.study_name=mine"), id="named"),
        pytest.param(("trainer.clip_norm=1,1.0",), id="one-experiment-now"),
    ],
)
def test_a_study_goes_on_with_the_hashes_it_has(in_tmp: Path, typed: tuple[str, ...]) -> None:
    """Where an earlier version wrote values as they were typed, the same command does so too."""
    typed = ("data=digits", "data.limit=300", *typed)
    earlier = asked(*typed, "rules=1")
    name = create(earlier)
    now = asked(*typed)
    assert address_of(now.plan, now.budget, now.config.tracking).name == name
    assert (now.plan.spelling, now.notes) == (1, ())
    assert list(now.plan.distinct_cells()) == list(earlier.plan.distinct_cells())


def test_rules_come_out_of_an_environment_variable(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As all other settings do."""
    monkeypatch.setenv("RULES", "1")
    made = asked("data=digits", "rules=${oc.env:RULES}", "trainer.clip_norm=1,1.0")
    assert made.plan.spelling == 1


def test_values_of_one_experiment_are_not_swept(in_tmp: Path) -> None:
    """What an earlier version took for two goes on in its study only."""
    with pytest.raises(ConfigError, match=r"trainer\.clip_norm makes no difference"):
        asked("data=digits", "trainer.clip_norm=1,1.0")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        pytest.param(
            ("model.filters=4,8", f"{STOPPING}.min_delta=0.1"),
            (f"{STOPPING}.min_delta has no effect with {STOPPING}.patience=null.",),
            id="on-none",
        ),
        pytest.param(
            (f"{STOPPING}.patience=null,2", f"{STOPPING}.min_delta=0.1"),
            (),
            id="on-one",
        ),
        pytest.param(
            ("model.dense_units=0,8", "model.conv_blocks=0,1", "model.activation=elu"),
            (),
            id="on-all-but-one",
        ),
        pytest.param(
            ("model=dnn,cnn", "model.dense_units=0", "model.dropout=0.2", "model.activation=elu"),
            ("model.dropout has no effect with model.dense_units=0.",),
            id="in-two-networks",
        ),
    ],
)  # fmt: skip
def test_what_has_no_effect_on_any_trial_is_told(
    in_tmp: Path, typed: tuple[str, ...], told: tuple[str, ...]
) -> None:
    """Above the table of the sweep, and by a dry run."""
    assert asked("data=digits", *typed).notes == told


def test_two_spellings_are_one_trial(in_tmp: Path) -> None:
    """Of one experiment; a study stores by which rules its workers write values."""
    made = asked("data=digits", "model.dense_units=0,[],8", "model.dropout=0,0.3")
    assert len(made.plan.distinct_cells()) == 3
    create(made)
    study = SweepStudy.existing(address_of(made.plan, made.budget, made.config.tracking))
    assert study is not None
    assert list(study.plan.distinct_cells()) == list(made.plan.distinct_cells())


def test_numbers_come_out_of_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the experiment, the settings of the sweep and the seed of its sampler."""
    monkeypatch.setenv("N", "7")
    n = "${oc.env:N}"
    settings = (f"hydra.sweeper.n_trials={n}", f"hydra.sweeper.n_jobs={n}", f"seed={n}")
    sampler = ("hydra/sweeper/sampler=tpe", f"hydra.sweeper.sampler.n_startup_trials={n}")
    made = asked("data=digits", "model.filters=4,8", *settings, *sampler)
    assert (made.budget.n_trials, made.budget.n_jobs, made.config.seed) == (7, 7, 7)
    assert (made.plan.sampler.seed, made.plan.sampler.params["n_startup_trials"]) == (7, 7)
    typed = asked("data=digits", "model.filters=4,8", "seed=7", *sampler).plan.first
    assert made.plan.experiment_key(made.plan.first) == made.plan.experiment_key(typed)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        pytest.param(["trainer.threads=1,2"], "no part of an experiment", id="no-effect"),
        pytest.param(["model=dnn,cnn", "model.filters=4,8"], "with model=dnn", id="lacking"),
        pytest.param(
            ["model=dnn,cnn", "model.conv_blocks=2", "seed=1,2"],
            r"with model=dnn: model\.conv_blocks: there is no such key",
            id="a-fixed-key",
        ),
        pytest.param(
            [
                *("model.filters=4,8", "hydra.sweeper.n_trials=1"),
                "hydra.sweeper.enqueue=['model.filters=4','model.filters=8']",
            ],
            "has 2 points",
            id="enqueued",
        ),
        pytest.param(
            ["seed=0,1", "model.filters=4,8", "hydra.sweeper.duplicates=replicate"],
            r"the next seed, which seed=0,1 tries as well\.\n  Type one seed",
            id="seeds-that-are-repeated",
        ),
        pytest.param(
            ["seed=interval(0,9223372036854775807)"], r"is too wide.*from -\d+ to \d+", id="wide"
        ),
    ],
)
def test_what_cannot_be_swept_is_refused(typed: list[str], message: str) -> None:
    """As it is typed."""
    with pytest.raises(CnnSweepsError, match=message):
        asked("data=digits", *typed)


def test_an_objective_is_measured_without_being_listed(in_tmp: Path) -> None:
    """By all trials, beside what is listed; no trial is another experiment for it."""
    objective = "hydra.sweeper.objectives={val_macro_f1: maximize}"
    made, plain = asked(*SWEEP, objective, "trainer.metrics=[brier]"), asked(*SWEEP)
    assert made.config.trainer.metrics == ("brier", "macro_f1")
    keys = [each.plan.experiment_key(each.config) for each in (made, plain)]
    assert keys[0] == keys[1]


@pytest.mark.slow
def test_an_own_metric_can_be_an_objective_where_it_is_listed(in_tmp: Path) -> None:
    """By the name of its function; swept metrics of the program would be one experiment."""
    (in_tmp / "own_cost.py").write_text("def cost(labels, probabilities):\n    return 1.0\n")
    objective = "hydra.sweeper.objectives={val_cost: minimize}"
    made = asked(
        *SWEEP, objective, "trainer.metrics=[own_cost:cost]", "hydra/sweeper/pruner=median"
    )
    assert made.config.trainer.metrics == ("own_cost:cost",)
    with pytest.raises(CnnSweepsError, match="val_cost` is not a metric"):
        asked(*SWEEP, objective)
    with pytest.raises(CnnSweepsError, match=r"trainer\.metrics=.* cannot be swept"):
        asked("data=digits", "trainer.metrics=[brier],[ece]")


def test_the_launcher_of_ray_is_refused_and_workers_are_named(in_tmp: Path) -> None:
    """It would end the cluster that it starts in the middle of the sweep."""
    target = "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"
    with pytest.raises(
        ConfigError, match=r"n_jobs=none .*ray job submit -- cnn-sweeps worker mine"
    ):
        asked(*SWEEP, f"hydra.launcher._target_={target}")
