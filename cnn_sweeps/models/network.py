"""What a kind of network has to say: the contract of the modules that build one.

A dry run and a refusal must not wait for TensorFlow, so all but `build` answers without it: such
a module imports Keras inside of what builds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Shape = tuple[int, int, int]
"""Height, width and channels of an image."""
Tensor = Any
ModelConfig = TypeVar("ModelConfig")
"""The dataclass of `config.schema` that this kind is configured by."""


def _always_fits(_config: Any, _shape: Shape | None) -> None:
    """Nothing is refused."""


def _unknown(_config: Any, _shape: Shape, _num_classes: int) -> None:
    """Only building can tell."""


@dataclass(frozen=True, kw_only=True)
class Network(Generic[ModelConfig]):
    """One kind of network.

    Attributes:
        build: from a config, the images and the number of classes to one probability for each
            class, in `scores_dtype()`, from a layer named `scores`.
        scaled: whether `build` gets images scaled to floats from 0 to 1, or as they are.
        title: what tells one network of this kind from another, for a person: `cnn 64x2`.
        check: refuses, with a `ConfigError`, what could not be built for images of that shape;
            None where it is not known before they are read.
        count_params: all parameters, as Keras counts them, for a shape and a number of classes;
            None where only building can tell.
        multiply_adds: multiplications of one forward pass of one image, in the same way. Only
            convolutions and dense layers count: it is there to tell long trainings from short.
    """

    build: Callable[[ModelConfig, Tensor, int], Tensor]
    title: Callable[[ModelConfig], str]
    scaled: bool = True
    check: Callable[[ModelConfig, Shape | None], None] = _always_fits
    count_params: Callable[[ModelConfig, Shape, int], int | None] = _unknown
    multiply_adds: Callable[[ModelConfig, Shape, int], int | None] = _unknown


def scores_dtype() -> str:
    """Type of the last layer: never less than float32, so that small losses survive."""
    import keras  # noqa: PLC0415 - see above

    variables: str = keras.config.dtype_policy().variable_dtype
    return variables
