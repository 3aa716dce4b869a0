"""The mean of the weights of the last epochs, taken where the validation images prefer it.

An average over the way of a training often generalises better than any single point on it. It is a
candidate beside the epoch that a run would end with, and no part of the training: no later epoch
begins with it. Import this module late: it imports Keras.

Sources: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization" (SWA),
arXiv 1803.05407; Kaddour, "Stop Wasting My Time! Saving Days of ImageNet and BERT Training with
Latest Weight Averaging" (LAWA), arXiv 2209.14981.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any, Protocol

import keras
import numpy as np
from keras import layers

from cnn_sweeps.config.schema import EarlyStopping, TrainerConfig
from cnn_sweeps.data.arrays import Images
from cnn_sweeps.training import stopping
from cnn_sweeps.training.epoch import Epoch, TrainingResult, WeightAverage
from cnn_sweeps.training.loop import Trainer, epoch_order
from cnn_sweeps.training.steps import EVALUATION_BATCH


class Weights(Protocol):
    """Where the weights after an epoch come from, such as a `training.loop.EpochSource`."""

    def restore_best(self, number: int) -> Epoch | None:
        """Let the model carry the weights after one of the last epochs."""


def consider(trained: TrainingResult, trainer: Trainer, source: Weights) -> TrainingResult:
    """Let the model carry the average if validation prefers it to what the model carries now.

    They are compared as epochs are: by the metric of early stopping (`val_loss` without it), and
    by more than its `min_delta`. With fewer epochs than `trainer.weight_averaging` it is the
    average of all; of one there is none.

    Args:
        trained: what ended a moment ago.
        trainer: whose model carries the weights after `trained.best`.
        source: where its epochs came from.

    Raises:
        RunFailedError: memory ran out.
    """
    last = len(trained.epochs)
    if trainer.config.weight_averaging is None or last == 1:
        return trained
    trainer.prepare(last)  # epochs from cache leave it as it began, with other layers frozen
    config, model = trainer.config, trainer.model
    first = max(1, last - (config.weight_averaging or last) + 1)
    carried = [np.array(variable.numpy()) for variable in model.variables]
    mean_weights(model, _restored(source, range(first, last + 1)))
    recompute_batch_norm(model, trainer.dataset.x_train, trainer.seed)
    candidate = _measured(trainer, trained.epochs[-1])
    found = WeightAverage.of(candidate, first=first, last=last)
    if _is_better(config, candidate, than=trained.epochs[trained.best - 1]):
        found = replace(found, taken=True)
    else:
        for variable, value in zip(model.variables, carried, strict=True):
            variable.assign(value)
    return replace(trained, average=found)


def _measured(trainer: Trainer, last: Epoch) -> Epoch:
    """What an epoch after the last one would be, had it the weights that the model carries now."""
    loss, accuracy = trainer.evaluate(trainer.dataset.x_val, trainer.dataset.y_val)
    after = replace(last, number=last.number + 1, val_loss=loss, val_accuracy=accuracy)
    return trainer.measure(replace(after, measured={}))


def _is_better(config: TrainerConfig, candidate: Epoch, *, than: Epoch) -> bool:
    """Whether early stopping would call it an improvement; without it, whether `val_loss` fell."""
    if not stopping.is_finite(candidate):
        return False
    if config.early_stopping.patience is None:
        config = replace(config, early_stopping=EarlyStopping())
    return stopping.best_epoch(config, [than, candidate]) == candidate.number


def _restored(source: Weights, numbers: Iterable[int]) -> Iterator[None]:
    """Let the model carry the weights after one epoch after another."""
    for number in numbers:
        source.restore_best(number)
        yield


def mean_weights(model: keras.Model, states: Iterable[None]) -> None:
    """Let the model carry the mean of its weights over some states, summed in double precision.

    What training does not move by gradients stays as in the last state.

    Args:
        model: the same network in all states.
        states: brings the model to one after another.
    """
    weights, count = model.trainable_weights, 0
    totals = [np.zeros(weight.shape, np.float64) for weight in weights]
    for _ in states:
        count += 1
        values = [weight.numpy().astype(np.float64) for weight in weights]
        totals = [total + value for total, value in zip(totals, values, strict=True)]
    for total, weight in zip(totals, weights, strict=True):
        weight.assign((total / count).astype(weight.numpy().dtype))


def recompute_batch_norm(model: keras.Model, images: Images, seed: int) -> None:
    """Give batch normalisations the statistics of the training images under the new weights.

    One pass in a fixed order, of images that are not augmented, with everything else as in
    inference. Layers that are frozen keep theirs, as they do in training.

    Args:
        model: its moving means and variances change.
        images: (n, height, width, channels).
        seed: of the order, which no epoch has.
    """
    norms = [
        layer
        for layer in model._flatten_layers()  # Keras has no public way to them
        if isinstance(layer, layers.BatchNormalization) and layer.trainable
    ]
    if not norms:
        return
    order, seen = epoch_order(seed, 0, len(images)), 0
    with _collecting(norms) as weigh:
        while seen < len(order):
            batch = order[seen : seen + EVALUATION_BATCH]
            weigh(seen / (seen + len(batch)))
            model(images[batch], training=False)
            seen += len(batch)


@contextmanager
def _collecting(norms: list[Any]) -> Iterator[Callable[[float], None]]:
    """Inside the block, these layers normalise by the batch and count it in, whatever is asked.

    Gives a function that sets how much what was seen before counts in the next batch, from 0 to 1.
    """
    momenta = [layer.momentum for layer in norms]

    def weigh(before: float) -> None:
        for layer in norms:
            layer.momentum = before

    for layer in norms:
        layer.call = _as_in_training(layer.call)
    try:
        yield weigh
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
            del layer.call


def _as_in_training(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def called(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **{**kwargs, "training": True})

    return called
