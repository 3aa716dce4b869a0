"""Passes over images: many steps in one graph, so that little time is lost between them.

`keras.Model.fit` builds a pipeline for each epoch and returns to Python after each step. For a
small network that takes as long as its training does. Here the steps of a call are a loop in one
graph around the model's own `train_step`, which gives the same bits sooner. Import this module
late: it imports TensorFlow.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnn_sweeps.config.schema import TrainerConfig
from cnn_sweeps.data.arrays import Images, Labels
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.training import own_loss

EVALUATION_BATCH = 512
"""Images in a step of evaluation; fixed, because it moves the last bits of a metric."""
EVALUATION_STEPS = 16
"""Steps of evaluation in a call."""
FIRST_STEPS = 8
"""Steps of the first call of a training; how long they take decides on the next."""
CALL_SECONDS = 0.3
"""What a call may take, so that a progress bar moves and Ctrl-C is heard."""

OnStep = Callable[[int], None]
Steps = Callable[[Any, Any], None]
Step = Callable[[Any], Any]
"""Trains on a batch `(images, labels)`."""


@dataclass(kw_only=True)
class TrainEpoch:
    """Trains a compiled model for one pass over images at a time.

    Attributes:
        model: built, its optimizer too.
        batch_size: images in a step.
        steps: steps in a call; None for as many as `CALL_SECONDS` have room for.
        step: what a step is; that of Keras where it is None.
    """

    model: keras.Model
    batch_size: int
    steps: int | None = None
    step: Step | None = None
    _next: int = field(default=FIRST_STEPS, init=False)
    _run: Steps | None = field(default=None, init=False)

    def __call__(
        self, x: Images, y: Labels, order: NDArray[np.int64], on_step: OnStep | None = None
    ) -> Mapping[str, float]:
        """One pass in that order; the metrics over it, by name."""
        if self._run is None:
            _make_metrics(self.model, x, y)
            step = self.step or self.model.train_step
            self._run = make_train_function(step, self.batch_size, x, y)
        self.model.reset_metrics()
        for done, part in self._parts(order):
            if on_step is not None:
                on_step(done)
            self._run(x[part], y[part])
        return _metrics(self.model)

    def _parts(self, order: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """The images of each call, behind the number of steps before it."""
        done, steps = 0, math.ceil(len(order) / self.batch_size)
        while done < steps:
            now = self.steps or self._next
            began = time.perf_counter()
            yield done, order[done * self.batch_size : (done + now) * self.batch_size]
            self._learn(time.perf_counter() - began)
            done += now

    def _learn(self, seconds: float) -> None:
        """Take twice the steps after a short call, half of them after a long one."""
        if seconds < CALL_SECONDS / 2:
            self._next *= 2
        elif seconds > CALL_SECONDS:
            self._next = max(self._next // 2, 1)


@dataclass(kw_only=True)
class Evaluate:
    """Scores images with a compiled model.

    Attributes:
        model: built.
    """

    model: keras.Model
    _run: Steps | None = field(default=None, init=False)

    def __call__(self, x: Images, y: Labels) -> tuple[float, float]:
        """Loss and accuracy on these images."""
        if self._run is None:
            _make_metrics(self.model, x, y)
            self._run = make_train_function(self.model.test_step, EVALUATION_BATCH, x, y)
        self.model.reset_metrics()
        images = EVALUATION_BATCH * EVALUATION_STEPS
        for start in range(0, len(x), images):
            self._run(x[start : start + images], y[start : start + images])
        logs = _metrics(self.model)
        return logs["loss"], logs["accuracy"]


def scores(model: keras.Model, x: Images) -> NDArray[np.floating[Any]]:
    """What a model gives for each image: a probability for each class, (n, classes)."""

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow is untyped
        input_signature=[tf.TensorSpec((None, *x.shape[1:]), x.dtype)]
    )
    def run(images: Any) -> Any:
        return model(images, training=False)

    starts = range(0, len(x), EVALUATION_BATCH)
    return np.concatenate([run(x[at : at + EVALUATION_BATCH]).numpy() for at in starts])


def make_step(model: keras.Model, dataset: Dataset, config: TrainerConfig) -> Step | None:
    """A step of a training with a loss of the user's own; None where that of Keras will do.

    Raises:
        ConfigError: there is no such function.
        ModelError: it failed, or what it returns cannot be minimised.
    """
    if config.loss is None:
        return None
    return train_step(model, own_loss.find(config.loss, dataset.num_classes))


def train_step(model: keras.Model, loss: own_loss.TrainingLoss) -> Step:
    """Keras' own step with a loss that only training has.

    Args:
        model: compiled; its own loss and metrics are those of evaluation.
        loss: what is minimised, beside what layers add.
    """
    tracker = next(metric for metric in model.metrics if metric.name == "loss")

    def step(batch: Any) -> None:
        images, labels = batch
        with tf.GradientTape() as tape:
            scores = model(images, training=True)
            value = loss(labels, scores, None)
            value += sum(keras.ops.sum(keras.ops.cast(each, value.dtype)) for each in model.losses)
            tracker.update_state(value, sample_weight=tf.shape(images)[0])
            scaled = model.optimizer.scale_loss(value)
        variables = model.trainable_weights
        gradients = tape.gradient(scaled, variables)
        model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        model.compute_metrics(images, labels, scores)

    return step


def make_train_function(step: Step, batch_size: int, x: Images, y: Labels) -> Steps:
    """A graph that takes a step for each batch of what it is given, the last one may be smaller."""

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow is untyped
        input_signature=[tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in (x, y)]
    )
    def run(images: Any, labels: Any) -> None:
        for number in tf.range(-(-tf.shape(labels)[0] // batch_size)):
            batch = slice(number * batch_size, (number + 1) * batch_size)
            step((images[batch], labels[batch]))

    return run  # type: ignore[no-any-return]


def _make_metrics(model: keras.Model, x: Images, y: Labels) -> None:
    """Let the variables of the metrics be made, which a graph must not do.

    The network itself is not called: a layer may draw random numbers, and its next draw would be
    another one than in a training that never stopped.
    """
    scores = tf.zeros((1, *model.output_shape[1:]))
    model.compute_metrics(tf.constant(x[:1]), tf.constant(y[:1]), scores)


def _metrics(model: keras.Model) -> dict[str, float]:
    return {name: float(value) for name, value in model.get_metrics_result().items()}
