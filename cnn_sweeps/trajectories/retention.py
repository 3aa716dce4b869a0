"""Which epochs of a trajectory keep their weights, and which the optimizer as well."""

import math
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from cnn_sweeps.trajectories.history import EpochRecord

LAST_STATES = 2
"""Epochs, from the last one, whose optimizer is kept: one to go on from, and one in reserve."""
MB = 10**6
MONITORS: Mapping[str, bool] = {"val_loss": False, "val_accuracy": True}
"""Metrics of every epoch by which one may be the best, and whether more of it is better."""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Which epochs keep their weights: all, unless the state of one is large.

    Then only the last ones, those that are marked, and the best by each metric of the validation
    images do.

    Attributes:
        epoch_mb: size from which on a state is large, in MB (10^6 bytes); None for none.
        wanted: further epochs that keep their weights: with them this run or others end.
        metrics: what is measured besides, by what a stored value goes by, and whether more of it
            is better: the best epoch by each keeps its weights too.
        recent: so many of the last epochs keep their weights, for an average of them.
    """

    epoch_mb: float | None = None
    wanted: Collection[int] = ()
    metrics: Mapping[str, bool] = field(default_factory=dict)
    recent: int = 0

    def weights(
        self,
        history: Sequence[EpochRecord],
        size: int,
        measured: Mapping[int, Mapping[str, float]] | None = None,
    ) -> set[int]:
        """The epochs whose weights stay for their metrics alone.

        Args:
            history: the epochs.
            size: of a state, in bytes.
            measured: what was measured besides, by number of the epoch.
        """
        if self.keeps_all(size):
            return {one.number for one in history}
        values = {one.number: one.epoch.metrics for one in history}
        best = {_best(values, name, rising) for name, rising in MONITORS.items()}
        best |= {_best(measured or {}, name, rising) for name, rising in self.metrics.items()}
        last = {one.number for one in history[max(0, len(history) - self.recent) :]}
        return {*self.wanted, *last, *(number for number in best if number is not None)}

    def keeps_all(self, size: int) -> bool:
        """Whether all epochs keep their weights, where a state has so many bytes."""
        return self.epoch_mb is None or size <= self.epoch_mb * MB


KEEP_ALL: Final = Retention()
"""Every epoch keeps its weights."""


@dataclass(frozen=True, kw_only=True)
class WantedEpochs:
    """What others want of a training beside its end.

    Attributes:
        states: epochs from which they go their own way.
        weights: epochs with which they end.
    """

    states: frozenset[int] = frozenset()
    weights: frozenset[int] = frozenset()


def _best(values: Mapping[int, Mapping[str, float]], name: str, rising: bool) -> int | None:
    """The first epoch with the best value of a metric; None where none has a number."""
    sign = -1.0 if rising else 1.0
    known = {number: sign * found[name] for number, found in values.items() if name in found}
    finite = {number: value for number, value in known.items() if math.isfinite(value)}
    return min(finite, key=lambda number: (finite[number], number), default=None)


def drop_old_state(
    history: Sequence[EpochRecord], weights: Container[int], states: Container[int] = ()
) -> list[EpochRecord]:
    """The epochs, each with what it keeps.

    Args:
        history: all of them.
        weights: epochs that keep their weights.
        states: epochs that keep the optimizer as well, beside the last ones.
    """
    last = {one.number for one in history[-LAST_STATES:]}
    kept = []
    for one in history:
        if one.number in last or one.number in states:
            kept.append(one)
        elif one.number in weights:
            kept.append(replace(one, optimizer=None))
        else:
            kept.append(replace(one, optimizer=None, weights=None, frozen=None))
    return kept
