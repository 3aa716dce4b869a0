"""A trial's slot goes back into the queue: once, in a safe order, with a trace."""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from kills import DEAD, KilledError, die_before
from optuna.trial import FrozenTrial, Trial, TrialState
from plans import epoch, plan, study

from cnn_sweeps.config import Config
from cnn_sweeps.errors import StoppedError
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.study import heartbeat, requeue
from cnn_sweeps.sweeps.study.attributes import ATTEMPT, RETRIES, RUN_ID, slot_of
from cnn_sweeps.sweeps.study.events import Event, State, TrialEnded
from cnn_sweeps.sweeps.study.recovery import close_superseded, note_interruption, recover
from cnn_sweeps.sweeps.study.retry import Retry, history, plain_history
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.worker import Worker
from cnn_sweeps.tracking import Store

STEPS = ("marked", "with its reason", "with its last heartbeat", "failed", "enqueued")
"""What requeueing writes, in this order."""


def claimed(made: SweepStudy, owner: Owner = DEAD) -> FrozenTrial:
    """A trial that a process has claimed, as the storage holds it."""
    trial = made.claim(owner)
    assert trial is not None
    return made.frozen(trial)


def died(made: SweepStudy, reason: str = "killed", retries: int = 2) -> Any:
    """Let a worker claim a trial and die; what becomes of the trial."""
    return requeue.after_death(
        made, claimed(made), reason, retries=retries, last_heartbeat=1_700_000_000.0
    )


def cells(made: SweepStudy) -> list[str]:
    """The values of all slots, in the queue or only scheduled, in no particular order."""
    made.look()
    planned = [made.schedule.items[slot].cell for slot in made.planned()]
    return sorted(map(json.dumps, [*map(made.carried_values, made.trials()), *planned]))


@pytest.mark.parametrize("step", range(len(STEPS)), ids=[f"before {step}" for step in STEPS])
@pytest.mark.parametrize(
    ("swept", "budget"),
    [
        pytest.param(plan(), Budget(), id="enumerated"),
        pytest.param(plan(sampler="random"), Budget(n_trials=3), id="sampled"),
    ],
)
def test_death_between_two_steps_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swept: Plan, budget: Budget, step: int
) -> None:
    """Wherever the process that requeues dies, the next call has every slot exactly once."""
    made = study(tmp_path, swept)
    fill_queue(made, budget)
    before = cells(made)
    with monkeypatch.context() as patch:
        trial = claimed(made)
        die_before(step, patch)
        with pytest.raises(KilledError):
            requeue.after_death(made, trial, "killed", retries=2, last_heartbeat=1.0)
    again = study(tmp_path, swept)
    recover(again, None, retries=2, show=lambda _: None)
    fill_queue(again, budget)
    assert cells(again) == before
    assert not again.trials(TrialState.RUNNING)
    assert again.counts().waiting == len(before)


@pytest.mark.parametrize("step", range(len(STEPS) - 1), ids=STEPS[:-1])
def test_the_trace_outlives_the_death_of_who_requeues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """As long as the trial has not failed, the next process adds the retry, once."""
    made = study(tmp_path)
    made.enqueue()
    with monkeypatch.context() as patch:
        trial = claimed(made)
        die_before(step, patch)
        with pytest.raises(KilledError):
            requeue.after_death(made, trial, "killed", retries=2, last_heartbeat=1.0)
    recover(study(tmp_path), None, retries=2, show=lambda _: None)
    (waiting,) = made.trials(TrialState.WAITING)
    assert [retry.trial for retry in history(waiting.user_attrs)] == [trial.number]


def test_three_attempts_leave_their_history(tmp_path: Path) -> None:
    """The third attempt has both retries before it: number, attempt, reason, host and process."""
    made = study(tmp_path)
    made.enqueue({"model.filters": 4})
    died(made, "out of memory")
    died(made, "a fault in native code")
    third = claimed(made)
    first, second = history(third.user_attrs)
    assert (first.trial, first.attempt, first.reason) == (0, 2, "out of memory")
    assert (second.trial, second.attempt, second.reason) == (1, 3, "a fault in native code")
    assert (second.host, second.pid) == (DEAD.host.partition(":")[0], DEAD.pid)
    assert first.when <= second.when
    assert (slot_of(third), third.user_attrs[ATTEMPT]) == (0, 3)
    assert made.carried_values(third) == {"model.filters": 4}


def test_a_slot_is_given_up_after_its_retries(tmp_path: Path) -> None:
    """Then the trial has failed with its reason and how often, and keeps its slot."""
    made = study(tmp_path)
    made.enqueue()
    states = [died(made, retries=1).state for _ in range(2)]
    assert states == ["requeued", "failed"]
    (failed,) = made.trials()
    assert (failed.state, failed.user_attrs["reason"]) == (TrialState.FAIL, "killed, 2 times")
    assert len(history(failed.user_attrs)) == 1


