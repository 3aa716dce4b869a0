"""Rules that end a training, as functions of the epochs so far.

A rule looks at a history and says why training should stop after its last epoch, or None.
Being pure, a rule gives the same answer on a live training and on a stored one.
"""

import math
from collections.abc import Callable, Sequence

from cnn_sweeps.config.schema import EarlyStopping, TrainerConfig
from cnn_sweeps.errors import ConfigError, DivergedError
from cnn_sweeps.training.epoch import Epoch

Rule = Callable[[Sequence[Epoch]], str | None]


class StopTraining(Exception):  # noqa: N818 - a signal, not an error, as StopIteration
    """Raised by an observer that wants training to end after this epoch."""

    def __init__(self, reason: str) -> None:
        """Keep the reason, for a person: "pruned at epoch 3"."""
        super().__init__(reason)
        self.reason = reason


def check(trainer: TrainerConfig, validation_fraction: float) -> None:
    """Refuse what watches validation images without any, before anything is loaded.

    Raises:
        ConfigError: early stopping, an average or a schedule, and no image would be held out; or an
            average of one epoch.
    """
    if trainer.weight_averaging is not None and trainer.epochs == 1:
        raise ConfigError(
            f"trainer.weight_averaging={trainer.weight_averaging} has nothing to average: "
            "trainer.epochs=1.\nType trainer.epochs=2 or more, or trainer.weight_averaging=null."
        )
    if validation_fraction:
        return
    early, schedule = trainer.early_stopping, trainer.schedule
    if trainer.weight_averaging is not None:
        raise ConfigError(
            f"trainer.weight_averaging={trainer.weight_averaging} lets validation images decide, "
            "but data.validation_fraction=0 holds out none.\n"
            "Type data.validation_fraction=0.1, or trainer.weight_averaging=null."
        )
    if early.patience is not None:
        raise ConfigError(
            f"trainer.early_stopping.patience={early.patience} watches {early.monitor}, but "
            "data.validation_fraction=0 holds out no images.\n"
            "Type data.validation_fraction=0.1, or trainer.early_stopping.patience=null."
        )
    if schedule.name == "reduce_on_plateau" and schedule.monitor.startswith("val_"):
        raise ConfigError(
            f"trainer.schedule.name=reduce_on_plateau watches {schedule.monitor}, but "
            "data.validation_fraction=0 holds out no images.\n"
            "Type data.validation_fraction=0.1, or trainer.schedule.monitor=loss."
        )


def check_finite(epoch: Epoch) -> None:
    """End the run when a loss is no longer a number.

    Raises:
        DivergedError: the training or validation loss is NaN or infinite.
    """
    for name in ("loss", "val_loss"):
        value = epoch.metrics.get(name, 0.0)
        if not math.isfinite(value):
            raise DivergedError(
                f"{name} became {value} in epoch {epoch.number}: training diverged.\n"
                "Try a smaller trainer.optimizer.learning_rate."
            )


def rules(trainer: TrainerConfig) -> tuple[Rule, ...]:
    """The rules that the config asks for; the first that gives a reason wins."""
    asked: list[Rule] = []
    if trainer.stop_at_loss is not None:
        asked.append(stop_at_loss(trainer.stop_at_loss))
    if trainer.stop_at_accuracy is not None:
        asked.append(stop_at_accuracy(trainer.stop_at_accuracy))
    if trainer.early_stopping.patience is not None:
        asked.append(stop_early(trainer.early_stopping))
    return tuple(asked)


def stop_at_loss(limit: float) -> Rule:
    """Stop after the first epoch whose training loss is at or below the limit."""

    def rule(history: Sequence[Epoch]) -> str | None:
        last = history[-1]
        if last.loss > limit:
            return None
        return f"loss {last.loss:.4g} <= {limit:g} at epoch {last.number}"

    return rule


def stop_at_accuracy(limit: float) -> Rule:
    """Stop after the first epoch whose training accuracy is at or above the limit."""

    def rule(history: Sequence[Epoch]) -> str | None:
        last = history[-1]
        if last.accuracy < limit:
            return None
        return f"accuracy {last.accuracy:.4g} >= {limit:g} at epoch {last.number}"

    return rule


def stop_early(early: EarlyStopping) -> Rule:
    """Stop when the monitored metric has not improved for `patience` epochs."""

    def rule(history: Sequence[Epoch]) -> str | None:
        best, last = best_epoch(early, history), history[-1].number
        if early.patience is None or last - best < early.patience:
            return None
        return f"{early.monitor} no better than in epoch {best} at epoch {last}"

    return rule


def best_epoch(early: EarlyStopping, history: Sequence[Epoch]) -> int:
    """Number of the last epoch that improved on all before it by more than `min_delta`."""
    # A loss must fall and an accuracy rise: with the sign turned, both must fall.
    sign = 1.0 if early.monitor.endswith("loss") else -1.0
    best, lowest = history[0].number, math.inf
    for epoch in history:
        value = sign * epoch.metrics[early.monitor]
        if value < lowest - early.min_delta:
            best, lowest = epoch.number, value
    return best
