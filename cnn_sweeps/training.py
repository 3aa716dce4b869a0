"""Training, one epoch after another. Import this module late: it imports Keras.

`epochs` is the trajectory: it goes on for as long as somebody asks, and each epoch depends
on nothing but the state of model and optimizer, the seed and the number of the epoch.
`train` walks along it until a rule, an observer or the config says stop.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnn_sweeps import optimizers, stopping
from cnn_sweeps.config.schema import Trainer
from cnn_sweeps.data.dataset import Dataset, Images, Labels
from cnn_sweeps.errors import RunFailedError
from cnn_sweeps.history import Epoch, Training

EVALUATION_BATCH = 512
"""Images in a step of evaluation; fixed, because it moves the last bits of a metric."""

OnStep = Callable[[int], None]
Snapshot = dict[str, NDArray[Any]]


class Observer(Protocol):
    """Whoever wants to see each epoch: a tracker, a progress bar, a pruner."""

    def on_epoch(self, epoch: Epoch) -> None:
        """See an epoch that has just ended; may raise `stopping.StopTraining`."""


def train(
    model: keras.Model,
    dataset: Dataset,
    trainer: Trainer,
    seed: int,
    *,
    observers: Sequence[Observer] = (),
    on_step: OnStep | None = None,
) -> Training:
    """Compile the model and train it until something says stop.

    Every observer sees every epoch, also the last; then the stopping rules are asked.
    With early stopping and `restore_best` the model ends with the weights of its best epoch.

    Raises:
        ConfigError: early stopping without validation images, or an impossible optimizer.
        DivergedError: the loss became NaN or infinite.
        RunFailedError: memory ran out.
    """
    stopping.check(trainer, len(dataset.x_val))
    with memory_remedy(trainer):
        compile_model(model, trainer, len(dataset.x_train))
    early, rules = trainer.early_stopping, stopping.rules(trainer)
    restore_best = early.patience is not None and early.restore_best
    history: list[Epoch] = []
    best, best_weights = 0, None
    reason = None
    for epoch in epochs(model, dataset, trainer, seed, on_step=on_step):
        history.append(epoch)
        stopping.check_finite(epoch)
        best = stopping.best_epoch(early, history) if restore_best else epoch.number
        if restore_best and best == epoch.number:
            best_weights = model.get_weights()
        reason = _tell(observers, epoch) or _first_reason(rules, history)
        if reason or epoch.number >= trainer.epochs:
            break
    if best_weights is not None and best != history[-1].number:
        model.set_weights(best_weights)
    stopped = reason or f"all {trainer.epochs} epoch{'s' if trainer.epochs > 1 else ''}"
    return Training(epochs=tuple(history), best=best, stopped=stopped)


def epochs(
    model: keras.Model,
    dataset: Dataset,
    trainer: Trainer,
    seed: int,
    *,
    start: int = 1,
    on_step: OnStep | None = None,
) -> Iterator[Epoch]:
    """Train a compiled model for one epoch each time the next one is asked for; no end.

    Continuing from `start` after `restore` gives the same bits as never having stopped.

    Raises:
        RunFailedError: memory ran out.
    """
    number = start
    while True:
        began = time.perf_counter()
        with memory_remedy(trainer):
            order = epoch_order(seed, number, len(dataset.x_train))
            logs = model.fit(
                dataset.x_train[order],
                dataset.y_train[order],
                batch_size=trainer.batch_size,
                shuffle=False,
                initial_epoch=number - 1,
                epochs=number,
                verbose=0,
                callbacks=[_StepCounter(on_step)] if on_step else None,
            ).history
            trained = time.perf_counter()
            val = evaluate(model, dataset.x_val, dataset.y_val) if len(dataset.x_val) else None
        yield Epoch(
            number=number,
            loss=float(logs["loss"][-1]),
            accuracy=float(logs["accuracy"][-1]),
            val_loss=val[0] if val else None,
            val_accuracy=val[1] if val else None,
            seconds=time.perf_counter() - began,
            images_per_second=len(dataset.x_train) / (trained - began),
        )
        number += 1


def compile_model(model: keras.Model, trainer: Trainer, images: int) -> None:
    """Give the model its optimizer, loss and metric; `images` are the training images.

    The optimizer's variables exist afterwards, so that `restore` can fill them.

    Raises:
        ConfigError: an impossible optimizer or schedule.
    """
    model.compile(
        optimizer=optimizers.make(trainer, steps_per_epoch(images, trainer.batch_size)),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        steps_per_execution=trainer.steps_per_execution,
        jit_compile=False,  # slower on CPU for networks of this size
    )
    model.optimizer.build(model.trainable_variables)


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Steps in an epoch; the last one may have fewer images."""
    return math.ceil(images / batch_size)


