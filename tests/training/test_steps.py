"""Many steps in one graph: the bits of Keras' own loop, whatever the number of steps."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from networks import SHAPE, augmented, dataset, network, settings

from cnn_sweeps.config.schema import Augment, CnnModel, Optimizer, Schedule
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


EVERYTHING = Augment(
    flip="both", crop=0.25, rotate=20.0, color=0.4, erasing=0.5, mixup=0.3, cutmix=1.0
)


def test_with_nothing_on_a_step_is_keras_own() -> None:
    """The graph and the bits of a training without augmentation, smoothing and weights stay."""
    from cnn_sweeps.training import loop, steps

    model = network()
    loop.compile_model(model, settings(), 50)
    neutral = settings(class_weight={"dark": 1.0})
    assert steps.make_step(model, IMAGES, neutral, Augment(magnitude=0.9)) is None
    for other in ({"label_smoothing": 0.1}, {"class_weight": "balanced"}):
        assert steps.make_step(model, IMAGES, settings(**other), Augment()) is not None
    assert steps.make_step(model, IMAGES, settings(), Augment(crop=0.2)) is not None


@pytest.mark.slow
def test_an_own_step_gives_the_same_in_any_call() -> None:
    """All switches on: the same weights and metrics with 1, 3 or many steps in a call."""
    from cnn_sweeps.training import loop, state, steps
    from cnn_sweeps.training.augmentation import step_seeds

    config = settings(label_smoothing=0.1, class_weight={"dark": 2.0, "2": 0.5})
    model = augmented()
    loop.compile_model(model, config, len(IMAGES.x_train))
    train = steps.TrainEpoch(
        model=model,
        batch_size=config.batch_size,
        step=steps.make_step(model, IMAGES, config, EVERYTHING),
    )
    new, seen = state.snapshot(model), []
    for train.steps in (1, 3, None):
        state.restore(model, new)
        for number, order in orders():
            seeds = step_seeds(0, number, 4)
            logs = train(IMAGES.x_train, IMAGES.y_train, order, None, seeds)
        seen.append((dict(logs), state.weights_sha256(model)))
    assert seen[0] == seen[1] == seen[2]


def test_a_loss_of_training_is_not_that_of_evaluation() -> None:
    """Smoothed and weighted in training, as the formulas say; plain cross-entropy in evaluation."""
    from cnn_sweeps.training import loop, steps

    weights, smoothing = np.array([2.0, 1.0, 0.5], dtype=np.float32), 0.2
    config = settings(
        label_smoothing=smoothing,
        class_weight={"dark": 2.0, "bright": 0.5},
        optimizer=Optimizer(name="sgd", learning_rate=1e-20),
        batch_size=50,
    )
    model, x, y = network(), IMAGES.x_train, IMAGES.y_train
    loop.compile_model(model, config, len(x))
    step = steps.make_step(model, IMAGES, config, Augment())
    train = steps.TrainEpoch(model=model, batch_size=50, step=step)
    logs = train(x, y, np.arange(50), None, np.zeros((1, 2), np.int64))
    logarithms = np.log(steps.scores(model, x))
    shares = np.eye(3)[y] * (1 - smoothing) + smoothing / 3
    smoothed = -(shares * logarithms).sum(axis=1)
    assert logs["loss"] == pytest.approx((weights[y] * smoothed).mean(), rel=1e-5)
    assert logs["accuracy"] == pytest.approx((logarithms.argmax(axis=1) == y).mean())
    plain, _ = steps.Evaluate(model=model)(x, y)
    assert plain == pytest.approx(-logarithms[np.arange(50), y].mean(), rel=1e-5)


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
    monkeypatch.setattr("cnn_sweeps.training.steps.FEW_STEPS", 1)
    assert by_passes(None) == by_keras


@pytest.mark.parametrize(
    ("side", "batch", "steps"), [(32, 32, 85), (32, 512, 5), (224, 32, 4), (224, 512, 1)]
)
def test_the_images_of_a_call_take_little_memory(side: int, batch: int, steps: int) -> None:
    """As many steps as 8 MiB have room for; four of large images, unless they take over 64 MiB."""
    from cnn_sweeps.training.steps import steps_in_call

    images = np.broadcast_to(np.uint8(0), (1000, side, side, 3))
    assert steps_in_call(images, batch) == steps


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
