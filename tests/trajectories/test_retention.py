"""Large epochs: most keep their metrics alone, and nothing but time is lost by it."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from formulas import Formula, Variable, expected, hang_at, losses
from plans import epoch

from cnn_sweeps.config.schema import EarlyStopping, TrainerConfig
from cnn_sweeps.training.epoch import Epoch
from cnn_sweeps.trajectories.chain import Chain
from cnn_sweeps.trajectories.entry import Entry
from cnn_sweeps.trajectories.frozen import FrozenStore
from cnn_sweeps.trajectories.history import EpochRecord
from cnn_sweeps.trajectories.retention import Retention, drop_old_state


def history(epochs: int) -> list[EpochRecord]:
    """So many epochs, all with everything."""
    return [
        EpochRecord(
            epoch=epoch(n, loss=1 / (3 * n)), run_id="run", weights="w" * 64, optimizer="o" * 64
        )
        for n in range(1, epochs + 1)
    ]


def test_only_the_last_optimizers_stay() -> None:
    """One to go on from and one in reserve."""
    thin = drop_old_state(history(5), weights=range(1, 6))
    assert [one.optimizer is not None for one in thin] == [False, False, False, True, True]
    assert [one.weights for one in thin] == ["w" * 64] * 5
    assert drop_old_state(history(1), weights=[1]) == history(1)


def test_of_the_others_only_the_metrics_stay() -> None:
    """Weights where something wants them, and the whole state where somebody may go on from it."""
    thin = drop_old_state(history(6), weights=[2], states=[3])
    assert [one.weights is not None for one in thin] == [False, True, True, False, True, True]
    assert [one.optimizer is not None for one in thin] == [False, False, True, False, True, True]
    assert [one.epoch for one in thin] == [one.epoch for one in history(6)]


def test_a_state_is_large_beyond_the_limit() -> None:
    """Then the best epochs keep their weights, by either metric, and those that a run names."""
    epochs = [
        EpochRecord(
            epoch=replace(epoch(n), val_loss=loss, val_accuracy=accuracy),
            run_id="run",
            weights="w",
            optimizer=None,
        )
        for n, loss, accuracy in [(1, 0.9, 0.5), (2, 0.3, 0.6), (3, 0.5, 0.8), (4, 0.4, 0.8)]
    ]
    limited = Retention(epoch_mb=1.0, wanted=[1])
    assert limited.weights(epochs, 10**6) == {1, 2, 3, 4}
    assert limited.weights(epochs, 10**6 + 1) == {1, 2, 3}
    assert Retention().weights(epochs, 10**12) == {1, 2, 3, 4}


def test_the_best_epochs_by_further_metrics_keep_their_weights() -> None:
    """Of two that are as good the first, and never one without a number."""
    measured = {
        2: {"macro_f1": 0.7, "brier": 0.2},
        3: {"macro_f1": 0.9, "brier": float("nan")},
        4: {"macro_f1": 0.9, "brier": 0.3},
    }
    limited = Retention(epoch_mb=0, metrics={"macro_f1": True, "brier": False, "ece": False})
    assert limited.weights(history(5), 1, measured) >= {3, 2}
    assert 4 not in limited.weights(history(5), 1, measured)


def test_without_validation_images_there_is_no_best_epoch() -> None:
    """A run then ends with its last one."""
    epochs = [
        replace(one, epoch=replace(one.epoch, val_loss=None, val_accuracy=None))
        for one in history(3)
    ]
    assert Retention(epoch_mb=0).weights(epochs, 1) == set()


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    """An entry of which nothing is there."""
    return Entry(tmp_path / ("a" * 64) / "environment")


class Falling(Formula):
    """A formula whose validation loss is best after its third epoch."""

    def epochs(self, start: int = 1, history: Any = ()) -> Any:
        """The epochs, with another validation loss each."""
        for one in super().epochs(start, history):
            yield Epoch(**{**vars(one), "val_loss": float(abs(one.number - 3))})


def trained(
    entry: Entry | Chain, config: TrainerConfig | int, trainer: Formula | None = None, **more: Any
) -> tuple[Formula, Any]:
    """Go along a trajectory on which every epoch is large."""
    from cnn_sweeps.training.loop import train
    from cnn_sweeps.trajectories.resume import ResumedTraining

    config = TrainerConfig(epochs=config) if isinstance(config, int) else config
    trainer = trainer or Formula()
    walk = ResumedTraining(trainer=trainer, entry=entry, run_id="run", epoch_mb=0, **more)  # type: ignore[arg-type]
    with walk:
        return trainer, train(walk, config)


def weights(entry: Entry) -> list[int]:
    """The epochs that keep their weights."""
    named = {one.number for one in entry.history() if one.weights is not None}
    stored = {int(path.stem) for path in (entry.folder / "weights").iterdir()}
    assert named == stored
    return sorted(named)


def test_the_best_and_the_last_keep_their_weights(entry: Entry) -> None:
    """The metrics of all are there, and no further file."""
    trained(entry, 7, Falling())
    assert weights(entry) == [3, 6, 7]
    assert len(entry.history()) == 7
    assert entry.verify() == {}


def test_epochs_to_average_keep_their_weights(entry: Entry) -> None:
    """Nothing is trained again for the average, and no more of them stay than it takes."""
    from cnn_sweeps.trajectories.resume import ResumedTraining

    trainer, _ = trained(entry, 7, recent=4)
    assert weights(entry) == [4, 5, 6, 7]
    with ResumedTraining(trainer=trainer, entry=entry, run_id="run", epoch_mb=0) as walk:  # type: ignore[arg-type]
        for number in range(4, 8):
            walk.restore_best(number)
            assert trainer.weights == expected(number)[1]
    assert trainer.done == [*range(1, 8)]


def test_a_marked_epoch_keeps_its_state(entry: Entry) -> None:
    """Training goes on from it; one that is marked afterwards keeps what it has."""
    for number in (2, 4):
        entry.keep_state(number)
    trained(entry, 9, Falling())
    entry.keep_state(6)
    assert weights(entry) == [2, 3, 4, 8, 9]
    assert [one.number for one in entry.history() if entry.state(one)] == [2, 4, 8, 9]


def test_a_finished_training_is_read_without_most_weights(entry: Entry) -> None:
    """Known epochs need their metrics, and the weights of the last or best one."""
    trained(entry, 8)
    trainer, done = trained(entry, 8)
    assert (trainer.done, losses(done), trainer.weights) == ([], *expected(8))


def test_it_goes_on_with_the_same_bits(entry: Entry) -> None:
    """Nothing is trained again."""
    trained(entry, 5)
    trainer, done = trained(entry, 8)
    assert (trainer.done, losses(done), trainer.weights) == ([6, 7, 8], *expected(8))


def test_an_end_that_was_dropped_is_trained_again_once(entry: Entry) -> None:
    """From the nearest state before it; then it is marked."""
    entry.keep_state(3)
    trained(entry, 9)
    trainer, done = trained(entry, 5)
    assert (trainer.done, losses(done), trainer.weights) == ([4, 5], *expected(5))
    trained(entry, 11)
    trainer, done = trained(entry, 5)
    assert (trainer.done, trainer.weights) == ([], expected(5)[1])


def test_the_best_epoch_of_a_run_keeps_its_weights(entry: Entry) -> None:
    """Also where its rule calls another one the best than the metric alone does."""
    stubborn = EarlyStopping(patience=4, min_delta=99.0)
    early = TrainerConfig(epochs=9, early_stopping=stubborn)
    trainer, done = trained(entry, early, Falling())
    assert (done.best, trainer.done) == (1, [1, 2, 3, 4, 5])
    assert trainer.weights == expected(1)[1]
    assert weights(entry) == [1, 3, 4, 5]


def test_small_epochs_keep_theirs(entry: Entry) -> None:
    """The limit is on what one epoch adds."""
    from cnn_sweeps.training.loop import train
    from cnn_sweeps.trajectories.resume import ResumedTraining

    with ResumedTraining(trainer=Formula(), entry=entry, run_id="run", epoch_mb=20) as walk:  # type: ignore[arg-type]
        train(walk, TrainerConfig(epochs=6))
    assert weights(entry) == [1, 2, 3, 4, 5, 6]


def until_killed(folder: str, hang: int) -> None:
    """Train until somebody kills this process in the middle of an epoch."""
    trained(Entry(Path(folder)), 99, Formula(hang_at(hang)))


@pytest.mark.parametrize("hang", [2, 5])
def test_a_killed_training_goes_on(entry: Entry, hang: int) -> None:
    """No epoch before is trained again."""
    process = multiprocessing.get_context("fork").Process(
        target=until_killed, args=(str(entry.folder), hang)
    )
    process.start()
    while len(entry.history()) < hang - 1:
        process.join(0.01)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    trainer, done = trained(entry, 6)
    assert trainer.done == list(range(hang, 7))
    assert (losses(done), trainer.weights) == expected(6)


def test_killed_between_history_and_files_it_leaves_what_is_pruned(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the history no longer names is nobody's."""
    from cnn_sweeps.trajectories import files

    trained(entry, 4)
    with monkeypatch.context() as killed:
        killed.setattr(files, "delete", lambda _: None)
        trained(entry, 7)
    assert entry.verify() == {}
    entry.prune()
    assert weights(entry) == [6, 7]
    trainer, _ = trained(entry, 8)
    assert (trainer.done, trainer.weights) == ([8], expected(8)[1])


