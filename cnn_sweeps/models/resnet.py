"""A small residual network: stages of blocks that add to what they get (He et al., 2015).

The basic block of arXiv 1512.03385: two convolutions of 3x3, each with batch norm, around a
shortcut. Every stage after the first halves the maps and doubles the filters; average pooling of
the whole map stands before the scores. The closed forms below are compared with Keras by the tests.
"""

from collections.abc import Iterator
from math import ceil, log2, prod

from cnn_sweeps.config.schema import ResnetModel
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.models.dense import class_scores
from cnn_sweeps.models.network import Network, Shape, Tensor

NORM_MOMENTUM = 0.9
"""Of the moving averages; the 0.99 of Keras has not forgotten its start after a few epochs."""
STEMS = ((128, 4), (64, 2))
"""By how much images whose shorter side is above so many pixels are reduced before the stages."""
CONVOLUTIONS = 2
"""In a block."""


def build(model: ResnetModel, x: Tensor, num_classes: int) -> Tensor:
    """Stem, stages, average pooling of each map, dropout, and one probability for each class.

    Raises:
        ConfigError: the depth cannot be divided among the stages, or the images are too small.
    """
    from keras import layers  # noqa: PLC0415 - a dry run needs no Keras

    check(model, tuple(x.shape[1:]))
    x = _stem(model, x)
    for number, filters in enumerate(_filters(model), start=1):
        for block in range(1, blocks(model) + 1):
            stride = 2 if number > 1 and block == 1 else 1
            x = _block(model, x, filters, stride, f"stage_{number}_block_{block}")
    x = layers.GlobalAveragePooling2D(name="global_pool")(x)
    if model.dropout:
        x = layers.Dropout(model.dropout, name="dropout")(x)
    return class_scores(x, num_classes)


def title(model: ResnetModel) -> str:
    """Depth and width: `resnet 20 w16`; the stages too, where they are not three."""
    stages = "" if model.stages == ResnetModel.stages else f" s{model.stages}"
    return f"resnet {model.depth} w{model.width}{stages}"


def check(model: ResnetModel, shape: Shape | None) -> None:
    """Refuse a depth that no number of blocks gives, and more stages than the images have room for.

    Raises:
        ConfigError: it cannot be built.
    """
    per_block = CONVOLUTIONS * model.stages
    if model.depth < per_block + 2 or (model.depth - 2) % per_block:
        least = max((model.depth - 2) // per_block, 1)
        near = ", ".join(str(per_block * n + 2) for n in range(least, least + 3))
        raise ConfigError(
            f"model.depth={model.depth} is no depth for model.stages={model.stages}, which is "
            f"{per_block}n+2 for n blocks a stage. Type, for example, one of {near}."
        )
    if shape is None:
        return
    most = ceil(log2(min(_reduced(shape, stem_stride(shape))))) + 1  # the last one on maps of 1x1
    if model.stages > most:
        raise ConfigError(
            f"model.stages={model.stages} does not fit images of {shape[0]}x{shape[1]}: each stage "
            f"after the first halves the maps. Type model.stages={most} or fewer."
        )


def blocks(model: ResnetModel) -> int:
    """Blocks of a stage."""
    return (model.depth - 2) // (CONVOLUTIONS * model.stages)


def count_params(model: ResnetModel, shape: Shape, num_classes: int) -> int:
    """The moving averages of batch normalisation are among them."""
    convolutions = _convolutions(model, shape)
    weights = sum(side**2 * into * out + 4 * out for side, into, out, _ in convolutions)
    return weights + (_filters(model)[-1] + 1) * num_classes


def multiply_adds(model: ResnetModel, shape: Shape, num_classes: int) -> int:
    """Every weight of a convolution is used once for each position of its map."""
    convolutions = _convolutions(model, shape)
    used = sum(side**2 * into * out * positions for side, into, out, positions in convolutions)
    return used + _filters(model)[-1] * num_classes


def stem_stride(shape: Shape) -> int:
    """By how much the images are reduced before the first stage: by 1, 2 or 4."""
    return next((stride for side, stride in STEMS if min(shape[:2]) > side), 1)


def _filters(model: ResnetModel) -> list[int]:
    """The filters of each stage."""
    return [model.width * 2**stage for stage in range(model.stages)]


def _stem_kernel(shape: Shape) -> int:
    return 3 if stem_stride(shape) == 1 else 7


def _convolutions(model: ResnetModel, shape: Shape) -> Iterator[tuple[int, int, int, int]]:
    """Kernel side, filters before and after, and positions of each convolution."""
    first = prod(_reduced(shape, min(stem_stride(shape), 2)))
    yield _stem_kernel(shape), shape[2], model.width, first
    channels = model.width
    for number, filters in enumerate(_filters(model)):
        positions = prod(_reduced(shape, stem_stride(shape) * 2**number))
        for _ in range(blocks(model)):
            if channels != filters:
                yield 1, channels, filters, positions  # the shortcut
            yield 3, channels, filters, positions
            yield 3, filters, filters, positions
            channels = filters


def _reduced(shape: Shape, stride: int) -> tuple[int, int]:
    """Height and width after strides that multiply to a power of 2: each rounds up."""
    return ceil(shape[0] / stride), ceil(shape[1] / stride)


def _stem(model: ResnetModel, x: Tensor) -> Tensor:
    """The first convolution, which halves large images; a pooling halves the largest once more."""
    from keras import layers  # noqa: PLC0415 - as above

    shape = tuple(x.shape[1:])
    stride = stem_stride(shape)
    x = _convolution(x, model.width, _stem_kernel(shape), min(stride, 2), "stem")
    x = layers.Activation(model.activation, name=f"stem_{model.activation}")(x)
    if stride == 4:  # noqa: PLR2004 -- see STEMS
        x = layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    return x


def _block(model: ResnetModel, x: Tensor, filters: int, stride: int, name: str) -> Tensor:
    """Two convolutions, added to what came in, by a third of 1x1 where that has another shape."""
    from keras import layers  # noqa: PLC0415 - as above

    shortcut = x if stride == 1 else _convolution(x, filters, 1, stride, f"{name}_shortcut")
    x = _convolution(x, filters, 3, stride, f"{name}_conv_1")
    x = layers.Activation(model.activation, name=f"{name}_{model.activation}_1")(x)
    x = _convolution(x, filters, 3, 1, f"{name}_conv_2")
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.Activation(model.activation, name=f"{name}_{model.activation}_2")(x)


def _convolution(x: Tensor, filters: int, kernel: int, stride: int, name: str) -> Tensor:
    """A convolution without bias, and the batch norm behind it."""
    from keras import layers  # noqa: PLC0415 - as above

    x = layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    return layers.BatchNormalization(momentum=NORM_MOMENTUM, name=f"{name}_norm")(x)


NETWORK: Network[ResnetModel] = Network(
    build=build,
    title=title,
    check=check,
    count_params=count_params,
    multiply_adds=multiply_adds,
)
