"""The state of a training: every variable of a model and its optimizer, out and back in.

And the state that nobody can keep. Import this module late: it imports Keras and TensorFlow.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.random.seed_generator import global_seed_generator  # Keras has no public way to it
from numpy.typing import NDArray

from cnn_sweeps.errors import RunFailedError
from cnn_sweeps.models.probe import keep_random_state, operations

Snapshot = dict[str, NDArray[Any]]


STATEFUL = re.compile(r"(?!Stateless).*(Random|Multinomial|TruncatedNormal|PyFunc|NumpyFunction)")
"""Operations with a state, or Python code, of their own; Keras draws by stateless ones."""


def weights_sha256(model: keras.Model) -> str:
    """SHA-256 over type, shape and bytes of all weights in order, whatever their names.

    Moving averages and the state of preprocessing layers belong to it; the optimizer, the
    metrics and the state of random generators do not.
    """
    return arrays_sha256(weight.numpy() for weight in model.weights)


def arrays_sha256(arrays: Iterable[NDArray[Any]]) -> str:
    """The same of arrays."""
    digest = hashlib.sha256()
    for array in map(np.asarray, arrays):
        digest.update(f"{array.dtype.name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def variables_of(model: keras.Model) -> dict[str, Any]:
    """The variables that a snapshot of a compiled model holds, by their keys."""
    optimizer = {f"optimizer/{i}": v for i, v in enumerate(model.optimizer.variables)}
    return _model_variables(model) | optimizer | {"random/0": global_seed_generator().state}


def snapshot(model: keras.Model) -> Snapshot:
    """Everything that a compiled model needs to be trained on, as copies.

    That is every variable of the model, random generators among them, those of its optimizer,
    and the generator that Keras draws from where a layer has none of its own.
    Keys are positions, because names need not be unique.
    """
    return {key: np.array(variable.numpy()) for key, variable in variables_of(model).items()}


def untrained(model: keras.Model) -> dict[str, str]:
    """Digests of the variables of a compiled model that its optimizer does not train, by key.

    Those that are the same after an epoch are frozen; moving averages and random generators move.
    """
    trained = {id(variable) for variable in model.trainable_variables}
    return {
        key: hashlib.sha256(variable.numpy().tobytes()).hexdigest()
        for key, variable in _model_variables(model).items()
        if id(variable) not in trained
    }


def restore(model: keras.Model, state: Mapping[str, NDArray[Any]]) -> None:
    """Put a snapshot into a compiled model of the same config.

    Raises:
        RunFailedError: the snapshot is of another model or optimizer.
    """
    _assign(variables_of(model), state)


def restore_model(model: keras.Model, state: Mapping[str, NDArray[Any]]) -> None:
    """Put the model's own part of a snapshot back, to use the network as it was then.

    Raises:
        RunFailedError: the snapshot is of another model.
    """
    _assign(_model_variables(model), state)


@contextmanager
def unmoved(model: keras.Model) -> Iterator[None]:
    """Look at a network inside the block as if nobody had: what layers draw or count is undone."""
    moved = [*model.non_trainable_variables, global_seed_generator().state]
    before = [np.array(variable.numpy()) for variable in moved]
    try:
        yield
    finally:
        for variable, value in zip(moved, before, strict=True):
            variable.assign(value)


def fits(model: keras.Model, state: Mapping[str, NDArray[Any]]) -> bool:
    """Whether these arrays are a snapshot of such a compiled model, by their shapes."""
    return _fits(variables_of(model), state)


def fits_model(model: keras.Model, state: Mapping[str, NDArray[Any]]) -> bool:
    """Whether these arrays are the model's own part of such a snapshot."""
    return _fits(_model_variables(model), state)


def _fits(variables: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> bool:
    shapes = {key: tuple(variable.shape) for key, variable in variables.items()}
    return shapes == {key: value.shape for key, value in state.items()}


def _assign(variables: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> None:
    if not _fits(variables, state):
        raise RunFailedError(
            "The stored training state belongs to another network or optimizer: its variables "
            "have other shapes.\nTrain it again from the start."
        )
    for key, variable in variables.items():
        variable.assign(state[key])


def _model_variables(model: keras.Model) -> dict[str, Any]:
    return {f"model/{i}": variable for i, variable in enumerate(model.variables)}


def has_untracked_state(model: keras.Model) -> bool:
    """Whether training a compiled model moves more than a snapshot of it holds.

    A user's layer may draw by `tf.random.normal`, count in a `tf.Variable` or call Python.
    Then training cannot go on from a snapshot. One pass is traced, none is computed.
    """
    image = model.inputs[0]
    known = {variable.value.ref() for variable in variables_of(model).values()}
    with keep_random_state():
        step = tf.function(lambda images: model(images, training=True)).get_concrete_function(
            tf.TensorSpec(image.shape, image.dtype)
        )
    return any(map(STATEFUL.match, operations(step))) or any(
        variable.ref() not in known for variable in step.variables
    )
