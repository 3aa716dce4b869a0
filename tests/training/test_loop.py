"""Training: the same every time, to be taken up anywhere, and ended by whoever should."""

from typing import Any

import numpy as np
import pytest
from networks import DNN, SHAPE, augmented, dataset, network, settings

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
from cnn_sweeps.training.epoch import Epoch
from cnn_sweeps.training.stopping import StopTraining


def trained(config: TrainerConfig, *, model: Any = DNN, **fields: Any) -> tuple[str, Any]:
    """The hash of the final weights, and the training."""
    net = network(model)
    from cnn_sweeps.training import loop, state

    data, on_step = fields.pop("data", dataset()), fields.pop("on_step", None)
    trainer = loop.Trainer.compile(net, data, config, 0, on_step=on_step)
    result = loop.train(loop.FreshTraining(trainer=trainer), config, **fields)
    return state.weights_sha256(net), result


class Recorder:
    """An observer that keeps what it sees."""

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


def test_two_trainings_give_the_same_weights() -> None:
    """The same config and seed end with the same bits."""
    config = settings()
    assert trained(config)[0] == trained(config)[0]


def test_it_learns() -> None:
    """On images that give their class away the loss falls and accuracy rises."""
    config = settings(epochs=20, optimizer=Optimizer(learning_rate=0.03))
    _, result = trained(config, model=DnnModel(dense_units=16, activation="tanh"))
    assert result.epochs[-1].loss < result.epochs[0].loss / 2
    assert result.epochs[-1].accuracy > result.epochs[0].accuracy


def test_each_epoch_is_numbered_and_timed() -> None:
    """Epochs count from 1; all of them make the training."""
    _, result = trained(settings(epochs=3))
    assert [epoch.number for epoch in result.epochs] == [1, 2, 3]
    assert (result.best, result.stopped) == (3, "all 3 epochs")
    assert all(epoch.seconds > 0 and epoch.images_per_second > 0 for epoch in result.epochs)


def test_one_epoch_reads_as_one() -> None:
    """There is no plural of one."""
    assert trained(settings(epochs=1))[1].stopped == "all 1 epoch"


def test_without_held_out_images_there_is_no_validation() -> None:
    """An empty split gives no validation metrics rather than zeros."""
    _, result = trained(settings(epochs=1), data=dataset(held_out=0))
    assert "val_loss" not in result.metrics


def test_held_out_images_do_not_change_what_is_learnt() -> None:
    """Validation looks and does not touch."""
    with_split, _ = trained(settings())
    without, _ = trained(settings(), data=dataset(held_out=0))
    assert with_split == without


def test_steps_in_one_call_change_nothing() -> None:
    """`steps_per_execution` is apart from identity because weights and losses are the same."""
    one, expected = trained(settings())
    many, result = trained(settings(steps_per_execution=3))
    assert many == one
    assert [epoch.loss for epoch in result.epochs] == [epoch.loss for epoch in expected.epochs]


@pytest.mark.parametrize("steps", [1, 4])
def test_a_continued_training_is_the_uninterrupted_one(steps: int) -> None:
    """Three epochs, a snapshot, another network, two more: bit for bit five epochs."""
    from cnn_sweeps.training import loop, state

    config = settings(epochs=6, steps_per_execution=steps, schedule=Schedule(name="cosine"))
    data = dataset()
    whole = augmented()
    path = loop.Trainer.compile(whole, data, config, 0).epochs()
    first = [next(path) for _ in range(3)]
    kept = state.snapshot(whole)
    expected = [next(path) for _ in range(2)]

    other = augmented(seed=5)
    trainer = loop.Trainer.compile(other, data, config, 0)
    state.restore(other, kept)
    path = trainer.epochs(start=len(first) + 1)
    continued = [next(path) for _ in range(2)]
    assert [(e.number, e.loss, e.val_loss) for e in continued] == [
        (e.number, e.loss, e.val_loss) for e in expected
    ]
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


def test_a_snapshot_is_a_copy() -> None:
    """Training on does not change what was kept."""
    from cnn_sweeps.training import loop, state

    net, data = network(), dataset()
    trainer = loop.Trainer.compile(net, data, settings(), 0)
    kept = state.snapshot(net)
    before = {key: value.copy() for key, value in kept.items()}
    next(trainer.epochs())
    assert all(np.array_equal(kept[key], before[key]) for key in kept)


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
    _, result = trained(settings(epochs=5), callbacks=(first, second))
    assert [epoch.number for epoch in second.epochs] == [1, 2]
    assert result.epochs == tuple(second.epochs)
    assert result.stopped == "pruned at epoch 2"


def test_a_threshold_ends_training() -> None:
    """The notebook's exercise: stop when the loss is low enough."""
    _, result = trained(settings(epochs=5, stop_at_loss=100.0))
    assert len(result.epochs) == 1
    assert result.stopped.endswith("<= 100 at epoch 1")


@pytest.mark.parametrize("restore", [True, False], ids=["restored", "as it ended"])
def test_early_stopping_ends_with_the_best_weights(restore: bool) -> None:
    """With `restore_best` the model carries the weights of the epoch named as best."""
    # No step improves by 9, so the first epoch stays the best.
    early = EarlyStopping(patience=2, min_delta=9.0, restore_best=restore)
    ended, result = trained(settings(epochs=9, early_stopping=early))
    assert len(result.epochs) == 3
    assert result.best == (1 if restore else 3)
    assert ended == trained(settings(epochs=result.best))[0]


def test_early_stopping_without_held_out_images_is_refused() -> None:
    """There is nothing to watch, also when the split came out empty."""
    config = settings(early_stopping=EarlyStopping(patience=1))
    with pytest.raises(ConfigError, match="watches val_loss"):
        trained(config, data=dataset(held_out=0))


def test_a_loss_that_explodes_ends_the_run() -> None:
    """NaN is not trained on; the observers do not see it as an epoch."""
    seen = Recorder()
    config = settings(optimizer=Optimizer(name="sgd", learning_rate=1e30), epochs=9)
    with pytest.raises(DivergedError, match="epoch 1"):
        trained(config, model=DnnModel(dense_units=8), callbacks=(seen,))
    assert seen.epochs == []


def test_steps_are_told_as_they_begin() -> None:
    """A progress bar hears of each call of TensorFlow how many steps were done before it."""
    steps: list[int] = []
    trained(settings(steps_per_execution=3), on_step=steps.append)
    assert steps == [0, 3] * 2


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


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16", "float64"])
def test_every_precision_trains(precision: Any) -> None:
    """Each dtype policy gives finite losses."""
    config = settings(epochs=1, precision=precision)
    backend.configure_backend(config, 0)
    from cnn_sweeps.models import build
    from cnn_sweeps.training import loop

    net = build.build(CnnModel(filters=2, conv_blocks=1, batch_norm=True), SHAPE, 3)
    trainer = loop.Trainer.compile(net, dataset(), config, 0)
    result = loop.train(loop.FreshTraining(trainer=trainer), config)
    backend.configure_backend(TrainerConfig(), 0)
    assert np.isfinite(result.epochs[0].loss)


def test_evaluate_gives_loss_and_accuracy() -> None:
    """The test split is scored by the same measure as validation."""
    net, data = network(), dataset()
    from cnn_sweeps.training import loop

    trainer = loop.Trainer.compile(net, data, settings(), 0)
    result = loop.train(loop.FreshTraining(trainer=trainer), settings())
    measured = trainer.evaluate(data.x_val, data.y_val)
    assert measured == (result.metrics["val_loss"], result.metrics["val_accuracy"])
