"""Averages of the last epochs' weights: what they are, and when they are taken."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import configs
import numpy as np
import pytest
from networks import dataset, experiment

from cnn_sweeps.config.schema import EarlyStopping, TrainerConfig
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.composition.validate import make_config
from cnn_sweeps.training import stopping
from cnn_sweeps.training.epoch import Epoch, TrainingResult, WeightAverage

CONFIG = TrainerConfig(epochs=4, batch_size=16, weight_averaging=3, steps_per_execution=1)


def network(*, frozen: bool = False) -> Any:
    """A network with a batch norm, and dropout that must not count."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1), dtype="uint8")
    x = layers.Flatten()(layers.Rescaling(1 / 255)(image))
    x = layers.Dropout(0.5)(layers.Dense(5, name="dense")(x))
    norm = layers.BatchNormalization(name="norm")
    x = norm(x)
    norm.trainable = not frozen
    return keras.Model(image, layers.Dense(3, activation="softmax", name="scores")(x))


def trained(config: TrainerConfig = CONFIG, **network_is: Any) -> tuple[Any, TrainingResult, Any]:
    """The trainer, the result before anything is averaged, and where the epochs came from."""
    from cnn_sweeps.training import loop

    asked = experiment(config, seed=3)
    trainer = loop.Trainer.compile(network(**network_is), dataset(50, 12), asked)
    source = loop.FreshTraining(trainer=trainer, recent=config.weight_averaging or 0)
    return trainer, loop.train(source, config), source


@pytest.fixture(scope="module")
def four_epochs() -> Any:
    """Four epochs, of which each test averages some."""
    return trained()


@pytest.fixture
def ended(four_epochs: Any) -> Iterator[Any]:
    """The trainer with the weights that they ended with, the result, and where they came from."""
    trainer, _, source = four_epochs
    evaluate, at, before = trainer.evaluate, source._at, carried(trainer.model)
    yield four_epochs
    trainer.evaluate, source._at = evaluate, at
    for variable, value in zip(trainer.model.variables, before, strict=True):
        variable.assign(value)


def carried(model: Any) -> list[Any]:
    """The values of all variables."""
    return [np.array(variable.numpy()) for variable in model.variables]


def scored(trainer: Any, loss: float) -> None:
    """Let validation give that loss to whatever it sees."""
    trainer.evaluate = lambda *_: (loss, 0.5)


def test_an_average_is_taken_where_validation_prefers_it(ended: Any) -> None:
    """The mean of the last three epochs of four, weight by weight."""
    from cnn_sweeps.training import averaging

    trainer, result, source = ended
    weights = list(trainer.model.trainable_weights)
    seen = []
    for number in (2, 3, 4):
        source.restore_best(number)
        seen.append([weight.numpy().astype(np.float64) for weight in weights])
    scored(trainer, 0.0)
    found = averaging.consider(result, trainer, source)
    metrics = {"val_loss": 0.0, "val_accuracy": 0.5}
    assert found.average == WeightAverage(first=2, last=4, metrics=metrics, taken=True)
    assert found.chosen == "average of epochs 2 to 4"
    for weight, values in zip(weights, zip(*seen, strict=True), strict=True):
        expected = (sum(values) / 3).astype(np.float32)
        assert np.array_equal(weight.numpy(), expected)


@pytest.mark.parametrize("loss", [9.0, float("nan")])
def test_it_is_left_where_validation_does_not(ended: Any, loss: float) -> None:
    """Every variable is as it was."""
    from cnn_sweeps.training import averaging

    trainer, result, source = ended
    before = carried(trainer.model)
    scored(trainer, loss)
    found = averaging.consider(result, trainer, source)
    assert (found.average is not None and found.average.taken, found.chosen) == (False, "epoch 4")
    assert all(map(np.array_equal, before, carried(trainer.model)))
    assert found.metrics == result.metrics


@pytest.mark.slow
def test_fewer_epochs_are_all_averaged() -> None:
    """What stopped early may have no more."""
    from cnn_sweeps.training import averaging

    trainer, result, source = trained(replace(CONFIG, weight_averaging=10))
    found = averaging.consider(result, trainer, source)
    assert found.average is not None
    assert (found.average.first, found.average.last) == (1, 4)


