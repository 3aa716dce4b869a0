"""Sizes of feature maps and numbers of parameters, worked out without building a network.

A dry run and a refusal must not wait for TensorFlow, so the few rules of Keras that decide
what fits stand here again. The tests hold them against Keras itself.
"""

from collections.abc import Callable
from dataclasses import replace

from cnn_sweeps.config.schema import CnnModel, CustomModel, DenseHead, Model
from cnn_sweeps.errors import ConfigError

Shape = tuple[int, int, int]
MOST_PARAMS = 2**31 - 1
"""8 GiB of weights in float32, and three times that with the state of Adam."""


def filters(model: CnnModel) -> tuple[int, ...]:
    """The filters of each convolution, first block first."""
    if isinstance(model.filters, int):
        return (model.filters,) * model.conv_blocks
    return model.filters


def dense_units(model: DenseHead) -> tuple[int, ...]:
    """The units of each hidden dense layer; empty when there is none."""
    if isinstance(model.dense_units, int):
        return (model.dense_units,) if model.dense_units else ()
    return model.dense_units


def feature_maps(model: CnnModel, shape: Shape) -> list[tuple[int, int]]:
    """Height and width after each convolution and each pooling, as far as they fit."""
    height, width = shape[:2]
    maps: list[tuple[int, int]] = []
    for _ in range(model.conv_blocks):
        for step in _steps(model):
            height, width = step(model, height), step(model, width)
            if min(height, width) < 1:
                return maps
            maps.append((height, width))
    return maps


def max_blocks(model: CnnModel, shape: Shape) -> int | None:
    """How many blocks fit on images of that shape; None when a block takes nothing away."""
    side, blocks = min(shape[:2]), 0
    while True:
        after = _pooled(model, _convolved(model, side))
        if after < 1:
            return blocks
        if after == side:
            return None
        side, blocks = after, blocks + 1


def check_fits(model: Model, shape: Shape) -> None:
    """Refuse a network whose blocks do not fit the images, before anything is built.

    Raises:
        ConfigError: a list of filters of another length than the blocks, or too many blocks.
    """
    if not isinstance(model, CnnModel):
        return
    if len(filters(model)) != model.conv_blocks:
        raise ConfigError(_wrong_length(model))
    most = max_blocks(model, shape)
    if most is not None and model.conv_blocks > most:
        raise ConfigError(_too_many(model, shape, most))


def check_size(model: Model, shape: Shape) -> None:
    """Refuse a network that no machine would hold; a slip of the keyboard, most likely.

    Raises:
        ConfigError: it has more parameters than `MOST_PARAMS`.
    """
    total = count_params(model, shape, 1) or 0
    if total > MOST_PARAMS:
        raise ConfigError(
            f"The network would have {total:.2g} parameters, but the limit is {MOST_PARAMS:,}.\n"
            "Type smaller numbers for model.dense_units or model.filters."
        )


def count_params(model: Model, shape: Shape, num_classes: int) -> int | None:
    """All parameters of the network, as Keras' `count_params`; None for a user's own.

    The moving averages of batch normalisation are among them.
    """
    if isinstance(model, CustomModel):
        return None
    total, features = 0, shape[0] * shape[1] * shape[2]
    if isinstance(model, CnnModel):
        total, features = _convolution_params(model, shape)
    dense_norm = model.batch_norm and not isinstance(model, CnnModel)
    for units in dense_units(model):
        total += units * (features + _extra_params(dense_norm))
        features = units
    return total + num_classes * (features + 1)


def multiply_adds(model: Model, shape: Shape, num_classes: int) -> int | None:
    """Multiplications of one forward pass of one image; None for a user's own network.

    Only convolutions and dense layers count: it is there to tell long trainings from short.
    """
    if isinstance(model, CustomModel):
        return None
    (height, width, channels), total = shape, 0
    if isinstance(model, CnnModel):
        for count in filters(model):
            height, width = _convolved(model, height), _convolved(model, width)
            total += height * width * model.kernel_size**2 * channels * count
            height, width, channels = _pooled(model, height), _pooled(model, width), count
    features = height * width * channels
    for units in (*dense_units(model), num_classes):
        total += features * units
        features = units
    return total


def _convolved(model: CnnModel, side: int) -> int:
    return side if model.padding == "same" else side - model.kernel_size + 1


def _pooled(model: CnnModel, side: int) -> int:
    # Keras pools with padding 'valid' and strides of the window, whatever the convolution does.
    return side if model.pooling == "none" else side // model.pool_size


def _steps(model: CnnModel) -> tuple[Callable[[CnnModel, int], int], ...]:
    return (_convolved,) if model.pooling == "none" else (_convolved, _pooled)


def _extra_params(batch_norm: bool) -> int:
    """Parameters for each output: a bias, or gamma, beta and the two moving averages."""
    return 4 if batch_norm else 1


def _convolution_params(model: CnnModel, shape: Shape) -> tuple[int, int]:
    """Parameters of all convolutions, and the number of features they leave."""
    total, channels = 0, shape[2]
    for count in filters(model):
        total += count * (model.kernel_size**2 * channels + _extra_params(model.batch_norm))
        channels = count
    height, width = (feature_maps(model, shape) or [shape[:2]])[-1]
    return total, height * width * channels


def _wrong_length(model: CnnModel) -> str:
    given = filters(model)
    listed = ",".join(map(str, given))
    number = "number" if len(given) == 1 else "numbers"
    return (
        f"model.filters=[{listed}] has {len(given)} {number}, but "
        f"model.conv_blocks={model.conv_blocks}.\n"
        f"Type one number for all blocks, or model.conv_blocks={len(given)}."
    )


def _too_many(model: CnnModel, shape: Shape, most: int) -> str:
    pooling = "" if model.pooling == "none" else f" and pool_size={model.pool_size}"
    maps = ", ".join(_size(*each) for each in feature_maps(model, shape)) or "none at all"
    remedies = [f"model.conv_blocks={most}", *_larger_maps(model, shape)]
    return (
        f"model.conv_blocks={model.conv_blocks} does not fit images of {shape[0]}x{shape[1]} "
        f"with kernel_size={model.kernel_size}, padding={model.padding}{pooling}: "
        f"the feature maps are {maps}.\n"
        f"At most {most} {'block fits' if most == 1 else 'blocks fit'}: "
        f"type {' or '.join(remedies)}."
    )


def _size(height: int, width: int) -> str:
    return str(height) if height == width else f"{height}x{width}"


def _larger_maps(model: CnnModel, shape: Shape) -> list[str]:
    """The single changes that would make the wanted number of blocks fit."""
    changes = {
        "model.padding=same": replace(model, padding="same"),
        "model.pooling=none": replace(model, pooling="none"),
    }
    return [typed for typed, changed in changes.items() if _fits(changed, shape)]


def _fits(model: CnnModel, shape: Shape) -> bool:
    most = max_blocks(model, shape)
    return most is None or model.conv_blocks <= most