def test_an_interruption_is_traced_and_is_no_failed_attempt(tmp_path: Path) -> None:
    """Ctrl-C may come as often as it likes: `retries` does not count it, the history does."""
    made = study(tmp_path)
    made.enqueue()
    for _ in range(4):
        ended = requeue.after_interruption(made, claimed(made), "interrupted")
        assert ended is not None
        assert ended.state == "requeued"
    (waiting,) = made.trials(TrialState.WAITING)
    assert waiting.user_attrs[ATTEMPT] == 1
    assert [retry.attempt for retry in history(waiting.user_attrs)] == [2, 3, 4, 5]


def test_a_worker_that_is_killed_after_it_was_asked_to_stop_costs_no_attempt(
    tmp_path: Path,
) -> None:
    """Schedulers ask, and kill before the epoch ends; whoever finds the trial knows that."""
    made = study(tmp_path)
    made.enqueue()
    claimed(made)
    note_interruption(made, {DEAD.pid}, "stopped by SIGTERM", job_ended=True)
    assert recover(made, None, retries=0, show=lambda _: None) == 1
    (waiting,) = made.trials(TrialState.WAITING)
    assert waiting.user_attrs.get(ATTEMPT, 1) == 1
    assert [retry.reason for retry in history(waiting.user_attrs)] == ["stopped by SIGTERM"]


def test_a_claim_that_nobody_began_is_no_failed_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker died before it said whose the trial is: nothing was tried."""
    monkeypatch.setattr(heartbeat, "GRACE", 0.0)
    made = study(tmp_path)
    made.enqueue()
    (waiting,) = made.trials()
    assert made.storage.set_trial_state_values(waiting._trial_id, TrialState.RUNNING)
    assert recover(made, None, retries=0, show=lambda _: None) == 1
    (again,) = made.trials()
    assert (again.state, again.user_attrs.get(ATTEMPT, 1)) == (TrialState.WAITING, 1)
    assert [retry.reason for retry in history(again.user_attrs)] == ["claimed, and never begun"]


def test_of_two_finished_runs_of_a_place_one_stands(tmp_path: Path, store: Store) -> None:
    """A worker was killed between the end of its run and that of its trial."""
    made = study(tmp_path, plan())
    fill_queue(made, Budget())
    runs = []
    for _ in range(2):
        with store.start_run("trial", tags={}) as run:
            runs.append(run.run_id)
    trial = made.claim(DEAD)
    assert trial is not None
    trial.set_user_attr(RUN_ID, runs[0])
    recover(made, None, retries=2, show=lambda _: None)
    close_superseded(made, store)
    assert store.get(runs[0]).status == "FINISHED", "the retry may be answered from it"
    while (trial := made.claim(Owner.here())) is not None:
        if slot_of(made.frozen(trial)) == 0:
            trial.set_user_attr(RUN_ID, runs[1])
        made.done(trial, [0.5])
    close_superseded(made, store)
    first, second = map(store.get, runs)
    assert (first.status, first.tags["state"]) == ("KILLED", "stopped")
    assert "has its result" in first.tags["error"]
    assert second.status == "FINISHED"


def test_who_is_second_requeues_nothing(tmp_path: Path) -> None:
    """Of two processes that find one dead worker's trial, one gives its slot on."""
    made = study(tmp_path)
    made.enqueue()
    trial = claimed(made)
    told = [
        requeue.after_death(made, trial, "killed", retries=2, last_heartbeat=1.0) for _ in range(2)
    ]
    assert [ended is None for ended in told] == [False, True]
    assert made.counts().total == 1


@pytest.mark.parametrize("values", [[0.5], None], ids=["known", "being found out"])
def test_a_duplicate_gives_its_slot_to_the_sampler(
    tmp_path: Path, values: list[float] | None
) -> None:
    """That is no retry: the new trial is another experiment, and has no history."""
    made = study(tmp_path, plan(sampler="random"))
    made.enqueue()
    trial = made.claim(Owner.here())
    assert isinstance(trial, Trial)
    assert requeue.resample(made, trial, values)
    (waiting,) = made.trials(TrialState.WAITING)
    assert history(waiting.user_attrs) == ()
    assert made.frozen(trial).values == values


@pytest.mark.parametrize(
    ("attributes", "attempt"),
    [
        pytest.param({}, 2, id="first"),
        pytest.param({ATTEMPT: 3}, 4, id="of an earlier version"),
        pytest.param({RETRIES: "what?", ATTEMPT: 1}, 2, id="damaged"),
        pytest.param({RETRIES: [{"attempt": 2}]}, 2, id="incomplete"),
    ],
)
def test_a_retry_counts_on_from_what_is_known(attributes: dict[str, Any], attempt: int) -> None:
    """Studies without a history are read, and what cannot be read stops nothing."""
    assert history(attributes) == ()
    retry = Retry.after(7, attributes, "killed")
    assert (retry.attempt, retry.trial, retry.host, retry.pid) == (attempt, 7, None, None)


