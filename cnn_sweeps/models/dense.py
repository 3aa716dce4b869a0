"""Dense layers and class scores: the end of each network of ours, and all of a dense one."""

from collections.abc import Callable
from functools import partial
from typing import Any

from cnn_sweeps.config.schema import DenseHead
from cnn_sweeps.models.network import Tensor, scores_dtype


def dense_units(model: DenseHead) -> tuple[int, ...]:
    """The units of each hidden dense layer; empty when there is none."""
    if isinstance(model.dense_units, int):
        return (model.dense_units,) if model.dense_units else ()
    return model.dense_units


def head(model: DenseHead, x: Tensor, num_classes: int, *, batch_norm: bool) -> Tensor:
    """Flatten, the hidden dense layers with their dropout, and one probability for each class."""
    from keras import layers  # noqa: PLC0415 - a dry run needs no Keras

    x = layers.Flatten(name="flatten")(x)
    for number, units in enumerate(dense_units(model), start=1):
        dense = partial(layers.Dense, units)
        x = hidden_layer(model, x, dense, f"dense_{number}", batch_norm=batch_norm)
        if model.dropout:
            x = layers.Dropout(model.dropout, name=f"dropout_{number}")(x)
    return class_scores(x, num_classes)


def class_scores(x: Tensor, num_classes: int) -> Tensor:
    """One probability for each class."""
    from keras import layers  # noqa: PLC0415 - as above

    return layers.Dense(num_classes, activation="softmax", dtype=scores_dtype(), name="scores")(x)


def hidden_layer(
    model: DenseHead, x: Tensor, layer: Callable[..., Any], name: str, *, batch_norm: bool
) -> Tensor:
    """One hidden layer with its activation, after the batch norm if there is one."""
    from keras import layers  # noqa: PLC0415 - as above

    if not batch_norm:
        return layer(activation=model.activation, name=name)(x)
    x = layer(use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.Activation(model.activation, name=f"{name}_{model.activation}")(x)


def head_params(model: DenseHead, features: int, num_classes: int, *, batch_norm: bool) -> int:
    """Parameters of the head, as Keras' `count_params`."""
    total = 0
    for units in dense_units(model):
        total += units * (features + extra_params(batch_norm=batch_norm))
        features = units
    return total + num_classes * (features + 1)


def head_multiply_adds(model: DenseHead, features: int, num_classes: int) -> int:
    """Multiplications of the head for one image."""
    total = 0
    for units in (*dense_units(model), num_classes):
        total += features * units
        features = units
    return total


def extra_params(*, batch_norm: bool) -> int:
    """Parameters for each output: a bias, or gamma, beta and the two moving averages."""
    return 4 if batch_norm else 1


def listed_title(name: str, numbers: tuple[int, ...]) -> str:
    """A title such as `dnn 256-64`; `dnn 0` without a hidden layer."""
    return f"{name} {'-'.join(map(str, numbers)) or '0'}"
