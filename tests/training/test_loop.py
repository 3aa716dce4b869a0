"""Training: the same every time, to be taken up anywhere, and ended by whoever should."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from formulas import Formula, Whole, expected
from networks import SHAPE, augmented, dataset, experiment, network, settings

from cnn_sweeps.config.schema import (
    CnnModel,
    DnnModel,
    EarlyStopping,
    Optimizer,
    Schedule,
    TrainerConfig,
)
from cnn_sweeps.errors import ConfigError, DivergedError, RunFailedError
from cnn_sweeps.training import backend
from cnn_sweeps.training.epoch import Epoch, TrainingResult
from cnn_sweeps.training.stopping import StopTraining

LEARNS = settings(epochs=20, optimizer=Optimizer(learning_rate=0.03))


def trained(config: TrainerConfig, **fields: Any) -> tuple[str, TrainingResult]:
    """The hash of the final weights of a real network, and the training."""
    from cnn_sweeps.training import loop, state

    net = network()
    trainer = loop.Trainer.compile(net, fields.pop("data", dataset()), experiment(config), **fields)
    result = loop.train(loop.FreshTraining(trainer=trainer), config)
    return state.weights_sha256(net), result


def followed(
    config: TrainerConfig, formula: Formula | None = None, *callbacks: Any
) -> TrainingResult:
    """A training of which every epoch is a formula: what ends it is the same, and it is free."""
    from cnn_sweeps.training import loop

    source = loop.FreshTraining(trainer=Whole(formula or Formula()))  # type: ignore[arg-type]
    return loop.train(source, config, callbacks=callbacks)


class Learnt:
    """A network that is trained once for many tests; each may train it further.

    Attributes:
        model: the network.
        trainer: what trains it.
        result: its first training, by `LEARNS`.
        weights: the hash of its weights after each epoch of that.
    """

    def __init__(self) -> None:
        from cnn_sweeps.training import loop

        self.model, self.weights = network(), list[str]()
        self.trainer = loop.Trainer.compile(self.model, dataset(), experiment(LEARNS))
        source = loop.FreshTraining(trainer=self.trainer)
        self.result: TrainingResult = loop.train(source, LEARNS, callbacks=(self,))
        self._path = self.trainer.epochs(start=LEARNS.epochs + 1)

    def on_epoch(self, epoch: Epoch) -> None:
        """Remember its weights."""
        from cnn_sweeps.training import state

        self.weights.append(state.weights_sha256(self.model))

    def one_more(self) -> Epoch:
        """Train on."""
        return next(self._path)


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    """A training of twenty epochs."""
    return Learnt()


class Recorder:
    """A callback that keeps what it sees."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.epochs: list[Epoch] = []
        self.stop_at = stop_at

    def on_epoch(self, epoch: Epoch) -> None:
        """Keep it, and stop training where told."""
        self.epochs.append(epoch)
        if epoch.number == self.stop_at:
            raise StopTraining(f"pruned at epoch {epoch.number}")


def test_epoch_order_is_a_function_of_seed_and_epoch() -> None:
    """The order is frozen: these numbers must never change."""
    from cnn_sweeps.training.loop import epoch_order

    assert epoch_order(0, 1, 8).tolist() == [0, 5, 6, 1, 3, 2, 4, 7]
    assert sorted(epoch_order(2**32 - 1, 7, 100)) == list(range(100))
    assert epoch_order(0, 2, 8).tolist() != epoch_order(0, 1, 8).tolist()
    assert epoch_order(1, 1, 8).tolist() != epoch_order(0, 1, 8).tolist()


@pytest.mark.parametrize(("images", "steps"), [(32, 2), (33, 3), (1, 1)])
def test_steps_per_epoch_counts_the_smaller_last_one(images: int, steps: int) -> None:
    """A rest of images is a step of its own."""
    from cnn_sweeps.training.loop import steps_per_epoch

    assert steps_per_epoch(images, 16) == steps


@pytest.mark.slow
def test_two_trainings_give_the_same_weights(learnt: Learnt) -> None:
    """The same config and seed end with the same bits."""
    again = Learnt()
    assert again.weights == learnt.weights
    assert len(set(learnt.weights)) == LEARNS.epochs


def test_it_learns(learnt: Learnt) -> None:
    """On images that give their class away the loss falls and accuracy rises."""
    first, *_, last = learnt.result.epochs
    assert last.loss < first.loss / 2
    assert last.accuracy > first.accuracy


