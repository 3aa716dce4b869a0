"""Keras models in MLflow's model format, and back."""

import sys
import types
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cnn_sweeps.errors import ModelError
from cnn_sweeps.tracking.errors import first_line
from cnn_sweeps.tracking.params import tensor

if TYPE_CHECKING:
    import keras
    from mlflow.models import Model, ModelSignature

REQUIREMENTS: Final = ("tensorflow", "keras", "numpy")


@dataclass(frozen=True, kw_only=True)
class Portable:
    """A model made ready to be stored for prediction, where this package is not installed.

    Attributes:
        model: a copy without optimizer: its state is twice the weights, and its schedule
            would have to be known where the model is loaded.
        custom: the user's own classes and functions in it, by name.
        signature: uint8 images (-1, height, width, channels) to scores (-1, classes).
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
            inputs=tensor(np.uint8, (-1, *shape)), outputs=tensor(scores, (-1, num_classes))
        )
        return cls(model=_copy(model, custom), custom=custom, signature=signature)

    def save(self, folder: Path, card: "Model") -> None:
        """Write MLflow's model format into a folder that does not exist yet.

        The requirements are named here since MLflow would find them by loading the model
        in another process, which takes 7 to 11 s.

        Args:
            folder: where to.
            card: the MLmodel description to fill in, with the ids already in it.
        """
        requirements = [f"{name}=={version(name)}" for name in REQUIREMENTS]
        kwargs: dict[str, Any] = {
            "mlflow_model": card,
            "signature": self.signature,
            "pip_requirements": requirements,
        }
        with warnings.catch_warnings(action="ignore"):  # between Keras and NumPy, not the user's
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


def read_model(folder: str) -> "keras.Model":
    """Load the Keras model from a folder that `Portable.save` wrote."""
    from mlflow.models import Model

    with warnings.catch_warnings(action="ignore"):
        if "keras" in Model.load(folder).flavors:
            import mlflow.keras

            return mlflow.keras.load_model(folder)
        import mlflow.tensorflow

        return mlflow.tensorflow.load_model(folder)


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


def _copy(model: "keras.Model", custom: dict[str, Any]) -> "keras.Model":
    """The model without what compiling added, made in the way that loading makes it."""
    import keras

    try:
        with warnings.catch_warnings(action="ignore"):
            config = keras.saving.serialize_keras_object(model)
            config.pop("compile_config", None)
            copy = keras.saving.deserialize_keras_object(config, custom_objects=custom)
            copy.set_weights(model.get_weights())
    except Exception as error:  # a user's layer may raise anything here
        raise ModelError(
            f"The model was trained but cannot be stored, since Keras cannot load it again: "
            f"{first_line(error)}\nGive custom layers a get_config(), replace lambdas by layers, "
            "or leave the model out with tracking.log_model=false."
        ) from error
    return copy


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
