"""Names of networks."""

from typing import Any

import pytest
from configs import config

from cnn_sweeps.config.schema import CnnModel, CustomModel, DnnModel
from cnn_sweeps.models.names import name_of, title


@pytest.mark.parametrize(
    ("model", "text"),
    [
        pytest.param(CnnModel(), "cnn 64x2", id="one number"),
        pytest.param(CnnModel(filters=(16, 32, 64), conv_blocks=3), "cnn 16-32-64", id="list"),
        pytest.param(CnnModel(filters=(), conv_blocks=0), "cnn 0", id="empty list"),
        pytest.param(DnnModel(), "dnn 128", id="dnn"),
        pytest.param(DnnModel(dense_units=(256, 64)), "dnn 256-64", id="dnn of two"),
        pytest.param(DnnModel(dense_units=0), "dnn 0", id="no hidden layer"),
        pytest.param(CustomModel(function="my.nets:build_net"), "custom build_net", id="custom"),
    ],
)
def test_title(model: Any, text: str) -> None:
    """A title says what tells one network from the other."""
    assert title(model) == text


@pytest.mark.parametrize(("seed", "end"), [(0, " e3"), (1, " e3 seed 1")])
def test_name_of_a_run_tells_its_seed_where_it_is_another_one(seed: int, end: str) -> None:
    """Runs that differ in their seed alone are told apart in a list."""
    made = config(trainer={"epochs": 3}, seed=seed)
    assert name_of(made) == title(made.model) + end
