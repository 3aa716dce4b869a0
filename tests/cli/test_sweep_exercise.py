"""From `cnn-sweeps -m +exercise=NAME` to a plan; every exercise that ships; what is refused."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from plans import plan as plain_plan

from cnn_sweeps.cli import main
from cnn_sweeps.config.schema import CnnModel
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.sweeps import controller
from cnn_sweeps.sweeps.plan.cells import base_of, cell_texts
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.study.stored_studies import default_name

CONF = Path(validate.config_dir())
NAMES = sorted(path.stem for path in (CONF / "exercise").glob("*.yaml"))
Typed = Callable[..., Plan]
CarriedOut = Callable[..., list[Plan]]

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons", "in_tmp")


@pytest.fixture
def carried_out(monkeypatch: pytest.MonkeyPatch) -> CarriedOut:
    """What a command line would begin; nothing where it is refused."""

    def command(*arguments: str) -> list[Plan]:
        begun: list[Plan] = []
        multirun, rest = [a for a in arguments if a == "-m"], [a for a in arguments if a != "-m"]
        monkeypatch.setattr(controller, "sweep", lambda request, *_: begun.append(request.plan))
        monkeypatch.setattr(sys, "argv", ["cnn-sweeps", *multirun, "data=digits", *rest])
        monkeypatch.setenv(main.FULL_ERROR, "0")
        with pytest.raises(SystemExit) as ended:
            main.main()
        assert ended.value.code == (0 if begun else 2)
        return begun

    return command


@pytest.fixture(scope="module")
def plans() -> dict[tuple[str, ...], Plan]:
    """The plans that were typed before: composing one again takes a second and changes nothing."""
    return {}


@pytest.fixture
def typed(carried_out: CarriedOut, plans: dict[tuple[str, ...], Plan]) -> Typed:
    """The plan that a command line leads to."""

    def command(*arguments: str) -> Plan:
        if arguments not in plans:
            (plans[arguments],) = carried_out(*arguments)
        return plans[arguments]

    return command


def cells_of(plan: Plan) -> list[str]:
    """The cells as they would be typed, without their seeds."""
    typed = [
        " ".join(f"{key}={text}" for key, text in cell_texts(plan, cell).items())
        for cell in plan.space.cells()
    ]
    return list(dict.fromkeys(typed))


def test_there_are_six_exercises() -> None:
    """The notebook's five questions, and its training for about 20 epochs."""
    assert [name[:1] for name in NAMES] == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize("name", NAMES)
def test_every_exercise_is_a_sweep_with_three_seeds(name: str, typed: Typed) -> None:
    """Name, question, base model and words of each file fit its own space, on any data."""
    plan = typed("-m", f"+exercise={name}")
    asked = plan.exercise
    assert asked is not None
    assert asked.name == name
    assert asked.question.endswith("?")
    assert plan.space.size == 3 * len(cells_of(plan))
    assert set(asked.phrases) <= set(cells_of(plan))
    assert all(plan.config(cell) for cell in plan.space.cells())


@pytest.mark.parametrize("name", NAMES)
def test_the_base_model_is_the_notebooks(name: str, typed: Typed) -> None:
    """Two blocks of 64 filters, trained for 5 epochs: what the others are held against."""
    plan = typed("-m", f"+exercise={name}")
    base = plan.config(base_of(plan))
    assert base.model == CnnModel(filters=64, conv_blocks=2, padding="valid")
    assert (base.trainer.epochs, base.trainer.stop_at_loss, base.seed) == (5, None, 0)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("1_filters", ["model.filters=16", "model.filters=32", "model.filters=64"]),
        ("2_remove_final_conv", ["model.conv_blocks=2", "model.conv_blocks=1"]),
        (
            "3_more_convs",
            [
                "model.conv_blocks=2 model.padding=valid",
                "model.conv_blocks=2 model.padding=same",
                "model.conv_blocks=3 model.padding=valid",
                "model.conv_blocks=3 model.padding=same",
                "model.conv_blocks=4 model.padding=same",
            ],
        ),
        ("4_only_first_conv", [f"model.conv_blocks={number}" for number in range(4)]),
        (
            "5_stop_on_loss",
            [
                "trainer.stop_at_loss=null trainer.epochs=5",
                *(f"trainer.stop_at_loss=0.{tenths} trainer.epochs=20" for tenths in (4, 3, 2, 1)),
            ],
        ),
        ("6_more_epochs", [f"trainer.epochs={number}" for number in range(1, 21)]),
    ],
)
def test_cells_are_what_the_notebook_asks(name: str, cells: list[str], typed: Typed) -> None:
    """The cells of each exercise, in the order of its table."""
    assert cells_of(typed("-m", f"+exercise={name}")) == cells


