"""Which numbers a sweep of an application takes, and for what."""

import math
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.application.objectives import parse_objectives, values_of
from cnn_sweeps.sweeps.plan.objectives import ObjectiveError


@pytest.mark.parametrize(
    ("returned", "direction", "values"),
    [
        pytest.param(2, None, [2.0], id="int"),
        pytest.param(np.float32(0.5), "maximize", [0.5], id="float32"),
        pytest.param(np.array(3), None, [3.0], id="array without dimensions"),
        pytest.param(np.array([3.0]), None, [3.0], id="array of one"),
        pytest.param((1.0,), None, [1.0], id="tuple of one"),
        pytest.param({"anything": 4}, None, [4.0], id="mapping of one"),
        pytest.param(math.inf, None, [math.inf], id="infinity"),
        pytest.param((1, 2.5), ["minimize", "maximize"], [1.0, 2.5], id="tuple"),
        pytest.param([np.float64(1), True], ["minimize"] * 2, [1.0, 1.0], id="list"),
        pytest.param(np.array([1, 2]), ["minimize"] * 2, [1.0, 2.0], id="array"),
        pytest.param(OmegaConf.create([1, 2]), ["minimize"] * 2, [1.0, 2.0], id="ListConfig"),
    ],
)
def test_what_a_job_returns_is_numbers(returned: Any, direction: Any, values: list[float]) -> None:
    """Whatever `float()` takes counts, by position where the objectives have no names."""
    assert values_of(returned, parse_objectives({}, direction)) == values


def test_objectives_have_any_names() -> None:
    """Names of the application's own are looked up in the mapping that it returns."""
    objectives = parse_objectives({"rmse": "minimize", "f1": "maximize"}, None)
    assert values_of({"f1": 0.5, "other": "text", "rmse": 2}, objectives) == [2.0, 0.5]
    assert values_of((2, 0.5), objectives) == [2.0, 0.5]


@pytest.mark.parametrize(
    ("returned", "objectives", "message"),
    [
        pytest.param(None, {}, "returned None", id="nothing"),
        pytest.param("text", {}, "returned 'text'", id="text"),
        pytest.param(math.nan, {}, "nan, which cannot be ranked", id="nan"),
        pytest.param((1, 2), {}, "needs 1 number", id="too many"),
        pytest.param({"a": 1, "b": 2}, {}, "objectives={a: minimize}", id="which"),
        pytest.param({"a": 1}, {"b": "minimize"}, "no b", id="missing"),
        pytest.param(np.ones((1, 2)), {}, "needs a number", id="matrix"),
    ],
)
def test_what_is_no_number_is_refused(returned: Any, objectives: Any, message: str) -> None:
    """The refusal says what was returned, and what to type where names would do."""
    with pytest.raises(ObjectiveError, match=message):
        values_of(returned, parse_objectives(objectives, None))


@pytest.mark.parametrize(
    ("objectives", "direction", "message"),
    [
        pytest.param({"a": "minimize"}, "minimize", "type one of them", id="both"),
        pytest.param({"a": "down"}, None, "objectives.a=down", id="objective"),
        pytest.param({}, "up", "direction=up", id="direction"),
        pytest.param({}, ["minimize", "up"], "direction=up", id="one of several"),
        pytest.param({}, [], "is empty", id="none"),
        pytest.param("loss", None, "has no direction", id="name alone"),
    ],
)
def test_directions_are_checked(objectives: Any, direction: Any, message: str) -> None:
    """What is optimized is said once, and says which way."""
    with pytest.raises(ConfigError, match=message):
        parse_objectives(objectives, direction)
