"""Going along a trajectory: whatever is lost, damaged or killed, the numbers are the same."""

import errno
import fcntl
import multiprocessing
import os
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from damage import damage
from formulas import Formula, Variable, Whole, expected, hang_at, known, losses, train_until_killed

from cnn_sweeps.config.schema import EarlyStopping, TrainerConfig
from cnn_sweeps.errors import DivergedError, PrunedError, RunFailedError, StoreError
from cnn_sweeps.training.epoch import Epoch, TrainingCost, TrainingResult
from cnn_sweeps.training.stopping import StopTraining
from cnn_sweeps.trajectories.cache import TrajectoryStore
from cnn_sweeps.trajectories.chain import Chain
from cnn_sweeps.trajectories.entry import Entry
from cnn_sweeps.trajectories.lock import Lock


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    """An entry of which nothing is there."""
    return Entry(tmp_path / ("a" * 64) / "environment")


class Asked:
    """A run that was made: what it trained, what it got, and where it ended."""

    def __init__(
        self,
        entry: Entry,
        asked: TrainerConfig | int,
        *,
        trainer: Formula | None = None,
        callbacks: tuple[Any, ...] = (),
        goes_on: bool = True,
        epoch_mb: float | None = None,
    ) -> None:
        from cnn_sweeps.training.loop import train
        from cnn_sweeps.trajectories.resume import ResumedTraining

        config = TrainerConfig(epochs=asked) if isinstance(asked, int) else asked
        self.trainer = trainer or Formula()
        self.walk = ResumedTraining(
            trainer=self.trainer,  # type: ignore[arg-type]
            entry=entry,
            run_id="asked",
            goes_on=goes_on,
            epoch_mb=epoch_mb,
        )
        with self.walk:
            self.training: TrainingResult = train(self.walk, config, callbacks=callbacks)

    @property
    def outcome(self) -> tuple[list[float], list[float]]:
        """All losses and the final weights."""
        return losses(self.training), self.trainer.weights


@pytest.fixture
def trainer_process(entry: Entry) -> Iterator[Callable[[int], Any]]:
    """Starts a process that trains, and hangs in the middle of an epoch until it is killed."""
    # Forked from this process, which has imported all: it needs nothing that a fork would break.
    fork, started = multiprocessing.get_context("fork"), []

    def start(hang: int) -> Any:
        process = fork.Process(target=train_until_killed, args=(str(entry.folder), hang))
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            process.start()
        started.append(process)
        while len(entry.history()) < hang - 1:
            assert process.is_alive()
            time.sleep(0.01)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def test_what_is_new_is_trained(entry: Entry) -> None:
    """Every epoch once, with the numbers of a training from scratch."""
    asked = Asked(entry, 4)
    assert asked.trainer.done == [1, 2, 3, 4]
    assert asked.outcome == expected(4)
    assert asked.walk.cost == TrainingCost(trained=4, reused=0, seconds=4.0)
    assert asked.walk.reused == {}


@pytest.mark.parametrize("epochs", [1, 3, 5])
def test_what_is_known_is_read(entry: Entry, epochs: int) -> None:
    """Nothing is trained for any beginning of what is known."""
    known(entry, 5)
    asked = Asked(entry, epochs)
    assert asked.trainer.done == []
    assert asked.outcome == expected(epochs)
    assert asked.walk.cost == TrainingCost(
        trained=0, reused=epochs, seconds=0.0, trained_by=("first",)
    )


@pytest.mark.parametrize("before", range(1, 6))
def test_what_is_missing_is_trained_from_the_last_checkpoint(entry: Entry, before: int) -> None:
    """At whichever epoch the training before ended, only the rest is trained."""
    known(entry, before)
    asked = Asked(entry, 6)
    assert asked.trainer.done == list(range(before + 1, 7))
    assert asked.outcome == expected(6)
    assert asked.walk.reused == dict.fromkeys(range(1, before + 1), "first")


def test_everybody_who_trained_a_part_is_named(entry: Entry) -> None:
    """In the order of their epochs, each once."""
    known(entry, 2, run_id="first")
    known(entry, 4, run_id="second")
    assert Asked(entry, 5).walk.cost.trained_by == ("first", "second")


