"""A small Keras model, a run that has logged it, and the files of that."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.models import Pictures

if TYPE_CHECKING:
    import keras

SHAPE = (6, 6, 1)

IMAGES = np.arange(2 * 36, dtype=np.uint8).reshape(2, *SHAPE)


def plain(dtype: str = "float32", *, compiled: bool = True) -> "keras.Model":
    """A small network, trained for a step so that its optimizer has a state."""
    import keras

    model = keras.Sequential(
        [
            keras.Input(SHAPE, dtype="uint8"),
            keras.layers.Rescaling(1 / 255, dtype=dtype),
            keras.layers.Flatten(dtype=dtype),
            keras.layers.Dense(3, dtype=dtype),
        ]
    )
    if compiled:
        model.compile("adam", "mse")
        model.train_on_batch(IMAGES, np.zeros((2, 3)))
    return model


def logged(store: Store, model: "keras.Model") -> str:
    """The run id of a run that has this model."""
    with store.start_run("r", tags={}) as run:
        run.log_model(model, Pictures(class_names="abc", shape=SHAPE))
    return run.run_id


def files(store: Store, run_id: str) -> Path:
    """The folder in which a local store keeps the model of a run."""
    model_id = store.client.get_run(run_id).outputs.model_outputs[-1].model_id
    location = store.client.get_logged_model(model_id).artifact_location
    return Path(location.removeprefix("file://"))


def loaded(store: Store, run_id: str) -> "keras.Model":
    """The stored model of a run as plain Keras loads it."""
    import keras

    return keras.saving.load_model(files(store, run_id) / "data" / "model.keras")
