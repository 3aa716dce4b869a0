"""Where trials are scored: TensorFlow is started once in a process, for one number of threads."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from configs import config, values
from plans import plan
from stored_runs import HASH, stored
from stores import Finished, copy_of

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.runs.run import TrialContext, run
from cnn_sweeps.sweeps.results import test_scores
from cnn_sweeps.sweeps.results.test_scores import Unscored, score_all
from cnn_sweeps.sweeps.workers import forkserver
from cnn_sweeps.tracking.model_files import models_of
from cnn_sweeps.tracking.names import CONFIG_FILE, WEIGHTS
from cnn_sweeps.training import backend


def asked(count: int) -> list[Unscored]:
    """So many trials with one thread each."""
    plain = values(trainer={"threads": 1})
    return [Unscored(trial=n, run_id=f"{n:032x}", config=plain, best=False) for n in range(count)]


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


def test_other_weights_are_not_said_to_be_those_of_a_trial(
    finished: Finished, tmp_path: Path
) -> None:
    """What is trained again in another environment is a run of its own, and nothing more."""
    with copy_of(finished.home, tmp_path) as store:
        trial = run(config(trainer={"epochs": 2}), store, trial=TrialContext(parent_run_id=None))
        store.reopen(trial.run_id).set_tags({WEIGHTS: "0" * 64})
        before, models = store.get(trial.run_id), models_of(store.client, trial.run_id)
        plain = yaml.safe_load(store.read_text(trial.run_id, CONFIG_FILE))
        asked = Unscored(trial=0, run_id=trial.run_id, config=plain, best=True)
        assert score_all(Tracking(dir=store.dir), [asked]) == {}
        after = store.get(trial.run_id)
        assert (after.metrics, after.tags) == (before.metrics, before.tags)
        assert models_of(store.client, trial.run_id) == models
        assert len(store.find(trial.identity.config_hash)) == 3


def test_a_winner_without_scores_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With where the scores are that are not its own."""
    monkeypatch.setattr(test_scores, "unscored", lambda *_: ({}, asked(1)))
    monkeypatch.setattr(test_scores, "_score", lambda *_: {})
    study, store = SimpleNamespace(plan=plan()), SimpleNamespace(get=lambda _: stored())
    said: list[str] = []
    assert test_scores.score(study, store, workers=0, say=said.append) == {}  # type: ignore[arg-type]
    assert said[0].startswith("trial 0 has no test scores")
    assert said[0].endswith(f"cnn-sweeps show {HASH[:12]}")
