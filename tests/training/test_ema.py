"""The average of the weights: what is evaluated and stored, while training goes on without it."""

from dataclasses import replace
from typing import Any, Self

import numpy as np
import pytest
from networks import dataset, experiment, network, settings

from cnn_sweeps.config.schema import CnnModel, CustomModel, TrainerConfig
from cnn_sweeps.training.epoch import Epoch

FULL = CnnModel(filters=2, conv_blocks=1, dense_units=0, batch_norm=True)
DECAY = 0.8
ONE_BY_ONE = settings(epochs=3, steps_per_execution=1)
AVERAGED = settings(epochs=3, steps_per_execution=1, ema=DECAY)


class Training:
    """A real training, seen from within.

    Attributes:
        model: the network.
        trainer: what trains it.
        seen: the trained weights of the model at each step of a pass, the first before it.
        epochs: those that it has trained.
        after: the weights that the model carried after each of them.
    """

    def __init__(self, config: TrainerConfig) -> None:
        from cnn_sweeps.training import loop

        self.model = network(FULL)
        self.seen: list[Any] = []
        self.epochs: list[Epoch] = []
        self.after: list[list[Any]] = []
        self.trainer = loop.Trainer.compile(
            self.model, dataset(), experiment(config), on_step=self.on_step
        )
        self.config = config

    def three_epochs(self) -> Self:
        """Train for as many, and keep the epochs and the weights after each."""
        path = self.trainer.epochs()
        for _ in range(3):
            self.epochs.append(next(path))
            self.after.append(self.weights())
        return self

    def on_step(self, step: int) -> None:
        """Keep the weights."""
        self.seen.append(self.weights())

    def weights(self) -> list[Any]:
        """The trained ones that the model carries now."""
        return [np.array(weight.numpy()) for weight in self.model.trainable_weights]


@pytest.fixture(scope="module")
def plain() -> Training:
    """Three epochs without an average."""
    return Training(ONE_BY_ONE).three_epochs()


@pytest.fixture(scope="module")
def averaged() -> Training:
    """Three epochs with one."""
    return Training(AVERAGED).three_epochs()


def test_the_model_carries_the_average_of_the_weights_of_each_step(averaged: Training) -> None:
    """The formula of the average, from the weights that were there after the first step."""
    steps = len(averaged.seen) // 3
    averages = averaged.seen[1]
    for weights in averaged.seen[2 : 2 * steps + 1]:
        averages = [DECAY * a + (1 - DECAY) * w for a, w in zip(averages, weights, strict=True)]
    raw = averaged.seen[2 * steps]  # with which the third epoch begins
    for average, carried, trained in zip(averages, averaged.after[1], raw, strict=True):
        np.testing.assert_allclose(carried, average, rtol=1e-4, atol=1e-6)
        assert not np.array_equal(carried, trained)
    assert [epoch.number for epoch in averaged.epochs] == [1, 2, 3]


def test_training_goes_on_from_the_weights_themselves(plain: Training, averaged: Training) -> None:
    """The steps are those of a training without an average, to the last bit; its scores are not."""
    for ours, theirs in zip(plain.seen, averaged.seen, strict=True):
        assert all(map(np.array_equal, ours, theirs))
    for one, other in zip(plain.epochs, averaged.epochs, strict=True):
        assert one.loss == other.loss
        assert one.val_loss != other.val_loss
    data = dataset()
    assert averaged.trainer.evaluate(data.x_val, data.y_val)[0] == averaged.epochs[-1].val_loss


def test_without_an_average_nothing_is_kept_of_one(plain: Training, averaged: Training) -> None:
    """A step is that of Keras, and no variable is there that was not before."""
    assert plain.trainer.step is None
    assert not plain.model.optimizer.use_ema
    more = len(averaged.model.optimizer.variables) - len(plain.model.optimizer.variables)
    assert more == len(plain.model.trainable_variables)


def test_an_interrupted_pass_leaves_the_average() -> None:
    """Whoever stops a training in the middle finds the weights that count in the model."""
    training = Training(AVERAGED)

    def stop(step: int) -> None:
        training.on_step(step)
        if step > 1:
            raise KeyboardInterrupt

    object.__setattr__(training.trainer, "on_step", stop)
    with pytest.raises(KeyboardInterrupt):
        next(training.trainer.epochs())
    first, last = training.seen[1:]
    for carried, one, other in zip(training.weights(), first, last, strict=True):
        np.testing.assert_allclose(carried, DECAY * one + (1 - DECAY) * other, rtol=1e-4, atol=1e-6)


def test_the_best_weights_are_averages_of_the_best_epoch() -> None:
    """What early stopping brings back has the scores of that epoch."""
    from cnn_sweeps.config.schema import EarlyStopping, Optimizer
    from cnn_sweeps.training import loop

    config = settings(
        epochs=6,
        ema=DECAY,
        optimizer=Optimizer(name="sgd", learning_rate=3.0),
        early_stopping=EarlyStopping(patience=2),
    )
    training = Training(config)
    done = loop.train(loop.FreshTraining(trainer=training.trainer), config)
    assert done.best < len(done.epochs)
    data = dataset()
    val_loss, _ = training.trainer.evaluate(data.x_val, data.y_val)
    assert val_loss == done.epochs[done.best - 1].val_loss


@pytest.mark.parametrize("freeze", ["none", "after_left"], ids=["another rate", "frozen"])
def test_two_variables_of_one_path_are_not_mixed_by_a_new_phase(freeze: str) -> None:
    """Two nested models with a layer `fc` each: each goes on with its own, average and momentum."""
    from cnn_sweeps.training import ema, loop, optimizers

    asked = TrainerConfig(ema=DECAY, batch_size=32)
    model = network(CustomModel(function="own_nets:two_towers"))
    loop.compile_model(model, asked, 50)
    before = model.optimizer
    weights = {id(v): n for n, v in enumerate(model.trainable_variables, start=1)}
    for owner, kept in ema._pairs_of(before):
        kept.assign(np.full(kept.shape, weights[id(owner)]))
    for owner, kept in zip(before._trainable_variables, before._momentums, strict=True):
        kept.assign(np.full(kept.shape, 10 * weights[id(owner)]))
    loop.compile_model(model, replace(asked, freeze=freeze), 50)
    after = model.optimizer
    optimizers.carry(before, after)
    ema.carry(before, model)
    for owner, average in ema._pairs_of(after):
        assert (average.numpy() == weights[id(owner)]).all()
    for owner, kept in zip(after._trainable_variables, after._momentums, strict=True):
        assert (kept.numpy() == 10 * weights[id(owner)]).all()
