"""The options for drawing figures, checked against what there is to draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.evaluation.evaluation import SPLITS, Split
from cnn_sweeps.text.argument_names import option

NOTEBOOK: Final = (0, 7, 26)
"""The test images of the notebook; in Fashion-MNIST an ankle boot and two shirts."""
FIGURES: Final = (
    "confusion_matrix",
    "classes",
    "roc",
    "precision_recall",
    "reliability",
    "mistakes",
    "grad_cam",
    "layers",
    "filters",
    "kernels",
    "samples",
    "augmentation",
)
"""Every figure of a network and its data, by the name of its file: a method of `Gallery`."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Which images go down the network, and what is shown of it.

    Attributes:
        images: numbers of images of the split, from 0; None for those of the notebook, or others
            where there are fewer, and for Grad-CAM the worst mistakes and one of each class.
        filter: which filter of each layer, from 0.
        layer: the layer of which all filters are shown; None for the first.
        only: the figures that are made; None for all.
        split: whose images are shown.
    """

    images: tuple[int, ...] | None = None
    filter: int = 0
    layer: str | None = None
    only: tuple[str, ...] | None = None
    split: Split = "test"

    def __post_init__(self) -> None:
        """Refuse figures that there are not.

        Raises:
            ConfigError: those that there are.
        """
        unknown = [name for name in self.only or () if name not in FIGURES]
        if unknown:
            raise ConfigError(
                f"{option('only', self.only)} is invalid: there is no figure "
                f"{' and no '.join(unknown)}.\n  Choose among {', '.join(FIGURES)}"
            )

    def numbers(self, count: int) -> tuple[int, ...]:
        """The images that are shown, of so many."""
        if self.images is not None:
            return self.images
        there = [number for number in NOTEBOOK if number < count]
        others = [number for number in range(min(count, len(NOTEBOOK))) if number not in there]
        return tuple(sorted([*there, *others][: len(NOTEBOOK)]))

    def layer_of(self, maps: Mapping[str, Any]) -> str:
        """The chosen layer, by its whole name; its last part does where it is the only one.

        Raises:
            ConfigError: there is no such layer.
        """
        if self.layer is None:
            return next(iter(maps))
        fitting = [name for name in maps if name.rpartition("/")[2] == self.layer]
        if self.layer in maps:
            return self.layer
        if len(fitting) != 1:
            raise ConfigError(_no_layer(self.layer, fitting or list(maps)))
        return fitting[0]

    def check_images(self, count: int) -> None:
        """Refuse numbers of images that are not there.

        Raises:
            ConfigError: so many images there are.
        """
        there = f"{count:,} {SPLITS[self.split]} images"
        for number in self.images or ():
            if not 0 <= number < count:
                raise ConfigError(
                    f"{option('images', number)} is invalid: there are {there}, numbered 0 to "
                    f"{count - 1}."
                )

    def check_layers(self, maps: Mapping[str, Any]) -> None:
        """Refuse a layer or a filter that the network does not have.

        Args:
            maps: what the layers return, the filters last in its shape.

        Raises:
            ConfigError: those that it has.
        """
        if not maps:
            if self.layer is not None or self.filter:
                raise ConfigError(
                    f"{option('layer')} and {option('filter')} are not possible here: the network "
                    "has no convolution and no pooling."
                )
            return
        self.layer_of(maps)
        most = max(values.shape[-1] for values in maps.values())
        if not 0 <= self.filter < most:
            counts = ", ".join(f"{name} {maps[name].shape[-1]}" for name in maps)
            raise ConfigError(
                f"{option('filter', self.filter)} is invalid: filters are numbered 0 to "
                f"{most - 1}.\n"
                f"  Of each layer: {counts}"
            )


def _no_layer(layer: str, names: Sequence[str]) -> str:
    return (
        f"{option('layer', layer)} is invalid: it is not a convolution or pooling layer of "
        f"this network.\n  Choose one of {', '.join(names)}"
    )
