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

from cnn_sweeps.data.arrays import Images, Labels

EVALUATION_BATCH = 512
"""Images in a step of evaluation; fixed, because it moves the last bits of a metric."""
EVALUATION_STEPS = 16
"""Steps of evaluation in a call."""
FIRST_STEPS = 8
"""Steps of the first call of a training; how long they take decides on the next."""
CALL_SECONDS = 0.3
"""What a call may take, so that a progress bar moves and Ctrl-C is heard."""
CALL_BYTES = 1 << 26
"""What the images of a call may take: they are copied out of the array or file that has them."""

OnStep = Callable[[int], None]
Steps = Callable[[Any, Any], None]


@dataclass(kw_only=True)
class TrainEpoch:
    """Trains a compiled model for one pass over images at a time.

    Attributes:
        model: built, its optimizer too.
        batch_size: images in a step.
        steps: steps in a call; None for as many as `CALL_SECONDS` have room for.
    """

    model: keras.Model
    batch_size: int
    steps: int | None = None
    _next: int = field(default=FIRST_STEPS, init=False)
    _run: Steps | None = field(default=None, init=False)

    def __call__(
        self, x: Images, y: Labels, order: NDArray[np.int64], on_step: OnStep | None = None
    ) -> Mapping[str, float]:
        """One pass in that order; the metrics over it, by name."""
        if self._run is None:
            _make_metrics(self.model, x, y)
            self._run = make_train_function(self.model.train_step, self.batch_size, x, y)
        self.model.reset_metrics()
        for done, part in self._parts(order, steps_in_call(x, self.batch_size)):
            if on_step is not None:
                on_step(done)
            self._run(x[part], y[part])
        return _metrics(self.model)

    def _parts(
        self, order: NDArray[np.int64], most: int
    ) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """The images of each call, at most so many steps, behind the number of steps before it."""
        done, steps = 0, math.ceil(len(order) / self.batch_size)
        while done < steps:
            now = self.steps or min(self._next, most)
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
        images = EVALUATION_BATCH * min(EVALUATION_STEPS, steps_in_call(x, EVALUATION_BATCH))
        for start in range(0, len(x), images):
            self._run(x[start : start + images], y[start : start + images])
        logs = _metrics(self.model)
        return logs["loss"], logs["accuracy"]


def steps_in_call(x: Images, batch_size: int) -> int:
    """As many steps as `CALL_BYTES` have room for, and at least one."""
    return max(CALL_BYTES // (batch_size * math.prod(x.shape[1:]) * x.dtype.itemsize), 1)


def scores(model: keras.Model, x: Images) -> NDArray[np.floating[Any]]:
    """What a model gives for each image: a probability for each class, (n, classes)."""

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow is untyped
        input_signature=[tf.TensorSpec((None, *x.shape[1:]), x.dtype)]
    )
    def run(images: Any) -> Any:
        return model(images, training=False)

    starts = range(0, len(x), EVALUATION_BATCH)
    return np.concatenate([run(x[at : at + EVALUATION_BATCH]).numpy() for at in starts])


def make_train_function(step: Callable[[Any], Any], batch_size: int, x: Images, y: Labels) -> Steps:
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
