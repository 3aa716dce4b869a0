"""Events that workers emit while a sweep runs: plain values, sent through a pipe."""

from dataclasses import dataclass
from typing import Literal

State = Literal["complete", "pruned", "failed", "reused", "requeued"]
"""How a trial ended: of `reused` all was from cache, `requeued` waits to be done again."""


@dataclass(frozen=True, kw_only=True)
class TrialStarted:
    """A worker has taken a trial.

    Attributes:
        worker: number of the worker, from 0.
        trial: number of the trial in the study.
        title: the network, for a person: `cnn 64x2`.
        epochs: how many it will train at most.
    """

    worker: int
    trial: int
    title: str
    epochs: int


@dataclass(frozen=True, kw_only=True)
class EpochEnded:
    """A worker has ended an epoch.

    Attributes:
        worker: number of the worker.
        trial: number of the trial.
        epoch: the epoch, from 1.
        value: the first objective after it; None where an epoch has no such metric.
    """

    worker: int
    trial: int
    epoch: int
    value: float | None


@dataclass(frozen=True, kw_only=True)
class TrialEnded:
    """A worker is done with a trial.

    Attributes:
        worker: number of the worker.
        trial: number of the trial.
        state: how it ended.
        values: the objectives, where it has them.
        name: the run's name with its short hash; empty if it failed before it had one.
        config_hash: the full hash; None if it failed before it had one.
        epochs: epochs that were trained for it.
        seconds: wall time of training; 0.0 where nothing was trained.
        reason: why it failed, was pruned or requeued.
    """

    worker: int
    trial: int
    state: State
    values: tuple[float, ...] = ()
    name: str = ""
    config_hash: str | None = None
    epochs: int = 0
    seconds: float = 0.0
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class TrialDropped:
    """A worker has given a place of the budget up: every experiment of the space was tried.

    Attributes:
        worker: number of the worker.
        trial: number of the trial whose experiment was known.
        reason: why nothing else was tried in its place, for a person.
    """

    worker: int
    trial: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class WorkerRefused:
    """A worker cannot go on: the store, the study or the disk refuses.

    Attributes:
        worker: number of the worker.
        message: the clear error, as the user shall read it.
    """

    worker: int
    message: str


Event = TrialStarted | EpochEnded | TrialEnded | TrialDropped | WorkerRefused
