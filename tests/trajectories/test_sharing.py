"""Epochs that several users have together: read, given, audited, and what goes wrong with it."""

import io
import json
import os
import stat
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formulas import Formula, expected, losses
from waiting import PATIENCE

from cnn_sweeps.config.schema import TrainerConfig
from cnn_sweeps.errors import DivergedError
from cnn_sweeps.training.epoch import TrainingResult
from cnn_sweeps.trajectories import sharing
from cnn_sweeps.trajectories.entry import Entry
from cnn_sweeps.trajectories.files import digest_of
from cnn_sweeps.trajectories.shared import SharedEntry, SharedEpoch, SharedStore, digests_of
from cnn_sweeps.trajectories.sharing import Sharing, summary

NAME, WHERE = "a" * 64, "environment"


class User:
    """Somebody with a cache of their own, and the store of all."""

    def __init__(self, folder: Path, name: str, *, where: str = WHERE) -> None:
        self.name, self.home, self.where = name, folder / name, where
        self.store = SharedStore(folder / "store")
        self.store.folder.mkdir(exist_ok=True)

    def train(
        self,
        epochs: int,
        *,
        audit: float = 0.0,
        epoch_mb: float | None = None,
        nan_at: int | None = None,
        **about: Any,
    ) -> TrainingResult:
        """Train so many epochs, as far as they are not known."""
        from cnn_sweeps.training.loop import train
        from cnn_sweeps.trajectories.resume import ResumedTraining

        self.trainer = Formula(nan_at=nan_at)
        self.shared = Sharing(
            entries={1: self.entry},
            about=[{"environment": {"cpu": self.where, **about}}],
            audit=audit,
            reader=self.name,
        )
        self.walk = ResumedTraining(
            trainer=self.trainer,  # type: ignore[arg-type]
            entry=Entry(self.home / NAME / self.where),
            run_id=self.name,
            epoch_mb=epoch_mb,
            shared=self.shared,
        )
        with self.walk:
            return train(self.walk, TrainerConfig(epochs=epochs))

    @property
    def entry(self) -> SharedEntry:
        """What all have of the trajectory."""
        return self.store.entry(NAME, self.where)

    def outcome(self, epochs: int, **asked: Any) -> tuple[list[float], list[float]]:
        """Losses and final weights of a training."""
        return losses(self.train(epochs, **asked)), self.trainer.weights


@pytest.fixture
def ana(tmp_path: Path) -> User:
    """Trains first."""
    return User(tmp_path, "ana")


@pytest.fixture
def bo(tmp_path: Path) -> User:
    """Comes later."""
    return User(tmp_path, "bo")


@pytest.mark.parametrize("epochs", [1, 2, 4])
def test_an_epoch_is_trained_once_by_all(ana: User, bo: User, epochs: int) -> None:
    """Whoever asks reads what is there and trains the rest, with the bits of one training."""
    ana.train(2)
    assert bo.outcome(epochs) == expected(epochs)
    assert bo.trainer.done == list(range(3, epochs + 1))
    assert bo.walk.reused == dict.fromkeys(range(1, min(epochs, 2) + 1), "ana")
    assert ana.outcome(4) == expected(4)
    assert ana.trainer.done == ([] if epochs == 4 else [3, 4])


def test_what_is_known_already_is_given(ana: User, bo: User) -> None:
    """Epochs that were trained before there was a store are no lost work."""
    ana.train(3)
    ana.store.clear(ana.store.entries(), others=True)
    assert ana.store.entries() == []
    ana.train(3)
    assert ana.trainer.done == []
    bo.train(3)
    assert (bo.trainer.done, bo.shared.counts["read"]) == ([], 3)


def test_known_epochs_without_weights_are_given_as_well(ana: User, bo: User) -> None:
    """Of a large network most have none; without them nobody could read those that follow."""
    ana.train(5, epoch_mb=0.0)
    ana.store.clear(ana.store.entries(), others=True)
    ana.train(5, epoch_mb=0.0)
    assert ana.shared.counts["given"] == 5
    assert bo.outcome(6, epoch_mb=0.0) == expected(6)
    assert bo.trainer.done == [6]


@pytest.mark.parametrize("audit", [0.5, 1.0])
def test_an_audit_trains_again_and_compares(ana: User, bo: User, audit: float) -> None:
    """The share that was asked for, of the epochs that were read, with the same result."""
    ana.train(40)
    assert bo.outcome(40, audit=audit) == expected(40)
    counts = bo.shared.counts
    assert counts["read"] == 40
    assert counts["audited"] == len(bo.trainer.done)
    assert 10 <= counts["audited"] <= 40 * audit + 10
    assert counts["warnings"] == []
    assert bo.walk.cost.trained == 0


