"""All pictures of a trained network: made one after another, each by itself.

What they need of the network is computed once: one pass over the images of a split gives its
evaluation and the mistakes, one call with a few of them gives what the layers answer. Evaluation
and examples are stored beside the pictures, for the report of a sweep.
Import this module late: it imports Keras.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnn_sweeps import figures
from cnn_sweeps.config.schema import Augment, Config
from cnn_sweeps.data.arrays import Images, Labels
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.errors import reason_of
from cnn_sweeps.evaluation import calibration
from cnn_sweeps.evaluation.evaluation import Evaluation
from cnn_sweeps.figures import activations, examples, grad_cam, style
from cnn_sweeps.figures.augmented import augmented_images
from cnn_sweeps.figures.canvas import as_rgb
from cnn_sweeps.figures.choices import FIGURES, Choices
from cnn_sweeps.figures.classes import class_scores
from cnn_sweeps.figures.confusion import confusion_matrix
from cnn_sweeps.figures.examples import Example, Examples
from cnn_sweeps.figures.grad_cam import HeatMaps
from cnn_sweeps.figures.images import mistakes, most_confident, samples
from cnn_sweeps.figures.layers import Chosen, all_filters, convolutions_and_poolings, kernels
from cnn_sweeps.figures.reliability import reliability_diagram
from cnn_sweeps.figures.roc import precision_recall_curves, roc_curves
from cnn_sweeps.text.format import first_line
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.training import steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Write = Callable[[bytes, str], None]
"""Stores a file under a path."""
NO_LAYERS = "the network has no convolution and no pooling"


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """The pictures of a network and its data.

    Attributes:
        model: trained; it takes uint8 images and gives probabilities.
        dataset: what it was trained on, and is evaluated on.
        about: the name of the run, below each title.
        choices: which split and images, which figures, which filter and layer.
        augment: what was done to the training images.
        seed: by which it was drawn.
        test_scores: what the network gives for the test images, (n, classes), where that is known.
    """

    model: keras.Model
    dataset: Dataset
    about: str
    choices: Choices = field(default_factory=Choices)
    augment: Augment = field(default_factory=Augment)
    seed: int = 0
    test_scores: NDArray[np.floating[Any]] | None = None

    @classmethod
    def of(cls, config: Config, **fields: Any) -> "Gallery":
        """The pictures of a run with that config; `fields` are the others."""
        return cls(augment=config.augment, seed=config.seed, **fields)

    def check(self) -> None:
        """Refuse choices that this network and these images do not have.

        Raises:
            ConfigError: see `Choices`.
        """
        self.choices.check_images(len(self.images))
        self.choices.check_layers(self.maps)

    def builders(self) -> Mapping[str, "Callable[[], Figure | str]"]:
        """How to make each picture, by its path; a sentence where there is nothing to show."""
        names = self.choices.only or FIGURES
        return {f"{figures.FOLDER}/{name}.png": getattr(self, name) for name in names}

    def confusion_matrix(self) -> "Figure":
        """Which classes are taken for which."""
        return confusion_matrix(self.evaluation, self.about)

    def classes(self) -> "Figure":
        """Precision, recall and F1 of each class."""
        return class_scores(self.evaluation, self.about)

    def roc(self) -> "Figure | str":
        """True against false positives of each class."""
        return roc_curves(self.evaluation, self.about)

    def precision_recall(self) -> "Figure | str":
        """Precision against recall of each class."""
        return precision_recall_curves(self.evaluation, self.about)

    def reliability(self) -> "Figure":
        """Whether probabilities mean what they say."""
        return reliability_diagram(self.evaluation, self.about)

    def mistakes(self) -> "Figure":
        """The most confident mistakes."""
        names, split = self.dataset.class_names, self.choices.split
        return mistakes(self.images, self.labels, self.scores, names, self.about, split)

    def grad_cam(self) -> "Figure | str":
        """What speaks for the predicted class in each of the examples."""
        if isinstance(self.heat, str):
            return self.heat
        if not self.shown:
            return "there is no image to show"
        images = self.images[list(self.shown)]
        return examples.grad_cam_figure(images, self.heat.values, self.examples, self.about)

    def layers(self) -> "Figure | str":
        """What each convolution and pooling makes of the chosen images."""
        if not self.maps:
            return NO_LAYERS
        return convolutions_and_poolings(self.chosen, self.maps, self.choices.filter, self.about)

    def filters(self) -> "Figure | str":
        """What all filters of one layer make of the first of them."""
        if not self.maps:
            return NO_LAYERS
        layer = self.choices.layer_of(self.maps)
        return all_filters(self.chosen, self.maps, layer, self.about)

    def kernels(self) -> "Figure | str":
        """The kernels of the first convolution."""
        first = activations.first_convolution(self.model)
        return kernels(first[1], first[0], self.about) if first else grad_cam.NO_CONVOLUTION

    def samples(self) -> "Figure":
        """Some images of each class."""
        data = self.dataset
        about = f"{self.about} · {data.name}"
        return samples(data.x_train, data.y_train, data.class_names, about)

    def augmentation(self) -> "Figure | str":
        """What augmentation makes of a few training images, in the first steps of an epoch."""
        if not self.augment.is_on:
            return "the training images were not augmented"
        about = f"{self.about} · {self.dataset.name}"
        return augmented_images(self.dataset, self.augment, self.seed, about)

    @property
    def images(self) -> Images:
        """The images of the chosen split."""
        return self.dataset.x_test if self.choices.split == "test" else self.dataset.x_val

    @property
    def labels(self) -> Labels:
        """Their true classes."""
        return self.dataset.y_test if self.choices.split == "test" else self.dataset.y_val

    @cached_property
    def scores(self) -> NDArray[np.floating[Any]]:
        """A probability for each of these images and each class."""
        known = self.test_scores if self.choices.split == "test" else None
        return steps.scores(self.model, self.images) if known is None else known

    @cached_property
    def evaluation(self) -> Evaluation:
        """What the network is worth on these images."""
        data, found = self.dataset, None
        if self.choices.split == "test" and len(data.x_val):
            found = calibration.temperature(data.y_val, steps.scores(self.model, data.x_val))
        return Evaluation.of(
            self.labels,
            self.scores,
            data.class_names,
            split=self.choices.split,
            temperature=found,
        )

    @cached_property
    def shown(self) -> tuple[int, ...]:
        """The images that are shown with what speaks for their class."""
        return self.choices.images or examples.chosen(self.labels, self.scores)

    @cached_property
    def heat(self) -> HeatMaps | str:
        """Where the network has seen the predicted classes of these."""
        numbers = list(self.shown)
        predicted = self.scores[numbers].argmax(axis=1)
        return grad_cam.heat_maps(self.model, self.images[numbers], predicted)

    @cached_property
    def examples(self) -> Examples:
        """The same as values."""
        names, heat = self.dataset.class_names, self.heat
        made = []
        for place, number in enumerate(self.shown):
            image, row = self.images[number], self.scores[number]
            warm = "" if isinstance(heat, str) else examples.warmed(image, heat.values[place])
            made.append(
                Example(
                    number=number,
                    label=names[self.labels[number]],
                    predicted=names[int(row.argmax())],
                    probability=float(row.max()),
                    picture=examples.address(as_rgb(image)),
                    heat=warm,
                )
            )
        said = {"note": heat} if isinstance(heat, str) else {"layer": heat.layer}
        wrong = len(most_confident(self.labels, self.scores))
        split = self.choices.split
        return Examples(split=split, images=tuple(made), mistakes=wrong, **said)

    @cached_property
    def chosen(self) -> Chosen:
        """The chosen images that go down the network."""
        numbers = self.choices.numbers(len(self.images))
        return Chosen(
            numbers=numbers,
            images=self.images[list(numbers)],
            names=[self.dataset.class_names[label] for label in self.labels[list(numbers)]],
            split=self.choices.split,
        )

    @cached_property
    def maps(self) -> activations.Maps:
        """What the convolutions and poolings answer to the chosen images."""
        return activations.maps(self.model, self.chosen.images)


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What became of the pictures of a network.

    Attributes:
        written: the paths that were stored.
        left_out: a sentence for each that could not be made.
        absent: a sentence for each that the network has nothing for.
    """

    written: list[str]
    left_out: list[str]
    absent: list[str]


def save(gallery: Gallery, write: Write) -> Saved:
    """Make every picture and store it, and what they show as JSON where all are made.

    A network of the user's may have layers that no picture can be made of, and a run is worth
    more than a picture: what fails is left out, with the reason.
    """
    saved = Saved(written=[], left_out=[], absent=[])
    for path, made in _made(gallery):
        if isinstance(made, Exception):
            saved.left_out.append(f"{path} was skipped: {first_line(reason_of(made))}")
        elif isinstance(made, str):
            saved.absent.append(f"{path}: {made}")
        else:
            write(made, path)
            saved.written.append(path)
    return saved


def _made(gallery: Gallery) -> Iterator[tuple[str, bytes | str | Exception]]:
    """Each file; the error, or why there is nothing to show, instead."""
    for path, make in gallery.builders().items():
        try:
            figure = make()
            yield path, figure if isinstance(figure, str) else style.png(figure)
        except Exception as error:  # noqa: BLE001 -- a user's layer may raise anything
            yield path, error
    for path in (figures.EVALUATION, figures.EXAMPLES) if gallery.choices.only is None else ():
        try:
            yield path, dump_json(getattr(gallery, Path(path).stem)).encode()
        except Exception as error:  # noqa: BLE001 -- as above
            yield path, error