def test_a_fourth_block_keeps_the_border(typed: Typed) -> None:
    """What an exercise sets holds where its cells say nothing else."""
    plan = typed("-m", "+exercise=3_more_convs")
    made = plan.config({"model.conv_blocks": 4, "seed": 1})
    assert isinstance(made.model, CnnModel)
    assert (made.model.padding, made.seed) == ("same", 1)
    assert plan.fixed[0] == "model.padding=same"


def test_epochs_of_a_rule_are_those_that_it_may_use(typed: Typed) -> None:
    """Where the loss decides, up to 20 epochs are trained; the longest counts for the plan."""
    plan = typed("-m", "+exercise=5_stop_on_loss")
    assert plan.config({"trainer.stop_at_loss": 0.2, "seed": 0}).trainer.epochs == 20
    assert plan.max_epochs == 20


def test_name_of_the_study_tells_the_exercise(typed: Typed, carried_out: CarriedOut) -> None:
    """The same command finds its study again, and other seeds are another one."""
    one, (again,) = typed("-m", "+exercise=1_filters"), carried_out("-m", "+exercise=1_filters")
    assert default_name("any", one).startswith("1_filters-")
    assert default_name("any", one) == default_name("any", again)
    more = typed("-m", "+exercise=1_filters", "exercise.seeds=5")
    assert default_name("any", more) != default_name("any", one)


def test_plan_of_an_exercise_is_stored_whole(typed: Typed) -> None:
    """What is read back asks the same; other words make no other sweep, another base does."""
    plan = typed("-m", "+exercise=1_filters")
    assert Plan.from_json(plan.to_json()).exercise == plan.exercise
    reworded = typed("-m", "+exercise=1_filters", "exercise.question=Why?")
    assert plan.difference(reworded) is None
    other = typed("-m", "+exercise=1_filters", "exercise.base.model.filters=16")
    assert "the base model was" in str(plan.difference(other))


def test_plan_without_an_exercise_reads_as_before() -> None:
    """Studies that were stored before there were exercises are read, and keep their names."""
    assert "exercise" not in plain_plan().to_json()
    assert Plan.from_json(plain_plan().to_json()).exercise is None


def test_other_values_of_what_is_varied_may_be_typed(typed: Typed) -> None:
    """As long as the base model is among them."""
    plan = typed("-m", "+exercise=1_filters", "model.filters=8,64", "exercise.seeds=2")
    assert cells_of(plan) == ["model.filters=8", "model.filters=64"]
    assert plan.space.size == 4


def test_the_experiment_around_an_exercise_may_be_typed(typed: Typed) -> None:
    """What is set holds in every cell, and stands in the command of a single run."""
    plan = typed("-m", "+exercise=2_remove_final_conv", "trainer.epochs=2", "data.limit=300")
    assert {plan.config(cell).trainer.epochs for cell in plan.space.cells()} == {2}
    assert plan.fixed == ("data=digits", "trainer.epochs=2", "data.limit=300")