def epoch_order(seed: int, epoch: int, images: int) -> NDArray[np.int64]:
    """The order of the training images in that epoch: a pure function, epoch from 1.

    `RandomState` and its `permutation` are frozen by NumPy (NEP 19), so the order stays the
    same in later versions.
    """
    return np.random.RandomState([seed, epoch]).permutation(images)


def evaluate(model: keras.Model, x: Images, y: Labels) -> tuple[float, float]:
    """Loss and accuracy of a compiled model on these images."""
    logs = model.evaluate(x, y, batch_size=EVALUATION_BATCH, verbose=0, return_dict=True)
    return float(logs["loss"]), float(logs["accuracy"])


def weights_sha256(model: keras.Model) -> str:
    """SHA-256 over type, shape and bytes of all weights in order, whatever their names.

    Moving averages and the state of preprocessing layers belong to it; the optimizer, the
    metrics and the state of random generators do not.
    """
    digest = hashlib.sha256()
    for weight in model.weights:
        value = np.ascontiguousarray(weight.numpy())
        digest.update(f"{value.dtype.name}{tuple(weight.shape)}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def snapshot(model: keras.Model) -> Snapshot:
    """Everything that a compiled model needs to be trained on, as copies.

    That is every variable of the model, random generators among them, and of its optimizer.
    Keys are positions, because names need not be unique.
    """
    return {key: np.array(variable.numpy()) for key, variable in _variables(model).items()}


def restore(model: keras.Model, state: Mapping[str, NDArray[Any]]) -> None:
    """Put a snapshot into a compiled model of the same config.

    Raises:
        RunFailedError: the snapshot is of another model or optimizer.
    """
    variables = _variables(model)
    shapes = {key: tuple(variable.shape) for key, variable in variables.items()}
    if shapes != {key: value.shape for key, value in state.items()}:
        raise RunFailedError(
            "The stored training state is of another network or optimizer: its variables "
            "have other shapes.\nTrain it again from the start."
        )
    for key, variable in variables.items():
        variable.assign(state[key])


def _variables(model: keras.Model) -> dict[str, Any]:
    named = {f"model/{i}": variable for i, variable in enumerate(model.variables)}
    return named | {
        f"optimizer/{i}": variable for i, variable in enumerate(model.optimizer.variables)
    }


def _tell(observers: Sequence[Observer], epoch: Epoch) -> str | None:
    """Show the epoch to every observer; the reason of the first that wants to stop."""
    reasons = []
    for observer in observers:
        try:
            observer.on_epoch(epoch)
        except stopping.StopTraining as stop:
            reasons.append(stop.reason)
    return reasons[0] if reasons else None


def _first_reason(rules: Sequence[stopping.Rule], history: Sequence[Epoch]) -> str | None:
    reasons = (rule(history) for rule in rules)
    return next((reason for reason in reasons if reason), None)


@contextmanager
def memory_remedy(trainer: Trainer) -> Iterator[None]:
    """Say what can be done when memory runs out inside the block.

    Raises:
        RunFailedError: memory ran out.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError):
        raise RunFailedError(
            f"Memory ran out with trainer.batch_size={trainer.batch_size}.\n"
            f"Try trainer.batch_size={max(trainer.batch_size // 2, 1)}, or a smaller network."
        ) from None


class _StepCounter(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is untyped
    """Tells how many steps have begun. The end of a step would wait for its metrics."""

    def __init__(self, on_step: OnStep) -> None:
        super().__init__()
        self.on_step = on_step

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras
        """Pass the step on; Keras counts from 0."""
        self.on_step(batch)
