"""What a run logs beside its epochs."""

import pytest
from configs import config
from plans import epoch

from cnn_sweeps.runs import log
from cnn_sweeps.training.epoch import TrainingResult, WeightAverage

LONG = "x" * 8001


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"tracking": {"tags": {"note": LONG}}}, "tracking.tags.note has 8,001 characters; MLflow"),
        (
            {"model": {"name": "custom", "function": "a:b", "params": {"text": LONG}}},
            "model.params.text has 8,001 characters; MLflow keeps the first 6,000",
        ),
        ({"model": {"name": "custom", "function": "a:b", "params": {"n": [7] * 3000}}}, "params.n"),
    ],
    ids=["tag", "text", "list"],
)
def test_a_text_that_mlflow_cuts_is_said(groups: dict[str, dict[str, object]], said: str) -> None:
    """The whole of it is in the stored config."""
    (line,) = log.cut_texts(config(**groups))
    assert said in line
    assert "config.yaml of the run has all" in line


def test_nothing_is_said_of_what_is_kept() -> None:
    """Exactly as long as MLflow keeps is not cut."""
    assert log.cut_texts(config(tracking={"tags": {"note": LONG[:8000]}})) == ()


@pytest.mark.parametrize(
    ("best", "average", "step"),
    [
        (3, None, {}),
        (2, None, {4: {"loss": 2.0, "accuracy": 2.0, "val_loss": 2.0, "val_accuracy": 2.0}}),
        (3, 0.5, {4: {"val_loss": 0.5}}),
    ],
    ids=["the last epoch", "an earlier one", "an average"],
)
def test_the_last_value_is_that_of_the_weights(
    best: int, average: float | None, step: dict[int, dict[str, float]]
) -> None:
    """Once more after the last epoch, where it is another one: runs are ranked by it."""
    epochs = tuple(epoch(number, float(number), float(number)) for number in (1, 2, 3))
    mean = None
    if average is not None:
        mean = WeightAverage(first=2, last=3, metrics={"val_loss": average}, taken=True)
    done = TrainingResult(epochs=epochs, best=best, stopped="", average=mean)
    steps = log.final_steps(done, {**done.metrics, "epochs": 3.0})
    assert steps == {0: {"epochs": 3.0}, **step}


def test_augmentation_is_logged_where_there_is_some() -> None:
    """Lists of runs without it have no columns for it; with one switch on, all are there."""
    plain = log.params_of(config(augment={"magnitude": 0.5}))
    assert not [key for key in plain if key.startswith("augment")]
    some = log.params_of(config(augment={"crop": 0.1}))
    assert (some["augment.crop"], some["augment.flip"]) == ("0.1", "none")
    assert some.keys() - plain.keys() == {key for key in some if key.startswith("augment.")}


def test_what_is_neutral_is_logged_only_where_it_is_swept() -> None:
    """A page of params stays short, and a sweep's table has no holes."""
    plain = config(trainer={"label_smoothing": 0.0})
    assert "trainer.label_smoothing" not in log.params_of(plain)
    assert log.params_of(config(trainer={"label_smoothing": 0.1}))["trainer.label_smoothing"] == (
        "0.1"
    )
    keys = ["trainer.label_smoothing", "trainer.epochs", "model"]
    assert log.neutral_params(plain, keys) == {"trainer.label_smoothing": "0.0"}
