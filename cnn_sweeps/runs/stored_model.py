"""What is done with the trained model of a run: scored on the test split, drawn."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from cnn_sweeps.config.schema import Config
from cnn_sweeps.data import Dataset, load_cached
from cnn_sweeps.figures.gallery import Gallery, save
from cnn_sweeps.tracking import TrackedRun, artifacts
from cnn_sweeps.tracking.names import LEFT_OUT
from cnn_sweeps.training import loop
from cnn_sweeps.training.steps import Evaluate

if TYPE_CHECKING:
    import keras


def evaluate_test(evaluate: Evaluate, dataset: Dataset) -> dict[str, float]:
    """Score the test split: `test_loss` and `test_accuracy`."""
    loss, accuracy = evaluate(dataset.x_test, dataset.y_test)
    return {"test_loss": loss, "test_accuracy": accuracy}


def score_stored(model: "keras.Model", config: Config) -> dict[str, float]:
    """Score the test split with a stored, uncompiled model."""
    dataset = load_cached(config.data)
    loop.compile_model(model, config.trainer, len(dataset.x_train))
    return evaluate_test(Evaluate(model=model), dataset)


def draw(gallery: Gallery, tracked: TrackedRun) -> tuple[str, ...]:
    """Draw the figures of a run; a sentence for each that had to be left out, also as a tag."""
    _, left_out = save(gallery, partial(artifacts.write_bytes, tracked))
    note_left_out(left_out, tracked)
    return tuple(left_out)


def draw_stored(model: "keras.Model", config: Config, name: str, tracked: TrackedRun) -> None:
    """Draw the figures of a stored model."""
    draw(Gallery(model=model, dataset=load_cached(config.data), about=name), tracked)


def note_left_out(left_out: Sequence[str], tracked: TrackedRun) -> None:
    """Say in a run's tags which figures it has not, and why; nothing where it has all."""
    if left_out:
        tracked.set_tags({LEFT_OUT: "\n".join(left_out)})
    else:
        tracked.remove_tags({LEFT_OUT})
