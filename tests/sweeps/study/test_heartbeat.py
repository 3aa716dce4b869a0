"""A process on another host is told from a dead one by how its heartbeat changes."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from optuna.trial import TrialState
from plans import study
from waiting import until

from cnn_sweeps.errors import StoppedError
from cnn_sweeps.provenance.process import GRACE, LEASE_SECONDS, Owner
from cnn_sweeps.sweeps.study import heartbeat as heartbeats
from cnn_sweeps.sweeps.study.attributes import BEAT, OWNER
from cnn_sweeps.sweeps.study.durations import seconds_spent
from cnn_sweeps.sweeps.study.events import TrialEnded
from cnn_sweeps.sweeps.study.heartbeat import Watch, beat_file, heartbeat, last_beat
from cnn_sweeps.sweeps.study.recovery import DIED, orphans_of, recover
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy

FAR = Owner(host="lab-2:0a1b2c3d", pid=17, started="4711")


class Clock:
    """Seconds, as far as a test lets them pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture(params=["journal", "database"])
def watched(request: Any, tmp_path: Path) -> tuple[SweepStudy, Clock]:
    """A study with a waiting trial, looked at by a clock of our own."""
    made, clock = study(tmp_path), Clock()
    if request.param == "database":
        address = replace(
            made.address, storage=f"sqlite:///{tmp_path}/study.db", name=made.address.name
        )
        made = SweepStudy.create(address, made.plan)
    made.enqueue()
    return replace(made, watch=Watch(clock=clock)), clock


def beat(made: SweepStudy, number: int, seconds: float) -> None:
    """What the worker of a trial does now and then, by whatever its clock says."""
    if (file := beat_file(made.address, number)) is not None:
        file.parent.mkdir(exist_ok=True)
        file.touch()
        os.utime(file, (seconds, seconds))
    else:
        made.storage.set_trial_user_attr(made.id_of(number), BEAT, seconds)