def test_what_is_scored_is_what_is_stored(ended: Any) -> None:
    """The metrics of the run are those of the network that it ends with."""
    from cnn_sweeps.training import averaging

    trainer, result, source = ended
    found = averaging.consider(result, trainer, source)
    data, average = trainer.dataset, found.average
    assert average is not None
    if average.taken:
        seen = (found.metrics["val_loss"], found.metrics["val_accuracy"])
        assert seen == trainer.evaluate(data.x_val, data.y_val)


def test_batch_norm_has_the_statistics_of_the_training_images() -> None:
    """Of all of them where they fit into one batch, without dropout; its momentum comes back."""
    import keras

    from cnn_sweeps.training import averaging

    model, images = network(), dataset(50, 12).x_train
    averaging.recompute_batch_norm(model, images, seed=0)
    inside = keras.Model(model.input, model.get_layer("dense").output)(images).numpy()
    norm = model.get_layer("norm")
    assert norm.moving_mean.numpy() == pytest.approx(inside.mean(axis=0), abs=1e-6)
    assert norm.moving_variance.numpy() == pytest.approx(inside.var(axis=0), abs=1e-6)
    assert norm.momentum == 0.99
    assert "call" not in vars(norm)


def test_batches_count_by_their_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean is that of all images, whatever the size of the last batch."""
    import keras

    from cnn_sweeps.training import averaging

    monkeypatch.setattr(averaging, "EVALUATION_BATCH", 16)
    model, images = network(), dataset(50, 12).x_train
    averaging.recompute_batch_norm(model, images, seed=0)
    inside = keras.Model(model.input, model.get_layer("dense").output)(images).numpy()
    mean = model.get_layer("norm").moving_mean.numpy()
    assert mean == pytest.approx(inside.mean(axis=0), abs=1e-6)


def test_a_frozen_batch_norm_keeps_its_statistics() -> None:
    """As in training."""
    from cnn_sweeps.training import averaging

    model = network(frozen=True)
    averaging.recompute_batch_norm(model, dataset(50, 12).x_train, seed=0)
    assert not model.get_layer("norm").moving_mean.numpy().any()


@pytest.mark.parametrize(
    ("early", "loss", "accuracy", "taken"),
    [
        (EarlyStopping(), 0.4, 0.1, True),
        (EarlyStopping(), 0.6, 0.9, False),
        (EarlyStopping(patience=2, monitor="val_accuracy"), 0.6, 0.6, True),
        (EarlyStopping(patience=2, monitor="val_accuracy"), 0.4, 0.5, False),
        (EarlyStopping(patience=2, min_delta=0.2), 0.4, 0.9, False),
    ],
)
def test_an_average_is_held_against_an_epoch_as_epochs_are(
    early: EarlyStopping, loss: float, accuracy: float, taken: bool
) -> None:
    """By the monitor of early stopping in its direction, by more than `min_delta`."""
    from cnn_sweeps.training import averaging

    epoch = Epoch(
        number=3,
        loss=1.0,
        accuracy=0.5,
        val_loss=0.5,
        val_accuracy=0.5,
        seconds=1.0,
        images_per_second=1.0,
    )
    candidate = replace(epoch, number=4, val_loss=loss, val_accuracy=accuracy)
    config = replace(CONFIG, early_stopping=early)
    assert averaging._is_better(config, candidate, than=epoch) is taken


def test_what_cannot_be_averaged_is_refused() -> None:
    """Before anything is trained, with what to type."""
    with pytest.raises(ConfigError, match="weight_averaging=3 lets validation images decide"):
        stopping.check(CONFIG, 0.0)
    with pytest.raises(ConfigError, match=r"has nothing to average: trainer\.epochs=1"):
        make_config(configs.values(trainer={"epochs": 1, "weight_averaging": 3}))


def test_a_segment_of_one_epoch_is_averaged_with_the_others() -> None:
    """Only of the whole training one epoch is too few."""
    trainer = {"epochs": 5, "weight_averaging": 3, "schedule": {"name": "wsd"}}
    assert make_config(configs.values(trainer=trainer)).trainer.epochs == 5


def test_a_logged_average_is_read_again() -> None:
    """For a trial that is answered from a finished run; one that was not taken is none."""
    taken = WeightAverage(first=3, last=7, metrics={"val_loss": 0.2}, taken=True)
    assert WeightAverage.of_logged(taken.logged, 7) == taken
    assert WeightAverage.of_logged(replace(taken, taken=False).logged, 7) is None
