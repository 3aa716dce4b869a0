"""Training, one epoch after another. Import this module late: it imports Keras.

`Trainer.epochs` goes on for as long as somebody asks, and each epoch depends on nothing but the
state of model and optimizer, the seed, the number of the epoch and, where the learning rate drops
on a plateau, the metrics before it. Where a new segment of the training begins (`config.path`), it
gets an optimizer of its own, which goes on with the state of the one before. `train` walks along a
trajectory of such epochs until a rule, an observer or the config says stop.
"""

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnn_sweeps.config.path import Segment, segment_at, segments
from cnn_sweeps.config.schema import Augment, Config, TrainerConfig
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.errors import RunFailedError
from cnn_sweeps.training import (
    class_weights,
    ema,
    features,
    freezing,
    no_effect,
    optimizers,
    own_loss,
    plateau,
    state,
    stopping,
)
from cnn_sweeps.training import validation_metrics as metrics
from cnn_sweeps.training.augmentation import step_seeds
from cnn_sweeps.training.epoch import Epoch, TrainingCost, TrainingResult
from cnn_sweeps.training.feature_cache import FeatureCache
from cnn_sweeps.training.losses import TrainingLoss
from cnn_sweeps.training.steps import Evaluate, OnStep, Scores, TrainEpoch, make_step
from cnn_sweeps.training.validation_metrics import ValidationMetrics


class Callback(Protocol):
    """Whoever wants to see each epoch: a tracker, a progress bar, a pruner."""

    def on_epoch(self, epoch: Epoch) -> None:
        """See an epoch that has just ended; may raise `training.stopping.StopTraining`."""


