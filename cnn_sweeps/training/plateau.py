"""When the learning rate drops because nothing improves: a function of the epochs so far.

Being pure, it gives the same answer on a live training and on one that goes on from what is
stored.
"""

import math
from collections.abc import Sequence

from cnn_sweeps.config.schema import Schedule
from cnn_sweeps.training.epoch import Epoch


def count_drops(schedule: Schedule, history: Sequence[Epoch]) -> int:
    """How often the learning rate has dropped after these epochs.

    As `keras.callbacks.ReduceLROnPlateau` without a cooldown: it drops after `patience` epochs
    without improvement, and then waits as long again.

    Args:
        schedule: its `monitor`, `min_delta` and `patience` count.
        history: the epochs over which it holds, in order.
    """
    # A loss must fall and an accuracy rise: with the sign turned, both must fall.
    sign = 1.0 if schedule.monitor.endswith("loss") else -1.0
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