def test_a_history_survives_storage() -> None:
    """What is stored is plain JSON, and reads as the same; what a newer version adds is left."""
    retry = Retry.after(7, {"owner": {"host": "here:1", "pid": 5}}, "killed")
    plain = json.loads(json.dumps(plain_history([retry])))
    assert set(plain[0]) == {"attempt", "when", "reason", "trial", "host", "pid"}
    assert history({RETRIES: [{**plain[0], "colour": "red"}]}) == (retry,)


def ended_job(made: SweepStudy, epochs: int) -> tuple[str, str | None]:
    """Let a scheduler end the job of a trial after so many epochs; what becomes of the trial."""
    trial = made.claim(DEAD)
    assert trial is not None
    for number in range(1, epochs + 1):
        trial.report(0.5, number)
    ended = requeue.after_interruption(made, made.frozen(trial), "interrupted", job_ended=True)
    assert ended is not None
    return ended.state, ended.reason


@pytest.mark.parametrize(
    ("groups", "epochs", "told"),
    [
        pytest.param(
            {"trajectory": {"reuse": False}}, 7, "leave trajectory.reuse=false", id="anew"
        ),
        pytest.param({}, 0, "5 times in a row within epoch 1: give the job more", id="first epoch"),
        pytest.param({}, 3, "within epoch 4", id="later epoch"),
    ],
)
def test_a_training_that_no_job_is_long_enough_for_fails(
    tmp_path: Path, groups: dict[str, Any], epochs: int, told: str
) -> None:
    """It would be begun for ever; one that the user stops as often is not counted."""
    made = study(tmp_path, plan(**groups))
    made.enqueue({"model.filters": 4, "model.conv_blocks": 1})
    if groups == {} and epochs:
        assert ended_job(made, epochs)[0] == "requeued"
    for _ in range(requeue.MOST_IN_VAIN - 1):
        assert ended_job(made, epochs)[0] == "requeued"
        assert requeue.after_interruption(made, claimed(made), "stopped by Ctrl-C") is not None
    state, reason = ended_job(made, epochs)
    assert state == "failed"
    assert told in str(reason)
    assert made.counts().finished == made.counts().total == 1


OBJECTIVES = [
    pytest.param({"val_loss": "minimize"}, id="reported"),
    pytest.param({"val_loss": "minimize", "trainable_params": "minimize"}, id="several"),
    pytest.param({"train_seconds": "minimize"}, id="none of epochs"),
]


def job(made: SweepStudy, epochs: int) -> tuple[State, str | None]:
    """Let a worker train so many epochs before its scheduler ends the job."""
    events: list[Event] = []

    def train(
        config: Config, *, trial: int, started: Callable[..., None], callbacks: Sequence[Any]
    ) -> RunResult:
        started("run", identify(config, "d" * 64))
        for number, callback in itertools.product(range(1, epochs + 1), callbacks):
            callback.on_epoch(epoch(number))
        raise StoppedError("interrupted")

    worker = Worker(study=made, execute=train, emit=events.append, job_ends=lambda: True)
    assert worker.work(most=1) == 1
    (ended,) = (event for event in events if isinstance(event, TrialEnded))
    return ended.state, ended.reason


@pytest.mark.parametrize("objectives", OBJECTIVES)
def test_how_far_a_training_is_is_known_whatever_the_objectives(
    tmp_path: Path, objectives: dict[str, str]
) -> None:
    """As long as it comes further it goes on; then five jobs are enough."""
    made = study(tmp_path, plan(objectives=objectives))
    made.enqueue({"model.filters": 4, "model.conv_blocks": 1})
    for epochs in (0, 1, 1, 1, 1, 2, 3, *([3] * (requeue.MOST_IN_VAIN - 1))):
        assert job(made, epochs)[0] == "requeued"
    state, reason = job(made, 3)
    assert state == "failed"
    assert "within epoch 4" in str(reason)


def test_a_training_that_comes_further_with_each_job_goes_on(tmp_path: Path) -> None:
    """However many jobs it takes, and though one of them was cut short."""
    made = study(tmp_path)
    made.enqueue({"model.filters": 4, "model.conv_blocks": 1})
    for epochs in (1, 2, 3, 3, 4, 5, 5, 5, 6, 7, 8):
        assert ended_job(made, epochs)[0] == "requeued"


@pytest.mark.parametrize("job_ended", [True, False], ids=["scheduler", "Ctrl-C"])
def test_who_asked_a_worker_to_stop_stands_with_its_trial(tmp_path: Path, job_ended: bool) -> None:
    """The worker that is killed before it can say so cannot tell."""
    made = study(tmp_path, plan(trajectory={"reuse": False}))
    made.enqueue({"model.filters": 4, "model.conv_blocks": 1})
    for _ in range(requeue.MOST_IN_VAIN):
        trial = claimed(made, Owner.here())
        note_interruption(made, {Owner.here().pid}, "stopped", job_ended=job_ended)
        requeue.after_interruption(made, made.frozen(trial), "interrupted")
    assert made.counts().finished == (1 if job_ended else 0)
