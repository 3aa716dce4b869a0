"""`cnn-sweeps evaluate`: what a stored model is worth."""

import json

import pytest
from stores import Finished

from cnn_sweeps.cli import evaluate
from cnn_sweeps.errors import ConfigError


def typed(finished: Finished, *words: str) -> list[str]:
    """What is typed for a finished run."""
    return [finished.result.identity.short, *words, f"tracking.dir={finished.home}"]


def test_metrics_and_classes_are_printed(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    """The accuracy is that which the run has logged."""
    assert evaluate.main(typed(finished)) == 0
    said = capsys.readouterr().out
    accuracy = finished.result.metrics["test_accuracy"]
    assert f"{accuracy:.4f}" in said
    assert "test images" in said
    assert all(word in said for word in ("balanced_accuracy", "precision", "at temperature"))


@pytest.mark.parametrize("split", ["test", "val"])
def test_programs_read_everything(
    finished: Finished, capsys: pytest.CaptureFixture[str], split: str
) -> None:
    """Of either split; there is a temperature where it comes from other images."""
    assert evaluate.main(typed(finished, "--split", split, "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    logged = finished.result.metrics[f"{split}_accuracy"]
    assert found["metrics"]["accuracy"] == pytest.approx(logged)
    assert (found["temperature"] is None) == (split == "val")
    assert len(found["classes"]) == 10
    assert sum(map(sum, found["confusion"])) == found["images"]


def test_an_unknown_split_is_refused(finished: Finished) -> None:
    """With those that there are."""
    with pytest.raises(ConfigError, match="test"):
        evaluate.main(typed(finished, "--split", "train"))
