"""A dry run of a single experiment: what it is, and what is known of it."""

from pathlib import Path

from configs import config

from cnn_sweeps.runs import dry_run


def test_a_run_is_told_before_it_is_trained(in_tmp: Path) -> None:
    """Its hash, size, images and epochs; nothing is left behind."""
    asked = config(data={"name": "digits"}, trainer={"epochs": 3})
    facts = dict(dry_run.describe(asked))
    assert facts["experiment"].startswith("cnn")
    assert facts["network"].endswith("parameters")
    assert facts["images"] == "UCI digits: 1,294 train, 144 validation, 359 test"
    assert facts["to do"] == "at most 3 epochs"
    assert not list(in_tmp.iterdir())


def test_a_training_in_phases_is_told_by_its_segments(in_tmp: Path) -> None:
    """A line for each."""
    phases = [{"epochs": 1}, {"optimizer.learning_rate": 0.01}]
    asked = config(data={"name": "digits"}, trainer={"epochs": 3, "phases": phases})
    assert dict(dry_run.describe(asked))["segments"].count("\n") == 1
