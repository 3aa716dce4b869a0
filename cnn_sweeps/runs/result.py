"""The result of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cnn_sweeps.provenance.identity import Identity
from cnn_sweeps.training.epoch import TrainingResult


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A run that ended well.

    Attributes:
        name: the run's name, for a person: `cnn 64x2 e5 · 3f2a9c1b7d20`.
        run_id: the MLflow run.
        identity: what names the experiment.
        metrics: every final metric by name.
        training: its epochs, and why it ended.
        weights_sha256: digest of the final weights.
        epochs_trained: epochs that were trained for it; the others are from the cache.
        shared: what of its epochs was read from others and given to them, as plain values; empty
            without `trajectory.store`.
        left_out: a sentence for each picture that could not be made.
        notices: what a person should know of the images, and of stored epochs that could not be
            used, a sentence each.
    """

    name: str
    run_id: str
    identity: Identity
    metrics: Mapping[str, float]
    training: TrainingResult
    weights_sha256: str
    epochs_trained: int
    shared: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
