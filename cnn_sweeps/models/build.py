"""From a `model` config to a Keras model that takes images as they lie in memory.

Every model takes uint8 images (height, width, channels), scales them in its own graph (to 0..1,
or as its backbone expects them) and gives one probability for each class. Import this module late:
it imports Keras.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from cnn_sweeps.config.schema import Model
from cnn_sweeps.models import network_of
from cnn_sweeps.models.network import Shape


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


def build_model(model: Model, shape: Shape, num_classes: int) -> keras.Model:
    """Build the network, uncompiled, for images of that shape.

    The image goes in as uint8 and the last layer is a softmax in at least float32, also
    under mixed precision. The caller has set seed and precision before.

    Raises:
        ConfigError: the network does not fit the images, or a custom function cannot be called.
        ModelError: a custom function failed or returned something that cannot be trained.
    """
    image = x = keras.Input(shape, dtype="uint8", name="image")
    network = network_of(model)
    if network.scaled:
        x = layers.Rescaling(1 / 255, name="scaling")(image)
    scores = network.build(model, x, num_classes)
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