def tampered(user: User, number: int) -> None:
    """Let an epoch have other weights, with digests that fit."""
    found = user.entry.epoch(number)
    assert found is not None
    ((name, value),) = ((k, v) for k, v in read(user, found).arrays.items() if k == "model/0")
    content = io.BytesIO()
    np.savez(content, **{name.replace("/", "."): value + 1})
    forge(user, found, content.getvalue())


def read(user: User, found: SharedEpoch) -> SharedEpoch:
    """An epoch with its files."""
    return replace(found, contents=user.entry.contents(found.record))


def forge(user: User, found: SharedEpoch, weights: bytes) -> None:
    """Put another file of weights in the place of an epoch's."""
    user.store.write(user.store.array(digest_of(weights)), weights)
    record = replace(found.record, weights=digest_of(weights))
    path = user.entry.folder / "epochs" / f"{found.record.number:04}.json"
    path.write_bytes(replace(found, record=record).encode())


def test_an_audit_names_who_gave_other_bits(ana: User, bo: User) -> None:
    """Then the own epoch counts, and what was trained from the other one is not read."""
    ana.train(4)
    tampered(ana, 3)
    assert bo.outcome(5, audit=1.0) == expected(5)
    assert bo.shared.counts["read"] == 2
    ((warning),) = bo.shared.counts["warnings"]
    assert "epoch 3 of aaaaaaaaaaaa, given by ana, has other bits" in warning
    assert bo.shared.counts["given"] == 0


def test_an_epoch_that_diverged_for_all_accuses_nobody(ana: User, bo: User) -> None:
    """A loss that is no number is like another."""
    for user in (ana, bo):
        with pytest.raises(DivergedError, match="epoch 3"):
            user.train(5, audit=1.0, nan_at=3)
    assert bo.shared.counts["audited"] == bo.shared.counts["read"] == 3
    assert bo.shared.counts["warnings"] == []


def test_pickles_are_not_read(ana: User, bo: User, tmp_path: Path) -> None:
    """An array of objects would execute code; the epoch is trained instead."""

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "executed",))

    ana.train(2)
    content = io.BytesIO()
    np.savez(content, **{"model.0": np.array([Evil()], dtype=object)})
    found = ana.entry.epoch(2)
    assert found is not None
    forge(ana, found, content.getvalue())
    assert bo.outcome(2) == expected(2)
    assert bo.trainer.done == [2]
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text[: len(text) // 2], id="cut"),
        pytest.param(lambda text: text.replace("0.5", "0.25"), id="changed"),
        pytest.param(lambda text: "[]", id="no epoch"),
        pytest.param(lambda text: json.dumps({**json.loads(text), "weights": "../x"}), id="path"),
    ],
)
def test_a_damaged_epoch_is_trained(ana: User, bo: User, damage: Any) -> None:
    """It is set aside, and given again."""
    ana.train(3)
    path = ana.entry.paths[1]
    path.write_text(damage(path.read_text()))
    assert bo.outcome(3) == expected(3)
    assert bo.trainer.done == [2]
    assert bo.shared.given == {2}
    assert len(ana.entry.paths) == 3


def test_lost_arrays_are_given_again(ana: User, bo: User) -> None:
    """Whoever has to train them heals the store."""
    ana.train(2)
    found = ana.entry.epoch(2)
    assert found is not None
    path = ana.store.array(str(found.record.weights))
    path.write_bytes(b"damaged")
    assert bo.outcome(3) == expected(3)
    assert path.exists()
    assert ana.entry.damaged() == {}


def test_epochs_that_go_on_from_others_are_not_read(ana: User, bo: User) -> None:
    """Where the own epochs came out otherwise, what follows in the store is another training."""
    ana.train(4)
    bo.train(1)
    found = ana.entry.epoch(2)
    assert found is not None
    path = ana.entry.paths[1]
    path.write_bytes(replace(found, previous={**found.previous, "loss": 7.0}).encode())
    assert bo.outcome(3) == expected(3)
    assert bo.trainer.done == [2]


def test_another_environment_is_counted(tmp_path: Path, ana: User) -> None:
    """Its epochs cannot be used; the sweep says how many, and what differs."""
    ana.train(3, packages={"tensorflow": "1"}, flags=("avx",))
    other = User(tmp_path, "cy", where="another")
    other.train(4, packages={"tensorflow": "2"}, flags=("avx",))
    assert other.trainer.done == [1, 2, 3, 4]
    given, unmatched = summary([other.shared.counts, ana.shared.counts])
    assert given == "trajectory.store: 0 epochs read (0 audited), 7 given"
    assert unmatched.startswith("trajectory.store: 3 epochs not shared, because processor")
    assert unmatched.endswith("differ: cpu, tensorflow")


