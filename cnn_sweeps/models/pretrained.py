"""A network that was trained before, its last layers replaced by a new head.

The backbone is an application of Keras, a network of ours, or one of the user's own. It stands in
the network as one model named `backbone`, behind the preprocessing that it was trained with. Here
it is built, with random weights; `fill_backbone` puts the pretrained ones in, wherever they come
from.
"""

import importlib.util
import json
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import HUB, CustomModel, HubModel, Model, PretrainedModel
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.models import cnn, custom, dense, dnn, hub, resnet
from cnn_sweeps.models.network import Network, Shape, Tensor
from cnn_sweeps.text.format import first_line

OWN: Final[Mapping[str, Network[Any]]] = {
    "dnn": dnn.NETWORK,
    "cnn": cnn.NETWORK,
    "resnet": resnet.NETWORK,
    "custom": custom.NETWORK,
    "hub": hub.NETWORK,
}
"""The networks that can be a backbone beside the applications of Keras, by their names."""
KEY: Final = "model.weights"
BACKBONE: Final = "backbone"
RGB: Final = 3
SMALLEST: Final = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
"""Height and width that an application takes at least, where that is not `SMALLEST_SIDE`."""
SMALLEST_SIDE: Final = 32
USUAL_SIZE: Final = 160
"""Pixels that are suggested where images are too small."""
ENOUGH_NAMES: Final = 6
HANDLE: Final = re.compile(r"(hf|kaggle|modelscope)://.*")
"""How presets of KerasHub on a hub are written."""
MAPS: Final = 4
"""Dimensions of feature maps: images, height, width, filters."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """The file of the weights that Keras publishes for an application.

    Attributes:
        name: of the file.
        url: where Keras gets it.
        digest: MD5 or SHA-256, as Keras has it; None where it has none.
    """

    name: str
    url: str
    digest: str | None


def build(model: PretrainedModel, image: Tensor, num_classes: int) -> Tensor:
    """Preprocessing, backbone, pooling, hidden dense layers, one probability for each class.

    Raises:
        ConfigError: the backbone cannot be built for these images.
    """
    check(model, tuple(image.shape[1:]))
    shape = _input_shape(model, tuple(image.shape[1:]))
    x = _prepared(model, image, shape)
    x = build_backbone(model, shape)(x)
    return _head(model, x, num_classes)


def build_backbone(model: PretrainedModel, shape: Shape) -> Any:
    """The backbone with random weights, a Keras model from floats (0 to 255, or as preprocessed).

    Args:
        model: which one.
        shape: of the images that it gets.

    Raises:
        ConfigError: Keras refuses it, or it has no such layer.
    """
    return _cut(model, _whole(model, shape))


def backbone_of(trained: Any, made_of: Model, layer: str | None) -> Any:
    """The backbone in the network of a run, as a Keras model of its layers.

    Args:
        trained: the network.
        made_of: its config.
        layer: with which the backbone ends; see `model.layer`.

    Raises:
        ConfigError: it has no such layer.
    """
    if isinstance(made_of, PretrainedModel):
        return _up_to(trained.get_layer(BACKBONE), layer)
    if isinstance(made_of, CustomModel):
        import keras  # noqa: PLC0415 - a dry run needs no Keras

        own = next(each for each in trained.layers if isinstance(each, keras.Model))
        return _own_up_to(made_of, own, layer)
    return _up_to(trained, layer)


def fill_backbone(network: Any, model: PretrainedModel, trained: Any) -> None:
    """Give the backbone of a network the weights of a trained one.

    Args:
        network: as `models.build` made it.
        model: its config.
        trained: the backbone of another network (`backbone_of`), or the file that has its weights.

    Raises:
        ConfigError: they are those of another network.
    """
    own = network.get_layer(BACKBONE)
    if not isinstance(trained, Path):
        _check_same(own, trained, model)
        own.set_weights(trained.get_weights())
        return
    whole = own
    if model.network is None or isinstance(model.network, CustomModel | HubModel):
        whole = _whole(model, own.input_shape[1:])  # the file has its last layers too
    try:
        with warnings.catch_warnings(action="ignore"):
            whole.load_weights(trained)
    except Exception as error:  # a damaged file may raise anything in three libraries
        raise ConfigError(
            f"model.weights={trained} has no weights of {title(model)}: {first_line(error)}\n"
            "Type model.backbone for the network that the file is of, or another file."
        ) from error
    if whole is not own:
        own.set_weights(_cut(model, whole).get_weights())


def set_backbone(network: Any, model: PretrainedModel, weights: Sequence[NDArray[Any]]) -> None:
    """Give the backbone of a network its weights, in order.

    Raises:
        ConfigError: they are those of another one.
    """
    own = network.get_layer(BACKBONE)
    if [tuple(each.shape) for each in own.weights] != [each.shape for each in weights]:
        raise ConfigError(
            f"model.weights={model.weights} has no weights of {title(model)} that ends with "
            f"model.layer={model.layer or 'null'}.\nType the backbone and the layer that it was "
            "exported with."
        )
    own.set_weights(weights)


def _check_same(own: Any, theirs: Any, model: PretrainedModel) -> None:
    """Refuse a backbone that is another one for images of another size, as a ResNet may be."""
    shapes = [[tuple(weight.shape) for weight in each.weights] for each in (own, theirs)]
    if shapes[0] != shapes[1]:
        height, width = theirs.input_shape[1:3]
        raise ConfigError(
            f"model.weights={str(model.weights)[:12]} was trained on images of {height}x{width}, "
            f"and for those of {own.input_shape[1]}x{own.input_shape[2]} {title(model)} has other "
            f"layers.\nType model.input_size=[{height},{width}], or another near to it."
        )


def published_file(model: PretrainedModel, shape: Shape) -> Published:
    """The file of the ImageNet weights of an application, by what Keras would download.

    Args:
        model: which application.
        shape: of an image of the data.

    Raises:
        ConfigError: there are none for this application, its params or such images.
    """
    try:
        params = json.dumps(model.params, sort_keys=True)
        file = _asked_for(str(model.backbone), params, _input_shape(model, shape))
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"model.backbone={model.backbone} has no ImageNet weights here: {first_line(error)}\n"
            "Type model.weights=null for random ones, or a file."
        ) from error
    if file is None:
        raise ConfigError(
            f"Keras publishes no weights of model.backbone={model.backbone}.\n"
            "Type model.weights=null for random ones, or a file."
        )
    return file


@cache
def _asked_for(name: str, params: str, shape: Shape) -> Published | None:
    """The file that an application asks for; it takes seconds to build."""
    model = PretrainedModel(backbone=name, params=json.loads(params))
    return _application(model, shape, weights="imagenet")[1]


@cache
def application_names() -> tuple[str, ...]:
    """The names of `keras.applications`, read from its source: Keras takes seconds to import."""
    spec = importlib.util.find_spec("keras")
    places = list(spec.submodule_search_locations or ()) if spec else []
    source = "".join(
        Path(place, "applications", "__init__.py").read_text("utf-8") for place in places
    )
    return tuple(sorted(set(re.findall(r"\bas ([A-Z]\w+)", source))))


def title(model: PretrainedModel) -> str:
    """The backbone and where its weights are from: `pretrained MobileNetV2 imagenet`."""
    weights = model.weights or "random"
    base = Path(weights.removeprefix(HUB)).name
    origins = {"run": weights[:8], "file": base, "hub": base}
    origin = origins.get(model.weights_from, weights)
    own = model.network
    known = OWN[own.name].title(own) if own else str(model.backbone or "")
    return " ".join(filter(None, ["pretrained", known, origin]))


def check(model: PretrainedModel, shape: Shape | None) -> None:
    """Refuse a backbone that there is not, or that does not fit the images.

    Raises:
        ConfigError: see above.
    """
    _check_weights(model)
    if isinstance(model.backbone, str):
        _check_name(model.backbone)
    elif model.params:
        raise ConfigError(
            "model.params are arguments of an application of Keras, and the backbone is a network "
            "of ours.\nLeave model.params out; model.backbone has all that it is made of."
        )
    if shape is not None and model.backbone is not None:
        _check_size(model, shape)


def _check_weights(model: PretrainedModel) -> None:
    origin = model.weights_from
    if origin == "nothing" and model.weights_sha256 is not None:
        raise ConfigError("model.weights_sha256 has no effect with model.weights=null.")
    if origin == "imagenet" and not isinstance(model.backbone, str):
        raise ConfigError(
            "model.weights=imagenet are weights of an application of Keras, and model.backbone is "
            "a network of ours.\nType model.weights=HASH for those of a run, or null."
        )
    if origin == "file" and model.backbone is None:
        raise ConfigError(
            f"model.weights={model.weights} does not say of which network it is.\n"
            "Type model.backbone too: MobileNetV2, ..., or '{name: resnet, depth: 8}'."
        )


def _check_name(name: str) -> None:
    if name in application_names():
        return
    if HANDLE.fullmatch(name):
        raise ConfigError(
            f"model.backbone={name} is a preset of KerasHub.\nType model.backbone={HUB}{name}."
        )
    lower = {each.lower(): each for each in application_names()}
    near = [lower[each] for each in get_close_matches(name.lower(), lower, n=ENOUGH_NAMES)]
    named = near or [f"{', '.join(application_names()[:ENOUGH_NAMES])}, ..."]
    raise ConfigError(
        f"model.backbone={name} is no name of keras.applications.\n"
        f"Type, for example, model.backbone={' or '.join(named)}."
    )


def _check_size(model: PretrainedModel, shape: Shape) -> None:
    """Refuse images that are too small, or not as large as dense layers need them."""
    *size, channels = _input_shape(model, shape)
    own, given = model.network, f"{shape[0]}x{shape[1]}"
    if shape[2] != channels and not {shape[2], channels} <= {1, RGB}:
        raise ConfigError(f"The backbone takes images of {channels} channels, not of {shape[2]}.")
    if own is None:
        least = SMALLEST.get(str(model.backbone), SMALLEST_SIDE)
        if min(size) < least:
            wanted = "{0},{0}".format(max(USUAL_SIZE, least))
            raise ConfigError(
                f"model.backbone={model.backbone} takes images of {least}x{least} pixels or more, "
                f"not of {size[0]}x{size[1]}.\nType model.input_size=[{wanted}], or "
                f"data.image_size=[{wanted}] where the images are files."
            )
        return
    trained = model.trained_on
    if own.name == "dnn" and trained and (size[0], size[1]) != trained[:2]:
        raise ConfigError(
            f"The backbone is a dense network for images of {trained[0]}x{trained[1]} pixels, not "
            f"of {given}.\nType model.input_size=[{trained[0]},{trained[1]}]."
        )
    OWN[own.name].check(own, (size[0], size[1], channels))


def _input_shape(model: PretrainedModel, shape: Shape) -> Shape:
    """Height, width and channels of what the backbone gets of such images."""
    height, width = model.input_size or shape[:2]
    if model.network is None or isinstance(model.network, HubModel):
        return height, width, RGB
    return height, width, model.trained_on[2] if model.trained_on else shape[2]


def _prepared(model: PretrainedModel, image: Tensor, shape: Shape) -> Tensor:
    """The images as floats, in the size, the colours and the scale of the backbone."""
    from keras import layers, ops  # noqa: PLC0415 - a dry run needs no Keras

    x = layers.Rescaling(1.0, name="pixels")(image)
    if tuple(x.shape[1:3]) != shape[:2]:
        x = layers.Resizing(*shape[:2], name="resizing")(x)
    if x.shape[3] == 1 and shape[2] == RGB:
        x = layers.Concatenate(name="as_colour")([x, x, x])
    elif x.shape[3] == RGB and shape[2] == 1:
        x = ops.image.rgb_to_grayscale(x)
    return _scaled(model, x)


def _scaled(model: PretrainedModel, x: Tensor) -> Tensor:
    """Pixels from 0 to 255 in the scale that the backbone was trained with."""
    from keras import layers, ops  # noqa: PLC0415 - as above

    own = model.network
    if isinstance(own, CustomModel):
        return layers.Rescaling(1 / 255, name="preprocessing")(x)
    if isinstance(own, HubModel):
        numbers = map(_one_or_list, (own.scale or (1.0,), own.offset or (0.0,)))
        return layers.Rescaling(*numbers, name="preprocessing")(x)
    if own is not None:
        return x
    reverse, scale, offset = _preprocessing(str(model.backbone))
    if reverse:
        x = ops.flip(x, axis=-1)
    if scale != [1.0] * RGB or offset != [0.0] * RGB:
        x = layers.Rescaling(scale, offset, name="preprocessing")(x)
    return x


def _preprocessing(name: str) -> tuple[bool, list[float], list[float]]:
    """What an application expects: channels reversed or not, and a scale and an offset for each.

    Read off `preprocess_input` of its own module, which is linear, at black and at three colours.
    """
    import keras  # noqa: PLC0415 - as above

    family = sys.modules[getattr(keras.applications, name).__module__].preprocess_input
    white = 255.0
    offset = family(np.zeros((1, RGB)))[0]
    parts = family(np.eye(RGB) * white) - offset  # row: the channel that is lit
    order = np.abs(parts).argmax(axis=0)
    scale = parts[order, range(RGB)] / white
    rounded = [float(np.round(each, 15)) for each in scale]
    return bool(order[0]), rounded, [float(each) for each in offset]


def _one_or_list(numbers: Sequence[float]) -> float | list[float]:
    return numbers[0] if len(numbers) == 1 else list(numbers)


def _head(model: PretrainedModel, x: Tensor, num_classes: int) -> Tensor:
    """Pooling, hidden dense layers with dropout, class scores."""
    from keras import layers  # noqa: PLC0415 - as above

    head = model.head
    if len(x.shape) == MAPS and head.pooling != "none":
        x = getattr(layers, cnn.GLOBAL_POOLINGS[head.pooling])(name="features")(x)
    else:
        x = layers.Flatten(name="features")(x)
    if head.dropout:
        x = layers.Dropout(head.dropout, name="head_dropout")(x)
    for number, units in enumerate(dense.dense_units(head), start=1):
        layer = partial(layers.Dense, units)
        x = dense.hidden_layer(head, x, layer, f"head_dense_{number}", batch_norm=head.batch_norm)
        if head.dropout:
            x = layers.Dropout(head.dropout, name=f"head_dropout_{number}")(x)
    return dense.class_scores(x, num_classes)


def _whole(model: PretrainedModel, shape: Shape) -> Any:
    """The network that the backbone is the beginning of."""
    import keras  # noqa: PLC0415 - as above

    own = model.network
    if isinstance(own, CustomModel):
        network = custom.call(own, shape, model.trained_classes or 2)
        with custom.blame(f"{custom.KEY}={own.function} on images of {shape}"):
            network(keras.Input(shape))  # a Sequential model has no layers before
        return network
    if isinstance(own, HubModel):
        return hub.build_whole(own, shape)
    if own is not None:
        image = keras.Input(shape, name="image")
        scaled = keras.layers.Rescaling(1 / 255, name="scaling")(image)
        return keras.Model(image, OWN[own.name].build(own, scaled, 2))
    try:
        return _application(model, shape, weights="imagenet")[0]
    except (ValueError, TypeError):  # for such params, or such images, there are no weights
        pass
    try:
        return _application(model, shape, weights=None)[0]
    except (ValueError, TypeError) as error:
        given = ", ".join(f"{key}={value}" for key, value in model.params.items())
        raise ConfigError(
            f"model.backbone={model.backbone}{given and f' with model.params ({given})'} is "
            f"refused by Keras for images of {shape[0]}x{shape[1]}: {first_line(error)}"
        ) from error


def _application(
    model: PretrainedModel, shape: Shape, *, weights: str | None
) -> tuple[Any, Published | None]:
    """An application without its last layer, and the file that Keras would fill it from.

    Its layers may depend on whether it gets the ImageNet weights, as those of EfficientNet do.
    """
    import keras  # noqa: PLC0415 - as above

    make = getattr(keras.applications, str(model.backbone))
    with _nothing_downloaded() as asked, warnings.catch_warnings(action="ignore"):
        made = make(include_top=False, weights=weights, input_shape=shape, **model.params)
    return made, asked[0] if asked else None


@contextmanager
def _nothing_downloaded() -> Iterator[Sequence[Published]]:
    """Let Keras' applications ask for files of weights, which are only noted, and load none."""
    import keras  # noqa: PLC0415 - as above
    from keras.src.utils import file_utils  # noqa: PLC0415 - Keras has no public table of them

    asked: list[Published] = []

    def noted(fname: str, origin: str, *_: Any, file_hash: str | None = None, **__: Any) -> str:
        asked.append(Published(name=fname, url=origin, digest=file_hash))
        return fname

    with (
        patch.object(file_utils, "get_file", noted),
        patch.object(keras.Model, "load_weights", lambda *_, **__: None),
    ):
        yield asked


