"""Image backbones of KerasHub: what a preset says of the network, and the file of its weights.

A preset is a folder, a name of KerasHub's list, or a handle of a hub (`kaggle://`, `hf://`). What
it says is copied into the config, so that a stored run needs the preset no more. KerasHub is an
extra (`pip install 'cnn-sweeps[hub]'`), and imports TensorFlow.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any, Final

from cnn_sweeps.config.schema import HUB, HubModel, Model, PretrainedModel
from cnn_sweeps.errors import ConfigError, DataError
from cnn_sweeps.models.network import Network, Shape, Tensor
from cnn_sweeps.text.format import first_line

CONFIG: Final = "config.json"
CONVERTER: Final = "image_converter.json"
WEIGHTS: Final = "model.weights.h5"
PACKAGE: Final = "keras-hub"
"""What makes these networks, as package registries call it."""
NOT_THE_NETWORK: Final = ("name", "trainable", "dtype", "image_shape")
"""What a preset says beside the layers; the shape is that of the images."""


def read_preset(name: str) -> HubModel:
    """What a preset says of its network and of the scale of its images.

    Args:
        name: `hub:` and a folder, a name or a handle.

    Raises:
        ConfigError: KerasHub is not installed.
        DataError: there is no such preset, or it cannot be read.
    """
    require()
    try:
        stored = json.loads(_file(name, CONFIG).read_bytes())
        config = {k: v for k, v in stored["config"].items() if k not in NOT_THE_NETWORK}
        class_name = str(stored["class_name"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{name}: {CONFIG} is none of a preset.") from error
    try:
        converter = json.loads(_file(name, CONVERTER).read_bytes())["config"]
    except (DataError, ValueError, KeyError, TypeError):  # a preset of a backbone alone has none
        converter = {}
    scale, offset = (_numbers(converter.get(key)) for key in ("scale", "offset"))
    return HubModel(class_name=class_name, config=config, scale=scale, offset=offset)


def weights_file(name: str) -> Path:
    """The file of the weights of a preset, downloaded where it is none of this machine.

    Raises:
        ConfigError: KerasHub is not installed.
        DataError: it is not to be had.
    """
    require()
    return _file(name, WEIGHTS)


def require() -> None:
    """Refuse where KerasHub is not installed; it is not imported.

    Raises:
        ConfigError: see above.
    """
    if importlib.util.find_spec("keras_hub") is None:
        raise ConfigError(
            f"model.backbone={HUB}... needs KerasHub.\nType pip install 'cnn-sweeps[hub]'."
        )


def build_whole(model: HubModel, shape: Shape) -> Any:
    """The backbone with random weights, a Keras model.

    Only classes of KerasHub are made, of plain values: what a stranger's record says runs no code.

    Raises:
        ConfigError: KerasHub is not installed, has no such backbone, or refuses.
    """
    require()
    import keras_hub  # noqa: PLC0415 - a dry run needs no Keras

    made = getattr(keras_hub.models, model.class_name, None)
    if not (isinstance(made, type) and issubclass(made, keras_hub.models.Backbone)):
        raise ConfigError(f"KerasHub has no backbone {model.class_name}: install another version.")
    try:
        return made(**model.config, image_shape=shape)
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"KerasHub refuses {model.class_name} for images of {shape[0]}x{shape[1]}: "
            f"{first_line(error)}\nType a preset of a network for images, or model.input_size=[..]."
        ) from error


def packages_of(model: Model) -> tuple[str, ...]:
    """The packages beside Keras that make a network: KerasHub, or none."""
    is_hub = isinstance(model, PretrainedModel) and isinstance(model.network, HubModel)
    return (PACKAGE,) if is_hub else ()


def title(model: HubModel) -> str:
    """The class of KerasHub, `ResNetBackbone`."""
    return model.class_name


def _numbers(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    return tuple(float(each) for each in (value if isinstance(value, list) else [value]))


def _file(name: str, path: str) -> Path:
    """A file of a preset, downloaded if need be.

    Raises:
        DataError: it is not to be had.
    """
    preset = name.removeprefix(HUB)
    folder = Path(preset).expanduser()
    if folder.is_dir():
        if (folder / path).is_file():
            return folder / path
        raise DataError(f"{name}: there is no {path} in that folder.")
    from keras_hub.src.utils.preset_utils import get_file  # noqa: PLC0415 - it has no public name

    try:
        return Path(get_file(preset, path))
    except Exception as error:  # of whichever hub it is
        why = "neither a folder nor a preset that it knows"
        if not isinstance(error, ValueError):
            why = first_line(error)
        raise DataError(
            f"{name}: {path} is not to be had from KerasHub ({why}); get the preset yourself and "
            f"type {HUB}FOLDER in its place"
        ) from error


def _none(*_: Any) -> Tensor:
    raise ConfigError("A preset of KerasHub has no head: type model=pretrained.")


NETWORK: Network[HubModel] = Network(build=_none, title=title)
