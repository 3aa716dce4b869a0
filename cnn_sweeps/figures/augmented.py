"""What augmentation makes of training images. Import this module late: it imports TensorFlow."""

from typing import TYPE_CHECKING

import numpy as np

from cnn_sweeps.config.schema import Augment
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.figures.images import augmentations
from cnn_sweeps.training.augmentation import augment_batch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGES, VERSIONS = 9, 9
"""Images that it is shown of, and how many times."""


def augmented_images(dataset: Dataset, augment: Augment, seed: int, about: str) -> "Figure":
    """Nine training images, evenly spread over all, and the first steps of an epoch on them.

    Args:
        dataset: whose training images they are.
        augment: what is done to them.
        seed: of the training.
        about: what stands in the title.
    """
    x = dataset.x_train
    images = x[np.unique(np.linspace(0, len(x) - 1, IMAGES, dtype=int))]
    versions = [augment_batch(images, augment, seed, step=step) for step in range(VERSIONS)]
    return augmentations(images, versions, about)
