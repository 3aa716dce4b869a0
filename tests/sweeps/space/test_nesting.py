"""Swept keys inside others: what a trial is shown with is what it was trained with."""

from typing import Any

import pytest
from plans import plan

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.from_hydra import composed_call, request_of
from cnn_sweeps.sweeps.space.space import parse_space

OPTIMIZER, RATE = "trainer.optimizer", "trainer.optimizer.learning_rate"
SGD, ADAM = "{name:sgd,learning_rate:0.5}", "{name:adam}"


@pytest.mark.parametrize(
    "expressions",
    [
        pytest.param([f"{OPTIMIZER}={SGD},{ADAM}", f"{RATE}=0.1,0.2"], id="outer first"),
        pytest.param([f"{RATE}=0.1,0.2", f"{OPTIMIZER}={SGD},{ADAM}"], id="inner first"),
        pytest.param([f"{RATE}=interval(0.1,0.2)", f"{OPTIMIZER}={ADAM},{SGD}"], id="interval"),
        pytest.param([f"+{OPTIMIZER}={SGD},{ADAM}", f"++{RATE}=0.1,0.2"], id="plus"),
        pytest.param([f"trainer={{optimizer:{SGD}}},{{epochs:2}}", f"{RATE}=1,2"], id="two deep"),
        pytest.param(["trainer={optimizer:null},{epochs:2}", f"{RATE}=1,2"], id="null"),
        pytest.param(["model.filters=[4,8],[8,16]", "model.filters.0=1,2"], id="list"),
        pytest.param(["model.filters=range(1,4)", "model.filters.x=1,2"], id="number"),
        pytest.param([f"{OPTIMIZER}={SGD},{ADAM}", f"{RATE}=0.1"], id="one value"),
        pytest.param(
            [{OPTIMIZER: [{"name": "sgd", "learning_rate": 1}, {"name": "adam"}], RATE: [1, 2]}],
            id="params",
        ),
        pytest.param(
            [
                {
                    OPTIMIZER: f"{SGD},{ADAM}",
                    "model.filters": "4,8",
                    RATE: {"sweep": "1,2", "when": {"model.filters": 4}},
                }
            ],
            id="condition",
        ),
    ],
)
def test_what_would_be_set_in_two_places_is_refused(expressions: list[Any]) -> None:
    """In whatever order and form they are written."""
    with pytest.raises(ConfigError, match="only one of the two would be trained"):
        parse_space(expressions)


def test_the_refusal_names_both_and_says_what_to_type() -> None:
    """Which value sets it, what else does, and what to leave out."""
    with pytest.raises(ConfigError) as refused:
        parse_space([f"{OPTIMIZER}={SGD},{ADAM}", f"{RATE}=0.1,0.2"])
    assert str(refused.value) == (
        "`trainer.optimizer={name:sgd,learning_rate:0.5}` sets trainer.optimizer.learning_rate as "
        "well, and so does `trainer.optimizer.learning_rate=0.1,0.2`: only one of the two would be "
        "trained.\n  Leave learning_rate out of the values of trainer.optimizer, or remove "
        "trainer.optimizer.learning_rate."
    )


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({OPTIMIZER: "{name:sgd},{name:adam}", RATE: "0.1,0.2"}, id="outer first"),
        pytest.param({RATE: "0.1,0.2", OPTIMIZER: "{name:sgd},{name:adam}"}, id="inner first"),
        pytest.param(
            {
                OPTIMIZER: f"{SGD},{ADAM}",
                RATE: {"sweep": "choice(0.1,0.2)", "when": {OPTIMIZER: ADAM}},
            },
            id="only beside a value without it",
        ),
    ],
)
def test_each_trial_is_trained_with_what_it_shows(params: dict[str, Any]) -> None:
    """Where the outer values leave the inner key alone, both count, in either order."""
    made = plan(params)
    for cell in made.space.cells():
        trained = made.config(cell).trainer.optimizer
        assert f"name:{trained.name}" in str(cell[OPTIMIZER])
        assert RATE not in cell or trained.learning_rate == cell[RATE]
    assert made.space.size in (4, 3)


def test_an_option_of_a_group_is_composed_before_what_is_swept_in_it() -> None:
    """`model=cnn,dnn` beside `model.dropout`: all four are trained as they are shown."""
    words = ["data=digits", "model=cnn,dnn", "model.dropout=0.1,0.2"]
    with composed_call(words) as (call, typed):
        made = request_of(call, typed).plan
    shown = [(cell["model"], cell["model.dropout"]) for cell in made.space.cells()]
    trained = [made.config(cell).model for cell in made.space.cells()]
    assert [(model.name, model.dropout) for model in trained] == shown  # type: ignore[union-attr]


def test_a_space_beside_what_is_typed_is_held_to_the_same() -> None:
    """What `hydra.sweeper.params` says, and what the command line adds."""
    space = f"+hydra.sweeper.params={{{RATE}: '0.1,0.2'}}"
    with (
        composed_call([space, f"{OPTIMIZER}={SGD},{ADAM}", "data=digits"]) as (call, typed),
        pytest.raises(ConfigError, match="only one of the two would be trained"),
    ):
        request_of(call, typed)


@pytest.mark.parametrize("rate", ["0.1,0.2", "0.1"])
@pytest.mark.parametrize(
    "outer",
    [
        "trainer={optimizer:{learning_rate:0.5}},{epochs:1}",
        "+trainer={optimizer:{name:sgd,learning_rate:0.5}},{optimizer:{name:adam}}",
    ],
)
def test_a_mapping_in_place_of_an_option_is_looked_at(outer: str, rate: str) -> None:
    """A config group takes both; the name of an option is composed first."""
    with (
        composed_call([outer, f"{RATE}={rate}"]) as (call, typed),
        pytest.raises(ConfigError, match="only one of the two would be trained"),
    ):
        request_of(call, typed)
    with composed_call(["model=cnn,dnn", "model.dense_units=16,32"]) as (call, typed):
        assert request_of(call, typed).plan.space.size == 4