def test_each_epoch_is_numbered_and_timed(learnt: Learnt) -> None:
    """Epochs count from 1; all of them make the training."""
    result = learnt.result
    assert [epoch.number for epoch in result.epochs] == list(range(1, 21))
    assert (result.best, result.stopped) == (20, "all 20 epochs")
    assert all(epoch.seconds > 0 and epoch.images_per_second > 0 for epoch in result.epochs)


def test_one_epoch_reads_as_one() -> None:
    """There is no plural of one."""
    assert followed(settings(epochs=1)).stopped == "all 1 epoch"


def test_without_held_out_images_there_is_no_validation(learnt: Learnt) -> None:
    """An empty split gives no metrics rather than zeros, and what is learnt is the same."""
    weights, result = trained(replace(LEARNS, epochs=2), data=dataset(held_out=0))
    assert "val_loss" not in result.metrics
    assert "val_loss" in learnt.result.metrics
    assert weights == learnt.weights[1]


def test_steps_in_one_call_change_nothing(learnt: Learnt) -> None:
    """`steps_per_execution` is apart from identity because weights and losses are the same.

    A progress bar hears of each call of TensorFlow how many steps were done before it.
    """
    begun: list[int] = []
    config = replace(LEARNS, epochs=2, steps_per_execution=3)
    weights, result = trained(config, on_step=begun.append)
    assert weights == learnt.weights[1]
    assert [epoch.loss for epoch in result.epochs] == [
        epoch.loss for epoch in learnt.result.epochs[:2]
    ]
    assert begun == [0, 3] * 2


def test_a_continued_training_is_the_uninterrupted_one() -> None:
    """Three epochs, a snapshot, another network, two more: bit for bit five epochs."""
    from cnn_sweeps.training import loop, state

    config = settings(epochs=6, steps_per_execution=3, schedule=Schedule(name="cosine"))
    data = dataset(held_out=0)
    whole = augmented()
    path = loop.Trainer.compile(whole, data, experiment(config)).epochs()
    first = [next(path) for _ in range(3)]
    kept = state.snapshot(whole)
    expected = [next(path) for _ in range(2)]

    other = augmented(seed=5)
    trainer = loop.Trainer.compile(other, data, experiment(config))
    state.restore(other, kept)
    path = trainer.epochs(start=len(first) + 1)
    continued = [next(path) for _ in range(2)]
    assert [(e.number, e.loss) for e in continued] == [(e.number, e.loss) for e in expected]
    assert state.weights_sha256(other) == state.weights_sha256(whole)


def test_a_snapshot_of_another_network_is_refused() -> None:
    """Variables of other shapes are not put in."""
    from cnn_sweeps.training import loop, state

    net = network()
    loop.compile_model(net, settings(), 50)
    kept = state.snapshot(net)
    other = network(DnnModel(dense_units=9))
    loop.compile_model(other, settings(), 50)
    with pytest.raises(RunFailedError, match="to another network or optimizer"):
        state.restore(other, kept)


def test_a_snapshot_is_a_copy(learnt: Learnt) -> None:
    """Training on does not change what was kept."""
    from cnn_sweeps.training import state

    kept = state.snapshot(learnt.model)
    before = {key: value.copy() for key, value in kept.items()}
    learnt.one_more()
    assert all(np.array_equal(kept[key], before[key]) for key in kept)
    after = state.snapshot(learnt.model)
    assert not all(np.array_equal(after[key], before[key]) for key in kept)


def test_weights_hash_ignores_names_and_random_state() -> None:
    """Other names and another state of dropout are the same network; other weights are not."""
    from cnn_sweeps.training import state

    def tiny(name: str, seed: int) -> Any:
        backend.configure_backend(TrainerConfig(), 0)
        import keras

        dense = keras.layers.Dense(2, kernel_initializer="ones", name=name)
        return keras.Sequential([keras.Input((3,)), dense, keras.layers.Dropout(0.5, seed=seed)])

    one = tiny("one", 1)
    assert state.weights_sha256(one) == state.weights_sha256(tiny("two", 2))
    before = state.weights_sha256(one)
    one.weights[0].assign(one.weights[0] * 2)
    assert state.weights_sha256(one) != before


