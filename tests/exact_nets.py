"""Networks of a user's that have every kind of state."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers


def augmented(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Pictures are turned, moved and veiled before they are looked at."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.1),
            layers.RandomTranslation(0.1, 0.1),
            layers.GaussianNoise(0.1),
            layers.Conv2D(3, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.SpatialDropout2D(0.2),
            layers.Flatten(),
            layers.Dense(num_classes, activation="softmax"),
        ]
    )


def recurrent(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Rows are read one after another, some of them forgotten; weights are kept in bounds."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Reshape(input_shape[:2]),
            layers.GRU(4, dropout=0.2, recurrent_dropout=0.2),
            layers.LayerNormalization(),
            layers.SpectralNormalization(layers.Dense(4, activation="relu")),
            layers.Dense(num_classes, activation="softmax"),
        ]
    )


def narrow(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Weights of a type that NumPy does not know."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Flatten(),
            layers.Dense(5, activation="relu", dtype="bfloat16"),
            layers.Dense(num_classes, activation="softmax"),
        ]
    )


class Noise(layers.Layer):
    """Noise from the generator that all of Keras shares."""

    def call(self, x: Any, training: bool = False) -> Any:
        """Add it while training."""
        return x + keras.random.normal(keras.ops.shape(x), stddev=0.1) if training else x


class ForeignNoise(layers.Layer):
    """Noise from a generator that nobody can take up again."""

    def call(self, x: Any, training: bool = False) -> Any:
        """Add it while training."""
        return x + tf.random.normal(tf.shape(x), stddev=0.1) if training else x


def noisy(input_shape: tuple[int, ...], num_classes: int, foreign: bool = False) -> keras.Model:
    """A layer that draws its own random numbers, from one place or the other."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            ForeignNoise() if foreign else Noise(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(num_classes, activation="softmax"),
        ]
    )


def focal(y_true: Any, y_pred: Any) -> Any:
    """A loss: what is nearly right counts for little."""
    share = tf.gather(y_pred, y_true, axis=1, batch_dims=1)
    return -((1 - share) ** 2) * tf.math.log(share + 1e-6)
