"""What the machine does while a run trains, as MLflow measures it: processor, memory, disk, GPU."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cnn_sweeps.tracking.run import TrackedRun


@contextmanager
def logged_system_metrics(run: TrackedRun, *, wanted: bool) -> Iterator[None]:
    """Log MLflow's system metrics, `system/...`, every 10 seconds of the block.

    MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL is another number of seconds; those of GPUs need the
    package nvidia-ml-py.

    Args:
        run: where to.
        wanted: whether to.
    """
    if not wanted:
        yield
        return
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    # It says that it has begun, and what is not installed.
    logging.getLogger("mlflow.system_metrics").setLevel(logging.ERROR)
    kind: Any = SystemMetricsMonitor  # MLflow's, without types
    monitor = kind(run.run_id, tracking_uri=run.address.uri)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