def test_whose_a_trial_is_and_its_first_heartbeat_are_one_write(
    watched: tuple[SweepStudy, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two, the trial would seem to be a dead worker's."""
    made, _ = watched
    written: list[str] = []
    keep = type(made.storage).set_trial_user_attr

    def write(storage: Any, number: int, key: str, value: Any) -> None:
        written.append(key)
        keep(storage, number, key, value)

    monkeypatch.setattr(type(made.storage), "set_trial_user_attr", write)
    assert made.claim(FAR) is not None
    assert written == [OWNER]
    (trial,) = made.optuna_study.get_trials()
    assert abs((last_beat(made.address, trial) or 0.0) - time.time()) < 60


@pytest.mark.parametrize("skew", [0.0, -7200.0, 7200.0], ids=["same", "behind", "ahead"])
def test_a_trial_lives_as_long_as_its_heartbeat_changes(
    watched: tuple[SweepStudy, Clock], skew: float
) -> None:
    """By our own clock: that of the other host may say anything, as long as it goes on."""
    made, clock = watched
    made.claim(FAR)
    for number in range(4):
        beat(made, 0, time.time() + skew + 5 * number)
        assert orphans_of(made) == []
        clock.now += LEASE_SECONDS - 1
        assert orphans_of(made) == []
    clock.now += 2
    assert [trial.number for trial in orphans_of(made)] == [0]


def test_who_has_just_begun_to_look_waits_for_a_lease(watched: tuple[SweepStudy, Clock]) -> None:
    """A heartbeat that is old by the clock may be one of a host whose clock is wrong."""
    made, clock = watched
    made.claim(FAR)
    beat(made, 0, time.time() - 10 * LEASE_SECONDS)
    assert orphans_of(made) == []
    clock.now = LEASE_SECONDS
    assert len(orphans_of(made)) == 1


def test_a_trial_without_an_owner_has_a_grace_period(watched: tuple[SweepStudy, Clock]) -> None:
    """Its worker has claimed it and is about to say so, whenever it thinks that it is."""
    made, clock = watched
    (waiting,) = made.optuna_study.get_trials()
    assert made.storage.set_trial_state_values(waiting._trial_id, TrialState.RUNNING)
    assert orphans_of(made) == []
    clock.now = GRACE - 1
    assert orphans_of(made) == []
    clock.now = GRACE
    assert len(orphans_of(made)) == 1


def test_a_process_of_this_host_is_looked_at(watched: tuple[SweepStudy, Clock]) -> None:
    """No lease is waited for."""
    made, _ = watched
    made.claim(Owner(host=Owner.here().host, pid=2**22 + 1, started="1"))
    assert len(orphans_of(made)) == 1


def test_a_dead_worker_of_another_host_is_not_taken_for_one_of_this(
    watched: tuple[SweepStudy, Clock],
) -> None:
    """In containers each has a process 17; what ended ours says nothing of theirs."""
    made, clock = watched
    made.claim(FAR)
    assert orphans_of(made) == []
    clock.now = LEASE_SECONDS
    told: list[TrialEnded] = []
    died, handled = {FAR.pid: "its worker was killed"}, {FAR.pid}
    recover(made, None, retries=2, show=told.append, died=died, handled=handled)
    assert [(event.trial, event.reason) for event in told] == [(0, DIED)]


def test_a_stop_while_the_storage_is_away_is_told_by_the_training_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heartbeat waits as well and heeds it, without a traceback of its own."""
    monkeypatch.setattr(heartbeats, "BEAT", 0.001)
    beats: list[type[BaseException]] = []

    class Away:
        """A trial whose storage is away, in a process that was asked to stop."""

        number = 0

        def set_user_attr(self, _name: str, _value: float) -> None:
            """Be asked to stop, in each of the ways that end the wait."""
            beats.append((StoppedError, KeyboardInterrupt)[len(beats) % 2])
            raise beats[-1]("asked to stop")

    address = StudyAddress(storage="postgresql://lab/studies", name="study")
    with heartbeat(address, cast("Any", Away())):
        while len(beats) < 3:
            time.sleep(0.001)


@pytest.mark.parametrize("skew", [-7200.0, 7200.0], ids=["behind", "ahead"])
def test_what_a_dead_host_has_spent_is_told_by_its_own_clock(
    watched: tuple[SweepStudy, Clock], monkeypatch: pytest.MonkeyPatch, skew: float
) -> None:
    """Else the time of a sweep would be over by as much as the clocks differ."""
    made, clock = watched
    made.claim(FAR)
    beat(made, 0, time.time() + 10)
    assert orphans_of(made) == []
    clock.now, now = LEASE_SECONDS, time.time()
    with monkeypatch.context() as here:
        here.setattr(time, "time", lambda: now + skew)
        assert recover(made, None, retries=2, show=lambda _: None, died={}) == 1
    assert 9 < seconds_spent(made.optuna_study.get_trials()) < 11


def test_containers_with_process_numbers_of_their_own_are_other_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They may share host name and boot, and each has a process 17."""
    from cnn_sweeps.provenance import process

    named = []
    for number in ("pid:[4026531836]", "pid:[4026532201]", "pid:[4026532310]"):
        process.this_host.cache_clear()
        monkeypatch.setattr(Path, "readlink", lambda _, told=number: Path(told))
        named.append(process.this_host())
    process.this_host.cache_clear()
    assert len(set(named)) == 3
    assert "pid" not in named[0]  # as every version has stored it


def test_a_journal_does_not_grow_by_heartbeats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are the times of files, which are gone with the trial."""
    monkeypatch.setattr(heartbeats, "BEAT", 0.01)
    made = study(tmp_path)
    made.enqueue()
    trial = made.claim(FAR)
    assert trial is not None
    size = (tmp_path / "study.journal").stat().st_size
    file = beat_file(made.address, 0)
    assert file is not None
    with heartbeat(made.address, trial):
        until(file.exists, pause=0.01)
    assert not file.parent.exists()
    assert (tmp_path / "study.journal").stat().st_size == size
