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

from cnn_sweeps.config.schema import Augment, TrainerConfig
from cnn_sweeps.data.arrays import Images, Labels
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.training import class_weights
from cnn_sweeps.training.augmentation import Augmentation
from cnn_sweeps.training.losses import TrainingLoss, cross_entropy

EVALUATION_BATCH = 512
"""Images in a step of evaluation; fixed, because it moves the last bits of a metric."""
EVALUATION_STEPS = 16
"""Steps of evaluation in a call."""
FIRST_STEPS = 8
"""Steps of the first call of a training; how long they take decides on the next."""
CALL_SECONDS = 0.3
"""What a call may take, so that a progress bar moves and Ctrl-C is heard."""
CALL_BYTES = 1 << 23
"""What the images of a call may take: they are copied out of the array or file that has them."""
FEW_STEPS, MOST_BYTES = 4, 1 << 26
"""Steps that a call may have also where their images are large, and what these may take."""

OnStep = Callable[[int], None]
Steps = Callable[..., None]
Step = Callable[..., Any]
"""Trains on a batch `(images, labels)`; one of ours also takes the seed of the step, (2,)."""
Seeds = NDArray[np.int64]


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
        self,
        x: Images,
        y: Labels,
        order: NDArray[np.int64],
        on_step: OnStep | None = None,
        seeds: Seeds | None = None,
    ) -> Mapping[str, float]:
        """One pass in that order; the metrics over it, by name.

        Args:
            x: images, (n, height, width, channels).
            y: their classes, (n,).
            order: their numbers, as they are trained on.
            on_step: is told how many steps of the pass have begun.
            seeds: of each step of the pass, (steps, 2), where `step` takes them.
        """
        beside = () if seeds is None else (seeds,)
        if self._run is None:
            _make_metrics(self.model, x, y)
            step = self.step or self.model.train_step
            self._run = make_train_function(step, self.batch_size, x, y, *beside)
        self.model.reset_metrics()
        for done, part in self._parts(order, steps_in_call(x, self.batch_size)):
            if on_step is not None:
                on_step(done)
            self._run(x[part], y[part], *(each[done:] for each in beside))
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
    _run: Any = field(default=None, init=False)

    def __call__(self, x: Images, y: Labels) -> tuple[float, float]:
        """Loss and accuracy on these images."""
        loss, accuracy, _ = self.with_scores(x, y)
        return loss, accuracy

    def with_scores(self, x: Images, y: Labels) -> tuple[float, float, NDArray[np.floating[Any]]]:
        """Loss, accuracy, and a probability for each image and class, (n, classes): one pass."""
        if self._run is None:
            _make_metrics(self.model, x, y)
            self._run = make_test_function(self.model, x, y)
        self.model.reset_metrics()
        images = EVALUATION_BATCH * min(EVALUATION_STEPS, steps_in_call(x, EVALUATION_BATCH))
        parts = [slice(start, start + images) for start in range(0, len(x), images)]
        found = [self._run(x[part], y[part]).numpy() for part in parts]
        logs = _metrics(self.model)
        return logs["loss"], logs["accuracy"], np.concatenate(found)


