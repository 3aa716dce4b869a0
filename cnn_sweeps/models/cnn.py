"""Blocks of convolution and pooling in front of dense layers.

The few rules of Keras that decide what fits stand here again, so that a refusal waits for no
TensorFlow. The tests hold them against Keras itself.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from cnn_sweeps.config.schema import CnnModel
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.models import dense
from cnn_sweeps.models.network import Network, Shape, Tensor

POOLINGS = {"max": "MaxPooling2D", "average": "AveragePooling2D"}
GLOBAL_POOLINGS = {"max": "GlobalMaxPooling2D", "average": "GlobalAveragePooling2D"}


def build(model: CnnModel, x: Tensor, num_classes: int) -> Tensor:
    """Convolution, batch norm if there is one, activation, pooling, and again; then the head.

    Global pooling stands between the two if it is asked for.

    Raises:
        ConfigError: the blocks do not fit the images.
    """
    from keras import layers  # noqa: PLC0415 - a dry run needs no Keras

    check(model, tuple(x.shape[1:]))
    for number, count in enumerate(filters(model), start=1):
        convolution = partial(layers.Conv2D, count, model.kernel_size, padding=model.padding)
        x = dense.hidden_layer(model, x, convolution, f"conv_{number}", batch_norm=model.batch_norm)
        if model.pooling != "none":
            pooling = getattr(layers, POOLINGS[model.pooling])
            x = pooling(model.pool_size, name=f"pool_{number}")(x)
    if _is_pooled_globally(model):
        x = getattr(layers, GLOBAL_POOLINGS[model.global_pooling])(name="global_pool")(x)
    return dense.head(model, x, num_classes, batch_norm=False)


def title(model: CnnModel) -> str:
    """Filters and blocks, `cnn 64x2`, or the filters of each block, `cnn 16-32-64`."""
    if isinstance(model.filters, int):
        return f"cnn {model.filters}x{model.conv_blocks}"
    return dense.listed_title("cnn", filters(model))


def check(model: CnnModel, shape: Shape | None) -> None:
    """Refuse a network whose blocks do not fit the images, before anything is built.

    Raises:
        ConfigError: a list of filters of another length than the blocks, or too many blocks.
    """
    if shape is None:
        return
    if len(filters(model)) != model.conv_blocks:
        raise ConfigError(_wrong_length(model))
    most = max_blocks(model, shape)
    if most is not None and model.conv_blocks > most:
        raise ConfigError(_too_many(model, shape, most))


def count_params(model: CnnModel, shape: Shape, num_classes: int) -> int:
    """The moving averages of batch normalisation are among them."""
    total, channels = 0, shape[2]
    extra = dense.extra_params(batch_norm=model.batch_norm)
    for count in filters(model):
        total += count * (model.kernel_size**2 * channels + extra)
        channels = count
    maps = (feature_maps(model, shape) or [shape[:2]])[-1]
    features = _features(model, *maps, channels)
    return total + dense.head_params(model, features, num_classes, batch_norm=False)


def multiply_adds(model: CnnModel, shape: Shape, num_classes: int) -> int:
    """Every weight of a convolution is used once for each position of its map."""
    (height, width, channels), total = shape, 0
    for count in filters(model):
        height, width = _convolved(model, height), _convolved(model, width)
        total += height * width * model.kernel_size**2 * channels * count
        height, width, channels = _pooled(model, height), _pooled(model, width), count
    features = _features(model, height, width, channels)
    return total + dense.head_multiply_adds(model, features, num_classes)


def filters(model: CnnModel) -> tuple[int, ...]:
    """The filters of each convolution, first block first."""
    if isinstance(model.filters, int):
        return (model.filters,) * model.conv_blocks
    return model.filters


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


def _is_pooled_globally(model: CnnModel) -> bool:
    return model.conv_blocks > 0 and model.global_pooling != "none"


def _features(model: CnnModel, height: int, width: int, channels: int) -> int:
    """What the head gets of each image."""
    return channels if _is_pooled_globally(model) else height * width * channels


def _convolved(model: CnnModel, side: int) -> int:
    return side if model.padding == "same" else side - model.kernel_size + 1


def _pooled(model: CnnModel, side: int) -> int:
    # Keras pools with padding 'valid' and strides of the window, whatever the convolution does.
    return side if model.pooling == "none" else side // model.pool_size


def _steps(model: CnnModel) -> tuple[Callable[[CnnModel, int], int], ...]:
    return (_convolved,) if model.pooling == "none" else (_convolved, _pooled)


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


NETWORK: Network[CnnModel] = Network(
    build=build,
    title=title,
    check=check,
    count_params=count_params,
    multiply_adds=multiply_adds,
)