class EpochSource(Protocol):
    """Where the epochs of a run come from: trained here, or from cache."""

    @property
    def reused(self) -> Mapping[int, str]:
        """Epochs that were from cache, by number, and the runs that trained them."""

    @property
    def cost(self) -> TrainingCost:
        """What the epochs have cost the run that asked so far."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """A sentence for each thing that the user should know of them."""

    def epochs(self) -> Iterator[Epoch]:
        """One epoch after another, without an end."""

    def checkpoint(self, number: int) -> None:
        """Remember the weights after the epoch that was given last: they may be wanted again."""

    def restore_best(self, number: int) -> Epoch | None:
        """Let the model carry the weights after an epoch: the last, or one that is kept.

        Returns:
            The epoch, where it had to be trained again and came out otherwise; else None.
        """


@dataclass(kw_only=True)
class Trainer:
    """What is trained.

    Attributes:
        model: the network, compiled for this data and the segment that is trained now.
        dataset: the images.
        path: the segments of the training.
        seed: where every random choice begins.
        metrics: what is measured on the validation split beside loss and accuracy.
        on_step: is told how many steps of an epoch have begun.
        loss: the user's own; None for cross-entropy.
        cache: where features of a frozen backbone are kept; in memory only when None.
        evaluate: scores images with the network as it is: loss and accuracy of `(x, y)`.
    """

    model: keras.Model
    dataset: Dataset
    path: Sequence[Segment]
    seed: int
    metrics: ValidationMetrics
    on_step: OnStep | None = None
    loss: TrainingLoss | None = None
    cache: FeatureCache | None = None

    def __post_init__(self) -> None:
        self._segment = self.path[0]
        self._renew()

    @classmethod
    def compile(
        cls,
        model: keras.Model,
        dataset: Dataset,
        config: Config,
        *,
        on_step: OnStep | None = None,
        cache: FeatureCache | None = None,
    ) -> "Trainer":
        """Compile a built network, ready to be trained from its first epoch.

        Raises:
            ConfigError: early stopping or metrics without validation images, an impossible
                optimizer, a class, a loss or a metric that there is not, or augmentation without
                effect.
            ModelError: a loss of the user's own cannot be minimised, or a metric fails.
            RunFailedError: memory ran out.
        """
        path = segments(config)
        trained = [segment.config.trainer for segment in path]
        metrics.check(trained[0], len(dataset.x_val))
        stopping.check(trained[0], len(dataset.x_val))
        no_effect.check(path[0].config.augment, trained[0], dataset.shape)
        measured = ValidationMetrics.of(
            trained[0], dataset.y_val, dataset.num_classes, later=trained[1:]
        )
        loss = _own_loss(trained, dataset)
        with memory_remedy(trained[0]):
            compile_model(model, trained[0], len(dataset.x_train))
        return cls(
            model=model,
            dataset=dataset,
            path=path,
            seed=config.seed,
            metrics=measured,
            on_step=on_step,
            loss=loss,
            cache=cache,
        )

    @property
    def config(self) -> TrainerConfig:
        """How the segment is trained that the network is compiled for."""
        return self._segment.config.trainer

    @property
    def augment(self) -> Augment:
        """What is done to the training images in that segment."""
        return self._segment.config.augment

    def measure(self, epoch: Epoch) -> Epoch:
        """An epoch with the metrics that are asked for, of the weights that the model carries now.

        Nothing that training goes on from is moved.

        Raises:
            ModelError: a metric of the user's own failed, or gave no finite number.
        """
        if not self.metrics or epoch.measured or not stopping.is_finite(epoch):
            return epoch
        with memory_remedy(self.config), state.unmoved(self.model):
            values = self.metrics.values(self.scores(self.dataset.x_val))
        return replace(epoch, measured=values)

    def epochs(self, start: int = 1, history: Sequence[Epoch] = ()) -> Iterator[Epoch]:
        """Train for one epoch each time the next one is asked for; no end.

        Continuing from `start` after `prepare` for the epoch before it and
        `training.state.restore` gives the same bits as never having stopped.

        Args:
            start: number of the first epoch that is trained.
            history: the epochs before it, measured where the learning rate follows that.

        Raises:
            RunFailedError: memory ran out.
        """
        done = list(history)
        for number in itertools.count(start):
            self._enter(number)
            self._drop_rate(number, done)
            epoch = self._epoch(number)
            done.append(self.measure(epoch) if self.follows_measured else epoch)
            yield done[-1]

    @property
    def follows_measured(self) -> bool:
        """Whether a learning rate follows a metric that is measured, so each epoch needs it."""
        return any(plateau.follows_measured(segment.config.trainer) for segment in self.path)

    def prepare(self, number: int) -> None:
        """Compile the model as it was in that epoch, so that a state after it can be restored."""
        segment = segment_at(self.path, number)
        if segment is not self._segment:
            self._compile(segment)

    def _enter(self, number: int) -> None:
        """Where a segment begins with that epoch, let its optimizer follow the one before."""
        before = self.model.optimizer
        self.prepare(number)
        if self.model.optimizer is not before:
            optimizers.carry(before, self.model.optimizer)
            ema.carry(before, self.model)

    def _compile(self, segment: Segment) -> None:
        self._segment = segment
        steps = self._steps_before(segment)
        with memory_remedy(self.config):
            compile_model(self.model, self.config, len(self.dataset.x_train), first_step=steps)
        self._renew()

    def _renew(self) -> None:
        """Forget the graphs, which have the optimizer and the metrics of one compilation."""
        self.evaluate = self._validate = Evaluate(model=self.model)
        self.scores = Scores(self.model)
        self._given: Dataset | None = self.dataset
        trained = self.model
        if self.config.features == "cached":
            trained, self._given = features.head_of(self.model), None
            self._validate = Evaluate(model=trained)
        self.step = make_step(trained, self.dataset, self.config, self.augment, self.loss)
        self._train = TrainEpoch(
            model=trained,
            batch_size=self.config.batch_size,
            steps=self.config.steps_per_execution,
            step=self.step,
        )

    def _steps_before(self, segment: Segment) -> int:
        """Steps that the optimizer has counted when a segment begins."""
        steps = 0
        for before, after in itertools.pairwise(self.path):
            if before is segment:
                break
            trained, then = before.config.trainer, after.config.trainer
            each = steps_per_epoch(len(self.dataset.x_train), trained.batch_size)
            same = trained.optimizer.name == then.optimizer.name
            steps = steps + trained.epochs * each if same else 0
        return steps

    def _drop_rate(self, number: int, history: Sequence[Epoch]) -> None:
        """Where the learning rate follows a metric, set that of an epoch."""
        schedule = self.config.schedule
        if schedule.name == "reduce_on_plateau":
            dropped = plateau.count_drops(
                schedule,
                [e for e in history if self._segment.first <= e.number < number],
                higher_is_better=metrics.higher_is_better(
                    self.config, schedule.monitor, key=metrics.PLATEAU
                ),
            )
            rate = self.config.optimizer.learning_rate * schedule.drop_factor**dropped
            self.model.optimizer.learning_rate = rate

    def _epoch(self, number: int) -> Epoch:
        if self._given is None:  # now that the backbone has its weights
            self._given = features.with_features(self.model, self.dataset, self.cache)
        data, config = self._given, self.config
        began = time.perf_counter()
        with memory_remedy(config):
            order = epoch_order(self.seed, number, len(data.x_train))
            steps = steps_per_epoch(len(order), config.batch_size)
            seeds = step_seeds(self.seed, number, steps) if self.step else None
            with ema.trained_weights(self.model):
                logs = self._train(data.x_train, data.y_train, order, self.on_step, seeds)
            trained = time.perf_counter()
            val = self._validate(data.x_val, data.y_val) if len(data.x_val) else None
        return Epoch(
            number=number,
            loss=logs["loss"],
            accuracy=logs["accuracy"],
            val_loss=val[0] if val else None,
            val_accuracy=val[1] if val else None,
            seconds=time.perf_counter() - began,
            images_per_second=len(data.x_train) / (trained - began),
        )


@dataclass(kw_only=True)
class FreshTraining:
    """Training of which nothing is known before and nothing is stored.

    Attributes:
        trainer: what is trained.
        recent: of so many of the last epochs the weights may be wanted again.
        reused: nothing.
        remarks: none.
        seconds: wall time of the epochs so far.
    """

    trainer: Trainer
    recent: int = 0
    reused: Mapping[int, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    seconds: float = 0.0
    _last: int = 0
    _at: int = 0
    _best: dict[int, list[NDArray[Any]]] = field(default_factory=dict)
    _recent: dict[int, list[NDArray[Any]]] = field(default_factory=dict)

    @property
    def cost(self) -> TrainingCost:
        """All of it."""
        return TrainingCost(trained=self._last, reused=0, seconds=self.seconds)

    def epochs(self) -> Iterator[Epoch]:
        """Train one epoch after another."""
        for epoch in self.trainer.epochs():
            self._last = self._at = epoch.number
            self.seconds += epoch.seconds
            self._remember(epoch.number)
            yield self.trainer.measure(epoch)

    def _remember(self, number: int) -> None:
        """Copy the weights of the last epochs, where their mean may be wanted."""
        if self.recent:
            self._recent[number] = self.trainer.model.get_weights()
            self._recent.pop(number - self.recent, None)

    def checkpoint(self, number: int) -> None:
        """Copy the weights."""
        self._best = {number: self.trainer.model.get_weights()}

    def restore_best(self, number: int) -> None:
        """Put a copy back, unless the model has trained no further."""
        known = self._recent | self._best
        if number != self._at and number in known:
            self.trainer.model.set_weights(known[number])
            self._at = number


def train(
    source: EpochSource, config: TrainerConfig, *, callbacks: Sequence[Callback] = ()
) -> TrainingResult:
    """Train until something says stop.

    Every observer sees every epoch, also the last; then the stopping rules are asked.
    With early stopping and `restore_best` the model ends with the weights of its best epoch.

    Raises:
        DivergedError: the loss became NaN or infinite.
        RunFailedError: memory ran out.
    """
    history: list[Epoch] = []
    best, reason = 0, ""
    for epoch in source.epochs():
        history.append(epoch)
        stopping.check_finite(epoch)
        best = stopping.final_epoch(config, history)
        if stopping.restores_best(config) and best == epoch.number:
            source.checkpoint(best)
        reason = _tell(callbacks, epoch) or stopping.end_of(config, history) or ""
        if reason:
            break
    again = source.restore_best(best)
    if again is not None:
        history[best - 1] = again
    return TrainingResult(epochs=tuple(history), best=best, stopped=reason)


def compile_model(
    model: keras.Model, config: TrainerConfig, images: int, *, first_step: int = 0
) -> None:
    """Give the model its optimizer, loss and metric; `images` are the training images.

    What is frozen is so from then on, until it is compiled again.
    The optimizer's variables exist afterwards, so that `training.state.restore` can fill them.
    `first_step` are the steps that the optimizer has counted when its schedule begins.

    Raises:
        ConfigError: an impossible optimizer or schedule.
    """
    freezing.apply_freeze(model, config.freeze)
    model.compile(
        optimizer=optimizers.make(
            config, steps_per_epoch(images, config.batch_size), first_step=first_step
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=False,  # slower on CPU for networks of this size
    )
    model.optimizer.build(model.trainable_variables)
    ema.start(model)


def _own_loss(trained: Sequence[TrainerConfig], dataset: Dataset) -> TrainingLoss | None:
    """The user's own loss of a training, for all of its segments; None for cross-entropy."""
    if trained[0].loss is None:
        return None
    weighted = any(class_weights.of_classes(each, dataset) is not None for each in trained)
    return own_loss.find_loss(trained[0].loss, dataset.num_classes, weighted=weighted)


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Steps in an epoch; the last one may have fewer images."""
    return math.ceil(images / batch_size)


def epoch_order(seed: int, epoch: int, images: int) -> NDArray[np.int64]:
    """The order of the training images in that epoch: a pure function, epoch from 1.

    `RandomState` and its `permutation` are frozen by NumPy (NEP 19), so the order stays the
    same in later versions.
    """
    return np.random.RandomState([seed, epoch]).permutation(images)


def _tell(callbacks: Sequence[Callback], epoch: Epoch) -> str | None:
    """Show the epoch to every observer; the reason of the first that wants to stop."""
    reasons = []
    for callback in callbacks:
        try:
            callback.on_epoch(epoch)
        except stopping.StopTraining as stop:
            reasons.append(stop.reason)
    return reasons[0] if reasons else None


@contextmanager
def memory_remedy(config: TrainerConfig) -> Iterator[None]:
    """Say what can be done when memory runs out inside the block.

    Raises:
        RunFailedError: memory ran out.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError):
        raise RunFailedError(
            f"Out of memory with trainer.batch_size={config.batch_size}.\n"
            f"Try trainer.batch_size={max(config.batch_size // 2, 1)}, or a smaller network."
        ) from None