def test_a_run_leaves_the_lock_to_others(entry: Entry) -> None:
    """Also one that fails."""
    with pytest.raises(ZeroDivisionError):
        Asked(entry, 3, trainer=Formula(lambda number: number // (2 - number)))
    with Lock(entry.folder) as lock:
        assert lock.acquire()
    assert len(entry.history()) == 1


def test_reading_needs_no_lock(entry: Entry) -> None:
    """Somebody may train on while others read what is there."""
    known(entry, 3)
    with Lock(entry.folder) as lock:
        assert lock.acquire()
        assert Asked(entry, 3).outcome == expected(3)


def test_using_is_noted(entry: Entry) -> None:
    """What is read is the last to be deleted."""
    known(entry, 2)
    os.utime(entry.folder / "history.json", (1e9, 1e9))
    Asked(entry, 2)
    assert entry.used > 1e9


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        pytest.param("history.json", [1, 2, 3, 4, 5, 6], id="history"),
        pytest.param("weights/0002.npz", [5, 6], id="weights of an early epoch"),
        pytest.param("weights/0004.npz", [4, 5, 6], id="weights of the last epoch"),
        pytest.param("optimizer/0004.npz", [4, 5, 6], id="optimizer of the last epoch"),
        pytest.param("about.json", [5, 6], id="description"),
    ],
)
@pytest.mark.parametrize(
    "hurt",
    [
        pytest.param(damage, id="flipped bit"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:9]), id="truncated"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.unlink(), id="lost"),
    ],
)
def test_damage_costs_work_and_changes_nothing(
    entry: Entry, name: str, trained: list[int], hurt: Callable[[Path], None]
) -> None:
    """What does not fit is trained once more from the last point that does."""
    entry.describe({"title": "a formula"})
    known(entry, 4)
    hurt(entry.folder / name)
    asked = Asked(entry, 6)
    assert asked.trainer.done == trained
    assert asked.outcome == expected(6)
    assert Asked(entry, 6).outcome == expected(6)


@pytest.mark.parametrize("hurt", [damage, Path.unlink], ids=["flipped bit", "lost"])
def test_weights_that_are_wanted_and_damaged_are_trained_again(
    entry: Entry, hurt: Callable[[Path], None]
) -> None:
    """The epochs are read all the same; the file is there again afterwards."""
    known(entry, 5)
    before = entry.history()
    hurt(entry.folder / "weights" / "0003.npz")
    asked = Asked(entry, 3)
    assert asked.trainer.done == [1, 2, 3]
    assert asked.outcome == expected(3)
    assert asked.walk.cost == TrainingCost(trained=3, reused=0, seconds=3.0)
    assert entry.verify() == {}
    assert [one.epoch for one in entry.history()] == [one.epoch for one in before]


def test_both_checkpoints_may_be_damaged(entry: Entry) -> None:
    """Then it is trained from the start, which is known by heart."""
    known(entry, 4)
    for number in (3, 4):
        damage(entry.folder / "optimizer" / f"000{number}.npz")
    asked = Asked(entry, 5)
    assert asked.trainer.done == [1, 2, 3, 4, 5]
    assert asked.outcome == expected(5)
    assert entry.history()[0].run_id == "first"


class After:
    """A callback that does something after an epoch."""

    def __init__(self, number: int, do: Callable[[], Any]) -> None:
        self._number, self._do = number, do

    def on_epoch(self, epoch: Epoch) -> None:
        """Do it."""
        if epoch.number == self._number:
            self._do()


@pytest.mark.parametrize("at", [1, 3, 4], ids=["while reading", "at the last known", "training"])
@pytest.mark.parametrize("what", ["entry", "history"])
def test_an_entry_that_vanishes_on_the_way_changes_nothing(
    entry: Entry, at: int, what: str
) -> None:
    """It may be evicted, or deleted by hand."""
    known(entry, 3)

    def vanish() -> None:
        if what == "entry":
            shutil.rmtree(entry.folder)
        else:
            (entry.folder / "history.json").unlink()

    asked = Asked(entry, 5, callbacks=(After(at, vanish),))
    assert asked.outcome == expected(5)
    again = Asked(entry, 5)
    assert (again.trainer.done, again.outcome) == ([], expected(5))


def test_an_entry_may_vanish_before_the_best_weights_are_put_back(entry: Entry) -> None:
    """The network has gone on by then, and is brought back to where they were."""
    early = EarlyStopping(patience=2, min_delta=99.0)
    asked = Asked(
        entry,
        TrainerConfig(epochs=9, early_stopping=early),
        callbacks=(After(3, lambda: shutil.rmtree(entry.folder)),),
    )
    assert asked.training.best == 1
    assert asked.outcome == (expected(3)[0], expected(1)[1])
    assert asked.trainer.done == [1, 2, 3, 1]