def steps_in_call(x: Images, batch_size: int) -> int:
    """As many steps as `CALL_BYTES` have room for, or a few of large images, and at least one."""
    step = batch_size * math.prod(x.shape[1:]) * x.dtype.itemsize
    return max(CALL_BYTES // step, min(FEW_STEPS, MOST_BYTES // step), 1)


@dataclass
class Scores:
    """What a model gives for images: a probability for each class, (n, classes); one graph.

    Attributes:
        model: the network, as it is when it is asked.
    """

    model: keras.Model
    _run: Any = field(default=None, init=False)

    def __call__(self, x: Images) -> NDArray[np.floating[Any]]:
        """Of these images, in batches of `EVALUATION_BATCH`."""
        if self._run is None:
            signature = [tf.TensorSpec((None, *x.shape[1:]), x.dtype)]
            run = lambda images: self.model(images, training=False)  # noqa: E731
            self._run = tf.function(run, input_signature=signature)
        starts = range(0, len(x), EVALUATION_BATCH)
        return np.concatenate([self._run(x[at : at + EVALUATION_BATCH]).numpy() for at in starts])


def scores(model: keras.Model, x: Images) -> NDArray[np.floating[Any]]:
    """What a model gives for each image: a probability for each class, (n, classes)."""
    return Scores(model)(x)


def make_step(
    model: keras.Model,
    dataset: Dataset,
    config: TrainerConfig,
    augment: Augment,
    own: TrainingLoss | None = None,
) -> Step | None:
    """A step of a training that does more than Keras' own; None where that one does all.

    Args:
        model: compiled.
        dataset: what it is trained on.
        config: how.
        augment: what is done to a batch before.
        own: the loss of the user's own, found by `own_loss.find_loss`; None for cross-entropy.

    Raises:
        ConfigError: weights of classes that there are not.
    """
    weights, classes = class_weights.of_classes(config, dataset), dataset.num_classes
    if not augment.is_on and not config.label_smoothing and weights is None and own is None:
        return None
    return train_step(
        model,
        own or cross_entropy(config.label_smoothing, classes),
        Augmentation(config=augment, num_classes=classes),
        weights,
    )


def train_step(
    model: keras.Model,
    loss: TrainingLoss,
    augmentation: Augmentation,
    weights: NDArray[np.float32] | None = None,
) -> Step:
    """Keras' own step, on augmented images and with a loss that only training has.

    Its loss and accuracy are those of what it is trained on; of an image made of two, accuracy
    counts the class that has the larger share.

    Args:
        model: compiled; its own loss and metrics are those of evaluation.
        loss: what is minimised, beside what layers add.
        augmentation: what is done to a batch before.
        weights: of each class in the loss, (classes,); all 1 where None.
    """
    tracker = _loss_tracker(model)

    def step(batch: Any, seed: Any) -> None:
        images, labels = augmentation(batch[0], batch[1], seed)
        mixed = len(labels.shape) > 1
        weight = None
        if weights is not None:
            weight = tf.linalg.matvec(labels, weights) if mixed else tf.gather(weights, labels)
        with tf.GradientTape() as tape:
            scores = model(images, training=True)
            value = loss(labels, scores, weight)
            value += sum(keras.ops.sum(keras.ops.cast(each, value.dtype)) for each in model.losses)
            tracker.update_state(value, sample_weight=tf.shape(images)[0])
            scaled = model.optimizer.scale_loss(value)
        variables = model.trainable_weights
        gradients = tape.gradient(scaled, variables)
        model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        model.compute_metrics(images, tf.argmax(labels, axis=1) if mixed else labels, scores)

    return step


def make_train_function(step: Step, batch_size: int, x: Images, y: Labels, *seeds: Seeds) -> Steps:
    """A graph that takes a step for each batch of what it is given, the last one may be smaller.

    Args:
        step: what it takes.
        batch_size: images in a step.
        x: images as they will be given.
        y: labels as they will be given.
        seeds: seeds as they will be given, one for each step; where the step takes any.
    """
    given = (x, y, *seeds)

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow is untyped
        input_signature=[tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in given]
    )
    def run(images: Any, labels: Any, *beside: Any) -> None:
        for number in tf.range(-(-tf.shape(labels)[0] // batch_size)):
            batch = slice(number * batch_size, (number + 1) * batch_size)
            step((images[batch], labels[batch]), *(each[number] for each in beside))

    return run  # type: ignore[no-any-return]


def make_test_function(model: keras.Model, x: Images, y: Labels) -> Any:
    """A graph that counts what it is given in the metrics of a model, and returns the scores.

    The step is Keras' own `test_step`, which keeps the scores to itself.

    Args:
        model: compiled.
        x: images as they will be given.
        y: labels as they will be given.
    """
    tracker = _loss_tracker(model)

    def step(images: Any, labels: Any) -> Any:
        scores = model(images, training=False)
        loss = model.compute_loss(images, labels, scores, training=False)
        tracker.update_state(loss, sample_weight=tf.shape(images)[0])
        model.compute_metrics(images, labels, scores)
        return scores

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow is untyped
        input_signature=[tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in (x, y)]
    )
    def run(images: Any, labels: Any) -> Any:
        count = -(-tf.shape(labels)[0] // EVALUATION_BATCH)
        output = model.outputs[0]
        found = tf.TensorArray(output.dtype, count, element_shape=(None, *output.shape[1:]))
        for number in tf.range(count):
            batch = slice(number * EVALUATION_BATCH, (number + 1) * EVALUATION_BATCH)
            found = found.write(number, step(images[batch], labels[batch]))
        return found.concat()

    return run


def _make_metrics(model: keras.Model, x: Images, y: Labels) -> None:
    """Let the variables of the metrics be made, which a graph must not do.

    The network itself is not called: a layer may draw random numbers, and its next draw would be
    another one than in a training that never stopped.
    """
    scores = tf.zeros((1, *model.output_shape[1:]))
    model.compute_metrics(tf.constant(x[:1]), tf.constant(y[:1]), scores)


def _metrics(model: keras.Model) -> dict[str, float]:
    return {name: float(value) for name, value in model.get_metrics_result().items()}


def _loss_tracker(model: keras.Model) -> Any:
    """The metric that is the mean loss."""
    return next(metric for metric in model.metrics if metric.name == "loss")
