"""Training one trial: the `run` of a sweep's worker."""

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cnn_sweeps.config.schema import Config
from cnn_sweeps.identity import Identity
from cnn_sweeps.runtime import quiet_stderr
from cnn_sweeps.search.study import SweepStudy
from cnn_sweeps.search.worker import Execute
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.records import KIND, STUDY_NAME

if TYPE_CHECKING:
    from cnn_sweeps.result import RunResult
    from cnn_sweeps.training import Observer

TRIAL = "trial"
"""Tag of an MLflow run: number of its trial in the study."""


class RunTrial:
    """Trains a trial's config and logs it as a child of the sweep's run; no test split."""

    def __init__(self, study: SweepStudy) -> None:
        """Open the store that the sweep logs to."""
        self._parent, self._study = study.parent_run_id, study.study.study_name
        self._timed = study.plan.exercise is not None
        self._store = Store.open(study.plan.first.tracking)

    def __call__(
        self,
        config: Config,
        *,
        trial: int,
        started: Callable[[str, Identity], None],
        observers: "Sequence[Observer]",
    ) -> "RunResult":
        """Train and log one trial."""
        with quiet_stderr():
            from cnn_sweeps.run import AsTrial, run  # noqa: PLC0415 -- TensorFlow

        tags = {KIND: "trial", STUDY_NAME: self._study, TRIAL: str(trial)}
        role = AsTrial(parent_run_id=self._parent, tags=tags, timed=self._timed)
        return run(config, self._store, role=role, started=started, observers=observers)


def execute_of(study: SweepStudy, path: str | None) -> Execute:
    """How trials are carried out: trained, or by the `package.module:function` of a test."""
    if path is None:
        return RunTrial(study)
    module, _, name = path.partition(":")
    found: Execute = getattr(importlib.import_module(module), name)
    return found
