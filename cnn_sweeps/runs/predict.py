"""Classes for new pictures, by the network of a finished run.

A picture is decoded and brought to size as the training images were. The network is built from the
config of its run, and its weights are checked (`runs.stored_model`). Import this module late: it
imports TensorFlow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import Resize
from cnn_sweeps.data import progress
from cnn_sweeps.data.arrays import WHITEST, Images
from cnn_sweeps.data.readers import picture
from cnn_sweeps.errors import DataError, UnreadableImageError
from cnn_sweeps.models.network import Shape
from cnn_sweeps.runs import stored_model
from cnn_sweeps.runs.prediction import Predictions
from cnn_sweeps.runs.record import Record, check_finished, verify
from cnn_sweeps.runs.restore import importable_source
from cnn_sweeps.tracking import Store
from cnn_sweeps.training import steps
from cnn_sweeps.training.backend import configure_backend

if TYPE_CHECKING:
    import keras

AT_A_TIME = 512
"""Pictures that are decoded before the network sees them; they need not all fit into memory."""
Color = Literal["rgb", "grayscale"]
CHANNELS = (1, 3)
"""Channels that a picture file can have."""
GRAY, COLOR = 3, 4
"""Dimensions of an array of grayscale pictures, and of one with channels."""


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """The network of a finished run, ready for new pictures.

    Attributes:
        model: takes uint8 (n, height, width, channels), gives probabilities (n, classes).
        shape: height, width and channels that every picture is brought to.
        class_names: in the order of the probabilities.
        resize: what becomes of a picture of another aspect ratio.
    """

    model: "keras.Model"
    shape: Shape
    class_names: tuple[str, ...]
    resize: Resize = "stretch"

    @classmethod
    def of(cls, store: Store, record: Record, *, trust: bool = False) -> "Predictor":
        """Build the network of a run and fill it with its weights; the images are not needed.

        Args:
            store: where the run is.
            record: the run.
            trust: whether the recorded code of `model.function` may be executed.

        Raises:
            RecordError: the run did not finish, or what is stored of it was changed.
            ConfigError: the model is the user's own, and `trust` is false.
            StoreError: the run has no stored model, or the store refuses.
        """
        check_finished(record)
        verify(record)
        run = store.get(record.run_id)
        pictures = stored_model.stored_pictures(store, record)
        shape, class_names = pictures.shape, tuple(pictures.class_names)
        with importable_source(record, trust=trust):
            configure_backend(record.config.trainer, record.config.seed)
            model = stored_model.load(store, run, record.config, shape, len(class_names))
        return cls(model=model, shape=shape, class_names=class_names, resize=pictures.resize)

    def files(self, paths: Sequence[Path]) -> Predictions:
        """Decode picture files and predict; those that cannot be read are told in `unreadable`."""
        read: list[str] = []
        unreadable: list[UnreadableImageError] = []
        found = [np.empty((0, len(self.class_names)))]
        waiting: list[NDArray[np.uint8]] = []
        for path in progress.with_progress(paths, "pictures read"):
            try:
                waiting.append(self._decoded(path))
                read.append(str(path))
            except UnreadableImageError as fault:
                unreadable.append(fault)
            if len(waiting) == AT_A_TIME:
                found.append(self._scores(np.stack(waiting)))
                waiting = []
        if waiting:
            found.append(self._scores(np.stack(waiting)))
        return self._predictions(read, np.concatenate(found), tuple(unreadable))

    def arrays(self, images: NDArray[Any]) -> Predictions:
        """Predict pictures in memory.

        Args:
            images: one picture or several, (height, width), (n, height, width) or (n, height,
                width, channels), of any height and width; integers from 0 to 255, or floats
                from 0 to 255, or from 0 to 1 where none in the picture is larger.

        Raises:
            DataError: another number of dimensions, or values out of that range.
        """
        ready = [self._resized(each) for each in _as_bytes(images)]
        scores = self._scores(np.stack(ready)) if ready else np.empty((0, len(self.class_names)))
        return self._predictions([f"image {number}" for number in range(len(ready))], scores)

    def _predictions(
        self,
        sources: Sequence[str],
        scores: NDArray[Any],
        unreadable: tuple[UnreadableImageError, ...] = (),
    ) -> Predictions:
        return Predictions(
            sources=tuple(sources),
            class_names=self.class_names,
            probabilities=scores,
            unreadable=unreadable,
        )

    def _scores(self, images: Images) -> NDArray[Any]:
        return steps.scores(self.model, images).astype(np.float64)

    def _decoded(self, path: Path) -> NDArray[np.uint8]:
        size, channels = self.shape[:2], self.shape[2]
        if channels not in CHANNELS:
            raise DataError(
                f"The network takes images of {channels} channels, which no picture file has; "
                "predict arrays with cs.load(HASH).predict(images)."
            )
        color: Color = "grayscale" if channels == 1 else "rgb"
        with picture.strict_decoding():
            return picture.read(path, size, color=color, resize=self.resize).pixels

    def _resized(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One picture in memory, brought to the shape that the network takes."""
        if image.shape == self.shape:
            return image
        if image.shape[2] not in CHANNELS or self.shape[2] not in CHANNELS:
            raise DataError(
                f"The images have {image.shape[2]} channels; the network takes {self.shape}."
            )
        return picture.brought_to(image, self.shape, self.resize)


def _as_bytes(images: NDArray[Any]) -> Iterator[NDArray[np.uint8]]:
    """Each picture as uint8 of (height, width, channels).

    Raises:
        DataError: see `Predictor.arrays`.
    """
    array = np.asarray(images)
    if array.ndim == GRAY - 1:
        array = array[None]
    if array.ndim not in (GRAY, COLOR) or array.dtype.kind not in "uif" or 0 in array.shape[1:]:
        raise DataError(
            f"{array.dtype} of shape {array.shape} are no pictures; give (n, height, width) or "
            "(n, height, width, channels) with values from 0 to 255, or from 0 to 1."
        )
    if array.ndim == GRAY:
        array = array[..., None]
    for image in array:
        low, high = image.min(), image.max()
        if not (low >= 0 and high <= WHITEST):  # also where one is no number
            raise DataError(
                f"A picture has values from {low:g} to {high:g}; give 0 to 255, or 0 to 1."
            )
        if image.dtype.kind == "f":
            image = np.rint(image * (WHITEST if high <= 1 else 1))  # noqa: PLW2901
        yield image.astype(np.uint8)
