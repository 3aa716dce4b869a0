"""A user's own loss of training, `package.module:function`: found, tried once, and wrapped.

The function is called with (y_true, y_pred), classes (n,) and probabilities (n, classes), and
returns one number for each image, (n,), or one for all. Only training has it: what is reported of
validation and test images is the plain cross-entropy. Import this module late: it imports
TensorFlow.
"""

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from cnn_sweeps.errors import ConfigError, ModelError
from cnn_sweeps.models import custom, imports
from cnn_sweeps.models.network import scores_dtype
from cnn_sweeps.models.probe import DIGITS, constants_sha256, keep_random_state, operations
from cnn_sweeps.models.source import Source
from cnn_sweeps.training import class_weights
from cnn_sweeps.training.losses import TrainingLoss
from cnn_sweeps.training.state import STATEFUL

KEY = "trainer.loss"
Loss = Callable[[Any, Any], Any]


def find_loss(function: str, classes: int, *, weighted: bool = False) -> TrainingLoss:
    """Import the function, and try it on a few images.

    Args:
        function: `package.module:function`.
        classes: how many there are.
        weighted: whether images count differently (`trainer.class_weight`).

    Raises:
        ConfigError: no such module or function; or images shall count differently, and it returns
            one number for all of them.
        ModelError: it failed, or what it returns cannot be minimised.
    """
    found, tried = _found(function, classes)
    if weighted and not tried.for_each:
        raise ConfigError(
            f"{KEY}={function} returns one number for all images, so {class_weights.KEY} would "
            f"have no effect.\nReturn one for each image, of shape (n,), or type "
            f"{class_weights.KEY}=none."
        )

    def loss(y_true: Any, y_pred: Any, sample_weight: Any | None = None) -> Any:
        value = tf.convert_to_tensor(found(tf.cast(y_true, "int64"), y_pred))
        if sample_weight is not None:
            value *= tf.cast(sample_weight, value.dtype)
        return tf.reduce_mean(value)

    return loss


def loss_sha256(function: str | None, classes: int) -> str | None:
    """What tells a loss from another with the same files, which may read others: 64 hex digits.

    That is what it gives for a few images, how it moves their scores, and the numbers in it.

    Args:
        function: `package.module:function`; None where no loss is the user's own, which has none.
        classes: how many there are.

    Raises:
        ConfigError: see `find_loss`.
        ModelError: see `find_loss`.
    """
    return None if function is None else _found(function, classes)[1].sha256


@dataclass(frozen=True, kw_only=True)
class _Tried:
    """What a loss gave for a few images.

    Attributes:
        for_each: whether it is a number for each image, not one for all.
        sha256: digest of it.
    """

    for_each: bool
    sha256: str


def _found(function: str, classes: int) -> tuple[Loss, _Tried]:
    with imports.fresh_modules(Source.find(function)):
        found = custom.find_function(function, key=KEY)
    _check_signature(found, function)
    with keep_random_state():
        return found, _check(found, f"{KEY}={function}", classes)


def _check_signature(found: Loss, function: str) -> None:
    try:
        inspect.signature(found).bind("y_true", "y_pred")
    except TypeError as error:
        raise ConfigError(
            f"{KEY}={function} cannot be called with (y_true, y_pred): {error}.\n"
            f"Its signature is {found.__name__}{inspect.signature(found)}."
        ) from None


def _check(found: Loss, typed: str, classes: int) -> _Tried:
    """Refuse a loss that cannot be minimised, or that a training could not go on with.

    Raises:
        ModelError: it failed, or is no such loss.
    """
    images = classes + 1  # a number for each class is none for each image
    labels = tf.range(images, dtype="int64") % classes
    spread = np.linspace(-1, 1, images * classes).reshape(images, classes)
    scores = tf.nn.softmax(tf.constant(spread, scores_dtype()))
    with custom.blame(typed):
        step = tf.function(found).get_concrete_function(
            tf.TensorSpec((None,), "int64"), tf.TensorSpec((None, classes), scores.dtype)
        )
        if step.variables or any(map(STATEFUL.match, operations(step))):
            raise ModelError(
                f"{typed} draws random numbers, keeps a state or calls Python for each batch, with "
                "which a training could not be resumed.\nLet it compute from its arguments alone."
            )
        with tf.GradientTape() as tape:
            tape.watch(scores)
            value = tf.convert_to_tensor(found(labels, scores))
        gradient = tape.gradient(value, scores) if value.dtype.is_floating else None
    if value.shape not in ((), (images,)):
        raise ModelError(
            f"{typed} returned values of shape {tuple(value.shape)} for {images} images.\n"
            f"Return one number for each image, of shape ({images},), or one for all."
        )
    if gradient is None or not np.isfinite(gradient).all() or not np.isfinite(value).all():
        raise ModelError(
            f"{typed} has no finite value with a gradient: nothing could be learnt from it.\n"
            "Compute it from y_pred by functions of TensorFlow or keras.ops."
        )
    digest = hashlib.sha256(constants_sha256(step))
    for number in (*np.ravel(value), *np.ravel(gradient)):
        digest.update(f"{number:.{DIGITS}e} ".encode())
    return _Tried(for_each=len(value.shape) > 0, sha256=digest.hexdigest())