def test_what_a_fork_or_an_end_takes_is_known(tmp_path: Path) -> None:
    """Epochs that are trained again: from the nearest state on."""
    first = Entry(tmp_path / "1" / "environment")
    first.keep_state(3)
    trained(first, 8)
    whole = Chain((first,))
    assert whole.trained_again(8, 9) == 0
    assert whole.trained_again(6, 9) == 0, "it goes on after the last"
    assert (whole.trained_again(8, 8), whole.trained_again(5, 5)) == (0, 2)
    fork = Chain((first, Entry(tmp_path / "2" / "environment", 7)))
    assert fork.trained_again(6, 9) == 3
    trainer, done = trained(fork, 9)
    assert trainer.done == [4, 5, 6, 7, 8, 9]
    assert (losses(done), trainer.weights) == expected(9)


class Steady(Formula):
    """A formula on top of variables that it does not train."""

    def __init__(self) -> None:
        super().__init__()
        self.model.frozen = [Variable(5.0, 5.0, 5.0), Variable(7.0)]
        self.model.variables += self.model.frozen

    def epochs(self, start: int = 1, history: Any = ()) -> Any:
        """The formula, which knows of one variable."""
        own = Formula()
        own.model.variables = self.model.variables[:1]
        own.model.optimizer = self.model.optimizer
        own.done = self.done
        return own.epochs(start, history)


