"""Real worker processes on one study: no barrier, nothing lost, whatever dies."""

import errno
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cards import UUID, install
from fakes import CONTROLLER, MARK
from optuna.trial import TrialState
from photographs import photographs
from plans import plan, study
from signals import heard
from waiting import PATIENCE

from cnn_sweeps.data import control_groups, free_memory, look_again
from cnn_sweeps.errors import RunFailedError, StoreError
from cnn_sweeps.provenance import devices
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.images import refuse_unfit
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.study.events import Event, TrialEnded
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.supervisor import STOPPING, Interrupts, Supervisor, interruptible
from cnn_sweeps.sweeps.workers import pool

pytestmark = pytest.mark.usefixtures("light_forkserver")

SIX = {"model.filters": "choice(4,8,16)", "model.conv_blocks": "range(1,3)"}


class Collector:
    """A view that keeps what it is shown."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def show(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)

    def tick(self) -> None:
        """Nothing to draw."""

    @property
    def ended(self) -> list[TrialEnded]:
        """How trials ended, in order."""
        return [event for event in self.events if isinstance(event, TrialEnded)]


class Killed:
    """The process that workers are forked from does not live."""

    times = 0

    def __call__(self) -> None:
        """Find it dead."""
        self.times += 1
        raise EOFError


def steer(
    made: SweepStudy, execute: str, workers: int = 2, budget: Budget | None = None
) -> Collector:
    """Carry out a study with a pool of real processes."""
    view = Collector()
    asked = budget or Budget()
    group = pool.Pool(made.address, workers=workers, threads=1, execute=f"fakes:{execute}")
    Supervisor(study=made, store=None, budget=asked, view=view).run(group, Interrupts())
    return view


def filled(folder: Path, made: Plan | None = None, budget: Budget | None = None) -> SweepStudy:
    """A study with its queue."""
    opened = study(folder, made or plan(SIX))
    fill_queue(opened, budget or Budget())
    return opened


def results(made: SweepStudy) -> list[tuple[tuple[Any, ...], float]]:
    """The set of results: the cells with their values."""
    return sorted(
        (tuple(sorted(made.carried_values(trial).items())), trial.values[0])
        for trial in made.trials(TrialState.COMPLETE)
    )


def test_workers_share_the_queue(tmp_path: Path) -> None:
    """Two processes try every cell once, and nothing is left running."""
    made = filled(tmp_path, plan(SIX, trainer={"epochs": 30}))
    view = steer(made, "slow")
    assert len(results(made)) == 6
    assert {event.worker for event in view.ended} == {0, 1}
    assert made.counts().running == made.counts().waiting == 0


def test_a_sampler_shares_its_budget_among_workers(tmp_path: Path) -> None:
    """With a sampler, exactly the budget is spent, and workers draw different values."""
    continuous = plan({"model.dropout": "interval(0.0,0.5)"}, sampler="random")
    budget = Budget(n_trials=7)
    made = filled(tmp_path, continuous, budget)
    steer(made, "instant", budget=budget)
    drawn = [trial.params["model.dropout"] for trial in made.trials(TrialState.COMPLETE)]
    assert len(drawn) == len(set(drawn)) == 7


def test_workers_have_the_images_that_the_sweep_has_looked_at(
    tmp_path: Path,
) -> None:
    """From their first trial on: a hundred thousand files are not looked at by each of them."""
    pets = str(photographs(tmp_path / "pets"))
    data = {"name": "image_folder", "path": pets, "image_size": [28, 28], "cache": str(tmp_path)}
    asked = plan(SIX, data=data, tracking={"tags": {MARK: str(tmp_path)}})
    look_again()  # those of other tests are forgotten
    refuse_unfit(asked)
    made = filled(tmp_path, asked)
    steer(made, "handed")
    marks = [mark.read_text().split() for mark in tmp_path.glob("worker-*")]
    assert marks
    assert all(pets in mark for mark in marks)


def test_workers_that_grow_are_replaced(tmp_path: Path) -> None:
    """A process that leaks ends, and another one goes on."""
    made = filled(tmp_path, plan({"model.filters": "range(1,45)"}))
    steer(made, "growing")
    pids = {trial.user_attrs["owner"]["pid"] for trial in made.trials(TrialState.COMPLETE)}
    assert len(results(made)) == 44
    assert len(pids) >= 3


def test_a_killed_workers_trial_is_done_again(tmp_path: Path) -> None:
    """Each trial's first worker is killed; all are done in the end, and counted once.

    Nothing is left of its temporary files.
    """
    made = filled(tmp_path, plan(SIX, tracking={"tags": {MARK: str(tmp_path)}}))
    view = steer(made, "dying_once")
    assert len(results(made)) == 6
    assert [event.state for event in view.ended].count("requeued") == 6
    assert made.counts().total == 6
    left = [Path(mark.read_text()) for mark in tmp_path.glob("0.*")]
    assert len(left) == 6
    assert not any(file.exists() for file in left)


def test_a_trial_that_always_crashes_fails_alone(tmp_path: Path) -> None:
    """After its retries it is a failed trial with the signal's reason, not a failed sweep."""
    made = filled(tmp_path)
    steer(made, "crashing", budget=Budget(retries=1))
    failed = made.trials(TrialState.FAIL)
    assert len(failed) == 2
    assert {made.carried_values(trial)["model.filters"] for trial in failed} == {8}
    assert all("SIGSEGV" in trial.user_attrs["reason"] for trial in failed)
    assert len(results(made)) == 4


