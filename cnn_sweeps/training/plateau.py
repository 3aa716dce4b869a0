"""When the learning rate drops because nothing improves: a function of the epochs so far.

Being pure, it gives the same answer on a live training and on one that goes on from what is
stored.
"""

import math
from collections.abc import Sequence

from cnn_sweeps.config.metrics import plateau_monitor
from cnn_sweeps.config.schema import Schedule, TrainerConfig
from cnn_sweeps.training.epoch import EPOCH_METRICS, Epoch


def follows_measured(trainer: TrainerConfig) -> bool:
    """Whether the learning rate follows a metric that is measured beside loss and accuracy."""
    return any(name not in EPOCH_METRICS for name in plateau_monitor(trainer))


def count_drops(
    schedule: Schedule, history: Sequence[Epoch], *, higher_is_better: bool = False
) -> int:
    """How often the learning rate has dropped after these epochs.

    As `keras.callbacks.ReduceLROnPlateau` without a cooldown: it drops after `patience` epochs
    without improvement, and then waits as long again.

    Args:
        schedule: its `monitor`, `min_delta` and `patience` count.
        history: the epochs over which it holds, in order.
        higher_is_better: whether more of that metric is better.
    """
    # With the sign turned, what must rise must fall.
    sign = -1.0 if higher_is_better else 1.0
    lowest, waited, dropped = math.inf, 0, 0
    for epoch in history:
        value = sign * epoch.metrics[schedule.monitor]
        if value < lowest - schedule.min_delta:
            lowest, waited = value, 0
            continue
        waited += 1
        if waited == schedule.patience:
            waited, dropped = 0, dropped + 1
    return dropped
