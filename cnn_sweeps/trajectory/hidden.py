"""State of a network that nobody can keep. Import this module late: it imports TensorFlow."""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from cnn_sweeps import variables

STATEFUL = re.compile(r"(?!Stateless).*(Random|Multinomial|TruncatedNormal|PyFunc|NumpyFunction)")
"""Operations with a state, or Python code, of their own; Keras draws by stateless ones."""


def has_hidden_state(model: keras.Model) -> bool:
    """Whether training a compiled model moves more than a snapshot of it holds.

    A user's layer may draw by `tf.random.normal`, count in a `tf.Variable` or call Python.
    Then training cannot go on from a snapshot. One pass is traced, none is computed.
    """
    image = model.inputs[0]
    known = {variable.value.ref() for variable in variables.of(model).values()}
    with _undisturbed():
        step = tf.function(lambda images: model(images, training=True)).get_concrete_function(
            tf.TensorSpec(image.shape, image.dtype)
        )
    graph = step.graph.as_graph_def()
    inner = [node for function in graph.library.function for node in function.node_def]
    return any(STATEFUL.match(node.op) for node in [*graph.node, *inner]) or any(
        variable.ref() not in known for variable in step.variables
    )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Leave the random numbers of Python and NumPy where they were."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
