"""Small networks and images of a few pixels, for trainings that take no time."""

from dataclasses import replace
from typing import Any

import numpy as np
from configs import config

from cnn_sweeps.config.schema import Config, DnnModel, TrainerConfig
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.training import backend

SHAPE = (8, 8, 1)

DNN = DnnModel(dense_units=8, activation="tanh")


def dataset(images: int = 50, held_out: int = 12) -> Dataset:
    """Images of three classes, of which the brightness gives away the class."""
    random = np.random.RandomState(0)
    labels = np.arange(images + held_out, dtype=np.int64) % 3
    noise = random.randint(0, 90, size=(len(labels), *SHAPE))
    x = (noise + 80 * labels[:, None, None, None]).astype(np.uint8)
    return Dataset(
        name="brightness",
        source="made up",
        x_train=x[:images],
        y_train=labels[:images],
        x_val=x[images:],
        y_val=labels[images:],
        x_test=x[:4],
        y_test=labels[:4],
        class_names=("dark", "grey", "bright"),
        digest="0" * 64,
    )


def settings(**fields: Any) -> TrainerConfig:
    """Short training in batches that leave a smaller last one."""
    return TrainerConfig(**({"epochs": 2, "batch_size": 16} | fields))


def experiment(trainer: TrainerConfig, seed: int = 0) -> Config:
    """A small experiment that is trained like this."""
    return replace(config(), trainer=trainer, seed=seed)


def network(model: Any = DNN, seed: int = 0) -> Any:
    """A new network in a fresh state."""
    backend.configure_backend(TrainerConfig(), seed)
    from cnn_sweeps.models import build

    return build.build_model(model, SHAPE, 3)


def augmented(seed: int = 0) -> Any:
    """A network with everything that has a state: augmentation, batch norm and dropout."""
    backend.configure_backend(TrainerConfig(), seed)
    import keras
    from keras import layers

    image = keras.Input(SHAPE, dtype="uint8")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.RandomFlip("horizontal")(x)
    x = layers.Conv2D(4, 3)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    return keras.Model(image, layers.Dense(3, activation="softmax")(x))
