"""What a process has read of a study's trials."""

from pathlib import Path

import pytest
from fakes import failing
from optuna.trial import FrozenTrial
from plans import FakeRun, plan, study

from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study import requeue
from cnn_sweeps.sweeps.study.index import TrialIndex
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.workers.worker import Worker


def test_looks_add_up_to_what_one_look_at_the_end_sees(tmp_path: Path) -> None:
    """After trials that ended, were requeued, repeat others and are claimed."""
    made, seen = study(tmp_path, plan(sampler="random")), TrialIndex()

    def looked() -> TrialIndex:
        seen.update(made.optuna_study.get_trials(deepcopy=False))
        return seen

    fill_queue(made, Budget(n_trials=6))
    for _ in range(3):
        looked()
        Worker(study=made, execute=FakeRun()).work(1)
        trial = made.claim(Owner.here())
        assert trial is not None
        looked()
        requeue.after_interruption(made, made.frozen(trial), "interrupted")
    made.claim(Owner.here())
    once = TrialIndex()
    once.update(made.optuna_study.get_trials(deepcopy=False))
    assert looked() == once
    assert once.counts(planned=0).running == 1


def test_what_failed_is_not_among_what_was_done(tmp_path: Path) -> None:
    """A pruned or complete trial is done; one that failed is told beside it, for a heading."""
    made = study(tmp_path, plan(sampler="random"))
    fill_queue(made, Budget(n_trials=3))
    assert made.counts().before == ""
    Worker(study=made, execute=FakeRun()).work(1)
    assert made.counts().before == "1 done before"
    Worker(study=made, execute=failing).work()
    assert made.counts().before == "1 done before, 2 failed before"
    assert made.counts().finished == 3


def test_a_trial_that_has_finished_is_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a look costs what has changed."""
    made = study(tmp_path, plan())
    fill_queue(made, Budget())
    Worker(study=made, execute=FakeRun()).work()
    made.look()
    monkeypatch.setattr(FrozenTrial, "user_attrs", property(lambda _: pytest.fail("looked at")))
    assert made.look().finished == 5
