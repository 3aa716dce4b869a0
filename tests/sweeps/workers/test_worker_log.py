"""What workers leave behind of a sweep: lines in its log, and tags on the runs of retries."""

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import MARK, failing, instant, slow
from optuna.trial import TrialState
from plans import plan, study

from cnn_sweeps.errors import DivergedError, StoreError
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study import requeue
from cnn_sweeps.sweeps.study.log import logged_sweep
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.supervisor import Interrupts, Supervisor
from cnn_sweeps.sweeps.workers import pool
from cnn_sweeps.sweeps.workers.worker import Worker, tags_of
from cnn_sweeps.text import terminal


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that is logged."""
    with caplog.at_level(logging.DEBUG, "cnn_sweeps"):
        yield caplog


def one(folder: Path, **groups: Any) -> SweepStudy:
    """A study with one trial in its queue."""
    made = study(folder, plan(**groups))
    made.enqueue({"model.filters": 4, "model.conv_blocks": 1})
    return made


def test_a_trial_is_logged_from_claim_to_value(
    tmp_path: Path, heard: pytest.LogCaptureFixture
) -> None:
    """With its params, each epoch at debug, seconds and value."""
    made = one(tmp_path, trainer={"epochs": 2})
    Worker(study=made, execute=slow).work()
    told = [(record.levelname, record.getMessage()) for record in heard.records]
    assert told[0] == ("INFO", "trial 0 claimed: model.filters=4 model.conv_blocks=1")
    assert [said for level, said in told if level == "DEBUG" and "epoch" in said] == [
        f"trial 0 epoch {number}: val_accuracy 0.104" for number in (1, 2)
    ]
    assert re.fullmatch(r"trial 0 complete after \d+\.\d s: 0\.104", told[-1][1])


def diverging(*_: Any, **__: Any) -> Any:
    """A trial whose loss is no number any more."""
    raise DivergedError("the loss became nan")


@pytest.mark.parametrize(
    ("execute", "reason", "bug"),
    [
        pytest.param(failing, "ZeroDivisionError: bug in trial 0", True, id="bug"),
        pytest.param(diverging, "the loss became nan", False, id="diverged"),
    ],
)
def test_a_failed_trial_is_an_error_in_the_log(
    tmp_path: Path, heard: pytest.LogCaptureFixture, execute: Any, reason: str, bug: bool
) -> None:
    """With the traceback of a bug; of what says all by itself there is none."""
    Worker(study=one(tmp_path), execute=execute).work()
    (record,) = [each for each in heard.records if each.levelno == logging.ERROR]
    assert re.fullmatch(rf"trial 0 failed after \d+\.\d s: {reason}", record.getMessage())
    assert ((record.exc_info or (None,))[0] is ZeroDivisionError) == bug


def test_a_trial_that_is_asked_to_stop_is_logged_and_traced(
    tmp_path: Path, heard: pytest.LogCaptureFixture
) -> None:
    """It was interrupted, and its slot requeued by this process for this reason."""
    made, asked = one(tmp_path, trainer={"epochs": 5}), iter([False])
    Worker(study=made, execute=slow, stop=lambda: next(asked, True)).work()
    assert "trial 0 requeued for attempt 2: interrupted after epoch 1" in heard.text
    assert "trial 0 interrupted after" in heard.text
    assert tags_of(made, 1) | {"retry_of": "0", "retry_attempt": "2"} == tags_of(made, 1)


def test_a_store_that_refuses_is_traced(tmp_path: Path) -> None:
    """The trial waits with the refusal in its history."""

    def refused(*_: Any, **__: Any) -> Any:
        raise StoreError("no room\n  Free some space.")

    made = one(tmp_path)
    with pytest.raises(StoreError):
        Worker(study=made, execute=refused).work()
    assert tags_of(made, 1)["retry_reason"] == "no room"


def test_a_first_attempt_has_no_tags_of_a_retry(tmp_path: Path) -> None:
    """Its run says what it belongs to."""
    made = one(tmp_path)
    assert tags_of(made, 0) == {"kind": "trial", "study_name": "study", "trial": "0"}


def test_the_run_of_a_retry_is_tagged(tmp_path: Path) -> None:
    """Which attempt, of which trial, and why: in one line, without a password."""
    made = one(tmp_path)
    for reason in ("killed", "mysql://me:secret@host is away\nsince noon"):
        trial = made.claim(Owner(host="elsewhere:1", pid=7, started="1"))
        assert trial is not None
        frozen = made.frozen(trial)
        requeue.after_death(made, frozen, reason, retries=2, last_heartbeat=1.0)
    assert tags_of(made, 2) == {
        "kind": "trial",
        "study_name": "study",
        "trial": "2",
        "retry_attempt": "3",
        "retry_reason": "mysql://me:***@host is away",
        "retry_of": "1",
    }


def test_a_duplicate_is_logged(tmp_path: Path, heard: pytest.LogCaptureFixture) -> None:
    """Which trial it repeats, and that nothing is left to try."""
    made = study(tmp_path, plan({"model.filters": "4,8"}))
    for filters in (4, 8, 8):
        made.enqueue({"model.filters": filters})
    Worker(study=made, execute=instant).work()
    assert "trial 2 repeats trial 1" in heard.text


class Silent:
    """A view that shows nothing."""

    def show(self, event: object) -> None:
        """Show nothing."""

    def tick(self) -> None:
        """Nothing to draw."""


@pytest.mark.usefixtures("light_forkserver")
def test_a_pool_writes_one_log(tmp_path: Path) -> None:
    """Who was spawned, killed and requeued, and what became of the trial elsewhere."""
    two = {"model.filters": "4,8"}
    made = study(tmp_path, plan(two, tracking={"tags": {MARK: str(tmp_path)}}))
    fill_queue(made, Budget())
    with logged_sweep(made.address, Budget(), tmp_path, terminal.warn) as announce:
        announce(made)
        workers = pool.Pool(made.address, workers=1, threads=1, execute="fakes:dying_once")
        Supervisor(study=made, store=None, budget=Budget(), view=Silent()).run(
            workers, Interrupts()
        )
    log = (tmp_path / "study.log").read_text()
    assert len(made.trials(TrialState.COMPLETE)) == 2
    for each in (
        r" (\d+) INFO cnn_sweeps\S+pool: worker 0 spawned as process (?!\1)",
        r"WARNING cnn_sweeps\S+pool: worker 0, process \d+, .*SIGKILL",
        r"INFO cnn_sweeps\S+requeue: trial \d requeued for attempt 2: .*SIGKILL",
        r"INFO cnn_sweeps\S+worker: trial \d claimed \(attempt 2\): model.filters=",
        r"INFO cnn_sweeps\S+log: sweep study ended after .*: 2 trials: 2 complete",
    ):
        assert re.search(each, log), log
    claims = set(re.findall(r"(\d+) INFO \S+ trial \d claimed", log))
    assert len(claims) == 3
    assert str(os.getpid()) not in claims