def test_every_callback_sees_every_epoch_also_the_last() -> None:
    """One that stops the training does not hide the epoch from the next."""
    first, second = Recorder(stop_at=2), Recorder()
    result = followed(settings(epochs=5), None, first, second)
    assert [epoch.number for epoch in second.epochs] == [1, 2]
    assert result.epochs == tuple(second.epochs)
    assert result.stopped == "pruned at epoch 2"


def test_a_threshold_ends_training() -> None:
    """The notebook's exercise: stop when the loss is low enough."""
    result = followed(settings(epochs=5, stop_at_loss=100.0))
    assert len(result.epochs) == 1
    assert result.stopped.endswith("<= 100 at epoch 1")


def early(*, restore_best: bool) -> TrainerConfig:
    """Ends after three epochs: no step improves by 9, so the first epoch stays the best."""
    stopping = EarlyStopping(patience=2, min_delta=9.0, restore_best=restore_best)
    return replace(LEARNS, epochs=9, early_stopping=stopping)


def test_early_stopping_ends_with_the_best_weights(learnt: Learnt) -> None:
    """With `restore_best` the model carries the weights of the epoch named as best."""
    ended, result = trained(early(restore_best=True))
    assert (len(result.epochs), result.best) == (3, 1)
    assert ended == learnt.weights[0]


def test_early_stopping_may_end_with_the_last_weights() -> None:
    """Without `restore_best` nothing is put back."""
    formula = Formula()
    result = followed(early(restore_best=False), formula)
    assert (len(result.epochs), result.best) == (3, 3)
    assert formula.weights == expected(3)[1]


def test_early_stopping_without_held_out_images_is_refused() -> None:
    """There is nothing to watch, also when the split came out empty."""
    config = settings(early_stopping=EarlyStopping(patience=1))
    with pytest.raises(ConfigError, match="watches val_loss"):
        trained(config, data=dataset(held_out=0))


def test_a_loss_that_explodes_ends_the_run() -> None:
    """NaN is not trained on; the callbacks do not see it as an epoch."""
    seen = Recorder()
    with pytest.raises(DivergedError, match="epoch 2"):
        followed(settings(epochs=9), Formula(nan_at=2), seen)
    assert [epoch.number for epoch in seen.epochs] == [1]


def test_ctrl_c_passes_through() -> None:
    """An interrupt is not taken for a failure."""

    def interrupt(step: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(settings(), on_step=interrupt)


def test_memory_that_runs_out_is_a_failed_run_with_a_remedy() -> None:
    """TensorFlow's own error becomes a message that says what to type."""
    import tensorflow as tf

    def exhaust(step: int) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    with pytest.raises(RunFailedError, match=r"batch_size=16\.\nTry trainer\.batch_size=8"):
        trained(settings(), on_step=exhaust)


def test_memory_that_runs_out_before_the_first_epoch_has_the_same_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The state of the optimizer may be what no longer fits."""
    from cnn_sweeps.training import loop

    def exhaust(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(loop, "compile_model", exhaust)
    with pytest.raises(RunFailedError, match=r"Try trainer\.batch_size=8, or a smaller network"):
        trained(settings())


@pytest.mark.parametrize(
    "precision",
    [
        "mixed_bfloat16",
        pytest.param("mixed_float16", marks=pytest.mark.slow),
        pytest.param("float64", marks=pytest.mark.slow),
    ],
)
def test_every_precision_trains(precision: Any) -> None:
    """Each dtype policy gives finite losses."""
    config = settings(epochs=1, precision=precision)
    backend.configure_backend(config, 0)
    from cnn_sweeps.models import build
    from cnn_sweeps.training import loop

    net = build.build_model(CnnModel(filters=2, conv_blocks=1, batch_norm=True), SHAPE, 3)
    trainer = loop.Trainer.compile(net, dataset(held_out=0), experiment(config))
    result = loop.train(loop.FreshTraining(trainer=trainer), config)
    backend.configure_backend(TrainerConfig(), 0)
    assert np.isfinite(result.epochs[0].loss)


def test_evaluate_gives_loss_and_accuracy(learnt: Learnt) -> None:
    """The test split is scored by the same measure as validation."""
    epoch, data = learnt.one_more(), learnt.trainer.dataset
    measured = learnt.trainer.evaluate(data.x_val, data.y_val)
    assert measured == (epoch.val_loss, epoch.val_accuracy)
