"""Networks from their configs."""

from typing import Any

import numpy as np
import pytest

from cnn_sweeps.config.schema import CnnModel, DnnModel, TrainerConfig
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.models import count_params, multiply_adds
from cnn_sweeps.models.cnn import feature_maps
from cnn_sweeps.models.network import Shape
from cnn_sweeps.training import backend

SHAPE = (28, 28, 1)


@pytest.fixture(autouse=True, scope="module")
def _prepared() -> None:
    backend.configure_backend(TrainerConfig(), 0)


def build(model: Any, shape: Shape = SHAPE, num_classes: int = 10) -> Any:
    """Build late: collecting these tests must not wait for Keras."""
    from cnn_sweeps.models import build as models

    return models.build_model(model, shape, num_classes)


GRID = [
    DnnModel(),
    DnnModel(dense_units=0),
    DnnModel(dense_units=(32, 16), batch_norm=True, dropout=0.5, activation="leaky_relu"),
    CnnModel(),
    CnnModel(conv_blocks=3),
    CnnModel(conv_blocks=0),
    CnnModel(filters=32, conv_blocks=1),
    CnnModel(filters=(4, 8, 16, 32), conv_blocks=4, padding="same", dense_units=0),
    CnnModel(filters=4, batch_norm=True, dropout=0.25, activation="gelu", pooling="average"),
    CnnModel(filters=4, kernel_size=5, pooling="none", dense_units=(16, 8)),
    CnnModel(filters=4, kernel_size=2, pool_size=3, padding="same", activation="selu"),
    CnnModel(filters=(4, 8), global_pooling="average", dense_units=0),
    CnnModel(filters=4, global_pooling="max", pooling="none", batch_norm=True),
    CnnModel(conv_blocks=0, global_pooling="max"),
]


@pytest.mark.parametrize("shape", [SHAPE, (32, 24, 3)], ids=["28x28x1", "32x24x3"])
@pytest.mark.parametrize("model", GRID, ids=[str(number) for number in range(len(GRID))])
def test_parameters_and_sizes_are_those_worked_out_before(model: Any, shape: Shape) -> None:
    """What is said without Keras is what Keras builds."""
    network = build(model, shape, 7)
    assert network.count_params() == count_params(model, shape, 7)
    if isinstance(model, CnnModel) and model.conv_blocks:
        pooled = model.global_pooling != "none"
        last = network.get_layer("global_pool" if pooled else "flatten").input
        assert last.shape[1:3] == feature_maps(model, shape)[-1]
    assert multiply_adds(model, shape, 7) == sum(map(multiplications, network.layers))


def multiplications(layer: Any) -> int:
    """Of one image, by the kernel and the map that Keras made."""
    kernel = getattr(layer, "kernel", None)
    return 0 if kernel is None else int(np.prod(kernel.shape) * np.prod(layer.output.shape[1:-1]))


def test_layer_names_do_not_depend_on_what_was_built_before() -> None:
    """Two networks in one process have the same readable names."""
    first, second = (build(CnnModel(filters=4)) for _ in range(2))
    names = "image scaling conv_1 pool_1 conv_2 pool_2 flatten dense_1 scores"
    assert [layer.name for layer in first.layers] == names.split()
    assert [layer.name for layer in second.layers] == names.split()


def test_batch_norm_stands_between_convolution_and_activation() -> None:
    """A normalised convolution has no bias of its own."""
    network = build(CnnModel(filters=4, conv_blocks=1, batch_norm=True))
    names = [layer.name for layer in network.layers]
    assert names[2:5] == ["conv_1", "conv_1_norm", "conv_1_relu"]
    assert not network.get_layer("conv_1").use_bias
    assert network.get_layer("dense_1").use_bias


def test_dense_network_normalises_and_drops_in_each_hidden_layer() -> None:
    """In `dnn` batch norm and dropout belong to each hidden layer."""
    network = build(DnnModel(dense_units=(8, 4), batch_norm=True, dropout=0.5))
    names = [layer.name for layer in network.layers][3:7]
    assert names == ["dense_1", "dense_1_norm", "dense_1_relu", "dropout_1"]


def test_images_are_scaled_in_the_graph() -> None:
    """uint8 images go in, and the network sees them from 0 to 1."""
    import keras

    network = build(DnnModel())
    scaled = keras.Model(network.inputs, network.get_layer("scaling").output)
    images = np.full((1, *SHAPE), 255, dtype=np.uint8)
    assert network.inputs[0].dtype == "uint8"
    assert float(scaled.predict(images, verbose=0).max()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("precision", "scores"),
    [("mixed_bfloat16", "float32"), ("mixed_float16", "float32"), ("float64", "float64")],
)
def test_scores_are_never_half_precision(precision: Any, scores: str) -> None:
    """Under mixed precision the last layer stays float32."""
    backend.configure_backend(TrainerConfig(precision=precision), 0)
    dtype = build(DnnModel()).outputs[0].dtype
    backend.configure_backend(TrainerConfig(), 0)
    assert dtype == scores


def test_what_does_not_fit_is_refused() -> None:
    """Building checks again what composing has checked."""
    with pytest.raises(ConfigError, match="At most 3 blocks fit"):
        build(CnnModel(conv_blocks=4))


def test_summary_is_plain_text() -> None:
    """The summary names the layers and their parameters, without colours."""
    from cnn_sweeps.models import build as models

    text = models.summary_text(build(DnnModel()))
    assert "101,770" in text
    assert "dense_1" in text
    assert "\x1b" not in text


def test_layer_table() -> None:
    """Each layer is a row with its shape and its parameters."""
    from cnn_sweeps.models import build as models

    rows = models.layer_table(build(CnnModel(filters=4, conv_blocks=1, batch_norm=True)))
    norm = next(row for row in rows if row.name == "conv_1_norm")
    assert (norm.kind, norm.output_shape) == ("BatchNormalization", (26, 26, 4))
    assert (norm.trainable, norm.total) == (8, 16)


def test_layer_table_expands_nested_models() -> None:
    """A model in a model is shown by its layers, under its name."""
    import keras

    from cnn_sweeps.models import build as models

    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="last")], name="inner")
    outer = keras.Sequential([keras.Input((4,)), inner])
    assert [row.name for row in models.layer_table(outer)] == ["inner/last"]


def test_a_layer_without_an_output_has_no_shape() -> None:
    """What Keras does not keep track of is left open."""
    import keras

    from cnn_sweeps.models import build as models

    class Hidden(keras.Model):  # type: ignore[misc]  # Keras is untyped
        def __init__(self) -> None:
            super().__init__()
            self.only = keras.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.only(x)

    network = Hidden()
    network(np.zeros((1, 3), dtype=np.float32))
    row = models.layer_table(network)[0]
    assert (row.output_shape, row.total) == (None, 8)
