"""When the learning rate drops: a function of the epochs, and the one that Keras has."""

import math
from collections.abc import Sequence

import pytest

from cnn_sweeps.config.schema import Schedule
from cnn_sweeps.training.epoch import Epoch
from cnn_sweeps.training.plateau import count_drops

LOSSES = [1.0, 0.9, 0.95, 0.91, 0.92, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.79]


def history(values: Sequence[float]) -> list[Epoch]:
    """Epochs with these validation losses, and accuracies that mirror them."""
    return [
        Epoch(
            number=number,
            loss=value,
            accuracy=2 - value,
            val_loss=value,
            val_accuracy=2 - value,
            seconds=1.0,
            images_per_second=1.0,
        )
        for number, value in enumerate(values, start=1)
    ]


@pytest.mark.filterwarnings("ignore:__array__")  # Keras, of NumPy
@pytest.mark.parametrize("patience", [1, 2, 3])
@pytest.mark.parametrize("min_delta", [0.0, 0.05])
@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy", "loss"])
def test_it_drops_as_in_keras(patience: int, min_delta: float, monitor: str) -> None:
    """Epoch by epoch, the same number of drops."""
    import keras

    class Net:
        optimizer = keras.optimizers.SGD(1.0)

    mode = "min" if "loss" in monitor else "max"
    kept = keras.callbacks.ReduceLROnPlateau(
        monitor=monitor, mode=mode, factor=0.5, patience=patience, min_delta=min_delta, min_lr=0
    )
    kept.set_model(Net())  # type: ignore[arg-type]
    kept.on_train_begin()
    schedule = Schedule(
        name="reduce_on_plateau", patience=patience, min_delta=min_delta, monitor=monitor
    )
    epochs = history(LOSSES)
    for number, epoch in enumerate(epochs):
        kept.on_epoch_end(number, dict(epoch.metrics))
        rate = float(Net.optimizer.learning_rate)
        dropped = count_drops(schedule, epochs[: number + 1], higher_is_better=mode == "max")
        assert dropped == -math.log2(rate)


def test_nothing_drops_before_anything_was_seen() -> None:
    """The first epoch has the learning rate that was asked for."""
    assert count_drops(Schedule(name="reduce_on_plateau", patience=1), []) == 0