def test_a_store_that_refuses_is_said_once(ana: User, bo: User) -> None:
    """Whatever is wrong with it (read-only, full, no folder): training goes on."""
    ana.store.folder.rmdir()
    ana.store.folder.write_text("no folder")
    assert ana.outcome(3) == expected(3)
    (told,) = ana.shared.counts["warnings"]
    assert told.startswith("trajectory.store=")
    assert told.endswith("File exists; epochs trained here are not shared.")


def test_a_full_disk_is_said_once(ana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left half written that could be read."""

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        write = Path.write_bytes
        patch.setattr(
            Path, "write_bytes", lambda p, d: (full if "store" in p.parts else write)(p, d)
        )
        assert ana.outcome(2) == expected(2)
    assert "No space left on device" in ana.shared.counts["warnings"][0]
    assert ana.entry.paths == []


def test_files_have_the_permissions_of_the_store(ana: User) -> None:
    """Whatever the umask: all who may use the store can read and add to what somebody gave."""
    ana.store.folder.chmod(0o2770)
    before = os.umask(0o077)
    try:
        ana.train(1)
    finally:
        os.umask(before)
    inside = [*ana.store.folder.rglob("*")]
    modes = {path.is_dir(): set[int]() for path in inside}
    for path in inside:
        modes[path.is_dir()].add(stat.S_IMODE(path.stat().st_mode))
    assert modes == {True: {0o2770}, False: {0o660}}


def test_two_writers_at_once_are_harmless(ana: User, bo: User) -> None:
    """The first counts; nothing of either is left under another name."""
    ana.train(2)
    found = ana.entry.epoch(1)
    assert found is not None
    whole = read(ana, found)
    again = replace(whole, writer="bo")
    assert not bo.entry.put(again, {})
    bo.store.write(ana.entry.paths[0], again.encode())
    assert ana.entry.epoch(1) == found
    assert not [*ana.store.folder.rglob("*.part")]


def test_who_finds_it_locked_waits(ana: User, bo: User) -> None:
    """As long as somebody holds the lock and goes on; then it is trained by whoever waits."""
    ana.train(1)
    ana.entry.make_lock()
    lock = ana.entry.lock
    assert lock.acquire()
    waiting = threading.Thread(target=bo.train, args=(2,))
    waiting.start()
    time.sleep(0.3)
    assert waiting.is_alive()
    lock.release()
    waiting.join(timeout=PATIENCE)
    assert bo.trainer.done == [2]


def test_a_lock_that_is_never_given_back_costs_work_only(
    ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a time without a new epoch, two train the same."""
    ana.entry.make_lock()
    monkeypatch.setattr(sharing, "LONGEST_WAIT", 0.0)
    with ana.entry.lock as lock:
        assert lock.acquire()
        assert ana.outcome(1) == expected(1)


def test_large_epochs_keep_what_they_keep_at_home(ana: User, bo: User) -> None:
    """Metrics of all, and the variables of the last ones: a store of large networks stays small."""
    ana.train(5, epoch_mb=0.0)
    there = [len(ana.entry.contents(one.record)) for one in ana.entry.epochs()]
    assert there[0] == there[1] == 0
    assert there[3:] == [2, 2]
    assert bo.outcome(6, epoch_mb=0.0) == expected(6)
    assert bo.trainer.done == [6]


def test_what_any_other_epoch_names_is_never_dropped(ana: User) -> None:
    """Two environments may give the same bits, of which one keeps all."""
    elsewhere = User(ana.home.parent, "cy", where="elsewhere")
    elsewhere.train(5)
    ana.train(5, epoch_mb=0.0)
    for user in (elsewhere, ana):
        assert [len(user.entry.contents(one.record)) for one in user.entry.epochs()] == [2] * 5
    assert ana.entry.damaged() == {}


def test_what_was_there_before_is_not_dropped(ana: User, bo: User) -> None:
    """Whoever gave an epoch says how much of it is kept."""
    ana.train(5)
    bo.train(2)
    lost = [bo.store.array(d) for one in ana.entry.epochs() for d in digests_of(one.record)]
    for path in lost:
        path.unlink()
    Entry(bo.home / NAME / WHERE).remove()
    bo.train(5, epoch_mb=0.0)
    assert (ana.shared.counts["given"], bo.shared.counts["given"]) == (5, 0)
    assert all(ana.entry.contents(one.record) for one in ana.entry.epochs())


def test_clearing_spares_what_others_wrote(
    ana: User, bo: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless that is asked for; what is no longer needed goes with the epochs."""
    ana.train(2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: os.geteuid() + 1)
        assert ana.store.clear(ana.store.entries(), others=False) == 0
        assert len(ana.entry.paths) == 2
        assert ana.store.clear(ana.store.entries(), others=True) == 2
    assert ana.store.entries() == []
    assert [path for path in ana.store.folder.rglob("*") if path.is_file()] == []
