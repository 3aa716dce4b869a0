"""A trained network in a folder of its own, to be used where this package is not installed.

What is written is read back and held against the original on the test images before it counts.
Import this module late: it imports TensorFlow.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.data import Dataset
from cnn_sweeps.errors import ConfigError, RecordError
from cnn_sweeps.evaluation.evaluation import Evaluation
from cnn_sweeps.runs import stored_model
from cnn_sweeps.runs.export import export_folder, model_card
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.runs.restore import recorded_images, reopened
from cnn_sweeps.text.argument_names import option
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.tracking import Store, models
from cnn_sweeps.training.backend import configure_backend, quiet_stderr
from cnn_sweeps.training.steps import EVALUATION_BATCH, scores

if TYPE_CHECKING:
    import keras

Probabilities = Callable[[NDArray[Any]], NDArray[Any]]
"""Takes images (n, height, width, channels), float32 of 0 to 255; gives (n, classes)."""
MOST_APART: Final = 0.001
"""How far the accuracy on the test images may be from that of the original."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A form in which a network is written.

    Attributes:
        file: name of the file or folder.
        write: writes a model to a path.
        read: the network at a path, as a function.
        carries_code: whether a user's own layers are in it; else their code would be needed.
        packages: what has to be installed to use it, as it is here.
        runtime: what is not installed here, and runs it elsewhere.
    """

    file: str
    write: Callable[["keras.Model", Path], None]
    read: Callable[[Path], Probabilities]
    carries_code: bool
    packages: tuple[str, ...] = ()
    runtime: str = ""


@dataclass(frozen=True)
class Exported:
    """What was written, and how it compares with the original.

    Attributes:
        folder: where it is.
        files: in it, sorted.
        accuracy: of the original on the test images.
        accuracy_after: of what was read back.
        largest_difference: of any probability of any test image.
    """

    folder: Path
    files: tuple[str, ...]
    accuracy: float
    accuracy_after: float
    largest_difference: float


def _write_keras(model: "keras.Model", path: Path) -> None:
    model.save(path)


def _read_keras(path: Path) -> Probabilities:
    import keras  # noqa: PLC0415 -- as all heavy imports here, where it is needed

    model = keras.saving.load_model(path, compile=False)
    return lambda images: np.asarray(model(images, training=False))


def _write_saved_model(model: "keras.Model", path: Path) -> None:
    model.export(path, format="tf_saved_model", verbose=False)


def _read_saved_model(path: Path) -> Probabilities:
    import tensorflow as tf  # noqa: PLC0415

    loaded = tf.saved_model.load(str(path))
    return lambda images: np.asarray(loaded.serve(images))


def _write_litert(model: "keras.Model", path: Path) -> None:
    model.export(path, format="litert", verbose=False)


def _read_litert(path: Path) -> Probabilities:
    import tensorflow as tf  # noqa: PLC0415

    run = tf.lite.Interpreter(str(path)).get_signature_runner()
    return lambda images: np.asarray(*run(image=images).values())


FORMATS: Final[Mapping[str, Format]] = {
    "keras": Format(
        file="model.keras",
        write=_write_keras,
        read=_read_keras,
        carries_code=False,
        packages=("keras", "tensorflow"),
    ),
    "savedmodel": Format(
        file="savedmodel",
        write=_write_saved_model,
        read=_read_saved_model,
        carries_code=True,
        packages=("tensorflow",),
    ),
    "litert": Format(
        file="model.tflite",
        write=_write_litert,
        read=_read_litert,
        carries_code=True,
        runtime="ai-edge-litert>=2.1",
    ),
}
"""The possible `form`s, which are typed behind `--format`."""


def export(
    store: Store,
    record: Record,
    folder: Path,
    form: str,
    *,
    places: Sequence[str] = (),
    trust: bool = False,
) -> Exported:
    """Write the network of a run, a model card and a script that uses both.

    Args:
        store: where the run is.
        record: the run.
        folder: where to; made, or empty.
        form: one of `FORMATS`.
        places: `data.root=FOLDER` and the like, where the images lie elsewhere.
        trust: whether the recorded code of `model.function` may be executed.

    Raises:
        RecordError: the run did not finish, what is stored of it was changed, the folder is in
            use, or what was written does not give what the network gives; nothing is left then.
        ConfigError: the format cannot hold this network, or it is the user's own and not trusted.
        DataError: the images are missing, or are not those of the run.
        StoreError: neither model nor last epoch is stored, or the store refuses.
    """
    if form not in FORMATS:
        raise ConfigError(f"There is no format {form}; there are {', '.join(FORMATS)}.")
    export_folder.check_unused(folder)
    with reopened(record, places, trust=trust) as config:
        data = recorded_images(record, config)
        configure_backend(config.trainer, config.seed)
        run = store.get(record.run_id)
        model = stored_model.load(store, run, config, data.shape, data.num_classes)
        made = models.Portable.of(model, shape=data.shape, num_classes=data.num_classes)
        _check_holds(form, made)
        with export_folder.filled(folder):
            found = _written(folder, FORMATS[form], made.model, data)
            if form == "keras":
                models.describe(folder / FORMATS[form].file, _about(record, data))
            compared = _compared(scores(model, data.x_test), found, data.y_test)
            texts = _texts(record, data, found, form, compared[-1])
            for name, text in texts.items():
                (folder / name).write_text(text, encoding="utf-8")
    files = tuple(sorted([FORMATS[form].file, *texts]))
    return Exported(folder, files, *compared)


def _check_holds(form: str, made: models.Portable) -> None:
    """Refuse a format that cannot hold a network.

    Raises:
        ConfigError: it has layers of its own, and the format stores no code.
    """
    if made.custom and not FORMATS[form].carries_code:
        others = [option("form", name) for name, each in FORMATS.items() if each.carries_code]
        raise ConfigError(
            f"{option('form', form)} stores no code, and this network has layers of its own "
            f"({', '.join(made.custom)}).\n  Type {' or '.join(others)}"
        )


def _written(folder: Path, form: Format, model: "keras.Model", data: Dataset) -> NDArray[Any]:
    """Write a network and read it back; what it gives for the test images, (n, classes)."""
    with quiet_stderr(), warnings.catch_warnings(action="ignore"):  # among Keras, NumPy, LiteRT
        form.write(model, folder / form.file)
        again = form.read(folder / form.file)
        return np.concatenate([again(batch) for batch in _batches(data)])


def _compared(
    expected: NDArray[Any], found: NDArray[Any], labels: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Accuracy of the original, accuracy of what was exported, and their largest difference.

    Raises:
        RecordError: the accuracies are too far apart.
    """
    right, right_after = (
        float(np.mean(each.argmax(axis=1) == labels)) for each in (expected, found)
    )
    if not abs(right - right_after) <= MOST_APART or not np.isfinite(found).all():
        raise RecordError(
            f"The exported network has a test accuracy of {right_after:.4f}, and the original "
            f"{right:.4f}: nothing is left of the export.\nTry another "
            f"{option('form')}."
        )
    return right, right_after, float(np.abs(expected.astype(np.float64) - found).max())