def _cut(model: PretrainedModel, whole: Any) -> Any:
    """The backbone that a network is the whole of."""
    own = model.network
    if isinstance(own, CustomModel):
        return _own_up_to(own, whole, model.layer)
    return _up_to(whole, model.layer)


def _own_up_to(model: CustomModel, network: Any, layer: str | None) -> Any:
    """The beginning of what a user's function returned: to a layer, or to where its head begins.

    The head is the last layer with weights, and the pooling of feature maps before it.

    Raises:
        ConfigError: its layers are not known, or it has no such layer.
    """
    if not getattr(network, "inputs", None):
        raise ConfigError(
            f"{custom.KEY}={model.function} returned a {type(network).__name__}, whose layers only "
            "its call() connects: it cannot be cut.\nReturn a functional or Sequential model of "
            "Keras, and train it anew."
        )
    if layer is not None:
        return _up_to(network, layer)
    heads = [each for each in network.layers if each.weights][-1:]
    return _backbone(network, _before_pooling(heads[0].input) if heads else network.output)


def _before_pooling(x: Tensor) -> Tensor:
    """The feature maps that a tensor is made of by layers without weights; else the tensor."""
    given = x
    while len(x.shape) != MAPS:
        made = x._keras_history
        inputs = made.operation._inbound_nodes[made.node_index].input_tensors
        if getattr(made.operation, "weights", ()) or len(inputs) != 1:
            return given
        (x,) = inputs
    return x


