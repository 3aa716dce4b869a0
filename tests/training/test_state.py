"""Which networks have a state that a snapshot does not hold."""

import random
from typing import Any

import numpy as np
import pytest
from networks import SHAPE, augmented, network, settings

from cnn_sweeps.config.schema import CnnModel, TrainerConfig
from cnn_sweeps.training import backend


def with_layer(call: str) -> Any:
    """A compiled network with a layer of the user's, which computes this while it is trained."""
    backend.configure_backend(TrainerConfig(), 0)
    import keras
    import tensorflow as tf
    from keras import layers

    class Own(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.counter = self.add_weight(shape=(), trainable=False, initializer="zeros")
            self.generator = keras.random.SeedGenerator(1)
            self.hidden_counter = tf.Variable(0.0)
            self.hidden_generator = tf.random.Generator.from_seed(1)

        def call(self, x: Any, training: bool = False) -> Any:
            names = {"self": self, "x": x, "tf": tf, "keras": keras}
            return eval(call, names) if training else x  # noqa: S307 -- our own text

    image = keras.Input(SHAPE, dtype="uint8")
    x = Own()(layers.Rescaling(1 / 255)(image))
    scores = layers.Dense(3, activation="softmax")(layers.Flatten()(x))
    return compiled(keras.Model(image, scores))


def compiled(model: Any) -> Any:
    """The network, ready to be trained."""
    from cnn_sweeps.training import loop

    loop.compile_model(model, settings(), 50)
    return model


@pytest.mark.parametrize(
    "call",
    [
        pytest.param("x + tf.random.normal(tf.shape(x))", id="random numbers of TensorFlow's"),
        pytest.param("tf.random.shuffle(x)", id="shuffled by TensorFlow"),
        pytest.param("tf.cond(tf.reduce_sum(x) > 0, lambda: x + tf.random.uniform(()), lambda: x)"),
        pytest.param("x + self.hidden_generator.normal(tf.shape(x))", id="a generator of its own"),
        pytest.param("x + self.hidden_counter.assign_add(1.0)", id="a variable of its own"),
        pytest.param("x + self.hidden_counter", id="a variable that is read"),
        pytest.param(
            "tf.ensure_shape(tf.py_function(lambda v: v, [x], tf.float32), x.shape)", id="Python"
        ),
        pytest.param(
            "tf.ensure_shape(tf.numpy_function(lambda v: v, [x], tf.float32), x.shape)", id="NumPy"
        ),
    ],
)
def test_what_no_snapshot_holds_is_found(call: str) -> None:
    """Training cannot go on from a snapshot where the layer has a state of its own."""
    from cnn_sweeps.training.state import has_untracked_state

    assert has_untracked_state(with_layer(call))


@pytest.mark.parametrize(
    "call",
    [
        pytest.param("x", id="nothing"),
        pytest.param("x + keras.random.normal(keras.ops.shape(x))", id="Keras' own generator"),
        pytest.param(
            "x + keras.random.normal(keras.ops.shape(x), seed=self.generator)",
            id="a generator that Keras knows",
        ),
        pytest.param("x + self.counter.assign(self.counter + 1)", id="a weight"),
        pytest.param(
            "x + tf.random.stateless_normal(tf.shape(x), [1, 2])", id="numbers without a state"
        ),
    ],
)
def test_what_a_snapshot_holds_is_not_hidden(call: str) -> None:
    """A layer may have any state that Keras keeps track of."""
    from cnn_sweeps.training.state import has_untracked_state

    assert not has_untracked_state(with_layer(call))


@pytest.mark.parametrize("kind", ["augmented", "cnn"])
def test_keras_own_layers_hide_nothing(kind: str) -> None:
    """Augmentation, dropout and batch norm keep their state where it can be found."""
    from cnn_sweeps.training.state import has_untracked_state

    cnn = CnnModel(filters=2, conv_blocks=1, batch_norm=True, dropout=0.5)
    assert not has_untracked_state(compiled(augmented() if kind == "augmented" else network(cnn)))


def test_looking_moves_nothing() -> None:
    """Neither the network nor the random numbers of Python and NumPy."""
    from cnn_sweeps.training import state
    from cnn_sweeps.training.state import has_untracked_state

    model = with_layer(
        "x + keras.random.normal(keras.ops.shape(x)) * __import__('random').random()"
    )
    before = state.snapshot(model)
    python, numpy = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    assert not has_untracked_state(model)
    after = state.snapshot(model)
    assert {key: value.tolist() for key, value in before.items()} == {
        key: value.tolist() for key, value in after.items()
    }
    assert random.getstate() == python
    assert np.random.get_state()[1].tolist() == numpy  # type: ignore[union-attr]
