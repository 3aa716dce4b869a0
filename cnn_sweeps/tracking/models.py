"""Keras models in MLflow's model format; of what is stored, only arrays are read back."""

import hashlib
import inspect
import json
import shutil
import sys
import types
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cnn_sweeps.config.schema import Resize
from cnn_sweeps.data.arrays import DEEPEST
from cnn_sweeps.errors import ModelError, RecordError
from cnn_sweeps.text.markdown import plain_text
from cnn_sweeps.tracking.errors import said_by
from cnn_sweeps.tracking.images import white_of
from cnn_sweeps.tracking.params import tensor

if TYPE_CHECKING:
    import h5py  # type: ignore[import-untyped]  # it has no stubs
    import keras
    from mlflow.models import Model, ModelSignature

REQUIREMENTS: Final = ("tensorflow", "keras", "numpy", "pillow")
TAKES: Final = "images as bytes (0 to 255), or divided by 255 (0 to 1)"
"""What goes into a stored model, for a person."""
CARD: Final = "MLmodel"
CODE: Final = "code"
CLASSIFIER: Final = Path(__file__).with_name("picture_classifier.py")
"""The program that takes pictures for a stored model; a copy goes into its folder `code`."""
ABOUT: Final = "model.json"
"""In the Keras file: classes and images, for whoever loads it."""
README: Final = """\
# Image classifier

Classes: {classes}.

Input: images (n, {height}, {width}, {channels}), as bytes (0 to 255) or divided by 255 (0 to 1).
Output: a probability for each class, in the order above. A picture of another size or colour is
brought to that size with Pillow{how}.

```python
import json, zipfile, keras

model = keras.saving.load_model("{archive}", compile=False)
about = json.loads(zipfile.ZipFile("{archive}").read("{about}"))  # class_names, height, ...
```

With MLflow, `mlflow.pyfunc.load_model(...)` takes such images, or a list of picture files as bytes
or in base64, of which it names the classes; `model.metadata.metadata` has the same as above.
"""
"""Beside each stored model."""
HOW: Final = {
    "stretch": " (`resize`, bilinear)",
    "crop": " (`ImageOps.fit`, bilinear)",
    "pad": " (`ImageOps.pad`, bilinear)",
}
ARCHIVE: Final = "data/model.keras"
ARRAYS: Final = "model.weights.h5"
"""Where MLflow keeps the Keras file of a model, and that the weights."""
VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
TOO_LARGE: Final = "it is larger than the weights of this network"
_last: dict[str, tuple["keras.Model", "keras.Model"]] = {}
"""The copy of a network that was made last, and what is stored of it, by its layers as JSON."""
MOST_OVERHEAD: Final = 16 * 2**20
"""Bytes of a file of weights that are not weights; about 2 kB for a layer."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What a network takes and gives, for whoever loads it without this package.

    Attributes:
        class_names: in the order of the scores.
        shape: height, width and channels of an image.
        resize: what becomes of a picture of another aspect ratio.
        white: the value that is white in a picture of 16-bit gray.
    """

    class_names: Sequence[str]
    shape: tuple[int, int, int]
    resize: Resize = "stretch"
    white: int = DEEPEST

    def as_json(self) -> dict[str, Any]:
        """Plain values, as they are stored."""
        height, width, channels = self.shape
        return {
            "class_names": list(self.class_names),
            "height": height,
            "width": width,
            "channels": channels,
            "color": {1: "grayscale", 3: "rgb"}.get(channels),
            "resize": self.resize,
            "takes": TAKES,
            **white_of(self.white),
        }


