"""`cnn-sweeps what-if`: what a run would have been under another rule."""

import json

import pytest
from stores import Finished

from cnn_sweeps.cli import what_if
from cnn_sweeps.errors import ConfigError, UnknownStudyError


def typed(finished: Finished, *words: str) -> list[str]:
    """What is typed for a finished run of two epochs."""
    return [finished.result.identity.short, *words, f"tracking.dir={finished.home}"]


def test_the_answers_are_a_table(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each value, the run as it was in front."""
    assert what_if.main(typed(finished, "trainer.epochs=1,9")) == 0
    title, head, was, one, nine = capsys.readouterr().out.splitlines()
    assert "2 epochs known" in title
    assert head.split()[:3] == ["epochs", "stops", "at"]
    assert "as it was" in was
    assert one.split()[:4] == ["1", "1", "epoch", "1"]
    assert "not known: it would go on after epoch 2" in nine


def test_programs_read_the_same(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON with full keys, and as CSV."""
    assert what_if.main(typed(finished, "patience=1", "--json")) == 0
    found = json.loads(capsys.readouterr().out)["outcomes"][1]
    assert found["changes"] == {"trainer.early_stopping.patience": 1}
    assert what_if.main(typed(finished, "patience=1", "--csv")) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("trainer.early_stopping.patience,epochs,best_epoch")
    assert rows[1].startswith(f"1,{found['epochs']},{found['best']},")


def test_a_study_in_a_database_is_asked(finished: Finished) -> None:
    """As `report` is."""
    asked = ["trainer.epochs=1", "hydra.sweeper.storage=sqlite:///nowhere.db"]
    with pytest.raises(UnknownStudyError, match=r"nowhere\.db does not exist"):
        what_if.main(["mine-1", *asked, f"tracking.dir={finished.home}"])


def test_nothing_to_ask_is_refused(finished: Finished) -> None:
    """With an example."""
    with pytest.raises(ConfigError, match="nothing to ask: type, for example"):
        what_if.main(typed(finished))