def test_a_config_group_may_be_varied_beside(typed: Typed) -> None:
    """Composing once more for the option of a group keeps what the exercise sets."""
    plan = typed("-m", "+exercise=5_stop_on_loss", "model=cnn,dnn", "+exercise.base.model=cnn")
    assert plan.space.size == 30
    made = plan.config({"model": "dnn", "trainer.stop_at_loss": 0.2, "seed": 2})
    assert (made.model.name, made.trainer.epochs, made.seed) == ("dnn", 20, 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["+exercise=1_filters"], "is a sweep and not one run.\n  Type cnn-sweeps -m +exercise=1_"),
        (["+exercise=1_filters", "--cfg", "job"], "Type cnn-sweeps -m +exercise=1_filters"),
        (["-m", "+exercise=1_filters", "exercise.seeds=0"], "an integer from 1 to 100"),
        (["-m", "+exercise=1_filters", "exercise.seeds=2.5"], "exercise.seeds=2.5 is invalid"),
        (["-m", "+exercise=1_filters", "exercise.seeds=null"], "seeds=null is invalid"),
        (["-m", "+exercise=1_filters", "exercise.seeds=1,2"], "exercise.seeds cannot be swept"),
        (["-m", "+exercise=1_filters,6_more_epochs"], "exercise cannot be swept"),
        (["-m", "+exercise=1_filters", "+exercise.seed=2"], "exercise.seed is not known"),
        (["-m", "+exercise=1_filters", "exercise.base=null"], "exercise.base=null is invalid"),
        (["-m", "+exercise=1_filters", "~exercise.base"], "exercise needs name, question and"),
        (["-m", "+exercise=1_filters", "model.filters=8,16"], "has model.filters=64, which is not"),
        (["-m", "+exercise=1_filters", "model.filters=32"], "but model.filters=32 was typed"),
        (["-m", "+exercise=1_filters", "model.filters=64"], "a single cell"),
        (["-m", "+exercise=1_filters", "model.dense_units=32,64"], "+exercise.base.model.dense_un"),
        (["-m", "+exercise=5_stop_on_loss", "~exercise.base.trainer.epochs"], "no value for it"),
        (
            ["-m", "+exercise=5_stop_on_loss", "exercise.base.trainer.stop_at_loss=0.2"],
            "trainer.epochs is inactive in the base model",
        ),
        (["-m", "+exercise=1_filters", "seed=3"], "sets its seeds itself"),
        (["-m", "+exercise=1_filters", "seed=3,4"], "sets its seeds itself"),
        (["-m", "+exercise=1_filters", "search=depth"], "both set what is swept"),
        (
            ["-m", "+exercise=1_filters", "hydra.sweeper.n_trials=3"],
            "would leave out some of the 9",
        ),
        (
            ["-m", "+exercise=1_filters", "hydra/sweeper/pruner=median"],
            "would stop trainings early",
        ),
        (["-m", "+exercise=1_filters", "hydra.sweeper.duplicates=replicate"], "leave others out"),
        (
            [
                "-m",
                "+exercise=1_filters",
                "model.dropout=interval(0.0,0.5)",
                "+exercise.base.model.dropout=0.0",
            ],
            "infinitely many here",
        ),
        (["-m", "+exercise=1_filters", "model.filter=3"], "model.filter: there is no such key"),
    ],
)
def test_what_is_not_possible_is_refused(
    arguments: list[str], said: str, carried_out: CarriedOut, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message, exit code 2, nothing begun."""
    assert not carried_out(*arguments)
    assert said in capsys.readouterr().err


def test_a_cell_that_does_not_fit_is_left_to_the_answer(typed: Typed) -> None:
    """Where images are small, the cells that fit are still compared."""
    plan = typed("-m", "+exercise=4_only_first_conv", "model.kernel_size=7")
    assert cells_of(plan) == [f"model.conv_blocks={number}" for number in range(4)]


def test_files_show_what_can_be_set() -> None:
    """Each file stands in the global package and replaces the default space."""
    for name in NAMES:
        text = (CONF / "exercise" / f"{name}.yaml").read_text(encoding="utf-8")
        written = yaml.safe_load(text)
        assert text.startswith("# @package _global_\n")
        assert written["defaults"] == [{"override /search": None}]
        assert set(written) == {"defaults", "exercise", "hydra"}


OWN = """\
# @package _global_
defaults:
  - override /search: null
{override}
exercise:
  name: mine
  question: How many filters?
  base: {{model: {{filters: 8}}}}
  settings: {{model: {{dense_units: 16}}}}
hydra:
  sweeper:
    params:
      model.filters: choice(4,8)
{more}
"""


def own(folder: Path, more: str = "") -> list[str]:
    """What is typed for an exercise of one's own, with more in its file or among its defaults."""
    file = folder / "mine" / "exercise" / "mine.yaml"
    file.parent.mkdir(parents=True)
    override = more.startswith("  - override")
    file.write_text(OWN.format(more="" if override else more, override=more if override else ""))
    return ["-m", "+exercise=mine", "--config-dir", str(folder / "mine")]


def test_an_exercise_of_ones_own(tmp_path: Path, carried_out: CarriedOut) -> None:
    """Its settings are in every cell and in every command that leads on."""
    (plan,) = carried_out(*own(tmp_path))
    assert cells_of(plan) == ["model.filters=4", "model.filters=8"]
    assert "model.dense_units=16" in plan.fixed
    assert all(plan.config(cell).model.dense_units == 16 for cell in plan.space.cells())


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("trainer: {epochs: 2}", "trainer.epochs"),
        ("model: {dropout: 0.5}", "model.dropout"),
        ("note: x", "note"),
        ("  - override /model: dnn", "model"),
    ],
)
def test_what_no_cell_would_have_is_refused(
    tmp_path: Path,
    carried_out: CarriedOut,
    capsys: pytest.CaptureFixture[str],
    more: str,
    key: str,
) -> None:
    """A key beside the question of an exercise is not dropped without a word."""
    assert not carried_out(*own(tmp_path, more))
    assert f"sets {key} outside of `exercise`" in capsys.readouterr().err
