"""A run as the store returns it, made by hand."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cnn_sweeps.tracking import RunRecord

HASH = "422c71d27ee5" + "0" * 52

METRICS = {
    "accuracy": 0.94745,
    "val_accuracy": 0.9306,
    "test_accuracy": 0.9359,
    "epochs": 3.0,
    "trainable_params": 27682.0,
    "train_seconds": 3.21,
    "total_seconds": 4.4,
}

TAGS = {"network": "cnn 8x2", "data": "digits", "stopped": "all 3 epochs"}


def stored(*, tags: dict[str, str] | None = None, **changes: Any) -> RunRecord:
    """A finished run; further tags are laid over its own."""
    made = RunRecord(
        run_id="a" * 32,
        name="cnn 8x2 e3",
        experiment_id="7",
        status="FINISHED",
        config_hash=HASH,
        params={},
        metrics=METRICS,
        tags=TAGS | (tags or {}),
        start=datetime(2026, 1, 2, tzinfo=UTC),
        end=datetime(2026, 1, 3, tzinfo=UTC),
        artifact_uri="",
        parent_id=None,
    )
    return replace(made, **changes)
