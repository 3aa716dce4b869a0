"""The mean weights of the last epochs that a run would have, computed from stored epochs.

It is the candidate of `trainer.weight_averaging`, by the same code as at the end of a training;
nothing is trained. Import this module late: it imports Keras.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras

from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import StoreError
from cnn_sweeps.models.build import build_model
from cnn_sweeps.runs.epochs.stored_path import StoredPath
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.runs.restore import importable_source, recorded_images, restored_config
from cnn_sweeps.training import averaging, state
from cnn_sweeps.training.backend import configure_backend
from cnn_sweeps.training.epoch import TrainingResult
from cnn_sweeps.training.loop import Trainer


@dataclass(frozen=True)
class StoredWeights:
    """Weights of stored epochs, for `averaging.consider`.

    Attributes:
        model: what carries them.
        path: the epochs.
    """

    model: keras.Model
    path: StoredPath

    def restore_best(self, number: int) -> None:
        """Let the model carry the weights after an epoch.

        Raises:
            StoreError: they are not stored.
        """
        weights = self.path.weights(self.path.epochs[number - 1])
        if weights is None:
            raise StoreError(f"the weights after epoch {number} are not stored any more")
        state.restore_model(self.model, weights)


def consider(
    record: Record,
    config: Config,
    path: StoredPath,
    trained: TrainingResult,
    *,
    places: Sequence[str] = (),
    trust: bool = False,
) -> TrainingResult:
    """The same training with the average of its last epochs, as it would have ended.

    Args:
        record: a run of which stored epochs are known.
        config: what is asked; `trainer.weight_averaging` epochs are averaged.
        path: its epochs.
        trained: what it would have been without an average.
        places: `data.root=FOLDER` and the like, where the images lie elsewhere.
        trust: whether the recorded code of the user's own functions may be executed.

    Raises:
        ConfigError: no validation images, or code that is not trusted.
        DataError: the images are missing, or are not those of the run.
        StoreError: the weights of an epoch that is averaged are not stored any more.
    """
    asked = replace(record, config=config)
    config = restored_config(asked, config.tracking, list(places))
    with importable_source(record, trust=trust, to_train=True):
        data = recorded_images(record, config)
        configure_backend(config.trainer, config.seed)
        trainer = Trainer.compile(
            build_model(config.model, data.shape, data.num_classes), data, config
        )
        return averaging.consider(trained, trainer, StoredWeights(trainer.model, path))
