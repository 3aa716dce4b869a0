"""Optimizers and schedules: what is refused before Keras, and what Keras then gets."""

import inspect
from typing import Any, get_args, get_type_hints

import pytest

from cnn_sweeps.config import spelling
from cnn_sweeps.config.schema import Optimizer, Schedule, TrainerConfig
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.training import optimizers


def trainer(epochs: int = 10, **schedule: Any) -> TrainerConfig:
    """A trainer that starts at a learning rate of 1, so that rates read as shares."""
    return TrainerConfig(
        epochs=epochs,
        optimizer=Optimizer(name="sgd", learning_rate=1.0),
        schedule=Schedule(**schedule),
    )


def test_every_name_of_the_schema_is_in_a_table() -> None:
    """What can be typed can be built, and what can be built can be typed."""
    from cnn_sweeps.training.schedules import SHAPES

    assert get_args(get_type_hints(Optimizer)["name"]) == tuple(optimizers.OPTIMIZERS)
    apart = {"wsd", "reduce_on_plateau"}  # of several shapes, and none: its rate is set
    assert set(get_args(get_type_hints(Schedule)["name"])) == set(SHAPES) | apart


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_the_table_is_that_of_keras(name: str) -> None:
    """Every parameter of the real class is in the table, but for those left out on purpose."""
    import keras

    kind = getattr(keras.optimizers, optimizers.OPTIMIZERS[name])
    apart = {"learning_rate", "name", "kwargs", "use_ema", "ema_momentum"}
    apart |= {"ema_overwrite_frequency"}
    assert set(optimizers.accepted_params(name)) == set(inspect.signature(kind).parameters) - apart


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_every_optimizer_is_built(name: Any) -> None:
    """Each name gives the Keras class of that name, with the learning rate asked for."""
    made = optimizers.make(TrainerConfig(optimizer=Optimizer(name=name, learning_rate=0.25)), 10)
    assert type(made).__name__.lower() == name
    assert float(made.learning_rate) == 0.25


def test_params_reach_the_optimizer() -> None:
    """A parameter of the config arrives in Keras."""
    chosen = Optimizer(name="sgd", params={"momentum": 0.9, "nesterov": True, "clipnorm": None})
    made = optimizers.make(TrainerConfig(optimizer=chosen), 10)
    assert (made.momentum, made.nesterov) == (0.9, True)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        pytest.param(
            "adam", {"momentum": 0.9}, r"momentum is not a .* adam.\nIt takes: beta_1", id="other's"
        ),
        pytest.param("sgd", {"use_ema": True}, "use_ema is not a parameter of sgd", id="left out"),
        pytest.param("sgd", {"momentum": "0,9"}, "momentum=0,9 is not a number", id="text"),
        pytest.param(
            *("sgd", {"gradient_accumulation_steps": 2.5}),
            "gradient_accumulation_steps=2.5 is no integer from 2",
            id="part of a step",
        ),
        pytest.param(
            "adam", {"gradient_accumulation_steps": 1}, "steps=1 is no integer", id="one step"
        ),
        pytest.param("sgd", {"momentum": None}, "momentum=null is not a number", id="null"),
        pytest.param("sgd", {"momentum": True}, "momentum=true is not a number", id="flag"),
        pytest.param("adam", {"global_clipnorm": 0}, "trainer.clip_norm=0 would", id="clipped"),
        pytest.param("sgd", {"clipvalue": -1.0}, "params.clipvalue=-1.0 would", id="below 0"),
        pytest.param("sgd", {"clipnorm": 1, "global_clipnorm": 2}, "Type one of", id="two ways"),
        pytest.param("adam", {"amsgrad": "yes"}, "amsgrad=yes is not true or false", id="no flag"),
    ],
)
def test_check_refuses(name: Any, params: dict[str, Any], message: str) -> None:
    """A wrong parameter is refused without Keras, with those that are possible."""
    with pytest.raises(ConfigError, match=message):
        optimizers.check(TrainerConfig(optimizer=Optimizer(name=name, params=params)))


