"""The store of runs: the only package that imports MLflow, and it does so late.

`Store.open` finds (or makes) the store, `Store.start_run` logs a run, `Store.find` finds
runs by their hash. Everything goes through `MlflowClient`, which has no global state;
autologging and the fluent API are not used.
"""

from cnn_sweeps.tracking.params import flatten
from cnn_sweeps.tracking.records import RunRecord, checked_prefix
from cnn_sweeps.tracking.run import TrackedRun
from cnn_sweeps.tracking.store import Store

__all__ = ["RunRecord", "Store", "TrackedRun", "checked_prefix", "flatten"]
