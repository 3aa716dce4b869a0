"""Rules that end a training, on lists of losses."""

from collections.abc import Sequence
from typing import Any

import pytest

from cnn_sweeps.config.schema import EarlyStopping, TrainerConfig
from cnn_sweeps.errors import ConfigError, DivergedError
from cnn_sweeps.training import stopping
from cnn_sweeps.training.epoch import Epoch


def epoch(number: int = 1, **metrics: Any) -> Epoch:
    """An epoch with these metrics."""
    known: dict[str, Any] = {"loss": 1.0, "accuracy": 0.5, "val_loss": None, "val_accuracy": None}
    return Epoch(number=number, seconds=1.0, images_per_second=1.0, **(known | metrics))


def history(name: str, values: Sequence[float]) -> list[Epoch]:
    """One epoch for each value of the metric."""
    return [epoch(number, **{name: value}) for number, value in enumerate(values, start=1)]


def first_stop(rule: stopping.Rule, epochs: Sequence[Epoch]) -> str | None:
    """The reason that the rule gives first, asked after each epoch as in training."""
    reasons = (rule(epochs[:length]) for length in range(1, len(epochs) + 1))
    return next((reason for reason in reasons if reason), None)


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        pytest.param([0.5, 0.3, 0.19, 0.1], "loss 0.19 <= 0.2 at epoch 3", id="below"),
        pytest.param([0.5, 0.2], "loss 0.2 <= 0.2 at epoch 2", id="exactly at it"),
        pytest.param([0.5, 0.21], None, id="never reached"),
        pytest.param([0.1], "loss 0.1 <= 0.2 at epoch 1", id="at once"),
    ],
)
def test_stop_at_loss(losses: list[float], reason: str | None) -> None:
    """Training stops after the first epoch whose loss is at or below the limit."""
    assert (
        first_stop(stopping.stop_at("loss", 0.2, higher_is_better=False), history("loss", losses))
        == reason
    )


@pytest.mark.parametrize(
    ("accuracies", "reason"),
    [
        pytest.param([0.5, 0.96, 0.97], "accuracy 0.96 >= 0.95 at epoch 2", id="above"),
        pytest.param([0.95], "accuracy 0.95 >= 0.95 at epoch 1", id="exactly at it"),
        pytest.param([0.9, 0.94], None, id="never reached"),
    ],
)
def test_stop_at_accuracy(accuracies: list[float], reason: str | None) -> None:
    """Training stops after the first epoch whose accuracy is at or above the limit."""
    rule = stopping.stop_at("accuracy", 0.95, higher_is_better=True)
    assert first_stop(rule, history("accuracy", accuracies)) == reason


@pytest.mark.parametrize(
    ("fields", "values", "reason"),
    [
        pytest.param(
            {"patience": 2}, [3, 2, 2.5, 2.1, 1], "2 at epoch 4", id="loss higher_is_better"
        ),
        pytest.param({"patience": 1}, [3, 3], "1 at epoch 2", id="no change is no improvement"),
        pytest.param({"patience": 2}, [3, 2, 2.5, 1.9, 2], None, id="better in time"),
        pytest.param(
            {"patience": 2, "min_delta": 0.5}, [3, 2.8, 2.6], "1 at epoch 3", id="too small a step"
        ),
        pytest.param(
            {"patience": 3, "min_delta": 0.5}, [3, 2.8, 2.4, 2.3], None, id="steps add up"
        ),
        pytest.param(
            {"patience": 1, "monitor": "val_accuracy"},
            [0.5, 0.6, 0.6],
            "2 at epoch 3",
            id="higher_is_better",
        ),
        pytest.param({"patience": None}, [1, 2, 3, 4], None, id="off"),
    ],
)
def test_stop_early(fields: dict[str, Any], values: list[float], reason: str | None) -> None:
    """Patience counts the epochs since the best one, in the direction of the metric."""
    early = EarlyStopping(**fields)
    rule = stopping.stop_early(TrainerConfig(early_stopping=early))
    found = first_stop(rule, history(early.monitor, values))
    expected = reason and f"{early.monitor} no better than in epoch {reason}"
    assert found == expected


def test_best_epoch_counts_by_number() -> None:
    """A history that begins later is still named by its epochs' own numbers."""
    epochs = history("val_loss", [3, 1, 2])[1:]
    assert stopping.best_epoch(TrainerConfig(), epochs) == 2


def test_rules_are_those_of_the_config() -> None:
    """The first rule of the config that gives a reason is the loss."""
    trainer = TrainerConfig(
        stop_at_loss=0.0, stop_at_accuracy=0.9, early_stopping=EarlyStopping(patience=1)
    )
    reached = [epoch(loss=0.0, accuracy=0.5, val_loss=1.0)]
    assert [bool(rule(reached)) for rule in stopping.rules(trainer)] == [True, False, False]


def test_no_rule_without_a_limit() -> None:
    """The default config trains all its epochs."""
    assert stopping.rules(TrainerConfig()) == ()


@pytest.mark.parametrize("name", ["loss", "val_loss"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
def test_a_loss_that_is_no_number_ends_the_run(name: str, value: float) -> None:
    """The message names the epoch and the loss."""
    with pytest.raises(DivergedError, match=f"{name} became {value} in epoch 3"):
        stopping.check_finite(epoch(3, **{name: value}))


def test_finite_losses_pass() -> None:
    """An epoch without validation is checked for its training loss alone."""
    stopping.check_finite(epoch(1, loss=2.0))


def test_early_stopping_needs_validation_images() -> None:
    """Patience without a validation split is refused, with both ways out."""
    trainer = TrainerConfig(early_stopping=EarlyStopping(patience=3))
    with pytest.raises(ConfigError, match=r"patience=3 watches val_loss.*\nType data\.val"):
        stopping.check(trainer, 0.0)


@pytest.mark.parametrize(
    ("patience", "fraction"), [(3, 0.1), (None, 0.0)], ids=["with a split", "switched off"]
)
def test_early_stopping_that_can_work_passes(patience: int | None, fraction: float) -> None:
    """Nothing is refused where there is something to watch, or no watching."""
    stopping.check(TrainerConfig(early_stopping=EarlyStopping(patience=patience)), fraction)