def _about(record: Record, data: Dataset) -> dict[str, Any]:
    """What whoever uses the network has to know, as plain values."""
    return {
        "name": record.name,
        "config_hash": record.identity.config_hash,
        **stored_model.pictures_of(record.config, data).as_json(),
    }


def _texts(
    record: Record, data: Dataset, found: NDArray[Any], form: str, apart: float
) -> dict[str, str]:
    """The files beside the network, by name."""
    evaluation, chosen = Evaluation.of(data.y_test, found, data.class_names), FORMATS[form]
    pictures = stored_model.pictures_of(record.config, data)
    pinned = [f"{name}=={version(name)}" for name in (*chosen.packages, "numpy", "pillow")]
    packages = [*([chosen.runtime] if chosen.runtime else []), *pinned]
    return {
        models.ABOUT: dump_json(_about(record, data)) + "\n",
        "evaluation.json": dump_json(evaluation) + "\n",
        "requirements.txt": "".join(f"{each}\n" for each in packages),
        "predict.py": model_card.script(chosen.file, data.shape, pictures.resize, pictures.white),
        "README.md": model_card.text(record, data, evaluation, chosen.file, apart),
    }


def _batches(data: Dataset) -> Iterator[NDArray[Any]]:
    """The test images a batch at a time: all of them as floats may not fit into memory."""
    for start in range(0, len(data.x_test), EVALUATION_BATCH):
        yield data.x_test[start : start + EVALUATION_BATCH].astype(np.float32)
