"""What is done to the training images at random: a pure function of (seed, epoch, step).

All that is random is drawn from the seed of the step by operations without a state, so that a
training can be taken up at any epoch. Each switch has random numbers of its own: turning one on
leaves what the others draw as it was. Import this module late: it imports TensorFlow.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnn_sweeps.config.schema import Augment
from cnn_sweeps.data.arrays import Images

Tensor = Any

DRAWN = (
    *("flip_x", "flip_y", "shift_x", "shift_y", "rotate", "zoom"),
    *("brightness", "contrast", "saturation"),
    *("erase", "erase_area", "erase_shape", "erase_x", "erase_y"),
    *("which_mix", "mixup_1", "mixup_2", "cutmix_1", "cutmix_2", "cutmix_x", "cutmix_y"),
)
"""What one uniform number is drawn for, for each image. A new name goes to the end, or all bits
move."""
SEED_BITS = 32
"""That `config.seed` takes; the part of the step stands above them."""
WHITE = 255.0
TINY = 1e-30
NOISE, MIXUP, CUTMIX, OPERATIONS = range(4)
"""What is drawn beside those numbers; the rounds of RandAugment count on from the last."""

ERASED_AREA = (0.02, 1 / 3)
"""Share of an image that an erased rectangle takes."""
ERASED_SHAPE = 3.3
"""Height over width of that rectangle, at most; the inverse at least (arXiv 1708.04896)."""

CHANGES = ("brightness", "contrast", "saturation")
RAND_AUGMENT = (
    *("identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate"),
    *("autocontrast", "posterize", "solarize", *CHANGES),
)
"""The operations of RandAugment (arXiv 1909.13719) under the first `augment.rules`; the last needs
colour."""
LATER_OPERATIONS = ("equalize", "sharpness")
"""Those that came with the second."""
LEVELS = 256
"""Of brightness, that are equalized."""
SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
"""What an image of less sharpness is mixed with, as Pillow has it."""
MOST_SHEAR, MOST_TRANSLATION, MOST_ROTATION = 0.3, 0.45, math.radians(30)
MOST_CHANGE = 0.9
"""Of brightness, contrast, saturation and sharpness, up and down."""
MOST_BITS = 4
"""Of 8 that posterize takes away."""


def step_seeds(seed: int, epoch: int, steps: int) -> NDArray[np.int64]:
    """The seed of each step of an epoch, (steps, 2): no two of any training are the same."""
    of_steps = (epoch << SEED_BITS) + np.arange(steps, dtype=np.int64)
    return np.stack([np.full(steps, seed, dtype=np.int64), of_steps], axis=1)


def augment_batch(
    images: Images, config: Augment, seed: int, *, epoch: int = 1, step: int = 0
) -> Any:
    """What a step makes of a batch of images; an array of the same shape and type."""
    augmentation = Augmentation(config=config, num_classes=1)
    labels = np.zeros(len(images), dtype=np.int64)
    seeds = step_seeds(seed, epoch, step + 1)
    mixed, _ = augmentation(tf.constant(images), labels, tf.constant(seeds[step]))
    return mixed.numpy()


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """From a batch as it is stored to the one that a step is trained on.

    Attributes:
        config: what is done.
        num_classes: classes of the labels.
    """

    config: Augment
    num_classes: int

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]  # nothing to convert
    def __call__(self, images: Tensor, labels: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            images: (n, height, width, channels); integers up to the highest of their type, or
                floats up to 255.
            labels: classes, (n,).
            seed: two integers, of which all that is random is a function.

        Returns:
            Images of the same shape and type; and the labels, or, where images are mixed, the
            share of each class, (n, classes), float32.
        """
        config, dtype = self.config, images.dtype
        top = float(dtype.max) if dtype.is_integer else WHITE
        drawn = _draw(seed, tf.shape(images)[0])
        images = _moved(images, config, drawn)
        if config.color:
            change = {name: config.color * _signed(drawn[name]) for name in CHANGES}
            images = _recolored(_floats(images), change, top)
        for number in range(config.randaugment):
            part = _part(seed, OPERATIONS + number)
            images = _operation(_floats(images), config, part, top)
        if config.erasing:
            noise = top * _uniform(tf.shape(images), _part(seed, NOISE))
            images = tf.where(_erased(images, config.erasing, drawn), noise, _floats(images))
        if config.mixes:
            kept = _kept(images, config, drawn, seed)
            images = _blend(_floats(images), tf.roll(_floats(images), 1, axis=0), kept)
            hot = tf.one_hot(labels, self.num_classes)
            labels = _blend(hot, tf.roll(hot, 1, axis=0), tf.reduce_mean(kept, axis=(1, 2)))
        return _as(dtype, images), labels


