"""What a worker on another host has installed, and whether that is what the sweep has."""

from pathlib import Path
from typing import Any

import pytest
from plans import study

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.provenance.environment import SAME_BITS
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.software import (
    SOFTWARE,
    check_software,
    note_software,
    software_here,
)


def noted(folder: Path, **others: Any) -> SweepStudy:
    """A study whose controller has other versions than this process."""
    made = study(folder)
    made.optuna_study.set_user_attr(SOFTWARE, {**software_here(), **others})
    return made


def test_the_same_software_is_not_talked_about(tmp_path: Path) -> None:
    """What the controller has noted is what it has."""
    made, said = study(tmp_path), list[str]()
    note_software(made)
    check_software(made, said.append)
    assert said == []
    assert made.attribute(SOFTWARE)["code"] is not None


def test_other_code_is_refused_with_both_versions(tmp_path: Path) -> None:
    """Its trials would be those of another sweep."""
    made = noted(tmp_path, code="0123456789abcdef", **{"cnn-sweeps": "9.1"})
    with pytest.raises(ConfigError, match="Install the sweep's cnn-sweeps on this host") as refused:
        check_software(made)
    assert "the sweep study has cnn-sweeps 9.1 (code 0123456789abcdef)" in str(refused.value)


def test_another_tensorflow_is_said_in_one_line(tmp_path: Path) -> None:
    """It trains, as another processor does."""
    said: list[str] = []
    check_software(noted(tmp_path, tensorflow="1.15.0"), said.append)
    assert len(said) == 1
    assert "(the sweep has 1.15.0)" in said[0]


@pytest.mark.parametrize("known", [None, SAME_BITS[0][1]], ids=["no sources", "same bits"])
def test_code_that_is_not_known_to_differ_may_work(tmp_path: Path, known: str | None) -> None:
    """An earlier state that gives the same bits, and one whose sources are not there."""
    check_software(noted(tmp_path, code=known))


def test_a_sweep_of_an_earlier_version_says_nothing_of_it(tmp_path: Path) -> None:
    """Whoever joins it can only believe."""
    check_software(study(tmp_path))
