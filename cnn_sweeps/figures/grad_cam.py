"""Where in an image a network has seen a class: Grad-CAM.

The gradient of the score of a class with respect to the last feature maps, averaged over the
image, weighs the maps; where their weighted sum is positive, the image speaks for the class.
Import this module late: it imports Keras.

Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", arXiv 1610.02391.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from cnn_sweeps.figures import activations

NO_CONVOLUTION: Final = "the network has no convolution"
TOO_SMALL: Final = "the network has no feature map of more than one pixel"
NOT_FOLLOWED: Final = "the scores do not depend on the feature maps by a gradient"


@dataclass(frozen=True, kw_only=True)
class HeatMaps:
    """What speaks for a class in each of some images.

    Attributes:
        layer: whose feature maps were looked at.
        values: (images, height, width) of the feature maps, from 0 to 1, the largest of an image
            1; all 0 where nothing speaks for the class.
    """

    layer: str
    values: NDArray[np.float32]


def heat_maps(
    model: keras.Model, images: NDArray[np.uint8], classes: NDArray[np.int64]
) -> HeatMaps | str:
    """Grad-CAM of the last feature maps that are larger than a pixel, and of no pooling.

    Args:
        model: built, compiled or not; it stays as it is.
        images: (n, height, width, channels).
        classes: of which class the score is explained, for each image.

    Returns:
        The maps, or why there are none.
    """
    every = list(activations.inside(model))
    convolutions = [isinstance(each, activations.CONVOLUTIONS) for _, each in every]
    if not any(convolutions):
        return NO_CONVOLUTION
    found: list[tuple[str, Any]] = []
    tape = tf.GradientTape()

    def keep(name: str, output: Any) -> None:
        shape: Any = getattr(output, "shape", ())
        if len(shape) == activations.DIMENSIONS and shape[1] * shape[2] > 1:
            tape.watch(output)  # behind frozen layers nothing else is
            found.append((name, output))

    behind = every[convolutions.index(True) :]
    asked = [(name, each) for name, each in behind if not _is_passed_over(each)]
    with tape, _logits(every), activations.heard(asked, keep):
        scores = tf.cast(model(images, training=False), tf.float32)
        chosen = tf.reduce_sum(tf.gather(scores, classes, axis=1, batch_dims=1))
    if not found:
        return TOO_SMALL
    name, maps = found[-1]
    gradient = tape.gradient(chosen, maps)
    if gradient is None:
        return NOT_FOLLOWED
    return HeatMaps(layer=name, values=_weighed(maps, gradient))


def _weighed(maps: Any, gradient: Any) -> NDArray[np.float32]:
    """The maps weighed by their mean gradients; each image by itself from 0 to 1."""
    values = tf.cast(maps, tf.float32).numpy()
    weights = tf.cast(gradient, tf.float32).numpy().mean(axis=(1, 2), keepdims=True)
    heat = np.maximum((values * weights).sum(axis=-1), 0)
    most = heat.max(axis=(1, 2), keepdims=True)
    scaled: NDArray[np.float32] = heat / np.where(most > 0, most, 1)
    return scaled


def _is_passed_over(layer: Any) -> bool:
    """Whether a layer shows less of where things are than the one before, or is made of others."""
    return isinstance(layer, activations.POOLINGS) or bool(activations.parts(layer))


@contextmanager
def _logits(inside: Sequence[tuple[str, Any]]) -> Iterator[None]:
    """Inside the block, these layers end in scores before their softmax, as the paper has it.

    A softmax that is no layer and no activation of one stays: then the gradient is that of the
    probability.
    """
    last = [each for _, each in inside if _is_softmax(each)][-1:]
    for layer in last:
        if isinstance(layer, layers.Softmax):
            layer.call = lambda inputs, mask=None: inputs  # noqa: ARG005 -- as Keras calls it
        else:
            layer.activation = keras.activations.linear
    try:
        yield
    finally:
        for layer in last:
            vars(layer).pop("call", None)
            if not isinstance(layer, layers.Softmax):
                layer.activation = keras.activations.softmax


def _is_softmax(layer: Any) -> bool:
    softmax = getattr(layer, "activation", None) is keras.activations.softmax
    return softmax or isinstance(layer, layers.Softmax)
