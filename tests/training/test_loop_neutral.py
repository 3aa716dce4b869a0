"""With every switch neutral a training is the one that a few lines of plain Keras are.

Nothing of ours builds, compiles, shuffles or steps on the plain side, so whatever changes the graph
of a default training shows here, to the bit.
"""

from typing import Any

import numpy as np
import pytest
from configs import config
from networks import SHAPE, dataset

EPOCHS, SEED, BATCH = 2, 7, 16
IMAGES = dataset()
CNN = {"name": "cnn", "filters": 4, "conv_blocks": 1, "dense_units": 6}
DROPPED = {**CNN, "dropout": 0.3, "batch_norm": True}
DNN = {"name": "dnn", "dense_units": 8, "activation": "tanh"}
ADAM = {"name": "adam", "learning_rate": 0.003}
SGD = {"name": "sgd", "learning_rate": 0.05, "params": {"momentum": 0.9}}
Trained = tuple[list[tuple[float, float]], list[Any]]
"""Loss and accuracy of each epoch, and the final weights."""


def ours(model: dict[str, Any], optimizer: dict[str, Any]) -> Trained:
    """What the program trains."""
    from cnn_sweeps.models.build import build_model
    from cnn_sweeps.training import backend
    from cnn_sweeps.training.loop import FreshTraining, Trainer, train

    made = config(
        model=model,
        trainer={"epochs": EPOCHS, "batch_size": BATCH, "optimizer": optimizer},
        seed=SEED,
    )
    backend.configure_backend(made.trainer, made.seed)
    network = build_model(made.model, SHAPE, 3)
    trainer = Trainer.compile(network, IMAGES, made)
    done = train(FreshTraining(trainer=trainer), made.trainer)
    return [(epoch.loss, epoch.accuracy) for epoch in done.epochs], network.get_weights()


def plain_network(model: dict[str, Any]) -> Any:
    """The same network, as its documentation describes it."""
    import keras
    from keras import layers

    stack: list[Any] = [keras.Input(SHAPE, dtype="uint8"), layers.Rescaling(1 / 255)]
    if model is CNN:
        stack += [layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(2)]
    elif model is DROPPED:
        stack += [layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization()]
        stack += [layers.Activation("relu"), layers.MaxPooling2D(2)]
    stack.append(layers.Flatten())
    stack.append(layers.Dense(8, "tanh") if model is DNN else layers.Dense(6, "relu"))
    if model is DROPPED:
        stack.append(layers.Dropout(0.3))
    return keras.Sequential([*stack, layers.Dense(3, "softmax")])


def plain(model: dict[str, Any], optimizer: dict[str, Any]) -> Trained:
    """What Keras' own `fit` trains."""
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(SEED)
    network = plain_network(model)
    network.compile(
        keras.optimizers.Adam(0.003) if optimizer is ADAM else keras.optimizers.SGD(0.05, 0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    curve = []
    for epoch in range(1, EPOCHS + 1):
        order = np.random.RandomState([SEED, epoch]).permutation(len(IMAGES.x_train))
        x, y = IMAGES.x_train[order], IMAGES.y_train[order]
        logs = network.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0).history
        curve.append((logs["loss"][0], logs["accuracy"][0]))
    return curve, network.get_weights()


@pytest.mark.parametrize(
    ("model", "optimizer"),
    [
        pytest.param(DROPPED, ADAM, id="cnn with all-adam"),  # has what the others have
        pytest.param(DROPPED, SGD, id="cnn with all-sgd", marks=pytest.mark.slow),
        pytest.param(DNN, ADAM, id="dnn-adam", marks=pytest.mark.slow),
    ],
)
def test_a_neutral_training_is_plain_keras(
    model: dict[str, Any], optimizer: dict[str, Any]
) -> None:
    """Loss and accuracy of every epoch, and every weight at the end."""
    curve, weights = ours(model, optimizer)
    plain_curve, plain_weights = plain(model, optimizer)
    assert curve == plain_curve
    assert [value.tobytes() for value in weights] == [value.tobytes() for value in plain_weights]