@pytest.mark.parametrize("before", [0, 1, 2, 3, 6])
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"early_stopping": EarlyStopping(patience=2, min_delta=99.0)}, id="best"),
        pytest.param(
            {"early_stopping": EarlyStopping(patience=2, min_delta=99.0, restore_best=False)},
            id="last",
        ),
        pytest.param({"stop_at_loss": 1e9}, id="loss"),
        pytest.param({"stop_at_accuracy": 0.5}, id="accuracy"),
    ],
)
def test_rules_end_a_read_training_as_a_trained_one(
    entry: Entry, before: int, fields: dict[str, Any]
) -> None:
    """Where, why, and with which weights, whatever of it was known before."""
    from cnn_sweeps.training.loop import FreshTraining, train

    config = TrainerConfig(epochs=9, **fields)
    trainer = Formula()
    alone = train(FreshTraining(trainer=Whole(trainer)), config)  # type: ignore[arg-type]
    if before:
        known(entry, before)
    asked = Asked(entry, config)
    assert asked.training == alone
    assert asked.trainer.weights == trainer.weights


class Raises:
    """A callback that ends the training after an epoch."""

    def __init__(self, number: int, error: Exception) -> None:
        self._number, self._error = number, error
        self.seen: list[int] = []

    def on_epoch(self, epoch: Epoch) -> None:
        """End it where told."""
        self.seen.append(epoch.number)
        if epoch.number == self._number:
            raise self._error


@pytest.mark.parametrize("before", [0, 1, 2, 5])
def test_a_callback_ends_a_read_training_as_a_trained_one(entry: Entry, before: int) -> None:
    """No epoch is trained after the one in which it had enough."""
    if before:
        known(entry, before)
    callback = Raises(2, StopTraining("enough at epoch 2"))
    asked = Asked(entry, 9, callbacks=(callback,))
    assert callback.seen == [1, 2]
    assert asked.training.stopped == "enough at epoch 2"
    assert asked.outcome == expected(2)
    assert asked.trainer.done == list(range(before + 1, 3))


@pytest.mark.parametrize("before", [0, 1, 2, 5])
def test_a_pruned_training_keeps_what_was_paid_for(entry: Entry, before: int) -> None:
    """The next one goes on from there."""
    if before:
        known(entry, before)
    callback = Raises(2, PrunedError(2, "no promise"))
    with pytest.raises(PrunedError, match="no promise"):
        Asked(entry, 9, callbacks=(callback,))
    assert callback.seen == [1, 2]
    assert len(entry.history()) == max(before, 2)
    assert Asked(entry, 3).outcome == expected(3)


def test_a_training_that_diverged_does_so_again_without_training(entry: Entry) -> None:
    """The epoch without a number is known like the others."""
    with pytest.raises(DivergedError, match="epoch 3") as first:
        Asked(entry, 9, trainer=Formula(nan_at=3))
    again = Formula()
    with pytest.raises(DivergedError) as second:
        Asked(entry, 9, trainer=again)
    assert str(second.value) == str(first.value)
    assert again.done == []
    assert Asked(entry, 2).outcome == expected(2)


def test_a_follower_reads_while_another_process_trains(
    entry: Entry, trainer_process: Callable[[int], Any]
) -> None:
    """What is there is there, finished or not."""
    trainer_process(4)
    asked = Asked(entry, 3)
    assert asked.trainer.done == []
    assert asked.outcome == expected(3)
    assert asked.walk.reused == dict.fromkeys((1, 2, 3), "killed")


def test_a_follower_takes_over_from_a_process_that_is_killed(
    entry: Entry, trainer_process: Callable[[int], Any]
) -> None:
    """It waits in the epoch that the other one is in, and trains it when that one dies."""
    process = trainer_process(4)
    threading.Timer(0.5, process.kill).start()
    asked = Asked(entry, 6)
    assert process.exitcode == -signal.SIGKILL
    assert asked.trainer.done == [4, 5, 6]
    assert asked.outcome == expected(6)


def test_a_follower_goes_on_where_a_killed_process_lost_its_checkpoints(
    entry: Entry, trainer_process: Callable[[int], Any]
) -> None:
    """Nothing was known when it began, and its network is still as it was then."""

    def lose_everything() -> None:
        shutil.rmtree(entry.folder / "optimizer")
        process.kill()
        process.join()

    process = trainer_process(4)
    asked = Asked(entry, 5, callbacks=(After(3, lose_everything),))
    assert asked.trainer.done == [1, 2, 3, 4, 5]
    assert asked.outcome == expected(5)


