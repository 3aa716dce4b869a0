"""Rules that end a training, as functions of the epochs so far.

A rule looks at a history and says why training should stop after its last epoch, or None.
Being pure, a rule gives the same answer on a live training and on a stored one.
"""

import math
from collections.abc import Callable, Sequence

from cnn_sweeps.config.schema import TrainerConfig
from cnn_sweeps.errors import ConfigError, DivergedError
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.training.epoch import Epoch
from cnn_sweeps.training.validation_metrics import MONITOR, STOP_AT, higher_is_better

LOSSES = ("loss", "val_loss")
Rule = Callable[[Sequence[Epoch]], str | None]


class StopTraining(Exception):  # noqa: N818 - a signal, not an error, as StopIteration
    """Raised by a callback that wants training to end after this epoch."""

    def __init__(self, reason: str) -> None:
        """Keep the reason, for a person: "pruned at epoch 3"."""
        super().__init__(reason)
        self.reason = reason


def check(trainer: TrainerConfig, validation_fraction: float) -> None:
    """Refuse what watches validation images without any, before anything is loaded.

    Raises:
        ConfigError: a rule that stops it, an average or a schedule, and no image would be held out.
    """
    if validation_fraction:
        return
    early, schedule = trainer.early_stopping, trainer.schedule
    if trainer.weight_averaging is not None:
        raise ConfigError(
            f"trainer.weight_averaging={trainer.weight_averaging} lets validation images decide, "
            "but data.validation_fraction=0 holds out none.\n"
            "Type data.validation_fraction=0.1, or trainer.weight_averaging=null."
        )
    for metric, value in (trainer.stop_at or {}).items():
        if metric.startswith("val_"):
            raise ConfigError(
                f"trainer.stop_at={{{metric}: {value:g}}} watches {metric}, but "
                "data.validation_fraction=0 holds out no images.\n"
                "Type data.validation_fraction=0.1, or trainer.stop_at=null."
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


def check_average(trainer: TrainerConfig) -> None:
    """Refuse the average of a training of one epoch.

    Raises:
        ConfigError: with both ways out.
    """
    if trainer.weight_averaging is not None and trainer.epochs == 1:
        raise ConfigError(
            f"trainer.weight_averaging={trainer.weight_averaging} has nothing to average: "
            "trainer.epochs=1.\nType trainer.epochs=2 or more, or trainer.weight_averaging=null."
        )


def check_finite(epoch: Epoch) -> None:
    """End the run when a loss is no longer a number.

    Raises:
        DivergedError: the training or validation loss is NaN or infinite.
    """
    for name in LOSSES:
        value = epoch.metrics.get(name, 0.0)
        if not math.isfinite(value):
            raise DivergedError(
                f"{name} became {value} in epoch {epoch.number}: training diverged.\n"
                "Try a smaller trainer.optimizer.learning_rate."
            )


def is_finite(epoch: Epoch) -> bool:
    """Whether the losses of an epoch are numbers."""
    return all(math.isfinite(epoch.metrics.get(name, 0.0)) for name in LOSSES)


def rules(trainer: TrainerConfig) -> tuple[Rule, ...]:
    """The rules that the config asks for; the first that gives a reason wins."""
    asked: list[Rule] = []
    if trainer.stop_at_loss is not None:
        asked.append(stop_at("loss", trainer.stop_at_loss, higher_is_better=False))
    if trainer.stop_at_accuracy is not None:
        asked.append(stop_at("accuracy", trainer.stop_at_accuracy, higher_is_better=True))
    for metric, limit in (trainer.stop_at or {}).items():
        asked.append(
            stop_at(metric, limit, higher_is_better=higher_is_better(trainer, metric, key=STOP_AT))
        )
    if trainer.early_stopping.patience is not None:
        asked.append(stop_early(trainer))
    return tuple(asked)


def end_of(trainer: TrainerConfig, history: Sequence[Epoch]) -> str | None:
    """Why a training ends after the last of its epochs so far; None where it goes on."""
    reasons = (rule(history) for rule in rules(trainer))
    if reason := next((reason for reason in reasons if reason), None):
        return reason
    if history[-1].number < trainer.epochs:
        return None
    return f"all {pluralize(trainer.epochs, 'epoch')}"


def is_stopped_early(trainer: TrainerConfig, history: Sequence[Epoch]) -> bool:
    """Whether a training with these epochs was ended by something other than its config."""
    return len(history) < trainer.epochs and end_of(trainer, history) is None


def final_epoch(trainer: TrainerConfig, history: Sequence[Epoch]) -> int:
    """Number of the epoch whose weights a training that ends with these epochs has."""
    return best_epoch(trainer, history) if restores_best(trainer) else history[-1].number


def stop_at(metric: str, limit: float, *, higher_is_better: bool) -> Rule:
    """Stop after the first epoch whose metric is at the limit, or beyond it."""
    sign = ">=" if higher_is_better else "<="

    def rule(history: Sequence[Epoch]) -> str | None:
        last = history[-1]
        value = last.metrics[metric]
        if value < limit if higher_is_better else value > limit:
            return None
        return f"{metric} {value:.4g} {sign} {limit:g} at epoch {last.number}"

    return rule


def stop_early(trainer: TrainerConfig) -> Rule:
    """Stop when the monitored metric has not improved for `patience` epochs."""
    early = trainer.early_stopping

    def rule(history: Sequence[Epoch]) -> str | None:
        best, last = best_epoch(trainer, history), history[-1].number
        if early.patience is None or last - best < early.patience:
            return None
        return f"{early.monitor} no better than in epoch {best} at epoch {last}"

    return rule


def best_epoch(trainer: TrainerConfig, history: Sequence[Epoch]) -> int:
    """Number of the last epoch that improved on all before it by more than `min_delta`."""
    early = trainer.early_stopping
    # With the sign turned, what must rise must fall.
    sign = -1.0 if higher_is_better(trainer, early.monitor, key=MONITOR) else 1.0
    best, lowest = history[0].number, math.inf
    for epoch in history:
        value = sign * epoch.metrics[early.monitor]
        if value < lowest - early.min_delta:
            best, lowest = epoch.number, value
    return best


def restores_best(trainer: TrainerConfig) -> bool:
    """Whether a training ends with the weights of its best epoch."""
    early = trainer.early_stopping
    return early.patience is not None and early.restore_best
