"""The same images and the same network for the contenders that are not cnn_sweeps.

Nothing of cnn_sweeps is imported here: this also runs in an environment without it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from benchmarks.points import Point

BATCH_SIZE = 32
DENSE_UNITS = 128
CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images between 0 and 1, of shape (n, 28, 28, 1), with their labels.

    Attributes:
        train: images and labels to train on.
        val: images and labels held out.
    """

    train: tuple[NDArray[Any], NDArray[Any]]
    val: tuple[NDArray[Any], NDArray[Any]]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the uint8 images that `grid.write_images` wrote."""
        with np.load(path) as stored:
            train, val = (
                (stored[f"x_{part}"].astype(np.float32) / 255, stored[f"y_{part}"])
                for part in ("train", "val")
            )
        return cls(train=train, val=val)


def train(images: Images, point: Point) -> float:
    """Train one point from a cleared session, and return its validation accuracy."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = network(point)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        *images.train,
        batch_size=BATCH_SIZE,
        epochs=point.epochs,
        validation_data=images.val,
        verbose=0,
    ).history
    return float(history["val_accuracy"][-1])


def report(val_accuracy: float) -> None:
    """Print a result as `grid` reads it."""
    print(f"val_accuracy {val_accuracy:.4f}", flush=True)


def network(point: Point) -> keras.Model:
    """The notebook's network: blocks of convolution and pooling, one hidden dense layer."""
    model = keras.Sequential([keras.Input((28, 28, 1))])
    for _ in range(point.conv_blocks):
        model.add(layers.Conv2D(point.filters, 3, activation="relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(DENSE_UNITS, activation="relu"))
    model.add(layers.Dense(CLASSES, activation="softmax"))
    return model
