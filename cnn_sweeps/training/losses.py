"""The loss of a training: cross-entropy, with smoothed labels where that is asked for.

Only training has it. What is reported of validation and test images is the plain cross-entropy,
so that runs can be compared. Import this module late: it imports Keras.
"""

from collections.abc import Callable
from typing import Any

import keras

Tensor = Any
TrainingLoss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""From labels (classes (n,), or the share of each class (n, classes)), probabilities (n, classes)
and a weight for each image, (n,) or None, to the mean over the batch."""


def cross_entropy(smoothing: float, num_classes: int) -> TrainingLoss:
    """The mean cross-entropy of a batch, a share of each label spread over all classes."""
    sparse = keras.losses.SparseCategoricalCrossentropy()
    soft = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)

    def loss(y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None) -> Tensor:
        if len(y_true.shape) > 1:
            return soft(y_true, y_pred, sample_weight)
        if not smoothing:
            return sparse(y_true, y_pred, sample_weight)
        return soft(keras.ops.one_hot(y_true, num_classes), y_pred, sample_weight)

    return loss
