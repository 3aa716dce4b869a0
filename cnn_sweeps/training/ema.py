"""An average of the weights over the steps of training: kept by the optimizer, and what counts.

Keras' optimizer follows the weights with an exponential moving average (`use_ema`). Between the
passes over the images the model carries the average, so that all that looks at it (validation,
test, what is stored) sees that, and the weights that are trained lie in the optimizer's variables
in its place, where a snapshot has them. For a pass the two change places. Moving statistics of
batch normalisation are no part of it: they are averages already. Import this module late: it
imports Keras.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np


def start(model: keras.Model) -> None:
    """Let the average begin with the weights that a compiled model has; without one, do nothing."""
    for variable, average in _pairs(model):
        average.assign(variable)


@contextmanager
def trained_weights(model: keras.Model) -> Iterator[None]:
    """Inside the block, a compiled model carries the weights that are trained."""
    _swap(model)
    try:
        yield
    finally:
        _swap(model)


def carry(before: "keras.Optimizer", model: keras.Model) -> None:
    """Let training go on from the weights that were trained, with another optimizer.

    Args:
        before: the optimizer of the model until now.
        model: compiled with the new one; it carries the average.
    """
    known = {id(variable): kept for variable, kept in _pairs_of(before)}
    for variable, kept in _pairs(model):
        if id(variable) in known:
            kept.assign(known[id(variable)].numpy())


def _swap(model: keras.Model) -> None:
    for variable, average in _pairs(model):
        before = np.array(variable.numpy())
        variable.assign(average)
        average.assign(before)


def _pairs(model: keras.Model) -> Iterator[tuple[Any, Any]]:
    """Each trained variable with its average; none where nothing is averaged."""
    return _pairs_of(model.optimizer)


def _pairs_of(optimizer: "keras.Optimizer") -> Iterator[tuple[Any, Any]]:
    """The same for any optimizer that was built."""
    # Under mixed_float16 an optimizer that scales the loss is around it.
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if optimizer.use_ema:
        averages = optimizer._model_variables_moving_average  # Keras has no public way to it
        for variable, average in zip(optimizer._trainable_variables, averages, strict=True):
            if average is not None:
                yield variable, average