def test_a_trial_that_wants_too_much_memory_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its retries its reason names memory and what to type; the other trials are done."""
    monkeypatch.setattr(control_groups, "TREE", tmp_path)
    monkeypatch.setattr(control_groups, "GROUPS", tmp_path / "groups")
    (tmp_path / "groups").write_text("0::/")
    (tmp_path / "memory.max").write_text("450000000")
    (tmp_path / "memory.events").write_text("oom_kill 7\n")
    made = filled(tmp_path, plan(SIX, tracking={"tags": {MARK: str(tmp_path)}}))
    steer(made, "starved", budget=Budget(retries=1))
    failed = made.trials(TrialState.FAIL)
    assert {made.carried_values(trial)["model.filters"] for trial in failed} == {8}
    said = "out of memory (limit 450 MB); type hydra.sweeper.n_jobs=1, a smaller trainer.batch_size"
    assert all(said in trial.user_attrs["reason"] for trial in failed)
    assert len(failed) == 2
    assert len(results(made)) == 4


def test_a_sweep_without_memory_for_a_worker_ends_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the process that workers are forked from is killed each time it is started."""
    counted = itertools.count()
    monkeypatch.setattr(free_memory, "kills", lambda: next(counted))
    monkeypatch.setattr(pool, "ensure_running", killed := Killed())
    with pytest.raises(RunFailedError, match=r"out of memory.* hydra\.sweeper\.n_jobs=0") as caught:
        steer(made := filled(tmp_path), "instant")
    assert "\n" not in str(caught.value)
    assert killed.times == pool.MOST_OUT_OF_MEMORY
    assert made.counts().waiting == 6


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_a_host_without_room_for_temporary_files_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """In two lines, and it has claimed nothing."""

    def refuse(**_: Any) -> None:
        raise OSError(number, os.strerror(number), "scratch")

    monkeypatch.setattr(pool, "TemporaryDirectory", refuse)
    made = study(tmp_path, plan(MANY))
    fill_queue(made, Budget())
    with pytest.raises(StoreError, match=rf"(?s){os.strerror(number)}.*type TMPDIR=FOLDER"):
        steer(made, "instant")
    assert made.counts().running == 0


def test_a_sweep_that_only_fails_is_ended(tmp_path: Path) -> None:
    """After `max_failures` the first error is shown in full."""
    made = filled(tmp_path)
    with pytest.raises(RunFailedError, match=r"none succeeded.*") as caught:
        steer(made, "failing", workers=1, budget=Budget(max_failures=3))
    assert "ZeroDivisionError: bug in trial 0" in str(caught.value)
    assert "in failing" in str(caught.value)
    assert 3 <= made.counts().finished < 6  # the worker goes on until it is stopped


def test_ctrl_c_ends_epochs_and_puts_trials_back(tmp_path: Path) -> None:
    """One interrupt lets the epoch end; the trials wait for the next call."""
    tags = {MARK: str(tmp_path), CONTROLLER: str(os.getpid())}
    made = filled(tmp_path, plan(SIX, trainer={"epochs": 200}, tracking={"tags": tags}))
    view, said = Collector(), list[str]()
    with heard(signal.SIGINT), interruptible(said.append) as interrupts:
        workers = pool.Pool(made.address, workers=2, threads=1, execute="fakes:told_to_stop")
        Supervisor(study=made, store=None, budget=Budget(), view=view).run(workers, interrupts)
    assert interrupts.asked()
    assert [text.strip() for text in said] == [STOPPING.format(again="interrupt it again")]
    assert {event.state for event in view.ended} == {"requeued"}
    counts = made.counts()
    assert (counts.running, counts.finished, counts.waiting) == (0, 0, 6)


def test_what_a_dead_controller_left_is_found(tmp_path: Path) -> None:
    """A trial that is RUNNING for a process that is gone is queued again."""
    from cnn_sweeps.provenance.process import Owner
    from cnn_sweeps.sweeps.study.recovery import recover

    made = filled(tmp_path)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = Owner(host=Owner.here().host, pid=gone.pid, started="1")
    assert made.claim(dead) is not None
    living = made.claim(Owner.here())
    assert living is not None
    assert recover(made, None, retries=2, show=lambda ended: None) == 1
    assert [trial.number for trial in made.trials(TrialState.RUNNING)] == [living.number]
    assert made.counts().total == 6


