"""A tracked run without a store."""

from pathlib import Path
from types import SimpleNamespace

from cnn_sweeps.tracking.run import TrackedRun


class Tracked:
    """As much of a tracked run as is looked at."""

    run_id = "run"

    def __init__(self, folder: Path) -> None:
        self.address = SimpleNamespace(dir=folder)
        self.tags: dict[str, object] = {}

    def set_tags(self, tags: dict[str, object]) -> None:
        """Keep them."""
        self.tags |= tags

    log_cost = TrackedRun.log_cost
