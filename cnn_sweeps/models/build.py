"""From a `model` config to a Keras model that takes images as they lie in memory.

Every model takes uint8 images (height, width, channels), scales them to 0..1 in its own
graph and gives one probability for each class. Import this module late: it imports Keras.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from keras import layers

from cnn_sweeps.config.schema import CnnModel, CustomModel, DenseHead, DnnModel, Model
from cnn_sweeps.models import custom, shapes

Shape = tuple[int, int, int]
Tensor = Any
POOLINGS: dict[str, Callable[..., Any]] = {
    "max": layers.MaxPooling2D,
    "average": layers.AveragePooling2D,
}


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One layer, as a row of the table that is logged with a run.

    Attributes:
        name: the layer's name, after the names of the models it is nested in.
        kind: its Keras class.
        output_shape: without the batch; None where Keras cannot tell.
        trainable: parameters that training moves.
        total: all parameters.
    """

    name: str
    kind: str
    output_shape: tuple[int | None, ...] | None
    trainable: int
    total: int


def build(model: Model, shape: Shape, num_classes: int) -> keras.Model:
    """Build the network, uncompiled, for images of that shape.

    The image goes in as uint8 and the last layer is a softmax in at least float32, also
    under mixed precision. The caller has set seed and precision before.

    Raises:
        ConfigError: the network does not fit the images, or a custom function cannot be called.
        ModelError: a custom function failed or returned something that cannot be trained.
    """
    shapes.check_fits(model, shape)
    image = keras.Input(shape, dtype="uint8", name="image")
    scaled = layers.Rescaling(1 / 255, name="scaling")(image)
    scores = BUILDERS[model.name](model, scaled, num_classes)
    return keras.Model(image, scores, name=model.name)


def summary_text(model: keras.Model) -> str:
    """Keras' summary, nested models expanded, as plain text."""
    lines: list[str] = []
    model.summary(line_length=100, expand_nested=True, print_fn=lines.append)
    return "\n".join(lines)


def layer_table(model: keras.Model, prefix: str = "") -> list[LayerRow]:
    """One row for each layer in order; a nested model is replaced by its own layers."""
    rows = []
    for layer in model.layers:
        if isinstance(layer, keras.Model) and layer.layers:
            rows += layer_table(layer, f"{prefix}{layer.name}/")
        else:
            rows.append(_row(layer, prefix))
    return rows


def trainable_params(layer: Any) -> int:
    """How many parameters training moves, in a layer or a whole model."""
    return sum(math.prod(weight.shape) for weight in layer.trainable_weights)


def _row(layer: Any, prefix: str) -> LayerRow:
    try:
        output_shape = tuple(layer.output.shape[1:])
    except AttributeError:  # a layer with no single output that Keras keeps track of
        output_shape = None
    return LayerRow(
        name=prefix + layer.name,
        kind=type(layer).__name__,
        output_shape=output_shape,
        trainable=trainable_params(layer),
        total=layer.count_params(),
    )


def _dnn(model: DnnModel, x: Tensor, num_classes: int) -> Tensor:
    return _head(model, x, num_classes, batch_norm=model.batch_norm)


def _cnn(model: CnnModel, x: Tensor, num_classes: int) -> Tensor:
    for number, filters in enumerate(shapes.filters(model), start=1):
        convolution = partial(layers.Conv2D, filters, model.kernel_size, padding=model.padding)
        x = _hidden(model, x, convolution, f"conv_{number}", batch_norm=model.batch_norm)
        if model.pooling != "none":
            x = POOLINGS[model.pooling](model.pool_size, name=f"pool_{number}")(x)
    return _head(model, x, num_classes, batch_norm=False)


def _custom(model: CustomModel, x: Tensor, num_classes: int) -> Tensor:
    return custom.attach(model, x, num_classes)


def _head(model: DenseHead, x: Tensor, num_classes: int, *, batch_norm: bool) -> Tensor:
    x = layers.Flatten(name="flatten")(x)
    for number, units in enumerate(shapes.dense_units(model), start=1):
        dense = partial(layers.Dense, units)
        x = _hidden(model, x, dense, f"dense_{number}", batch_norm=batch_norm)
        if model.dropout:
            x = layers.Dropout(model.dropout, name=f"dropout_{number}")(x)
    return layers.Dense(
        num_classes, activation="softmax", dtype=custom.scores_dtype(), name="scores"
    )(x)


def _hidden(
    model: DenseHead, x: Tensor, layer: Callable[..., Any], name: str, *, batch_norm: bool
) -> Tensor:
    """One hidden layer with its activation, after the batch norm if there is one."""
    if not batch_norm:
        return layer(activation=model.activation, name=name)(x)
    x = layer(use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.Activation(model.activation, name=f"{name}_{model.activation}")(x)


BUILDERS: dict[str, Callable[[Any, Tensor, int], Tensor]] = {
    "dnn": _dnn,
    "cnn": _cnn,
    "custom": _custom,
}
