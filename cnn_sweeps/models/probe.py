"""What a built network is, and what it gives for a few images; it is left as it was.

Only building tells what a user's own function makes: it may read a file, or a variable of the
system. Import this module late: it imports Keras and TensorFlow.
"""

import hashlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

IMAGES: Final = 4
DIGITS: Final = 3
"""Digits of an output that count: the last bits depend on the processor and its threads."""
PYTHON: Final = re.compile(r".*(PyFunc|NumpyFunction)")
"""Operations that call Python, and may move a state that nobody can put back."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What a network gives for a few images of noise.

    Attributes:
        inference: when it predicts, (images, classes).
        training: while it is trained, (images, classes).
        losses: what it adds to the loss by itself, (n,).
        gradients: how far a step of training would move each trainable variable, (n,).
    """

    inference: NDArray[Any]
    training: NDArray[Any]
    losses: NDArray[Any]
    gradients: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a look at a built network tells.

    Attributes:
        constants: digest of the numbers that it computes with, beside its variables.
        outputs: what it gives; None where it calls Python code to compute.
    """

    constants: bytes
    outputs: Outputs | None


def look_at(network: keras.Model) -> Seen:
    """Show a built network a few images, unless it calls Python code to compute.

    All variables, and the random numbers of Python and NumPy, are put back.

    Args:
        network: takes uint8 images.
    """
    shape = (IMAGES, *network.input_shape[1:])
    images = tf.constant(np.random.RandomState(0).randint(0, 256, shape, np.uint8))
    with keep_random_state():
        step = tf.function(lambda images: _steps(network, images)).get_concrete_function(
            tf.TensorSpec(images.shape, images.dtype)
        )
        constants = constants_sha256(step)
        if any(PYTHON.fullmatch(operation) for operation in operations(step)):
            return Seen(constants=constants, outputs=None)
        before = [(variable, variable.numpy()) for variable in step.variables]
        try:
            given = step(images)
        finally:
            for variable, value in before:
                variable.assign(value)
    arrays = {name: np.asarray(value, "float64") for name, value in given.items()}
    return Seen(constants=constants, outputs=Outputs(**arrays))


def _steps(network: keras.Model, images: Any) -> dict[str, Any]:
    """The attributes of `Outputs`, as tensors."""
    with tf.GradientTape() as tape:
        inference, training = network(images, training=False), network(images, training=True)
        losses = [tf.cast(tf.reduce_mean(each), "float64") for each in network.losses]
        # Any loss will do of which the gradient is not 0 for probabilities and for raw scores.
        loss = tf.add_n([tf.reduce_mean(tf.cast(training, "float64") ** 2), *losses])
    gradients = tape.gradient(loss, [each.value for each in network.trainable_variables])
    norms = [-1.0 if g is None else tf.norm(tf.cast(g, "float64")) for g in gradients]
    return {
        "inference": tf.cast(inference, "float64"),
        "training": tf.cast(training, "float64"),
        "losses": tf.cast(tf.stack(losses) if losses else [], "float64"),
        "gradients": tf.cast(tf.stack(norms) if norms else [], "float64"),
    }


def operations(step: Any) -> Iterator[str]:
    """The names of all operations in a traced function."""
    yield from (node.op for node in _nodes(step))


def _nodes(step: Any) -> Iterator[Any]:
    graph = step.graph.as_graph_def()
    yield from graph.node
    yield from (node for function in graph.library.function for node in function.node_def)


def constants_sha256(step: Any) -> bytes:
    """Digest of the floating-point numbers in a traced function, in whatever order they stand."""
    nodes = (node for node in _nodes(step) if node.op == "Const")
    values = (
        tf.make_ndarray(node.attr["value"].tensor)
        for node in nodes
        if tf.as_dtype(node.attr["dtype"].type).is_floating
    )
    return hashlib.sha256(b"".join(sorted(value.tobytes() for value in values))).digest()


def network_sha256(network: keras.Model, seen: Seen, files: Sequence[str] = ()) -> str:
    """What tells a built network from another of the same function: 64 hex digits.

    That is how Keras serialises it, its variables as they are now, and what a look at it tells.

    Args:
        network: built.
        seen: what `look_at` gave.
        files: digests of files that it was made with, and that nothing else names.
    """
    digest = hashlib.sha256(json.dumps(_serialised(network), default=_named).encode())
    for variable in network.variables:
        value = np.ascontiguousarray(variable.numpy())
        told = (value.dtype.name, value.shape, bool(variable.trainable))
        digest.update(repr(told).encode() + value.tobytes())
    digest.update(seen.constants + "".join(files).encode())
    if seen.outputs is not None:
        for array in (seen.outputs.inference, seen.outputs.training):
            digest.update((np.round(array, DIGITS) + 0.0).tobytes())  # no negative zero
        for array in (seen.outputs.losses, seen.outputs.gradients):
            digest.update(" ".join(f"{value:.{DIGITS - 1}e}" for value in array).encode())
    return digest.hexdigest()


@contextmanager
def keep_random_state() -> Iterator[None]:
    """Leave the random numbers of Python and NumPy where they were."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _serialised(layer: Any) -> Any:
    """How Keras describes a network; of one that it cannot describe, the layers that it can."""
    with suppress(Exception):  # a user's own get_config may fail in any way
        return keras.saving.serialize_keras_object(layer)
    return [type(layer).__name__, *map(_serialised, getattr(layer, "layers", ()))]


def _named(value: Any) -> str:
    """What JSON does not know, without its address in memory."""
    return type(value).__name__