def _up_to(network: Any, layer: str | None) -> Any:
    """The beginning of a network: to a layer, or to its last feature map where it has scores.

    Raises:
        ConfigError: it has no such layer.
    """
    found = network.output
    if layer is not None:
        names = [each.name for each in network.layers]
        if layer not in names:
            near = get_close_matches(layer, names, n=ENOUGH_NAMES) or names[-ENOUGH_NAMES:]
            raise ConfigError(
                f"model.layer={layer}: the backbone has no such layer.\n"
                f"Type, for example, model.layer={' or '.join(near)}."
            )
        found = network.get_layer(layer).output
    elif network.layers[-1].name == "scores":
        *before, scores = network.layers
        last = max(n for n, each in enumerate(before) if len(each.output.shape) == MAPS)
        learnt = any(each.weights for each in before[: last + 1])
        found = before[last].output if learnt else scores.input
    return _backbone(network, found)


def _backbone(network: Any, output: Tensor) -> Any:
    """The layers of a network that make an output of its image.

    Raises:
        ConfigError: none of them has weights.
    """
    import keras  # noqa: PLC0415 - as above

    made = keras.Model(network.inputs[0], output, name=BACKBONE)
    if not made.weights:
        raise ConfigError(
            "The backbone has no layer with weights before its scores: nothing of it could be "
            "used.\nType another model.backbone, or another run."
        )
    return made


NETWORK: Network[PretrainedModel] = Network(build=build, title=title, scaled=False, check=check)
