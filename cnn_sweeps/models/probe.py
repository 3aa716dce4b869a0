"""What a built network is, and what it gives for a few images; it is left as it was.

Only building tells what a user's own function makes: it may read a file, or a variable of the
system. Import this module late: it imports Keras and TensorFlow.
"""

import hashlib
import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

IMAGES: Final = 4
DIGITS: Final = 3
"""Decimals of an output that count: the last bits depend on the processor and its threads."""
PYTHON: Final = re.compile(r".*(PyFunc|NumpyFunction)")
"""Operations that call Python, and may move a state that nobody can put back."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What a network gives for a few images of noise.

    Attributes:
        inference: when it predicts, (images, classes).
        training: while it is trained, (images, classes).
        losses: what it adds to the loss by itself, (n,).
    """

    inference: NDArray[Any]
    training: NDArray[Any]
    losses: NDArray[Any]


def outputs(network: keras.Model) -> Outputs | None:
    """Show a built network a few images; None where it calls Python code to compute.

    All variables, and the random numbers of Python and NumPy, are put back.

    Args:
        network: takes uint8 images.
    """
    shape = (IMAGES, *network.input_shape[1:])
    images = tf.constant(np.random.RandomState(0).randint(0, 256, shape, np.uint8))

    def look(images: Any) -> Any:
        inference, training = network(images, training=False), network(images, training=True)
        return inference, training, [tf.cast(tf.reduce_mean(x), "float32") for x in network.losses]

    with undisturbed():
        step = tf.function(look).get_concrete_function(tf.TensorSpec(images.shape, images.dtype))
        if any(PYTHON.fullmatch(operation) for operation in operations(step)):
            return None
        before = [(variable, variable.numpy()) for variable in step.variables]
        try:
            inference, training, losses = step(images)
        finally:
            for variable, value in before:
                variable.assign(value)
    arrays = [np.asarray(tf.cast(each, "float64")) for each in (inference, training)]
    return Outputs(inference=arrays[0], training=arrays[1], losses=np.asarray(losses, "float64"))


def operations(step: Any) -> Iterator[str]:
    """The names of all operations in a traced function."""
    graph = step.graph.as_graph_def()
    yield from (node.op for node in graph.node)
    yield from (node.op for function in graph.library.function for node in function.node_def)


def network_sha256(network: keras.Model, seen: Outputs | None) -> str:
    """What tells a built network from another of the same function: 64 hex digits.

    That is how Keras serialises it, its variables as they are now, and what it gives.
    """
    digest = hashlib.sha256(json.dumps(_serialised(network), default=_named).encode())
    for variable in network.variables:
        value = np.ascontiguousarray(variable.numpy())
        told = (value.dtype.name, value.shape, bool(variable.trainable))
        digest.update(repr(told).encode() + value.tobytes())
    if seen is not None:
        for array in (seen.inference, seen.training, seen.losses):
            digest.update((np.round(array, DIGITS) + 0.0).tobytes())  # no negative zero
    return digest.hexdigest()


@contextmanager
def undisturbed() -> Iterator[None]:
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
