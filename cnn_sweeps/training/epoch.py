"""What training leaves behind: one value for each epoch, and the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

EPOCH_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")
"""What training determines in each epoch, whatever is measured besides."""
TIMES = ("epoch_seconds", "images_per_second")
"""Metrics of an epoch that are never the same."""


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
    def determined(self) -> dict[str, float]:
        """The metrics that are the same in each training of it."""
        return {name: value for name, value in self.metrics.items() if name not in TIMES}


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """A finished training.

    Attributes:
        epochs: every epoch, in order.
        best: number of the epoch whose weights the model now carries.
        stopped: why training ended, for a person: "all 5 epochs", "loss 0.19 <= 0.2 at epoch 3".
    """

    epochs: tuple[Epoch, ...]
    best: int
    stopped: str

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics of the epoch whose weights the model carries."""
        return self.epochs[self.best - 1].metrics


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """What a run has paid for its epochs, and whom it has to thank for the others.

    Attributes:
        trained: epochs that it trained.
        reused: epochs that were from cache.
        seconds: wall time of the epochs that it trained.
        trained_by: the runs that had trained the known ones, each once.
    """

    trained: int
    reused: int
    seconds: float
    trained_by: Sequence[str] = ()
