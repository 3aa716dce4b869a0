"""The results of training: one value for each epoch, and one for the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

EPOCH_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")
"""What training determines in each epoch, whatever is measured besides."""
TIMES = ("epoch_seconds", "images_per_second")
"""Metrics of an epoch that are never the same."""
VALIDATION = "val_"
"""What the names of validation metrics begin with."""
AVERAGE, AVERAGED = "average_", "averaged_epochs"
"""Metrics of a run that considered an average of its epochs: what its names begin with, and how
many epochs it took; 0 where it took none."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training images.

    Attributes:
        number: 1 for the first epoch.
        loss: mean training loss over the epoch.
        accuracy: share of training images classified rightly, from 0 to 1.
        val_loss: loss on the validation split after the epoch; None without a split.
        val_accuracy: accuracy on the validation split; None without a split.
        seconds: wall time of training and validation.
        images_per_second: training images over the wall time of training alone.
        measured: further metrics of the validation split that were asked for, as `val_macro_f1`.
    """

    number: int
    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    seconds: float
    images_per_second: float
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by the names under which they are logged; absent ones left out."""
        values = {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "val_loss": self.val_loss,
            "val_accuracy": self.val_accuracy,
            **self.measured,
            "epoch_seconds": self.seconds,
            "images_per_second": self.images_per_second,
        }
        return {name: value for name, value in values.items() if value is not None}

    @property
    def result(self) -> dict[str, Any]:
        """What whoever trains it with the same bits gets, by the names of the fields."""
        beside = ("seconds", "images_per_second", "measured")
        return {name: value for name, value in vars(self).items() if name not in beside}

    @property
    def determined(self) -> dict[str, float]:
        """The metrics that are the same in each training of it."""
        return {name: value for name, value in self.metrics.items() if name not in TIMES}


def epoch_name(number: int) -> str:
    """The weights after an epoch, for a person."""
    return f"epoch {number}"


@dataclass(frozen=True, kw_only=True)
class WeightAverage:
    """The mean weights of the last epochs of a training.

    Attributes:
        first: number of the first of them.
        last: number of the last one.
        metrics: of the validation split, by the names that epochs have for them.
        taken: whether validation preferred it, so that the model carries it.
    """

    first: int
    last: int
    metrics: Mapping[str, float]
    taken: bool = False

    @classmethod
    def of(cls, measured: Epoch, *, first: int, last: int) -> "WeightAverage":
        """The average of some epochs, from what was measured of it as if it were one."""
        metrics = {name: v for name, v in measured.metrics.items() if name.startswith(VALIDATION)}
        return cls(first=first, last=last, metrics=metrics)

    @property
    def name(self) -> str:
        """Which it is, for a person."""
        return f"average of epochs {self.first} to {self.last}"

    @property
    def logged(self) -> dict[str, float]:
        """The same under names of its own, and how many epochs were taken; `of_logged` reads it."""
        taken = self.last - self.first + 1 if self.taken else 0
        return {**{f"{AVERAGE}{name}": v for name, v in self.metrics.items()}, AVERAGED: taken}

    @classmethod
    def of_logged(cls, metrics: Mapping[str, float], epochs: int) -> "WeightAverage | None":
        """The average that a run ended with; None where it has another end.

        Args:
            metrics: of the run, by name.
            epochs: how many it has.
        """
        count = int(metrics.get(AVERAGED, 0))
        known = {n.removeprefix(AVERAGE): v for n, v in metrics.items() if n.startswith(AVERAGE)}
        return (
            cls(first=epochs - count + 1, last=epochs, metrics=known, taken=True) if count else None
        )


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """A finished training.

    Attributes:
        epochs: every epoch, in order.
        best: number of the epoch whose weights the model carries, unless it carries an average.
        stopped: why training ended, for a person: "all 5 epochs", "loss 0.19 <= 0.2 at epoch 3".
        average: the average of the last epochs that was considered; None without one.
    """

    epochs: tuple[Epoch, ...]
    best: int
    stopped: str
    average: WeightAverage | None = None

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics of the weights that the model carries.

        Of an average, which is not trained, all but the validation metrics are the last epoch's.
        """
        if self.average is not None and self.average.taken:
            return {**self.epochs[-1].metrics, **self.average.metrics}
        return self.epochs[self.best - 1].metrics

    @property
    def chosen(self) -> str:
        """Which weights the model carries, for a person."""
        if self.average is not None and self.average.taken:
            return self.average.name
        return epoch_name(self.best)


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """What the epochs of a run cost, and which runs trained the others.

    Attributes:
        trained: epochs that it trained.
        reused: epochs that were from cache.
        seconds: wall time of the epochs that it trained.
        trained_by: the runs that had trained the known ones, each once.
        shared: what was read from others and given to them; see `trajectories.sharing`.
    """

    trained: int
    reused: int
    seconds: float
    trained_by: Sequence[str] = ()
    shared: Mapping[str, Any] = field(default_factory=dict)
