"""What `hydra.sweeper` takes for the log and the workers of a sweep."""

from pathlib import Path
from typing import Any

import pytest
from cards import install

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.plan import budget
from cnn_sweeps.sweeps.plan.budget import LOG_LEVELS, Budget


@pytest.mark.parametrize("level", LOG_LEVELS)
def test_log_levels_are_those_of_logging(level: str) -> None:
    """Four of them; without one it is info, and the file is beside the study."""
    assert Budget.parse({"n_jobs": 1, "log_level": level}).log_level == level
    assert (Budget.parse({"n_jobs": 1}).log_level, Budget().log_file) == ("info", None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            {"log_level": "loud"}, r"log_level=loud.*debug, info, warning or error", id="unknown"
        ),
        pytest.param({"log_level": None}, r"log_level=null", id="no level"),
        pytest.param({"log_level": 20}, r"log_level=20", id="number"),
        pytest.param({"log_level": ["info"]}, r"log_level=\['info'\]", id="list"),
        pytest.param({"log_file": " "}, r"log_file=' ' is invalid", id="empty"),
        pytest.param({"log_file": "x.journal"}, r"log_file='x\.journal'", id="journal"),
        pytest.param({"log_file": "x.lock"}, r"does not end in \.journal or \.lock", id="lock"),
    ],
)
def test_a_log_that_is_impossible_is_refused(settings: dict[str, Any], message: str) -> None:
    """In one line, before anything starts."""
    with pytest.raises(ConfigError, match=message) as caught:
        Budget.parse({"n_jobs": 1, **settings})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["x" * 260, "ü" * 130, "a/b", " ", "a\nb", "a\0b"])
def test_a_study_name_that_cannot_name_files_is_refused(name: str) -> None:
    """Before the system refuses the file."""
    with pytest.raises(ConfigError, match=r"(?s)^hydra\.sweeper\.study_name=.*it names a file"):
        Budget.parse({"n_jobs": 1, "study_name": name})


@pytest.mark.parametrize("name", ["o'brien", 'the "best"', "x" * 236, "größe 1", "-a", "a=b"])
def test_any_other_study_name_is_taken(name: str) -> None:
    """Quotes and spaces, too."""
    assert Budget.parse({"n_jobs": 1, "study_name": name}).study_name == name


@pytest.mark.parametrize(
    ("free", "workers"), [(None, 4), (100e9, 4), (4e9, 2), (1e9, 1), (0.5e9, 0)]
)
def test_auto_starts_as_many_workers_as_there_is_memory_for(
    monkeypatch: pytest.MonkeyPatch, free: float | None, workers: int
) -> None:
    """One for each core at most; with very little this process trains."""
    monkeypatch.setattr(budget, "cores", lambda: 4)
    monkeypatch.setattr(budget.free_memory, "free_bytes", lambda: free)
    assert Budget.parse({}).n_jobs == workers


def test_gpus_limit_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` starts no sixteen on one card; a number for each card is kept to."""
    install(tmp_path, monkeypatch, "9000/0")
    monkeypatch.setattr(budget, "cores", lambda: 16)
    monkeypatch.setattr(budget.free_memory, "free_bytes", lambda: 1e12)
    assert Budget.parse({}).n_jobs == 2
    assert Budget.parse({"workers_per_gpu": 3}).n_jobs == 3
    assert Budget.parse({"n_jobs": 16}).n_jobs == 16
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert Budget.parse({}).n_jobs == 16


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"workers_per_gpu": 0}, "workers_per_gpu=0 is invalid", id="none"),
        pytest.param({"workers_per_gpu": "many"}, "an integer from 1, or auto", id="text"),
        pytest.param({"workers_per_gpu": 2, "n_jobs": 5}, "n_jobs=5 is more than", id="more"),
        pytest.param({"workers_per_gpu": 2, "gpus": ""}, "there is no GPU here", id="no card"),
    ],
)
def test_workers_of_a_gpu_that_cannot_be(
    settings: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number that is none, two numbers that do not fit, and a number of nothing."""
    install(tmp_path, monkeypatch, "9000/0", "9000/0")
    if "gpus" in settings:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", settings.pop("gpus"))
    with pytest.raises(ConfigError, match=message):
        Budget.parse(settings)
