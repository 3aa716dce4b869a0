"""A finished run, evaluated again from its stored model. Import this module late: TensorFlow."""

from collections.abc import Sequence

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.evaluation.calibration import temperature
from cnn_sweeps.evaluation.evaluation import Evaluation, Split
from cnn_sweeps.runs import stored_model
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.runs.restore import recorded_images, reopened
from cnn_sweeps.tracking import Store
from cnn_sweeps.training.backend import configure_backend
from cnn_sweeps.training.steps import scores


def evaluate(
    store: Store,
    record: Record,
    *,
    split: Split = "test",
    places: Sequence[str] = (),
    trust: bool = False,
) -> Evaluation:
    """Score a split with the stored model of a run.

    The temperature that calibrates is found on the validation images; where they are what is
    evaluated there is none.

    Args:
        store: where the run is.
        record: the run.
        split: which images.
        places: `data.root=FOLDER` and the like, where the images lie elsewhere.
        trust: whether the recorded code of `model.function` may be executed.

    Raises:
        RecordError: the run did not finish, or what is stored of it was changed.
        ConfigError: there are no such images, or the model is the user's own and not trusted.
        DataError: the images are missing, or are not those of the run.
        StoreError: neither model nor last epoch is stored, or the store refuses.
    """
    with reopened(record, places, trust=trust) as config:
        data = recorded_images(record, config)
        if split == "val" and not len(data.x_val):
            raise ConfigError(f"{record.name} has no validation images; evaluate its test split.")
        configure_backend(config.trainer, config.seed)
        run = store.get(record.run_id)
        model = stored_model.load(store, run, config, data.shape, data.num_classes)
        found = None
        if split == "test" and len(data.x_val):
            found = temperature(data.y_val, scores(model, data.x_val))
        x, y = (data.x_test, data.y_test) if split == "test" else (data.x_val, data.y_val)
        return Evaluation.of(y, scores(model, x), data.class_names, split=split, temperature=found)
