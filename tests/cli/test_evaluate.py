"""`cnn-sweeps evaluate`: what a stored model is worth."""

import json

import pytest
from stores import Finished

from cnn_sweeps.cli import evaluate
from cnn_sweeps.errors import ConfigError, UnknownHashError, UnknownStudyError


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


def test_metrics_of_each_epoch_are_computed_afterwards(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last one's accuracy is what the run has logged; JSON and CSV have the same."""
    asked = ("--metrics", "accuracy,macro_f1", "--every-epoch")
    assert evaluate.main(typed(finished, *asked, "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["number"] for each in found["epochs"]] == [1, 2]
    last = found["epochs"][-1]["values"]
    assert last["val_accuracy"] == pytest.approx(finished.result.metrics["val_accuracy"])
    assert evaluate.main(typed(finished, *asked, "--csv", "--split", "validation")) == 0
    head, _, row = capsys.readouterr().out.splitlines()
    assert head == "epoch,val_accuracy,val_macro_f1"
    assert row.split(",")[2] == str(last["val_macro_f1"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--metrics", "macro_f2"],
            r"--metrics macro_f2 is not a metric \(did you mean macro_f1",
        ),
        (["--metrics", ""], "names no metric"),
        (["--metrics", "brier", "--split", "test"], "would be overfitted"),
        (["--metrics", "brier", "--json", "--csv"], "not allowed with argument"),
        (["--every-epoch"], "--every-epoch needs --metrics"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    finished: Finished, words: list[str], message: str
) -> None:
    """In a line, before anything is loaded."""
    with pytest.raises(ConfigError, match=message):
        evaluate.main(typed(finished, *words))


def test_a_name_of_nothing_is_refused(finished: Finished) -> None:
    """A hash as a hash, all else as a study, of a database too."""
    where = f"tracking.dir={finished.home}"
    with pytest.raises(UnknownStudyError, match=r"nowhere\.db does not exist"):
        evaluate.main(
            ["mine-1", "--metrics", "brier", where, "hydra.sweeper.storage=sqlite:///nowhere.db"]
        )
    with pytest.raises(UnknownHashError, match="begins with ffff"):
        evaluate.main(["ffff", "--metrics", "brier", where])
    with pytest.raises(UnknownStudyError, match="study"):
        evaluate.main(["mine-1", "--metrics", "brier", where])


def test_a_run_id_names_a_run_for_metrics_too(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no hash, which may stand for several runs, nor a study."""
    where = f"tracking.dir={finished.home}"
    asked = ["--metrics", "accuracy", "--json", where]
    assert evaluate.main(["--run-id", finished.result.run_id, *asked]) == 0
    assert json.loads(capsys.readouterr().out)["run_id"] == finished.result.run_id
    with pytest.raises(UnknownHashError, match="There is no run with the id"):
        evaluate.main(["--run-id", finished.result.identity.short, *asked])