@dataclass(frozen=True, kw_only=True)
class Portable:
    """A model made ready to be stored for prediction, where this package is not installed.

    Attributes:
        model: a copy without optimizer: its state is twice the weights, and its schedule
            would have to be known where the model is loaded. It takes images of either scale.
        custom: the user's own classes and functions in it, by name.
        signature: images (-1, height, width, channels) to scores (-1, classes).
    """

    model: "keras.Model"
    custom: Mapping[str, Any]
    signature: "ModelSignature"

    @classmethod
    def of(
        cls, model: "keras.Model", *, shape: tuple[int, int, int], num_classes: int
    ) -> "Portable":
        """Copy a built model; it is left as it is.

        Args:
            model: compiled or not.
            shape: height, width and channels of one image.
            num_classes: how many scores there are for one image.

        Raises:
            ModelError: Keras cannot bring this model back, perhaps for a lambda in it.
        """
        from mlflow.models import ModelSignature

        custom = custom_objects(model)
        # The last layer's own precision counts; a model's is only that of its making.
        last = next(reversed(getattr(model, "layers", ())), model)
        scores = np.float64 if last.compute_dtype == "float64" else np.float32
        signature = ModelSignature(
            inputs=tensor(np.float32, (-1, *shape)), outputs=tensor(scores, (-1, num_classes))
        )
        return cls(model=_copy(model, custom, shape), custom=custom, signature=signature)

    def save(self, folder: Path, card: "Model", pictures: Pictures) -> None:
        """Write MLflow's model format into a folder that does not exist yet.

        What goes in is left out of the stored signature: MLflow would refuse all types but one,
        and a server would cut bytes out of what lies between 0 and 1, before the model sees it.

        Args:
            folder: where to.
            card: the MLmodel description to fill in, with the ids already in it.
            pictures: what the network takes and gives.
        """
        from mlflow.models import ModelSignature

        self._save(folder, card, pictures)
        describe(folder / ARCHIVE, pictures.as_json())
        about = pictures.as_json()
        text = README.format(
            **about,
            classes=", ".join(map(plain_text, pictures.class_names)),
            how=HOW[pictures.resize],
            archive=ARCHIVE,
            about=ABOUT,
        )
        (folder / "README.md").write_text(text, encoding="utf-8")
        (folder / CODE).mkdir()
        shutil.copy(CLASSIFIER, folder / CODE)
        card.flavors["python_function"] |= {"loader_module": CLASSIFIER.stem, "code": CODE}
        card.signature = ModelSignature(outputs=self.signature.outputs)
        card.save(str(folder / CARD))

    def _save(self, folder: Path, card: "Model", pictures: Pictures) -> None:
        """Write everything.

        The requirements are named here since MLflow would find them by loading the model
        in another process, which takes 7 to 11 s.
        """
        requirements = [f"{name}=={version(name)}" for name in REQUIREMENTS]
        kwargs: dict[str, Any] = {
            "mlflow_model": card,
            "signature": self.signature,
            "pip_requirements": requirements,
            "metadata": pictures.as_json(),
        }
        # The warnings are between Keras and NumPy, not the user's.
        with warnings.catch_warnings(action="ignore"), _requirements_as_they_are():
            if not self.custom:
                import mlflow.keras

                mlflow.keras.save_model(self.model, str(folder), **kwargs)
                return
            # Keras does not import a user's code on loading, and MLflow's Keras flavour has no
            # place for it; its TensorFlow flavour carries the classes along.
            import mlflow.tensorflow

            kwargs["pip_requirements"] = [*requirements, f"cloudpickle=={version('cloudpickle')}"]
            with _by_value(self.custom), _without_our_own():
                mlflow.tensorflow.save_model(
                    self.model, str(folder), custom_objects=dict(self.custom), **kwargs
                )


def take_either_scale(model: "keras.Model", shape: tuple[int, int, int]) -> "keras.Model":
    """The same network for images as bytes (0 to 255) or divided by 255 (0 to 1).

    An image whose largest value is at most 1 is taken as divided, each image by itself: what
    comes out for it depends on no other one. Bytes are multiplied by 1, so that they give the
    bits that the network gives. The layers are Keras' own, so that it loads anywhere.

    Args:
        model: functional or sequential, for bytes; its layers are taken over.
        shape: height, width and channels of one image.
    """
    import keras
    from keras import layers

    image = keras.Input(shape, dtype="float32", name="image")
    x = layers.Reshape((-1, 1), dtype="float32", name="image_values")(image)
    x = layers.GlobalMaxPooling1D(keepdims=True, dtype="float32", name="image_largest")(x)
    # 0 up to the threshold, 1 above it. Resizing may lift a value a little above 1.
    step = layers.ReLU(max_value=1, threshold=1.5, dtype="float32", name="image_is_bytes")
    factor = layers.Rescaling(-254, offset=255, dtype="float32", name="image_factor")
    x = layers.Reshape((1, 1, 1), dtype="float32", name="image_factors")(factor(step(x)))
    as_bytes = layers.Multiply(dtype="float32", name="image_bytes")([image, x])

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return layer(*(as_bytes if arg is image else arg for arg in args), **kwargs)

    return keras.models.clone_model(
        keras.Model(model.inputs[0], model.outputs[0], name=model.name),
        input_tensors=image,
        clone_function=lambda layer: layer,
        call_function=call,
    )


def describe(archive: Path, about: Mapping[str, Any]) -> None:
    """Put classes and images into a Keras file, as `model.json`; Keras reads past it."""
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(ABOUT, json.dumps(about, ensure_ascii=False, indent=2))


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file in a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def read_weights(folder: Path, model: "keras.Model") -> None:
    """Fill a network with the weights of a stored one of the same layers.

    Only arrays are read. What the files say of layers, code and MLflow's flavours is not followed:
    it could name anything that Python can import.

    Args:
        folder: the files that `Portable.save` wrote, now or in an earlier version.
        model: built; other than a stored one, it may be compiled.

    Raises:
        RecordError: they are damaged, or of another network.
    """
    limit = 8 * model.count_params() + MOST_OVERHEAD
    try:
        with (
            zipfile.ZipFile(folder / ARCHIVE) as archive,
            TemporaryDirectory() as scratch,
            warnings.catch_warnings(action="ignore"),
        ):
            if archive.getinfo(ARRAYS).file_size > limit:
                raise ValueError(TOO_LARGE)
            file = archive.extract(ARRAYS, scratch)
            _check_arrays(file, limit)
            model.load_weights(file)
    except Exception as error:  # a damaged file may raise anything in three libraries
        raise RecordError(f"{ARCHIVE} cannot be read: {said_by(error)}") from error


