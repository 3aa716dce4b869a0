"""Where trials are scored: TensorFlow is started once in a process, for one number of threads."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from configs import config, values
from optuna.trial import FrozenTrial, TrialState
from plans import plan
from stored_runs import HASH, stored
from stores import Finished, copy_of, logged_text

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.data.memory_cache import HandedOver
from cnn_sweeps.runs.run import TrialContext, run
from cnn_sweeps.sweeps.results import test_scores
from cnn_sweeps.sweeps.results.test_scores import Unscored, score_all
from cnn_sweeps.sweeps.study.attributes import RUN_ID
from cnn_sweeps.sweeps.workers import forkserver
from cnn_sweeps.tracking import Store, model_files
from cnn_sweeps.tracking.address import local_folder
from cnn_sweeps.tracking.model_files import models_of
from cnn_sweeps.tracking.names import CONFIG_FILE, MODEL_FROM, WEIGHTS
from cnn_sweeps.training import backend


def asked(count: int) -> list[Unscored]:
    """So many trials with one thread each."""
    plain = values(trainer={"threads": 1})
    return [Unscored(trial=n, run_id=f"{n:032x}", config=plain, best=False) for n in range(count)]


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The trials that each process has scored; nothing is really scored."""
    scored: list[list[int]] = []

    def score(
        _: Tracking, given: list[Unscored], __: HandedOver | None = None
    ) -> dict[int, dict[str, float]]:
        scored.append([each.trial for each in given])
        return {each.trial: {"test_loss": float(each.trial)} for each in given}

    def call_each(_: Any, calls: list[tuple[Tracking, list[Unscored], HandedOver]]) -> list[Any]:
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


def exercise(*trials: tuple[str, float]) -> Any:
    """A study in which every trial is scored, as far as it is looked at: runs and their values."""
    made = [
        FrozenTrial(
            number=number,
            state=TrialState.COMPLETE,
            value=value,
            values=None,
            datetime_start=None,
            datetime_complete=None,
            params={},
            distributions={},
            user_attrs={RUN_ID: run_id},
            system_attrs={},
            intermediate_values={},
            trial_id=number,
        )
        for number, (run_id, value) in enumerate(trials)
    ]
    asked = SimpleNamespace(exercise=True, objectives=plan().objectives)
    return SimpleNamespace(plan=asked, trials=lambda *_: made)


@pytest.mark.slow
def test_a_trial_that_is_best_only_later_gets_what_a_winner_has(
    finished: Finished, tmp_path: Path
) -> None:
    """It was scored with the others, its model left to its epochs; its scores stay as they are."""
    with copy_of(finished.home, tmp_path) as home:
        best = finished.result.run_id
        other = run(config(), home, trial=TrialContext(parent_run_id=None)).run_id
        known, asked = test_scores.unscored(exercise((best, 0.9), (other, 0.5)), home)
        assert (list(known), [each.trial for each in asked]) == ([0], [1])
        scores = test_scores.score_all(Tracking(dir=home.dir), asked)[1]
        assert MODEL_FROM in home.get(other).tags
        changed = exercise((best, 0.9), (other, 0.95))
        _, asked = test_scores.unscored(changed, home)
        assert [(each.trial, each.best, each.known) for each in asked] == [(1, True, scores)]
        assert test_scores.score_all(Tracking(dir=home.dir), asked) == {1: scores}
        run_of = home.get(other)
        assert model_files.has_model(home, run_of)
        assert MODEL_FROM not in run_of.tags
        assert len(home.client.get_metric_history(other, "test_loss")) == 1
        assert test_scores.unscored(changed, home)[1] == []


def test_a_winner_without_figures_is_drawn(store: Store) -> None:
    """Unless it has them, could not be drawn, or nobody wants any."""
    with store.start_run("trial", tags={}) as tracked:
        tracked.log_metrics({"test_loss": 0.5})
    for wanted in (True, False):
        tracked.log_config(values(tracking={"figures": wanted}))
        assert bool(test_scores.unscored(exercise((tracked.run_id, 0.5)), store)[1]) == wanted
    tracked.log_config(values(tracking={"figures": True}))
    tracked.log_bytes(b"", "figures/roc.png")
    assert test_scores.unscored(exercise((tracked.run_id, 0.5)), store)[1] == []


@pytest.mark.slow
def test_other_weights_are_not_said_to_be_those_of_a_trial(
    finished: Finished, tmp_path: Path
) -> None:
    """What is trained again in another environment is a run of its own, and nothing more."""
    with copy_of(finished.home, tmp_path) as store:
        trial = run(config(trainer={"epochs": 2}), store, trial=TrialContext(parent_run_id=None))
        store.reopen(trial.run_id).set_tags({WEIGHTS: "0" * 64})
        before, models = store.get(trial.run_id), models_of(store.client, trial.run_id)
        plain = yaml.safe_load(logged_text(store, trial.run_id, CONFIG_FILE))
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
    monkeypatch.setattr(test_scores, "to_be_scored", lambda _: ())
    study, store = SimpleNamespace(plan=plan()), SimpleNamespace(get=lambda _: stored())
    said: list[str] = []
    assert test_scores.score(study, store, workers=0, say=said.append) == {}  # type: ignore[arg-type]
    assert said[0].startswith("trial 0 has no test scores")
    assert said[0].endswith(f"cnn-sweeps show {HASH[:12]}")


@pytest.mark.parametrize("lost", ["run", "config", "damaged"])
def test_a_winner_of_which_nothing_is_left_is_told(store: Store, lost: str) -> None:
    """Its run was deleted, or the files of it, or damaged; the others are scored."""
    runs = []
    for _ in range(2):
        with store.start_run("trial", tags={}) as tracked:
            tracked.log_config(values(tracking={"figures": False}))
        runs.append(tracked.run_id)
    store.reopen(runs[1]).log_metrics({"test_loss": 0.5})
    if lost == "run":
        store.client.delete_run(runs[0])
    else:
        folder = local_folder(store.get(runs[0]).artifact_uri)
        assert folder is not None
        (folder / CONFIG_FILE).unlink()
        if lost == "damaged":
            (folder / CONFIG_FILE).write_text("{")
    said: list[str] = []
    study = exercise((runs[0], 0.9), (runs[1], 0.5))
    assert test_scores.score(study, store, workers=0, say=said.append) == {1: {"test_loss": 0.5}}
    (line,) = said
    assert line.startswith("no test scores for trial 0: the run, or config.yaml in it,")
