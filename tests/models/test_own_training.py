"""A network that would train in its own way is refused, and what counts anyway passes."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from networks import dataset, experiment, settings

from cnn_sweeps.errors import ModelError
from cnn_sweeps.models import own_training
from cnn_sweeps.training import loop

PARTS = ("train_step", "test_step", "compute_loss", "compute_metrics", "fit", "predict_step")


class Base(keras.Model):
    """A subclass with nothing of its own but a forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten, self.scores = layers.Flatten(), layers.Dense(3, activation="softmax")

    def call(self, x: Any) -> Any:
        """Class scores."""
        return self.scores(self.flatten(x))


def sequential(*more: Any) -> keras.Model:
    """A plain network."""
    return keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Flatten(), *more, layers.Dense(3, activation="softmax")]
    )


@pytest.mark.parametrize("base", [Base, keras.Sequential, keras.Model])
@pytest.mark.parametrize("part", PARTS)
def test_its_own_training_is_refused(base: type, part: str) -> None:
    """Whatever it derives from; the method is named."""
    own = type("Own", (base,), {part: lambda *_args, **_kwargs: {}})
    with pytest.raises(ModelError, match=f"my:net returned a Own with its own {part}, which would"):
        own_training.check("my:net", own())


def test_what_a_parent_of_it_or_the_instance_brings_is_refused() -> None:
    """It need not stand in the class itself."""
    parent = type("Parent", (Base,), {"train_step": lambda *_: {}})
    network = sequential()
    network.train_step = lambda _: {}
    for own in (type("Child", (parent,), {})(), network):
        with pytest.raises(ModelError, match="its own train_step"):
            own_training.check("my:net", own)


def test_a_compiled_network_is_refused() -> None:
    """Its optimizer and its loss are not those of the config."""
    network = sequential()
    network.compile("sgd", "mse")
    with pytest.raises(ModelError, match=r"compiled model.*\nLeave model.compile.* out, and type"):
        own_training.check("my:net", network)


@pytest.mark.parametrize("name", ["optimizer", "loss"])
def test_what_it_would_be_compiled_with_is_refused(name: str) -> None:
    """Also where it was only set."""
    network = sequential()
    setattr(network, name, "sgd")
    with pytest.raises(ModelError, match=f"its own {name}, which .*\nLeave that out, and type"):
        own_training.check("my:net", network)


@pytest.mark.parametrize("network", [Base, sequential])
def test_a_network_without_passes(network: Any) -> None:
    """Layers, a forward pass and a nested network are nothing of the kind."""
    own_training.check("my:net", network())
    own_training.check("my:net", keras.Sequential([network()]))


class Penalty(layers.Layer):
    """Adds what it is told to the loss."""

    def call(self, x: Any) -> Any:
        """The input, unchanged."""
        self.add_loss(keras.ops.mean(x) * 0 + 7.0)
        return x


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(Penalty, id="add_loss"),
        pytest.param(lambda: layers.ActivityRegularization(l1=0.1), id="activity"),
        pytest.param(lambda: layers.Dense(4, kernel_regularizer="l2"), id="regularizer"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_losses_of_its_layers_count(more: Any, *, nested: bool) -> None:
    """In training and in evaluation, as with Keras' fit."""
    network = sequential(keras.Sequential([more()]) if nested else more())
    image = keras.Input((8, 8, 1), dtype="uint8")
    model = keras.Model(image, network(layers.Rescaling(1 / 255)(image)))
    trainer = loop.Trainer.compile(model, dataset(), experiment(settings()))
    data = dataset()
    probabilities = model.predict(data.x_val, verbose=0)
    picked = probabilities[np.arange(len(data.y_val)), data.y_val]
    plain = float(-np.log(picked).mean())
    loss, _ = trainer.evaluate(data.x_val, data.y_val)
    by_keras = model.evaluate(data.x_val, data.y_val, verbose=0)[0]
    assert loss == pytest.approx(by_keras, rel=1e-5)
    assert loss > plain + 1e-3
