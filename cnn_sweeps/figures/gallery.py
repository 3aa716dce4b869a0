"""All pictures of a trained network: made one after another, each by itself.

What they need of the network is computed once: one pass over the test images gives the confusion
matrix and the mistakes, one call with a few of them gives what the layers answer.
Import this module late: it imports Keras.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnn_sweeps import figures
from cnn_sweeps.config.schema import Augment, Config
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.errors import reason_of
from cnn_sweeps.figures import activations, style
from cnn_sweeps.figures.augmented import augmented_images
from cnn_sweeps.figures.choices import Choices
from cnn_sweeps.figures.confusion import confusion_matrix
from cnn_sweeps.figures.images import mistakes, samples
from cnn_sweeps.figures.layers import Chosen, all_filters, convolutions_and_poolings, kernels
from cnn_sweeps.text.format import first_line
from cnn_sweeps.training import steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Write = Callable[[bytes, str], None]
"""Stores a file under a path."""


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """The pictures of a network and its data.

    Attributes:
        model: trained; it takes uint8 images and gives probabilities.
        dataset: what it was trained and is tested on.
        about: the name of the run, below each title.
        choices: which images, which filter, which layer.
        augment: what was done to the training images.
        seed: by which it was drawn.
    """

    model: keras.Model
    dataset: Dataset
    about: str
    choices: Choices = field(default_factory=Choices)
    augment: Augment = field(default_factory=Augment)
    seed: int = 0

    @classmethod
    def of(cls, config: Config, **fields: Any) -> "Gallery":
        """The pictures of a run with that config; `fields` are the others."""
        return cls(augment=config.augment, seed=config.seed, **fields)

    def check(self) -> None:
        """Refuse choices that this network and these images do not have.

        Raises:
            ConfigError: see `Choices`.
        """
        self.choices.check_images(len(self.dataset.x_test))
        self.choices.check_layers(self.maps)

    def builders(self) -> Mapping[str, "Callable[[], Figure | None]"]:
        """How to make each picture, by its path; one that the network has nothing for is None."""
        made = {
            "confusion_matrix": self.confusion_matrix,
            "mistakes": self.mistakes,
            "layers": self.layers,
            "filters": self.filters,
            "kernels": self.kernels,
            "samples": self.samples,
            "augmentation": self.augmentation,
        }
        return {f"{figures.FOLDER}/{name}.png": make for name, make in made.items()}

    def confusion_matrix(self) -> "Figure":
        """Which classes are taken for which."""
        data = self.dataset
        predicted = self.scores.argmax(axis=1)
        return confusion_matrix(data.y_test, predicted, data.class_names, self.about)

    def mistakes(self) -> "Figure":
        """The most confident mistakes."""
        data = self.dataset
        return mistakes(data.x_test, data.y_test, self.scores, data.class_names, self.about)

    def layers(self) -> "Figure | None":
        """What each convolution and pooling makes of the chosen images."""
        if not self.maps:
            return None
        return convolutions_and_poolings(self.chosen, self.maps, self.choices.filter, self.about)

    def filters(self) -> "Figure | None":
        """What all filters of one layer make of the first of them."""
        if not self.maps:
            return None
        layer = self.choices.layer_of(self.maps)
        return all_filters(self.chosen, self.maps, layer, self.about)

    def kernels(self) -> "Figure | None":
        """The kernels of the first convolution."""
        first = activations.first_convolution(self.model)
        return kernels(first[1], first[0], self.about) if first else None

    def samples(self) -> "Figure":
        """Some images of each class."""
        data = self.dataset
        about = f"{self.about} · {data.name}"
        return samples(data.x_train, data.y_train, data.class_names, about)

    def augmentation(self) -> "Figure | None":
        """What augmentation makes of a few training images, in the first steps of an epoch."""
        if not self.augment.is_on:
            return None
        about = f"{self.about} · {self.dataset.name}"
        return augmented_images(self.dataset, self.augment, self.seed, about)

    @cached_property
    def scores(self) -> NDArray[np.floating[Any]]:
        """A probability for each test image and class."""
        return steps.scores(self.model, self.dataset.x_test)

    @cached_property
    def chosen(self) -> Chosen:
        """The chosen test images."""
        data = self.dataset
        numbers = self.choices.numbers(len(data.x_test))
        return Chosen(
            numbers=numbers,
            images=data.x_test[list(numbers)],
            names=[data.class_names[label] for label in data.y_test[list(numbers)]],
        )

    @cached_property
    def maps(self) -> activations.Maps:
        """What the convolutions and poolings answer to the chosen images."""
        return activations.maps(self.model, self.chosen.images)


def save(gallery: Gallery, write: Write) -> tuple[list[str], list[str]]:
    """Make every picture and store it.

    A network of the user's may have layers that no picture can be made of, and a run is worth
    more than a picture: what fails is left out, with the reason.

    Returns:
        The paths that were written, and a sentence for each that was left out.
    """
    written, left_out = [], []
    for path, made in _made(gallery):
        if isinstance(made, Exception):
            left_out.append(f"{path} was skipped: {first_line(reason_of(made))}")
        elif made is not None:
            write(made, path)
            written.append(path)
    return written, left_out


def _made(gallery: Gallery) -> Iterator[tuple[str, bytes | Exception | None]]:
    """Each picture as a file, or the error instead; None where there is nothing to show."""
    for path, make in gallery.builders().items():
        try:
            figure = make()
            yield path, None if figure is None else style.png(figure)
        except Exception as error:  # noqa: BLE001 -- a user's layer may raise anything
            yield path, error
