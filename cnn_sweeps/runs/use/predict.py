"""Classes for new pictures, by the network of a finished run.

A picture is decoded and brought to size as the training images were. The network is built from the
config of its run, and its weights are checked (`runs.stored_model`). Import this module late: it
imports TensorFlow.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnn_sweeps.config.schema import Resize
from cnn_sweeps.data import progress
from cnn_sweeps.data.arrays import DEEPEST, MOST_CHANNELS, Images
from cnn_sweeps.data.files import as_data_error
from cnn_sweeps.data.pictures import picture_files
from cnn_sweeps.data.readers import picture
from cnn_sweeps.errors import DataError, UnreadableFileError
from cnn_sweeps.models.network import Shape
from cnn_sweeps.runs import stored_model
from cnn_sweeps.runs.recorded.record import Record, check_finished, verify
from cnn_sweeps.runs.restore import importable_source
from cnn_sweeps.runs.use.picture_arrays import pictures_in
from cnn_sweeps.runs.use.prediction import Pictures, Predictions
from cnn_sweeps.tracking import Store
from cnn_sweeps.training import steps
from cnn_sweeps.training.backend import configure_backend

if TYPE_CHECKING:
    import keras

AT_A_TIME = 512
"""Pictures that are decoded before the network sees them; they need not all fit into memory."""
Waiting = tuple[str, Callable[[], NDArray[np.uint8]]]
"""What a picture is called, and how to get its pixels as the network takes them."""
Color = Literal["rgb", "grayscale"]
CHANNELS = (1, 3)
"""Channels that a picture file can have."""
COUNTED = "pictures read"


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """The network of a finished run, ready for new pictures.

    Attributes:
        model: takes uint8 (n, height, width, channels), gives probabilities (n, classes).
        shape: height, width and channels that every picture is brought to.
        class_names: in the order of the probabilities.
        resize: what becomes of a picture of another aspect ratio.
        white: the value that is white in 16-bit gray, as in the training images.
    """

    model: "keras.Model"
    shape: Shape
    class_names: tuple[str, ...]
    resize: Resize = "stretch"
    white: int = DEEPEST

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
            StoreError: neither model nor last epoch is stored, or the store refuses.
        """
        check_finished(record)
        verify(record)
        run = store.get(record.run_id)
        pictures = stored_model.stored_pictures(store, record)
        shape, class_names = pictures.shape, tuple(pictures.class_names)
        with importable_source(record, trust=trust):
            configure_backend(record.config.trainer, record.config.seed)
            model = stored_model.load(store, run, record.config, shape, len(class_names))
        return cls(
            model=model,
            shape=shape,
            class_names=class_names,
            resize=pictures.resize,
            white=pictures.white,
        )

    def predict(self, images: Pictures) -> Predictions:
        """Predict pictures: files, Pillow images, arrays; see `LoadedRun.predict`.

        Files that cannot be read are told in `unreadable`.

        Raises:
            DataError: there is nothing under a path, or an array holds no pictures.
        """
        if isinstance(images, np.ndarray):
            return self._predicted(self._of_arrays(images, count()))
        if isinstance(images, str | Path | Image.Image):
            images = [images]
        if isinstance(images, Sequence) and all(isinstance(each, str | Path) for each in images):
            files = picture_files([Path(each) for each in images])
            return self._predicted(map(self._of_file, progress.with_progress(files, COUNTED)))
        return self._predicted(self._of_each(images))

    def _predicted(self, pictures: Iterable[Waiting]) -> Predictions:
        """Probabilities for pictures, of which a few at a time are in memory."""
        read: list[str] = []
        unreadable: list[UnreadableFileError] = []
        found = [np.empty((0, len(self.class_names)))]
        waiting: list[NDArray[np.uint8]] = []
        for name, decoded in pictures:
            try:
                waiting.append(decoded())
                read.append(name)
            except UnreadableFileError as fault:
                unreadable.append(fault)
            if len(waiting) == AT_A_TIME:
                found.append(self._scores(np.stack(waiting)))
                waiting = []
        if waiting:
            found.append(self._scores(np.stack(waiting)))
        return Predictions(
            sources=tuple(read),
            class_names=self.class_names,
            probabilities=np.concatenate(found),
            unreadable=tuple(unreadable),
        )

    def _of_each(self, images: Iterable[Any]) -> Iterator[Waiting]:
        """Pictures of any kind, as they come; each that is no file is named by its place."""
        places = count()
        for each in images:
            if isinstance(each, str | Path):
                for file in picture_files([Path(each)]):
                    next(places)
                    yield self._of_file(file)
            elif isinstance(each, Image.Image):
                yield f"image {next(places)}", partial(self._resized, each)
            else:
                yield from self._of_arrays(each, places)

    def _of_file(self, path: Path) -> Waiting:
        return str(path), partial(self._decoded, path)

    def _of_arrays(self, images: Any, places: Iterator[int]) -> Iterator[Waiting]:
        for image in pictures_in(images, self.shape, self.white):
            yield f"image {next(places)}", partial(self._of_array, image)

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
        try:
            with picture.strict_decoding(), as_data_error(path):
                return picture.read(
                    path, size, color=color, resize=self.resize, white=self.white
                ).pixels
        except UnreadableFileError:
            raise
        except DataError as error:  # a training would end, since it may pass
            raise UnreadableFileError(path, str(error)) from error

    def _of_array(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        """One picture in memory, brought to the shape that the network takes."""
        if image.shape == self.shape and image.dtype == np.uint8:
            return image
        if image.shape[2] > MOST_CHANNELS:
            raise DataError(self._channels(image.shape[2]))
        return self._resized(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image))

    def _resized(self, image: Image.Image) -> NDArray[np.uint8]:
        if self.shape[2] not in CHANNELS:
            raise DataError(self._channels(len(image.getbands())))
        return picture.brought_to(image, self.shape, self.resize, self.white)

    def _channels(self, count: int) -> str:
        return f"The images have {count} channels; the network takes {self.shape}."