def _check_arrays(file: str, limit: int) -> None:
    """Refuse a file in HDF5 that holds other than arrays of its own, before Keras reads it.

    So are arrays of more bytes than the limit: compressed, or never written, they take no room.
    """
    import h5py

    left = limit

    def check(group: "h5py.Group") -> None:
        nonlocal left
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise TypeError(f"{name} is a link")
            item = group[name]
            if isinstance(item, h5py.Group):
                check(item)
                continue
            if item.dtype.hasobject or item.external or item.is_virtual:
                raise TypeError(f"{item.name} is no array of numbers")
            left -= item.nbytes
            if left < 0:
                raise ValueError(TOO_LARGE)

    with h5py.File(file, "r") as content:
        check(content)


def custom_objects(model: "keras.Model") -> dict[str, Any]:
    """The classes and functions in a model that are not Keras's own, by name."""
    found: dict[str, Any] = {}
    for layer in _layers(model):
        functions = [value for value in vars(layer).values() if _is_function(value)]
        for thing in (type(layer), *functions):
            if thing.__module__.partition(".")[0] != "keras":
                found[thing.__name__] = thing
    return found


def _layers(model: "keras.Model") -> Iterator["keras.Layer"]:
    """The model, its layers, and theirs."""
    yield model
    for layer in getattr(model, "layers", ()):
        yield from _layers(layer)


def _is_function(value: object) -> bool:
    """Whether a layer's attribute is a plain function, such as an activation."""
    return isinstance(value, types.FunctionType)


def _copy(
    model: "keras.Model", custom: dict[str, Any], shape: tuple[int, int, int]
) -> "keras.Model":
    """The model without what compiling added, made in the way that loading makes it.

    Trials that follow each other often have one network: of Keras' own layers the copy is kept
    for the next one, which has other weights.
    """
    import keras

    try:
        with warnings.catch_warnings(action="ignore"):
            config = keras.saving.serialize_keras_object(model)
            config.pop("compile_config", None)
            made = _last.get(what := json.dumps(config, default=str))
            if made is None or custom:
                copy = keras.saving.deserialize_keras_object(config, custom_objects=custom)
                made = copy, take_either_scale(copy, shape)
                _last.clear()
                _last[what] = made
            copy, portable = made
            copy.set_weights(model.get_weights())
            return portable
    except Exception as error:  # a user's layer may raise anything here
        raise ModelError(
            f"The model cannot be stored, since Keras cannot make it again: "
            f"{_lacking(model) or said_by(error)}\nAdd that, "
            "or leave the model out with tracking.log_model=false."
        ) from error


def _lacking(model: "keras.Model") -> str | None:
    """What the first layer that cannot be made again would need."""
    import keras

    for layer in _layers(model):
        kind = type(layer)
        if isinstance(layer, keras.layers.Lambda) and layer.function.__name__ == "<lambda>":
            return f"the layer {layer.name} is a Python lambda; write it as a keras.layers.Layer."
        if kind.__module__.partition(".")[0] == "keras":
            continue
        try:
            kind.from_config(layer.get_config())
        except Exception:  # noqa: BLE001 -- a user's layer may raise anything here
            named = list(inspect.signature(kind).parameters.values())
            taken = [each.name for each in named if each.kind not in VARIADIC]
            returned = f" with {', '.join(taken)}" if taken else ""
            return f"{kind.__name__} needs a get_config() that returns its arguments{returned}."
    return None


@contextmanager
def _requirements_as_they_are() -> Iterator[None]:
    """Store requirements without a search through the files of all installed packages.

    MLflow would warn of versions that are not installed, and these were just asked for.
    """
    from mlflow.utils import environment

    name = "warn_dependency_requirement_mismatches"
    known = getattr(environment, name, None)
    setattr(environment, name, lambda _: None)
    try:
        yield
    finally:
        setattr(environment, name, known)


@contextmanager
def _by_value(custom: Mapping[str, Any]) -> Iterator[None]:
    """Let cloudpickle write the user's code itself instead of the name of its module.

    The model then loads where the user's files are not. Installed packages stay names.
    """
    import cloudpickle  # type: ignore[import-untyped]  # it has no stubs

    names = {thing.__module__.partition(".")[0] for thing in custom.values()}
    modules = [sys.modules[name] for name in sorted(names) if name in sys.modules]
    own = [m for m in modules if "site-packages" not in (getattr(m, "__file__", None) or "")]
    for module in own:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            cloudpickle.unregister_pickle_by_value(module)


@contextmanager
def _without_our_own() -> Iterator[None]:
    """Hide this package's classes from Keras's registry, all of which MLflow would store.

    A stored model is uncompiled and needs none of them; it shall load where only MLflow and
    Keras are.
    """
    import keras

    registry = keras.saving.get_custom_objects()
    ours = {
        name: thing
        for name, thing in registry.items()
        if thing.__module__.partition(".")[0] == "cnn_sweeps"
    }
    for name in ours:
        del registry[name]
    try:
        yield
    finally:
        registry.update(ours)