SCRIPT = """
import sys
from pathlib import Path
from types import SimpleNamespace
sys.path.insert(0, {tests!r})
from plans import plan, study
from cnn_sweeps.sweeps.workers import pool, forkserver
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.supervisor import Supervisor, Interrupts
from cnn_sweeps.sweeps.study.recovery import recover
from sweeps.workers.test_pool import Collector, MANY

if __name__ == "__main__":
    pool.MOST_FAILED_STARTS = 1000  # the test kills more in a row than any accident would
    forkserver.warm_up("fakes:slow")
    made = study(Path({folder!r}), plan(MANY, trainer={{"epochs": 3}}))
    recover(made, None, retries=1000, show=lambda ended: None)
    fill_queue(made, Budget())
    group = pool.Pool(made.address, workers=2, threads=1, execute="fakes:slow")
    supervisor = Supervisor(study=made, store=None, budget=Budget(retries=1000), view=Collector())
    supervisor.run(group, Interrupts())
"""
MANY = {"model.filters": "range(1,31)", "model.conv_blocks": "1,2"}
KILLS = 24
WHILE_KILLING = 0.5
"""Seconds an epoch takes meanwhile: a sweep of 60 trials then outlasts the killing."""


def _descendants(pid: int) -> list[int]:
    """Processes below one, by /proc."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == pid:
                found += [int(folder.name), *_descendants(int(folder.name))]
    return found


@pytest.mark.slow(minutes=1)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find processes")
def test_killed_at_random_points_it_ends_with_the_same_results(tmp_path: Path) -> None:
    """Workers, or all processes, are killed at random: nothing is lost, doubled or left over."""
    script = tmp_path / "controller.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parents[2]), folder=str(tmp_path)))
    chance, kills = random.Random(7), 0  # noqa: S311 -- chance for a test

    def start(epoch_seconds: float) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, str(script)],
            start_new_session=True,
            env=os.environ | {"FAKE_EPOCH_SECONDS": str(epoch_seconds)},
        )

    running = start(WHILE_KILLING)
    while kills < KILLS:
        time.sleep(chance.uniform(0.05, 2.0))
        below = _descendants(running.pid)
        assert running.poll() is None
        if below and chance.random() < 0.6:
            os.kill(chance.choice(below), signal.SIGKILL)
        else:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            running = start(WHILE_KILLING)
        kills += 1
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    running = start(0.01)
    assert running.wait(timeout=PATIENCE) == 0
    made = study(tmp_path, plan(MANY, trainer={"epochs": 3}))
    undisturbed = filled(tmp_path / "undisturbed", plan(MANY, trainer={"epochs": 3}))
    steer(undisturbed, "instant")
    assert results(made) == results(undisturbed)
    assert made.counts().total == made.counts().finished == 60
    assert not made.optuna_study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))


def test_a_worker_is_replaced_when_it_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what its trainings leak, not by its first trial, and not before a number of trials."""
    held = iter([500, *[500 + pool.LEAK + 1] * 30])

    class Process:
        def memory_info(self) -> Any:
            return SimpleNamespace(rss=next(held))

    monkeypatch.setattr(pool.psutil, "Process", Process)
    wear = pool.Wear()
    assert [wear() for _ in range(20)] == [False] * 19 + [True]


def test_a_worker_that_does_not_grow_stays() -> None:
    """A new process would read the whole study again."""
    wear = pool.Wear()
    assert not any(wear() for _ in range(40))


def test_workers_take_turns_at_the_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process has one, and it alone."""
    install(tmp_path, monkeypatch, "9000/0", "4096/0")
    made = filled(tmp_path, plan(SIX, tracking={"tags": {MARK: str(tmp_path)}}))
    group = pool.Pool(
        made.address, workers=3, threads=1, seats=devices.seats(), execute="fakes:seeing"
    )
    Supervisor(study=made, store=None, budget=Budget(), view=Collector()).run(group, Interrupts())
    seen = {path.name: path.read_text() for path in tmp_path.glob("gpu-*")}
    assert set(seen.values()) <= {UUID.format(0), UUID.format(1)}
    assert len(seen) >= 2


@pytest.mark.parametrize(
    ("number", "terminal", "again"),
    [
        (signal.SIGINT, True, "press Ctrl-C again"),
        (signal.SIGINT, False, "interrupt it again"),
        (signal.SIGTERM, True, "send SIGTERM again"),
        (signal.SIGUSR2, False, "send SIGUSR2 again"),
    ],
)
def test_who_stops_a_sweep_is_told_how_to_stop_it_at_once(
    monkeypatch: pytest.MonkeyPatch, number: int, terminal: bool, again: str
) -> None:
    """A job of a scheduler has no keys."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: terminal))
    said = list[str]()
    Interrupts(say=said.append).note(number, None)
    assert said == [f"\nStopping after this step or epoch; {again} to stop immediately."]
