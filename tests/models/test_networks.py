"""Every kind of network by its registry: what is said without Keras, and what is refused."""

from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from cnn_sweeps.config.fields import dataclasses_of
from cnn_sweeps.config.schema import (
    CnnModel,
    CustomModel,
    DnnModel,
    Model,
    PretrainedModel,
    ResnetModel,
)
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.models import NETWORKS, check, count_params, multiply_adds
from cnn_sweeps.models.names import title

SHAPE = (28, 28, 1)
SMALL: dict[str, Any] = {
    "dnn": DnnModel(dense_units=4),
    "cnn": CnnModel(filters=2, conv_blocks=1, dense_units=4),
    "resnet": ResnetModel(width=2, stages=2, depth=6),
    "custom": CustomModel(function="small_net:build"),
    "pretrained": PretrainedModel(
        backbone={"name": "cnn", "filters": 2, "conv_blocks": 1}, weights=None
    ),
}
"""A small network of each kind."""


@pytest.fixture(autouse=True)
def _own_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own function is in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "small_net.py").write_text(
        "import keras\n\n"
        "def build(input_shape, num_classes):\n"
        "    layers = [keras.layers.Flatten(), keras.layers.Dense(num_classes, 'softmax')]\n"
        "    return keras.Sequential([keras.Input(input_shape), *layers])\n"
    )


def test_every_kind_of_the_schema_has_a_builder() -> None:
    """And every builder can be asked for."""
    names = [
        name
        for cls in dataclasses_of(Model, None)
        for name in get_args(get_type_hints(cls)["name"])
    ]
    assert names == list(NETWORKS) == list(SMALL)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_is_built_as_it_was_told(name: str) -> None:
    """It takes bytes, gives probabilities, and is as large as was said before."""
    from cnn_sweeps.models.build import build_model

    model = SMALL[name]
    check(model, SHAPE)
    network = build_model(model, SHAPE, 3)
    assert network.name == name
    assert (network.input.dtype, network.output.dtype) == ("uint8", "float32")
    assert network.output.shape == (None, 3)
    assert network.layers[-1].name == "scores" or name == "custom"
    assert count_params(model, SHAPE, 3) in (network.count_params(), None)
    assert (count_params(model, SHAPE, 3) is None) == (multiply_adds(model, SHAPE, 3) is None)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_has_a_title(name: str) -> None:
    """It begins with the name of the kind, and says more."""
    assert title(SMALL[name]).startswith(f"{name} ")


@pytest.mark.parametrize("name", NETWORKS)
def test_what_can_be_built_passes_where_the_shape_is_unknown(name: str) -> None:
    """Only loading can tell it; the check then comes again."""
    check(SMALL[name], None)


def test_a_kind_without_a_builder_is_refused_with_those_that_have_one() -> None:
    """What was forgotten is not built as something else."""
    model = DnnModel()
    object.__setattr__(model, "name", "forgotten")
    known = ", ".join(NETWORKS)
    with pytest.raises(ConfigError, match=f"=forgotten has no builder; there are {known}."):
        check(model, SHAPE)


@pytest.mark.parametrize(
    ("model", "params"),
    [
        pytest.param(DnnModel(), 101_770, id="dense 128"),
        pytest.param(CnnModel(), 243_786, id="64x2"),
        pytest.param(CnnModel(conv_blocks=3), 84_106, id="64x3"),
        pytest.param(CnnModel(filters=32, conv_blocks=1), 693_962, id="32x1"),
        pytest.param(CustomModel(function="nets:build"), None, id="custom is not known"),
    ],
)
def test_count_params_of_the_notebook(model: Any, params: int | None) -> None:
    """The numbers of the notebook's own cells."""
    assert count_params(model, SHAPE, 10) == params


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(CnnModel(conv_blocks=1, filters=10**15), id="filters"),
        pytest.param(DnnModel(dense_units=10**9), id="dense units"),
        pytest.param(ResnetModel(width=10**6), id="width"),
    ],
)
def test_a_network_that_no_machine_holds_is_refused(model: CnnModel | DnnModel) -> None:
    """A slip in a number is told before Keras tries to allocate it."""
    with pytest.raises(
        ConfigError, match=r"would have \S+ parameters, but the limit is 2,147,483,647"
    ):
        check(model, SHAPE)


def test_a_large_network_passes() -> None:
    """Hundreds of millions of parameters are the user's own affair."""
    check(DnnModel(dense_units=(4096, 4096, 4096)), (224, 224, 3))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(DnnModel(), 784 * 128 + 1280, id="dense"),
        pytest.param(
            CnnModel(), 26**2 * 9 * 64 + 11**2 * 9 * 64**2 + 25 * 64 * 128 + 1280, id="64x2"
        ),
        pytest.param(CustomModel(function="a:b"), None, id="a user's own"),
    ],
)
def test_multiply_adds(model: Model, expected: int | None) -> None:
    """Every weight of a convolution is used once for each position of its map."""
    assert multiply_adds(model, (28, 28, 1), 10) == expected
