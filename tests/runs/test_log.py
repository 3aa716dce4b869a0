"""What a run logs beside its epochs."""

import pytest
from configs import config

from cnn_sweeps.runs import log

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
