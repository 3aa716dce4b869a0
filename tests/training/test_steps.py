"""Many steps in one graph: the bits of Keras' own loop, whatever the number of steps."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from networks import SHAPE, augmented, dataset, network, settings

from cnn_sweeps.config.schema import CnnModel, Optimizer, Schedule
from cnn_sweeps.data.arrays import View

Trained = tuple[dict[str, float], str]
"""The metrics of the last epoch, and the hash of the weights."""

HARD = settings(optimizer=Optimizer(name="adamw"), schedule=Schedule(name="cosine"))
IMAGES = dataset()


def orders() -> Iterator[tuple[int, Any]]:
    """Two epochs, each with its order of the images."""
    from cnn_sweeps.training import loop

    return ((number, loop.epoch_order(0, number, len(IMAGES.x_train))) for number in (1, 2))


@pytest.fixture(scope="module")
def by_keras() -> Trained:
    """What two epochs of Keras' own `fit` give."""
    from cnn_sweeps.training import loop, state

    model = augmented()
    loop.compile_model(model, HARD, len(IMAGES.x_train))
    for number, order in orders():
        logs = model.fit(
            IMAGES.x_train[order],
            IMAGES.y_train[order],
            batch_size=HARD.batch_size,
            shuffle=False,
            initial_epoch=number - 1,
            epochs=number,
            verbose=0,
        ).history
    return {name: values[-1] for name, values in logs.items()}, state.weights_sha256(model)


@pytest.fixture(scope="module")
def by_passes() -> Callable[[int | None], Trained]:
    """Gives the same by passes of so many steps; the graph is made once for all of them."""
    from cnn_sweeps.training import loop, state
    from cnn_sweeps.training.steps import TrainEpoch

    model = augmented()
    loop.compile_model(model, HARD, len(IMAGES.x_train))
    train = TrainEpoch(model=model, batch_size=HARD.batch_size)
    new = state.snapshot(model)

    def trained(steps: int | None) -> Trained:
        train.steps = steps
        state.restore(model, new)
        for _, order in orders():
            logs = train(IMAGES.x_train, IMAGES.y_train, order)
        return dict(logs), state.weights_sha256(model)

    return trained


@pytest.mark.parametrize("steps", [None, 1, 3, 100])
def test_a_pass_gives_the_bits_of_fit(
    by_keras: Trained, by_passes: Callable[[int | None], Trained], steps: int | None
) -> None:
    """Augmentation, batch norm, dropout, a schedule and a smaller last batch, in any call."""
    assert by_passes(steps) == by_keras


def test_a_view_gives_the_bits_of_an_array(
    by_keras: Trained, by_passes: Callable[[int | None], Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images that are gathered from a file, in calls that hold few of them."""
    count = len(IMAGES.x_train)
    places = np.random.RandomState(1).permutation(count)
    base = np.empty_like(IMAGES.x_train)
    base[places] = IMAGES.x_train
    view = View(base=base, places=places, prints=np.zeros((count, 16), np.uint8))
    monkeypatch.setattr(f"{__name__}.IMAGES", replace(IMAGES, x_train=view))
    monkeypatch.setattr("cnn_sweeps.training.steps.CALL_BYTES", view[:40].nbytes)
    assert by_passes(None) == by_keras


def test_evaluation_gives_the_bits_of_keras() -> None:
    """More images than a call takes, and a smaller last batch."""
    from cnn_sweeps.training import loop
    from cnn_sweeps.training.steps import EVALUATION_BATCH, EVALUATION_STEPS, Evaluate

    images = EVALUATION_BATCH * EVALUATION_STEPS + 77
    random = np.random.RandomState(0)
    x = random.randint(0, 256, size=(images, *SHAPE)).astype(np.uint8)
    y = random.randint(0, 3, size=images)
    net = network(CnnModel(filters=2, conv_blocks=1))
    loop.compile_model(net, settings(), images)
    logs = net.evaluate(x, y, batch_size=EVALUATION_BATCH, verbose=0, return_dict=True)
    score = Evaluate(model=net)
    assert score(x, y) == score(x, y) == (logs["loss"], logs["accuracy"])


def test_calls_grow_until_they_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the steps after a short call, half of them after a long one, and all images once."""
    from cnn_sweeps.training import steps as passes

    clock = iter([0.0, 0.01, 1.0, 1.01, 2.0, 2.9, 3.0, 3.2])
    monkeypatch.setattr(passes.time, "perf_counter", lambda: next(clock))
    train = passes.TrainEpoch(model=None, batch_size=2)
    order = np.arange(100)
    parts = list(train._parts(order, 1000))
    assert [done for done, _ in parts] == [0, 8, 24, 56][: len(parts)]
    assert np.concatenate([part for _, part in parts]).tolist() == order.tolist()
