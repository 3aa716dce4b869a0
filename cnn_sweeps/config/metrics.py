"""Metrics of the validation split as a config names them: those of the package, and the user's own.

A name is one of `cnn_sweeps.evaluation.named`, or `package.module:function` of the user's own,
with `:min` or `:max` behind it where it matters whether less or more of it is better. In an epoch
it is `val_` and the name, or the name of the function.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cnn_sweeps.config.schema import TrainerConfig

KEY = "trainer.metrics"
PREFIX = "val_"
KERAS = ("loss", "accuracy")
"""Metrics that every epoch has."""
DIRECTIONS = {"min": False, "max": True}


@dataclass(frozen=True, kw_only=True)
class OwnMetric:
    """A metric of the user's own.

    Attributes:
        function: `package.module:function`.
        higher_is_better: whether more of it is better; None where that is not said.
    """

    function: str
    higher_is_better: bool | None = None

    @classmethod
    def parse(cls, text: str) -> "OwnMetric":
        """Read `package.module:function`, with or without its direction."""
        function, _, last = text.rpartition(":")
        if last in DIRECTIONS and ":" in function:
            return cls(function=function, higher_is_better=DIRECTIONS[last])
        return cls(function=text)

    @property
    def name(self) -> str:
        """What it is called in an epoch, behind `val_`."""
        return self.function.rpartition(":")[2]


def own_metrics(metrics: Sequence[str]) -> tuple[OwnMetric, ...]:
    """The user's own among the metrics that are asked for."""
    return tuple(OwnMetric.parse(text) for text in metrics if ":" in text)


def metric_names(metrics: Sequence[str]) -> tuple[str, ...]:
    """What metrics are called in an epoch, behind `val_`."""
    return tuple(OwnMetric.parse(text).name for text in metrics)


def measured_names(trainer: TrainerConfig) -> tuple[str, ...]:
    """What is computed beside loss and accuracy: what is listed, and what steers the training."""
    listed = metric_names(trainer.metrics)
    steering = (*monitors(trainer), *plateau_monitor(trainer))
    watched = [key.removeprefix(PREFIX) for key in steering if key.startswith(PREFIX)]
    return tuple(name for name in dict.fromkeys((*listed, *watched)) if name not in KERAS)


def plateau_monitor(trainer: TrainerConfig) -> tuple[str, ...]:
    """The metric of an epoch that decides on the learning rate, if one does."""
    schedule = trainer.schedule
    return (schedule.monitor,) if schedule.name == "reduce_on_plateau" else ()


def monitors(trainer: TrainerConfig) -> tuple[str, ...]:
    """The metrics of an epoch that decide when a training stops."""
    early = trainer.early_stopping
    return (*(trainer.stop_at or ()), *([early.monitor] if early.patience is not None else []))
