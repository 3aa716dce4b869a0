"""Where trials are scored: TensorFlow is started once in a process, for one number of threads."""

from typing import Any

import pytest
from configs import values

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.sweeps.results import test_scores
from cnn_sweeps.sweeps.results.test_scores import Unscored
from cnn_sweeps.sweeps.workers import forkserver
from cnn_sweeps.training import backend


def asked(count: int) -> list[Unscored]:
    """So many trials with one thread each."""
    config = values(trainer={"threads": 1})
    return [Unscored(trial=n, run_id=f"{n:032x}", config=config, best=False) for n in range(count)]


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The trials that each process has scored; nothing is really scored."""
    scored: list[list[int]] = []

    def score(_: Tracking, given: list[Unscored]) -> dict[int, dict[str, float]]:
        scored.append([each.trial for each in given])
        return {each.trial: {"test_loss": float(each.trial)} for each in given}

    def call_each(_: Any, calls: list[tuple[Tracking, list[Unscored]]]) -> list[Any]:
        scored.append([])  # a process of its own
        return [score(*call) for call in calls]

    monkeypatch.setattr(test_scores, "score_all", score)
    monkeypatch.setattr(forkserver, "call_each", call_each)
    return scored


@pytest.mark.parametrize(
    ("threads", "workers", "where"),
    [
        pytest.param(1, 0, [[0, 1, 2]], id="here"),
        pytest.param(7, 0, [[], [0, 1, 2]], id="started-otherwise"),
        pytest.param(7, 2, [[], [0, 2], [1]], id="two-workers"),
        pytest.param(1, 9, [[], [0], [1], [2]], id="more-workers-than-trials"),
    ],
)
def test_trials_are_scored_where_their_threads_can_be(
    monkeypatch: pytest.MonkeyPatch,
    places: list[list[int]],
    threads: int,
    workers: int,
    where: list[list[int]],
) -> None:
    """This process alone, unless it has other threads by now; else shared among the workers."""
    started = backend.BackendSettings(threads=threads, deterministic=True)
    monkeypatch.setattr(backend, "_started", [started])
    found = test_scores._score(Tracking(), asked(3), workers)
    assert found == {n: {"test_loss": float(n)} for n in range(3)}
    assert places == where
