"""Which layers are trained: the head alone, all, or those from some layer on.

The layers are those of the backbone, or, in a network without one, all but the class scores. A
frozen batch normalisation works as it does when predicting, as Keras has it.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from cnn_sweeps.config.schema import Config, PretrainedModel
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.models.pretrained import BACKBONE

if TYPE_CHECKING:
    import keras

NONE: Final = "none"
KEY: Final = "trainer.freeze"
ENOUGH_NAMES: Final = 4
TRAINED: Final = "_trained_unless_frozen"
"""Attribute of a layer: whether it is trained where nothing is frozen, as its maker wants it."""


def check_config(config: Config) -> None:
    """Refuse to freeze a backbone that there is not, and features that change; imports no Keras.

    Raises:
        ConfigError: see above.
    """
    if config.trainer.features == "cached":
        _check_features(config)
    if config.trainer.freeze == BACKBONE and not isinstance(config.model, PretrainedModel):
        raise ConfigError(
            f"{KEY}={BACKBONE} needs a network with one, and model={config.model.name} has none.\n"
            f"Type model=pretrained, or a share of the layers such as {KEY}=0.5."
        )


def _check_features(config: Config) -> None:
    """Features are computed once where nothing that they are made of changes."""
    given = "trainer.features=cached"
    if not isinstance(config.model, PretrainedModel):
        raise ConfigError(f"{given} needs a backbone, and model={config.model.name} has none.")
    if config.trainer.freeze != BACKBONE:
        raise ConfigError(
            f"{given} needs the whole backbone frozen, and {KEY}={config.trainer.freeze}.\n"
            f"Type {KEY}={BACKBONE}, or trainer.features=live."
        )
    if config.augment.is_on:
        raise ConfigError(
            f"{given} computes each image once, and augmentation changes it in each step.\n"
            "Type augment=none, or trainer.features=live."
        )


def check_layer(model: "keras.Model", freeze: str | float) -> None:
    """Refuse a layer that a network does not have.

    Raises:
        ConfigError: naming those that it has.
    """
    if isinstance(freeze, str) and freeze not in (NONE, BACKBONE):
        _place(_layers(model), freeze)


def apply_freeze(model: "keras.Model", freeze: str | float) -> None:
    """Freeze, and train the other layers again that were frozen here.

    Args:
        model: built; to be compiled anew afterwards.
        freeze: see `trainer.freeze`.

    Raises:
        ConfigError: it has no such layer.
    """
    layers = _layers(model)
    if freeze == NONE and not any(hasattr(layer, TRAINED) for layer in layers):
        return
    frozen = set(map(id, _frozen_layers(layers, freeze)))
    for layer in layers:
        if not hasattr(layer, TRAINED):
            setattr(layer, TRAINED, layer.trainable)
        layer.trainable = getattr(layer, TRAINED) and id(layer) not in frozen


def frozen_params(model: "keras.Model") -> int:
    """Parameters of the layers that are frozen at the moment; moving averages count."""
    layers = _layers(model)
    return sum(x.count_params() for x in layers if getattr(x, TRAINED, False) and not x.trainable)


def _frozen_layers(layers: Sequence[Any], freeze: str | float) -> Sequence[Any]:
    if freeze == NONE:
        return ()
    if freeze == BACKBONE:
        return layers
    if isinstance(freeze, str):
        return layers[: _place(layers, freeze)]
    learning = [number for number, layer in enumerate(layers) if layer.weights]
    many = round(freeze * len(learning))
    return layers[: learning[many - 1] + 1] if many else ()


def _layers(model: "keras.Model") -> list[Any]:
    """The layers that can be frozen, from the image on, those of nested models one by one."""
    inside = [layer for layer in model.layers if layer.name == BACKBONE]
    return _leaves(inside[0].layers if inside else model.layers[:-1])


def _leaves(layers: Sequence[Any]) -> list[Any]:
    found = []
    for layer in layers:
        inner = getattr(layer, "layers", ())
        found += _leaves(inner) if inner else [layer]
    return found


def _place(layers: Sequence[Any], name: str) -> int:
    names = [layer.name for layer in layers]
    if name in names:
        return names.index(name)
    learning = [layer.name for layer in layers if layer.weights]
    near = get_close_matches(name, names, n=ENOUGH_NAMES) or learning[-ENOUGH_NAMES:]
    raise ConfigError(
        f"{KEY}={name}: the network has no such layer.\n"
        f"Type {KEY}={' or '.join(near)} (all before it are frozen), a share such as 0.5, "
        f"{BACKBONE} or {NONE}."
    )
