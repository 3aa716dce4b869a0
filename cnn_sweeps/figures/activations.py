"""Activations of the convolutions and poolings of a network.

Import this module late: it imports Keras.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

Maps = Mapping[str, NDArray[np.float32]]
"""Of each layer by its name, in the order in which they are passed: (images, height, width,
filters)."""

CONVOLUTIONS: Final = (
    layers.Conv2D,
    layers.Conv2DTranspose,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
)
POOLINGS: Final = (layers.MaxPooling2D, layers.AveragePooling2D)
DIMENSIONS: Final = 4


def maps(model: keras.Model, images: NDArray[np.uint8]) -> Maps:
    """The output of every convolution and pooling, wherever in the network it stands.

    A sub-model from the inputs to those outputs would not do: a layer in a nested model belongs
    to another graph, and one inside a layer of the user's to none. So the network is called once
    and the layers tell what they return. Where one is passed several times, the first counts.

    Args:
        model: built, compiled or not.
        images: a few, (n, height, width, channels).
    """
    found: dict[str, NDArray[np.float32]] = {}

    def keep(name: str, output: Any) -> None:
        if len(output.shape) == DIMENSIONS:
            value = keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
            found.setdefault(name, value)

    with heard(_shown(model), keep):
        model(images, training=False)
    return found


def first_convolution(model: keras.Model) -> tuple[str, NDArray[np.float32]] | None:
    """Name and kernels (height, width, channels, filters) of the first one; None without any."""
    for name, layer in _shown(model):
        if isinstance(layer, layers.Conv2D):
            return name, keras.ops.convert_to_numpy(keras.ops.cast(layer.kernel, "float32"))
    return None


def _shown(model: keras.Model) -> list[tuple[str, Any]]:
    """The layers that have pictures, by the names that the table of layers has for them."""
    return [
        (name, layer)
        for name, layer in inside(model)
        if isinstance(layer, (*CONVOLUTIONS, *POOLINGS))
    ]


def inside(outer: Any, prefix: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """Every layer of a model or of a layer made of others, and theirs; each once.

    Args:
        outer: the model or layer.
        prefix: what the names of its layers begin with.
        seen: `id`s of those that were given already.
    """
    seen = set() if seen is None else seen
    for layer in parts(outer):
        if id(layer) not in seen:
            seen.add(id(layer))
            yield f"{prefix}{layer.name}", layer
            yield from inside(layer, f"{prefix}{layer.name}/", seen)


def parts(outer: Any) -> Sequence[Any]:
    """The layers of a model; of a layer those among its attributes."""
    if isinstance(outer, keras.Model):
        return list(outer.layers)
    values = (part for value in vars(outer).values() for part in _listed(value))
    return [value for value in values if isinstance(value, layers.Layer)]


def _listed(value: Any) -> Sequence[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


@contextmanager
def heard(told: Sequence[tuple[str, Any]], keep: Callable[[str, Any], None]) -> Iterator[None]:
    """Tell what these layers return, inside the block."""
    for name, layer in told:
        layer.call = _telling(layer.call, name, keep)
    try:
        yield
    finally:
        for _, layer in told:
            vars(layer).pop("call", None)


def _telling(
    call: Callable[..., Any], name: str, keep: Callable[[str, Any], None]
) -> Callable[..., Any]:
    @wraps(call)
    def told(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        keep(name, output)
        return output

    return told