def test_a_killed_training_is_gone_on_with(
    entry: Entry, trainer_process: Callable[[int], Any]
) -> None:
    """Nothing but the epoch in hand is lost."""
    process = trainer_process(3)
    process.kill()
    process.join()
    asked = Asked(entry, 5)
    assert asked.trainer.done == [3, 4, 5]
    assert asked.outcome == expected(5)


def test_a_follower_waits_for_weights_that_are_damaged(
    entry: Entry, trainer_process: Callable[[int], Any]
) -> None:
    """Two do not train one trajectory; when the other is gone it trains them."""
    process = trainer_process(4)
    damage(entry.folder / "weights" / "0002.npz")
    threading.Timer(0.5, process.kill).start()
    asked = Asked(entry, 2)
    assert asked.outcome == expected(2)
    assert entry.verify() == {}


def test_without_locks_work_is_done_twice_and_nothing_else(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that train the same epochs in turn write the same history."""
    from cnn_sweeps.trajectories.resume import ResumedTraining

    def none(_file: object, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    subjects = [Formula(), Formula()]
    walks = [ResumedTraining(trainer=s, entry=entry, run_id="both") for s in subjects]  # type: ignore[arg-type]
    for walk in walks:
        walk._known = []
    paths = [walk.epochs() for walk in walks]
    for number in range(1, 5):
        first, second = paths if number % 2 else reversed(paths)
        assert next(first).loss == next(second).loss
    for walk in walks:
        walk.restore_best(4)
        walk.__exit__(None, None, None)
    assert subjects[0].weights == subjects[1].weights == expected(4)[1]
    assert [kept.epoch.loss for kept in entry.history()] == expected(4)[0]
    assert entry.verify() == {}


def test_a_full_disk_ends_the_run_with_a_message(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known by then stays, and is gone on from when there is room."""
    known(entry, 2)

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match="No space left on device"):
        Asked(entry, 4)
    monkeypatch.undo()
    asked = Asked(entry, 4)
    assert asked.trainer.done == [3, 4]
    assert asked.outcome == expected(4)