def test_frozen_variables_are_stored_once(tmp_path: Path) -> None:
    """For all epochs of all trajectories; each epoch comes back whole."""
    from cnn_sweeps.trajectories.resume import ResumedTraining

    entries = [Entry(tmp_path / name / "environment") for name in "ab"]
    for entry in entries:
        with ResumedTraining(trainer=Steady(), entry=entry, run_id="run") as walk:  # type: ignore[arg-type]
            for _ in zip(range(4), walk.epochs(), strict=False):
                pass
    (digest,) = entries[0].frozen.sizes
    for entry in entries:
        assert entry.shared == {digest}
        assert entry.verify() == {}
        for one in entry.history():
            read = entry.weights(one)
            assert read is not None
            assert read["model/1"].tolist() == [5.0, 5.0, 5.0]
            assert len(read) == 3
        again = Steady()
        with ResumedTraining(trainer=again, entry=entry, run_id="run") as walk:  # type: ignore[arg-type]
            for _ in zip(range(5), walk.epochs(), strict=False):
                pass
        assert again.done == [5]


def test_a_damaged_frozen_file_is_trained_again(tmp_path: Path) -> None:
    """It is set aside, reported, and written once more."""
    entry = Entry(tmp_path / "a" / "environment")
    trained(entry, 3, Steady())
    (digest,) = entry.shared
    entry.frozen.path(digest).write_bytes(b"damaged")
    assert entry.verify() == {f"frozen/{digest}.npz": "damaged"}
    assert entry.weights(entry.history()[-1]) is None
    trainer, done = trained(entry, 4, Steady())
    assert (trainer.done, losses(done)) == ([1, 2, 3, 4], expected(4)[0])
    assert entry.verify() == {}


def test_what_moves_is_stored_with_each_epoch(tmp_path: Path) -> None:
    """Moving averages are not trained either."""

    class Moving(Steady):
        def epochs(self, start: int = 1, history: Any = ()) -> Any:
            for one in super().epochs(start, history):
                self.model.variables[2].assign([one.number])
                yield one

    entry = Entry(tmp_path / "a" / "environment")
    trained(entry, 3, Moving())
    read = [entry.weights(one) for one in entry.history()[1:]]
    assert [each["model/2"].tolist() for each in read if each is not None] == [[2], [3]]
    assert len(entry.shared) == 1


def test_a_writer_and_who_cleans_up_wait_for_each_other(tmp_path: Path) -> None:
    """Nothing is deleted between a file and the history that names it."""
    import threading

    store = FrozenStore(tmp_path / "frozen")
    with store.writing():
        cleaner = threading.Thread(target=store.drop_unused, args=([],))
        digest = store.put({})
        cleaner.start()
        cleaner.join(0.2)
        assert cleaner.is_alive()
        assert store.sizes.keys() == {digest}
    cleaner.join()
    assert store.sizes == {}
