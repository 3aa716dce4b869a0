"""The leader of a search is scored while others train; nothing of it is logged before it wins."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import pytest
from configs import values
from plans import plan

from cnn_sweeps.config.loading import load
from cnn_sweeps.data import free_memory
from cnn_sweeps.data.memory_cache import HandedOver
from cnn_sweeps.runs.run import TrialContext, run
from cnn_sweeps.sweeps.plan.budget import WORKER_BYTES
from cnn_sweeps.sweeps.results import early_score, test_scores
from cnn_sweeps.sweeps.results.early_score import EarlyScore
from cnn_sweeps.sweeps.results.test_scores import Unscored, score_if_it_wins
from cnn_sweeps.tracking import Store


@pytest.mark.parametrize("wins", [True, False])
def test_a_trial_is_logged_as_scored_if_it_wins(home: Store, *, wins: bool) -> None:
    """Where it was beaten nothing is left of it."""
    config = values(trainer={"epochs": 1}, tracking={"figures": False, "dir": str(home.dir)})
    asked = load(config)
    run_id = run(asked, home, trial=TrialContext(parent_run_id=None)).run_id
    before = home.get(run_id)
    gate, there = Pipe()
    if wins:
        gate.send(True)
    gate.close()
    leader = Unscored(trial=0, run_id=run_id, config=config, best=True)
    tests = score_if_it_wins(asked.tracking, leader, HandedOver({}), there)
    assert sorted(tests) == (["test_accuracy", "test_loss"] if wins else [])
    assert {name: home.get(run_id).metrics.get(name) for name in tests} == tests
    if not wins:
        assert home.get(run_id) == before


class Scoring:
    """Stands for the processes that score, and remembers them."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.leaders: list[Unscored] = []

    @contextmanager
    def asked(self, _: Any, __: Any, leader: Unscored, ___: Any, gate: Connection) -> Iterator[Any]:
        """Score at once, and answer when told that the leader has won."""
        self.begun.append(leader.trial)
        with Connection(os.dup(gate.fileno()), writable=False) as kept:
            yield lambda: {"test_loss": float(leader.trial) if kept.recv() else 0.0}
        self.ended.append(leader.trial)


@pytest.fixture
def scoring(monkeypatch: pytest.MonkeyPatch) -> Scoring:
    """Processes that are none, and leaders that a test sets."""
    made = Scoring()
    monkeypatch.setattr(early_score.forkserver, "asked", made.asked)
    monkeypatch.setattr(free_memory, "free_bytes", lambda: None)
    monkeypatch.setattr(test_scores, "unscored", lambda *_: ({}, made.leaders))
    return made


def leader(trial: int) -> Unscored:
    """A trial that is the best."""
    return Unscored(trial=trial, run_id="", config={}, best=True)


class Counted:
    """Of a study what is looked at: its plan, and how many trials have finished."""

    def __init__(self, **groups: Any) -> None:
        self.plan = plan({"model.filters": "choice(2,4)"}, **groups)
        self.finished = 0

    def counts(self) -> "Counted":
        """Something has finished since the last look."""
        self.finished += 1
        return self


def looked(scoring: Scoring, early: EarlyScore, *trials: int) -> None:
    """Look at each of these leaders in turn."""
    for trial in trials:
        scoring.leaders = [leader(trial)]
        early.look()


def test_the_leader_is_scored_once_and_its_process_ended_when_it_is_beaten(
    scoring: Scoring,
) -> None:
    """What was computed for it is thrown away."""
    study: Any = Counted()
    with EarlyScore(study, None) as early:  # type: ignore[arg-type]
        looked(scoring, early, 1, 1, 2)
        assert (scoring.begun, scoring.ended) == ([1, 2], [1])
        assert early.of(leader(1)) == {}
        assert early.of(leader(2)) == {"test_loss": 2.0}
    assert scoring.ended == [1, 2]


@pytest.mark.parametrize(
    "objectives",
    [
        # Each trial of the front is scored, and which they are is known at the end.
        pytest.param({"val_accuracy": "maximize", "train_seconds": "minimize"}, id="several"),
        # Whatever else is computed meanwhile takes a part of what is measured.
        pytest.param({"train_seconds": "minimize"}, id="seconds"),
    ],
)
def test_nobody_is_scored_early_for_such_objectives(
    scoring: Scoring, objectives: dict[str, str]
) -> None:
    """The winners are scored when the search is over."""
    study: Any = Counted(objectives=objectives)
    with EarlyScore(study, None) as early:  # type: ignore[arg-type]
        looked(scoring, early, 1)
        assert early.of(leader(1)) == {}
    assert scoring.begun == []


def test_nobody_is_scored_early_while_memory_is_short(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers need what is left of it."""
    free = iter([WORKER_BYTES - 1, WORKER_BYTES])
    monkeypatch.setattr(free_memory, "free_bytes", lambda: next(free))
    study: Any = Counted()
    with EarlyScore(study, None) as early:  # type: ignore[arg-type]
        looked(scoring, early, 1)
        assert scoring.begun == []
        looked(scoring, early, 2)
    assert scoring.begun == [2]