@pytest.fixture
def read_only(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """An entry of four epochs in a folder in which every way to write is refused."""
    known(entry, 4)
    opened, descriptor = Path.open, os.open

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    def only_read(path: Path, mode: str = "r", *more: Any, **options: Any) -> Any:
        return opened(path, mode, *more, **options) if mode.startswith("r") else refuse()

    def only_read_descriptor(path: Any, flags: int, *more: Any, **options: Any) -> Any:
        write = flags & (os.O_WRONLY | os.O_RDWR)
        return refuse() if write else descriptor(path, flags, *more, **options)

    for name in ("write_bytes", "write_text", "replace", "rename", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    monkeypatch.setattr(Path, "open", only_read)
    monkeypatch.setattr(os, "open", only_read_descriptor)
    monkeypatch.setattr(os, "utime", refuse)
    return entry


def test_what_is_known_in_a_read_only_folder_can_be_read(read_only: Entry) -> None:
    """Reading writes nothing, not even a lock."""
    assert Asked(read_only, 3).outcome == expected(3)


def test_what_is_missing_in_a_read_only_folder_is_refused(read_only: Entry) -> None:
    """One message says what to do."""
    with pytest.raises(StoreError, match=r"lock cannot be written: Read-only file system"):
        Asked(read_only, 5)


def test_a_network_with_a_hidden_state_is_never_gone_on_with(entry: Entry) -> None:
    """It is read as far as it is known, and else trained from the start."""
    known_before = Asked(entry, 3, goes_on=False)
    assert known_before.trainer.done == [1, 2, 3]
    assert not (entry.folder / "optimizer").exists()
    read = Asked(entry, 2, goes_on=False)
    assert (read.trainer.done, read.outcome) == ([], expected(2))
    longer = Asked(entry, 4, goes_on=False)
    assert longer.trainer.done == [1, 2, 3, 4]
    assert longer.outcome == expected(4)


def test_a_network_with_a_hidden_state_cannot_be_brought_back(entry: Entry) -> None:
    """Where its weights are lost in the middle of a run, the run says so."""
    early = TrainerConfig(epochs=9, early_stopping=EarlyStopping(patience=2, min_delta=99.0))
    lost = After(3, lambda: shutil.rmtree(entry.folder))
    with pytest.raises(
        RunFailedError, match=r"was deleted while it was in use[^\n]*\nRun it again"
    ):
        Asked(entry, early, callbacks=(lost,), goes_on=False)
    assert Asked(entry, early, goes_on=False).training.best == 1


def test_epochs_of_another_network_are_quarantined(entry: Entry) -> None:
    """A hash cannot lie, but a folder can be copied to the wrong place; the run says so."""
    other = Formula()
    other.model.variables = [Variable(1.0, 2.0, 3.0)]
    other.model.optimizer.variables = [Variable(0.0, 0.0, 0.0)]
    Asked(entry, 2, trainer=other)
    done = Asked(entry, 3)
    assert (done.trainer.done, done.outcome) == ([1, 2, 3], expected(3))
    (remark,) = done.walk.remarks
    assert remark.startswith("2 stored epochs did not fit this network: quarantined in /")
    again = Asked(entry, 3)
    assert (again.trainer.done, again.outcome, again.walk.remarks) == ([], expected(3), ())


def test_a_state_of_another_optimizer_is_trained_again(entry: Entry) -> None:
    """What was measured then is read; training goes on from the start."""
    from cnn_sweeps.training.state import snapshot

    other = Formula()
    other.model.optimizer.variables *= 2
    state = snapshot(other.model)  # type: ignore[arg-type]
    known(entry, 1)
    entry.put(entry.history()[0].epoch, state, run_id="first")
    done = Asked(entry, 3)
    assert (done.trainer.done, done.outcome) == ([1, 2, 3], expected(3))


def test_ctrl_c_in_an_epoch_keeps_those_before(entry: Entry) -> None:
    """The interrupt passes through, and the lock is free."""

    def interrupt(number: int) -> None:
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Asked(entry, 5, trainer=Formula(interrupt))
    asked = Asked(entry, 5)
    assert asked.trainer.done == [3, 4, 5]
    assert asked.outcome == expected(5)


def test_the_formula_hangs_where_it_is_told() -> None:
    """The tests above are worth as much as what stands for a long epoch."""
    assert hang_at(3)(2) is None  # type: ignore[func-returns-value]


class Otherwise(Formula):
    """A training that is not deterministic: this time it comes out otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.model.variables[0].assign([1.0, 2.5])


def test_epochs_that_come_out_otherwise_replace_what_was_known(entry: Entry) -> None:
    """A run ends with weights and metrics of one training, and says so; the next one goes on."""
    known(entry, 5)
    damage(entry.folder / "weights" / "0003.npz")
    alone = Otherwise()
    path = alone.epochs()
    others = [next(path).loss for _ in range(3)]
    weights = alone.weights
    asked = Asked(entry, 3, trainer=Otherwise())
    assert (asked.outcome[0][2], asked.trainer.weights) == (others[2], weights)
    (remark,) = asked.walk.remarks
    assert remark.startswith("epoch 3 was trained again")
    assert [one.epoch.loss for one in entry.history()] == others
    again = Asked(entry, 5)
    assert again.trainer.done == [4, 5]
    assert again.outcome == ([*others, next(path).loss, next(path).loss], alone.weights)
    assert again.walk.remarks == ()


def test_what_went_on_from_an_epoch_that_is_replaced_is_forgotten(entry: Entry) -> None:
    """Also where it is stored under a hash of its own."""
    later = Entry(entry.folder.parents[1] / ("b" * 64) / "environment", first=3)
    chain: Any = Chain((entry, later))
    known(chain, 5)
    damage(entry.folder / "weights" / "0001.npz")
    Asked(chain, 1, trainer=Otherwise())
    assert [len(each.history()) for each in (entry, later)] == [1, 0]


def test_the_mean_of_epochs_that_come_out_otherwise_is_one_of_one_training(entry: Entry) -> None:
    """An epoch behind the one that is trained again is trained anew as well."""
    known(entry, 4)
    damage(entry.folder / "weights" / "0003.npz")
    trainer = Otherwise()
    asked = Asked(entry, 4, trainer=trainer)
    for number in (3, 4):
        asked.walk.restore_best(number)
    alone = Otherwise()
    path = alone.epochs()
    assert [next(path).loss for _ in range(4)] == [one.epoch.loss for one in entry.history()]
    assert trainer.weights == alone.weights


def test_an_earlier_segment_is_in_use_as_long_as_the_training_runs(entry: Entry) -> None:
    """Its lock is free by then: others may train what is missing of it."""
    store = TrajectoryStore(entry.folder.parents[1])
    chain: Any = Chain((entry, Entry(store.folder / ("b" * 64) / "environment", first=3)))
    removed: list[int] = []
    Asked(chain, 4, callbacks=(After(4, lambda: removed.append(len(store.clear()))),))
    assert removed == [0]
    assert [len(each.history()) for each in chain.entries] == [2, 2]
    assert len(store.clear()) == 2
