"""Which layers are trained: the head alone, all, or those from some layer on.

The layers are those of the backbone, or, in a network without one, all but the class scores. A
frozen batch normalisation works as it does when predicting, as Keras has it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
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
    """Refuse a layer that a network does not have, and what would freeze nothing.

    Raises:
        ConfigError: naming what is possible.
    """
    if freeze in (NONE, BACKBONE) or any(map(_learns, _frozen_layers(model, freeze))):
        return
    weighted = [layer for layer in _freezable(model) if layer.weights]
    first = next((number for number, layer in enumerate(weighted) if _learns(layer)), None)
    least = "" if first is None else int(100 * (first + 0.5) / len(weighted)) / 100 + 0.01
    raise ConfigError(
        f"{KEY}={freeze} freezes nothing that would be trained without it.\n"
        f"Type {KEY}={f'{least:.2g} or more, or {KEY}=' if least else ''}{NONE}."
    )


def apply_freeze(model: "keras.Model", freeze: str | float) -> None:
    """Freeze, and train the other layers again that were frozen here.

    Args:
        model: built; to be compiled anew afterwards.
        freeze: see `trainer.freeze`.

    Raises:
        ConfigError: it has no such layer.
    """
    layers = _freezable(model)
    if freeze == NONE and not any(hasattr(layer, TRAINED) for layer in layers):
        return
    frozen = set(map(id, _frozen_layers(model, freeze)))
    for layer in layers:
        parts = layer._flatten_layers()  # Keras has no public way to them; the layer itself first
        for part in parts:
            if not hasattr(part, TRAINED):
                setattr(part, TRAINED, part.trainable)
        for part in parts:
            part.trainable = getattr(part, TRAINED) and id(layer) not in frozen


def frozen_params(model: "keras.Model") -> int:
    """Parameters of the layers that are frozen at the moment; moving averages count."""
    layers = _freezable(model)
    return sum(x.count_params() for x in layers if getattr(x, TRAINED, False) and not x.trainable)


def _frozen_layers(model: "keras.Model", freeze: str | float) -> Sequence[Any]:
    layers = _freezable(model)
    if freeze == NONE:
        return ()
    if freeze == BACKBONE:
        return layers
    if isinstance(freeze, str):
        return layers[: _place(model, freeze)]
    learning = [number for number, layer in enumerate(layers) if layer.weights]
    many = round(freeze * len(learning))
    return layers[: learning[many - 1] + 1] if many else ()


def _learns(layer: Any) -> bool:
    """Whether a layer is trained where nothing is frozen."""
    return bool(layer.weights) and bool(getattr(layer, TRAINED, layer.trainable))


def _freezable(model: "keras.Model") -> list[Any]:
    """The layers that can be frozen, from the image on: all before the one that gives the scores.

    In a network with a backbone those of the backbone alone.
    """
    every = [layer for _, layer in _leaves(model.layers)]
    scoring = max((n for n, layer in enumerate(every) if layer.weights), default=0)
    before = set(map(id, every[:scoring]))
    return [layer for _, layer in _named(model) if id(layer) in before]


def _named(model: "keras.Model") -> list[tuple[str, Any]]:
    """The layers that `trainer.freeze` can name, with their paths; those of the backbone alone."""
    every = list(_leaves(model.layers))
    inside = [(path, layer) for path, layer in every if path.startswith(f"{BACKBONE}/")]
    return inside or every


def _leaves(layers: Sequence[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each layer with its path; those of nested models one by one, behind the model's name."""
    for layer in layers:
        inner = getattr(layer, "layers", ())
        if inner:
            yield from _leaves(inner, f"{prefix}{layer.name}/")
        else:
            yield f"{prefix}{layer.name}", layer


def _place(model: "keras.Model", name: str) -> int:
    """How many layers are before the one, or the nested model, of that name or path."""
    places: dict[str, int] = {}
    for number, (path, _) in enumerate(_named(model)):
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            places.setdefault("/".join(parts[:depth]), number)
    found = {path: place for path, place in places.items() if f"/{path}".endswith(f"/{name}")}
    if len(set(found.values())) == 1:
        return min(found.values())
    if found:
        raise ConfigError(
            f"{KEY}={name}: there are {len(found)} layers of that name.\n"
            f"Type {KEY}={' or '.join(list(found)[:ENOUGH_NAMES])}."
        )
    possible = _possible_names(model)
    near = get_close_matches(name, possible, n=ENOUGH_NAMES) or possible[-ENOUGH_NAMES:]
    named = f"{' or '.join(near)} (all before it are frozen), " if near else ""
    whole = f", {BACKBONE}" if model.name == PretrainedModel.name else ""
    raise ConfigError(
        f"{KEY}={name}: the network has no such layer.\n"
        f"Type {KEY}={named}a share such as 0.5{whole} or {NONE}."
    )


def _possible_names(model: "keras.Model") -> list[str]:
    """Names, or paths where a name is there twice, of the layers with others to freeze before."""
    learning = [path for path, layer in _named(model) if layer.weights][1:]
    names = Counter(path.rpartition("/")[2] for path, _ in _named(model))
    return [path if names[n := path.rpartition("/")[2]] > 1 else n for path in learning]