def _draw(seed: Tensor, images: Tensor) -> dict[str, Tensor]:
    """A number from 0 to 1 for each purpose and image, (n,)."""
    return dict(zip(DRAWN, tf.unstack(_uniform((len(DRAWN), images), seed)), strict=True))


def _uniform(shape: Any, seed: Tensor) -> Tensor:
    # Named, since another kind of device would choose another generator.
    return tf.random.stateless_uniform(shape, seed, alg="philox")


def _part(seed: Tensor, number: int) -> Tensor:
    """A seed of its own for one part of a step."""
    return tf.stack([seed[0] + ((number + 1) << SEED_BITS), seed[1]])


def _signed(drawn: Tensor) -> Tensor:
    """From 0..1 to -1..1."""
    return 2 * drawn - 1


def _each(values: Tensor) -> Tensor:
    """A number for each image, to be spread over its pixels."""
    return values[:, None, None, None]


def _floats(images: Tensor) -> Tensor:
    return tf.cast(images, tf.float32)


def _as(dtype: tf.DType, images: Tensor) -> Tensor:
    """Images in the type that they came in, rounded to the nearest value."""
    if images.dtype == dtype:
        return images
    return tf.saturate_cast(tf.round(images) if dtype.is_integer else images, dtype)


def _blend(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """So much of the first, the rest of the other."""
    return one * share + other * (1 - share)


def _moved(images: Tensor, config: Augment, drawn: dict[str, Tensor]) -> Tensor:
    """Mirrored, shifted by whole pixels, rotated and zoomed: all in one operation.

    Where every new pixel is just one of the old, these are taken, which is far quicker.
    """
    if not (config.flip != "none" or config.crop or config.rotate or config.zoom):
        return images
    height, width = images.shape[1:3]
    ones = tf.ones_like(drawn["zoom"])
    mirrored = {"horizontal": ("x",), "vertical": ("y",), "both": ("x", "y"), "none": ()}
    x, y = (
        tf.where(drawn[f"flip_{axis}"] < 0.5, -ones, ones)  # noqa: PLR2004 -- a fair coin
        if axis in mirrored[config.flip]
        else ones
        for axis in ("x", "y")
    )
    shifts = [
        tf.round(config.crop * side * _signed(drawn[f"shift_{axis}"]))
        for axis, side in (("x", width), ("y", height))
    ]
    if not (config.rotate or config.zoom):
        for axis, sign, shift in ((2, x, shifts[0]), (1, y, shifts[1])):
            images = tf.gather(
                images, _sources(images.shape[axis], sign, shift), axis=axis, batch_dims=1
            )
        return images
    angle = math.radians(config.rotate) * _signed(drawn["rotate"])
    scale = 1 / (1 + config.zoom * _signed(drawn["zoom"]))
    cos, sin = scale * tf.cos(angle), scale * tf.sin(angle)
    return _transformed(images, ((x * cos, -y * sin), (x * sin, y * cos)), shifts)


def _sources(side: int, sign: Tensor, shift: Tensor) -> Tensor:
    """Which row or column of the old image each of the new one is, (n, side).

    Args:
        side: rows or columns of an image.
        sign: -1 for an image that is mirrored, else 1, (n,).
        shift: by how many each image is shifted, (n,).
    """
    places = tf.range(side, dtype=tf.float32)
    places = tf.where(sign[:, None] < 0, side - 1 - places, places) - shift[:, None]
    turn = tf.cast(tf.math.floormod(places, 2 * side), tf.int32)  # mirrored at the border
    return tf.minimum(turn, 2 * side - 1 - turn)


def _transformed(images: Tensor, matrix: Any, shifts: Any) -> Tensor:
    """Each image turned, sheared and scaled about its centre, then shifted, in pixels.

    What comes in from outside is mirrored at the border.

    Args:
        images: a batch.
        matrix: from a place in the new image to one in the old, seen from the centre: two rows of
            a number for each image.
        shifts: how far to the right and down.
    """
    height, width = images.shape[1:3]
    (a, b), (c, d) = matrix
    x, y = (width - 1) / 2, (height - 1) / 2
    zeros = tf.zeros_like(a)
    right, down = x - a * x - b * y - shifts[0], y - c * x - d * y - shifts[1]
    transforms = tf.stack([a, b, right, c, d, down, zeros, zeros], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=_floats(images),
        transforms=transforms,
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


def _recolored(images: Tensor, change: dict[str, Tensor], top: float) -> Tensor:
    """Brighter or darker, and of more or less contrast and colour: 0 leaves it as it is."""
    by = {name: _each(1 + amount) for name, amount in change.items()}
    images = images * by["brightness"]
    images = _blend(images, tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True), by["contrast"])
    if images.shape[3] > 1:
        images = _blend(images, tf.reduce_mean(images, axis=3, keepdims=True), by["saturation"])
    return tf.clip_by_value(images, 0, top)


def _operation(images: Tensor, config: Augment, seed: Tensor, top: float) -> Tensor:
    """One operation of RandAugment, another one for each image."""
    magnitude, later = config.magnitude, LATER_OPERATIONS if config.rules > 1 else ()
    operations = (*later, *(RAND_AUGMENT if images.shape[3] > 1 else RAND_AUGMENT[:-1]))
    which, way = tf.unstack(_uniform((2, tf.shape(images)[0]), seed))
    number = tf.cast(which * len(operations), tf.int32)
    sign = tf.where(way < 0.5, -magnitude, magnitude)  # noqa: PLR2004 -- a fair coin

    def chosen(name: str) -> Tensor:
        return number == operations.index(name)

    def amount(name: str, most: float) -> Tensor:
        return tf.where(chosen(name), most * sign, 0)

    height, width = images.shape[1:3]
    angle = amount("rotate", MOST_ROTATION)
    cos, sin = tf.cos(angle), tf.sin(angle)
    shears = [amount(f"shear_{axis}", MOST_SHEAR) for axis in ("x", "y")]
    shifts = [
        tf.round(amount(f"translate_{axis}", MOST_TRANSLATION * side))
        for axis, side in (("x", width), ("y", height))
    ]
    images = _transformed(images, ((cos, shears[0] - sin), (shears[1] + sin, cos)), shifts)
    least, most = (
        reduce(images, axis=(1, 2), keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max)
    )
    stretched = tf.math.divide_no_nan((images - least) * top, most - least)
    step = 2.0 ** round(MOST_BITS * magnitude) * (top + 1) / 256
    sharper = _each(1 + amount("sharpness", MOST_CHANGE)) if later else None
    for name, made in (
        *((("equalize", _equalized(images, top)),) if later else ()),
        *((("sharpness", _sharpened(images, sharper, top)),) if later else ()),
        ("autocontrast", tf.where(most > least, stretched, images)),
        ("posterize", tf.floor(images / step) * step),
        ("solarize", tf.where(images < top * (1 - magnitude), images, top - images)),
    ):
        images = tf.where(_each(chosen(name)), made, images)
    change = {name: amount(name, MOST_CHANGE) for name in CHANGES if name in operations}
    return _recolored(images, change, top)


def _equalized(images: Tensor, top: float) -> Tensor:
    """All levels of each channel as frequent as they can be, by the table of Pillow's `equalize`.

    How often darker levels occur is read from the sorted pixels: no histogram is made.
    """
    batch, height, width, channels = tf.unstack(tf.shape(images))
    pixels = tf.reshape(tf.transpose(images, (0, 3, 1, 2)), (batch * channels, height * width))
    levels = tf.cast(pixels * ((LEVELS - 1) / top), tf.int32)
    ordered = tf.sort(levels)
    darker = tf.searchsorted(ordered, levels)
    step = tf.searchsorted(ordered, ordered[:, -1:]) // (LEVELS - 1)
    spread = tf.minimum((step // 2 + darker) // tf.maximum(step, 1), LEVELS - 1)
    made = tf.where(step > 0, _floats(spread) * (top / (LEVELS - 1)), pixels)
    return tf.transpose(tf.reshape(made, (batch, channels, height, width)), (0, 2, 3, 1))


def _sharpened(images: Tensor, factor: Tensor, top: float) -> Tensor:
    """Mixed with a smoother one, or taken away from it; the border stays, as Pillow leaves it."""
    height, width, channels = images.shape[1:]
    if min(height, width) < len(SMOOTH):
        return images
    kernel = tf.constant(np.repeat(SMOOTH[:, :, None, None], channels, axis=2), tf.float32)
    smooth = tf.nn.depthwise_conv2d(images, kernel, (1, 1, 1, 1), "VALID")
    mixed = tf.clip_by_value(_blend(images[:, 1:-1, 1:-1], smooth, factor), 0, top)
    middle = np.pad(np.ones((height - 2, width - 2, 1), bool), ((1, 1), (1, 1), (0, 0)))
    return tf.where(middle, tf.pad(mixed, ((0, 0), (1, 1), (1, 1), (0, 0))), images)


def _erased(images: Tensor, probability: float, drawn: dict[str, Tensor]) -> Tensor:
    """Whether a pixel is to be overwritten, (n, height, width, 1)."""
    area = ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * drawn["erase_area"]
    shape = tf.exp(math.log(ERASED_SHAPE) * _signed(drawn["erase_shape"]))
    sides = tf.minimum(tf.sqrt(area * shape), 1), tf.minimum(tf.sqrt(area / shape), 1)
    starts = drawn["erase_y"] * (1 - sides[0]), drawn["erase_x"] * (1 - sides[1])
    return _each(drawn["erase"] < probability) & _inside(images, starts, sides)


def _kept(images: Tensor, config: Augment, drawn: dict[str, Tensor], seed: Tensor) -> Tensor:
    """The share of each pixel that stays when another image is mixed in.

    With both ways of mixing on, each image goes one of them. It is (n, height, width, 1), or
    (n, 1, 1, 1) where it is the same for all pixels of an image.
    """
    ways = []
    if config.mixup:
        share = _beta(config.mixup, drawn, "mixup", _part(seed, MIXUP))
        # The larger share is its own: else it might be lost, and its neighbour be there twice.
        ways.append(_each(tf.maximum(share, 1 - share)))
    if config.cutmix:
        side = tf.sqrt(1 - _beta(config.cutmix, drawn, "cutmix", _part(seed, CUTMIX)))
        starts = drawn["cutmix_y"] - side / 2, drawn["cutmix_x"] - side / 2
        ways.append(1 - _floats(_inside(images, starts, (side, side))))
    if len(ways) == 1:
        return ways[0]
    return tf.where(_each(drawn["which_mix"] < 0.5), *ways)  # noqa: PLR2004 -- a fair coin


def _inside(images: Tensor, starts: tuple[Tensor, Tensor], sides: tuple[Tensor, Tensor]) -> Tensor:
    """Whether a pixel is in the rectangle of its image, given in shares of height and width."""
    along = []
    for start, side, pixels in zip(starts, sides, images.shape[1:3], strict=True):
        middles = (tf.range(pixels, dtype=tf.float32) + 0.5) / pixels
        along.append((middles >= start[:, None]) & (middles < (start + side)[:, None]))
    return along[0][:, :, None, None] & along[1][:, None, :, None]


def _beta(alpha: float, drawn: dict[str, Tensor], name: str, seed: Tensor) -> Tensor:
    """A draw from Beta(alpha, alpha) for each image, (n,).

    By logarithms of gamma variables, which stay apart where alpha is so small that the variables
    themselves would be 0: Gamma(a) is Gamma(a + 1) times u^(1/a).
    """
    images = tf.shape(drawn[f"{name}_1"])[0]
    gamma = tf.random.stateless_gamma((2, images), seed, alpha + 1)
    uniform = tf.stack([drawn[f"{name}_1"], drawn[f"{name}_2"]])
    one, other = tf.unstack(tf.math.log(gamma) + tf.math.log(uniform + TINY) / alpha)
    return tf.sigmoid(one - other)