def test_a_value_that_keras_refuses() -> None:
    """What only Keras knows comes as one message, not as a traceback."""
    chosen = Optimizer(name="sgd", params={"momentum": 2.0})
    with pytest.raises(ConfigError, match=r"params \(momentum=2.0\) is refused by Keras for sgd"):
        optimizers.make(TrainerConfig(optimizer=chosen), 10)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        pytest.param({"name": "exponential"}, "cannot reach end_factor=0", id="never ends"),
        pytest.param(
            {"name": "cosine", "warmup_epochs": 10},
            r"which ends with trainer\.epochs=10\.\nType .*warmup_epochs=9",
            id="warm-up as long as training",
        ),
        pytest.param(
            {"name": "linear", "warmup_epochs": 4, "decay_epochs": 3},
            r"ends with decay_epochs=3\.\nType .*warmup_epochs=2",
            id="warm-up longer than the decay",
        ),
        pytest.param(
            {"name": "step", "end_factor": 0.1}, "end_factor=0.1 has no effect", id="no end"
        ),
        pytest.param(
            {"name": "reduce_on_plateau", "warmup_epochs": 1}, "warmup_epochs=1 has no", id="set"
        ),
        pytest.param(
            {"name": "wsd", "decay_epochs": 3}, r"\.cooldown_epochs says how long", id="wsd"
        ),
    ],
)
def test_check_refuses_a_schedule(schedule: dict[str, Any], message: str) -> None:
    """A schedule that cannot come to its end is refused."""
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        optimizers.check(trainer(**schedule))


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        pytest.param({"name": "cosine"}, {0: 1, 50: 0.5, 100: 0, 150: 0}, id="cosine"),
        pytest.param({"name": "linear"}, {0: 1, 25: 0.75, 100: 0, 150: 0}, id="linear"),
        pytest.param(
            {"name": "linear", "end_factor": 0.5, "decay_epochs": 2},
            {0: 1, 10: 0.75, 20: 0.5, 90: 0.5},
            id="linear to a half in two epochs",
        ),
        pytest.param(
            {"name": "exponential", "end_factor": 0.01},
            {0: 1, 50: 0.1, 100: 0.01, 150: 0.01},
            id="exponential",
        ),
        pytest.param(
            {"name": "constant", "warmup_epochs": 2}, {0: 0, 10: 0.5, 20: 1, 99: 1}, id="warm-up"
        ),
        pytest.param(
            {"name": "cosine", "warmup_epochs": 2, "end_factor": 0.2},
            {0: 0, 10: 0.5, 20: 1, 60: 0.6, 100: 0.2},
            id="cosine after a warm-up",
        ),
        pytest.param({"name": "sqrt"}, {0: 1, 25: 0.5, 100: 0, 150: 0}, id="square root"),
        pytest.param(
            {"name": "step", "drop_epochs": 2, "drop_factor": 0.5},
            {0: 1, 19: 1, 20: 0.5, 39: 0.5, 40: 0.25, 100: 0.5**5, 140: 0.5**7},
            id="step",
        ),
        pytest.param(
            {"name": "step", "drop_epochs": 1, "warmup_epochs": 1},
            {0: 0, 5: 0.5, 10: 1, 19: 1, 20: 0.1},
            id="step after a warm-up",
        ),
    ],
)
def test_the_rate_over_time(schedule: dict[str, Any], rates: dict[int, float]) -> None:
    """Ten epochs of ten steps: the rate at chosen steps."""
    from cnn_sweeps.training.schedules import Planned

    planned = optimizers.make(trainer(**schedule), 10)._learning_rate
    again = Planned.from_config(planned.get_config())
    assert {step: float(planned(step)) for step in rates} == pytest.approx(rates, abs=1e-6)
    assert [float(again(step)) for step in rates] == [float(planned(step)) for step in rates]


def test_only_what_may_be_null_in_keras_is_a_common_parameter() -> None:
    """The table of what null switches off, and of what is true or false, fits Keras."""
    import inspect

    import keras

    for name, kind in optimizers.OPTIMIZERS.items():
        given = inspect.signature(getattr(keras.optimizers, kind)).parameters
        for param in optimizers.accepted_params(name):
            default = given[param].default
            assert isinstance(default, bool) == (param in optimizers.FLAGS), (name, param)
            if default is None:
                assert param in spelling.OFF, (name, param)


def test_a_plan_may_begin_in_the_middle() -> None:
    """Its steps are counted from there on, and nothing before is negative."""
    from cnn_sweeps.training.schedules import Planned

    here, later = (
        optimizers.make(trainer(name="linear", warmup_epochs=2), 10, first_step=n)._learning_rate
        for n in (0, 70)
    )
    steps = (0, 5, 20, 55, 100)
    assert [float(later(70 + n)) for n in steps] == [float(here(n)) for n in steps]
    assert float(later(60)) == 0
    assert Planned.from_config(later.get_config()).first_step == 70


def test_state_is_carried_by_the_paths_of_variables() -> None:
    """To an optimizer of the same kind, for what both train; the learning rate is its own."""
    import keras
    import numpy as np

    kernel, bias = (keras.Variable(np.ones(2), name=name) for name in ("kernel", "bias"))
    before = keras.optimizers.SGD(0.5, momentum=0.9)
    before.build([kernel])
    for _ in range(3):
        before.apply([keras.ops.ones(2)], [kernel])
    after = keras.optimizers.SGD(0.25, momentum=0.8)
    after.build([bias, kernel])
    optimizers.carry(before, after)
    carried = {v.path.partition("/")[2]: v.numpy().tolist() for v in after.variables}
    was = {v.path.partition("/")[2]: v.numpy().tolist() for v in before.variables}
    assert carried["kernel_momentum"] == was["kernel_momentum"] != [0, 0]
    assert carried["bias_momentum"] == [0, 0]
    assert (carried["iteration"], carried["learning_rate"]) == (3, 0.25)
    other = keras.optimizers.Adam()
    other.build([kernel])
    optimizers.carry(before, other)
    assert int(other.iterations) == 0
