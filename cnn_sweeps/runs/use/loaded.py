"""A stored run in Python: its record, and predictions of its network."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from cnn_sweeps.data import look_again
from cnn_sweeps.data.files import checked_home
from cnn_sweeps.errors import DataError
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.runs.use.prediction import Pictures, Predictions
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.tracking import Store

if TYPE_CHECKING:
    from cnn_sweeps.evaluation.evaluation import Evaluation
    from cnn_sweeps.runs.export.portable import Exported
    from cnn_sweeps.runs.use.predict import Predictor


@dataclass(frozen=True, kw_only=True)
class LoadedRun(Record):
    """Everything that is stored of a run, and the store that it is in.

    Attributes:
        store: where it is.
    """

    store: Store = field(compare=False, repr=False)
    _built: "list[Predictor]" = field(default_factory=list, init=False, compare=False, repr=False)

    @classmethod
    def find(cls, store: Store, name: str | None, run_id: str | None) -> "LoadedRun":
        """The run of a hash, or that run.

        Raises:
            UnknownHashError: no run, or more than one experiment, has that name.
            RecordError: it is incomplete, was changed, or a newer version stored it.
            StoreError: the store cannot be read.
        """
        record = lookup.record_of(store, lookup.find_run(store, name, run_id))
        return cls(
            store=store, **{each.name: getattr(record, each.name) for each in fields(Record)}
        )

    def predict(self, images: Pictures, *, trust: bool = False) -> Predictions:
        """What the trained network says of new pictures, brought to size as in training.

        Files that cannot be read have no row; `unreadable` of what is returned holds them.

        Args:
            images: a picture file, a folder of them, a Pillow image, an array; or a list or
                generator of these, of which a few at a time are in memory. An array has the shape
                (height, width), (height, width, 1 or 3), (n, height, width) or (n, height, width,
                channels), integers from 0 to 255, or floats from 0 to 255, or from 0 to 1 where
                none in the picture is larger.
            trust: whether the recorded code of `model.function` may be executed.

        Raises:
            RecordError: the run did not finish, or what is stored of it was changed.
            ConfigError: the model is the user's own, and `trust` is false.
            DataError: there is nothing under a path, an array holds no pictures, or not one of
                the files can be read.
            StoreError: neither model nor last epoch is stored, or the store refuses.
        """
        found = self.predictor(trust=trust).predict(images)
        if found.unreadable and not len(found):
            first, *others = found.unreadable
            more = f" ({pluralize(len(others), 'more file')} cannot be read)" if others else ""
            raise DataError(f"{first}{more}")
        return found

    def evaluate(
        self, *, split: str = "test", places: Sequence[str] = (), trust: bool = False
    ) -> "Evaluation":
        """Metrics with intervals, scores of each class and calibration, from the stored model.

        Args:
            split: `test`, `val` or `validation`.
            places: `data.root=FOLDER` and the like, where the images lie elsewhere.
            trust: whether the recorded code of `model.function` may be executed.

        Raises:
            RecordError: the run did not finish, or what is stored of it was changed.
            ConfigError: no such split or no such images, or the model is the user's own and not
                trusted.
            DataError: the images are missing, or are not those of the run.
            StoreError: neither model nor last epoch is stored, or the store refuses.
        """
        from cnn_sweeps.evaluation.evaluation import split_of  # noqa: PLC0415 -- NumPy

        asked = split_of(split)
        look_again()
        from cnn_sweeps.training.backend import quiet_stderr  # noqa: PLC0415 -- TensorFlow

        with quiet_stderr():
            from cnn_sweeps.runs.use.evaluate import evaluate  # noqa: PLC0415
        return evaluate(self.store, self, split=asked, places=places, trust=trust)

    def export(
        self,
        folder: str | Path,
        form: str,
        *,
        places: Sequence[str] = (),
        trust: bool = False,
    ) -> "Exported":
        """Write the trained network with a model card and a script, checked on the test images.

        Args:
            folder: where to; made, or empty.
            form: `keras`, `savedmodel` or `litert`.
            places: `data.root=FOLDER` and the like, where the images lie elsewhere.
            trust: whether the recorded code of `model.function` may be executed.

        Raises:
            RecordError: the folder is in use, what is stored was changed, or what was written
                does not give what the network gives; nothing is left then.
            ConfigError: an unknown format, one that cannot hold this network, or no trust.
            DataError: the images are missing, or are not those of the run.
            StoreError: neither model nor last epoch is stored, or the store refuses.
        """
        from cnn_sweeps.training.backend import quiet_stderr  # noqa: PLC0415 -- TensorFlow

        look_again()
        with quiet_stderr():
            from cnn_sweeps.runs.export.portable import export  # noqa: PLC0415
        where = checked_home("folder", Path(folder))
        return export(self.store, self, where, form, places=places, trust=trust)

    def predictor(self, *, trust: bool = False) -> "Predictor":
        """The network, built once: a further call takes milliseconds."""
        if not self._built:
            from cnn_sweeps.training.backend import quiet_stderr  # noqa: PLC0415 -- TensorFlow

            with quiet_stderr():
                from cnn_sweeps.runs.use.predict import Predictor  # noqa: PLC0415
            self._built.append(Predictor.of(self.store, self, trust=trust))
        return self._built[0]
