"""The facade that Hydra discovers: `hydra/sweeper=cnn_sweeps`.

It imports Hydra and OmegaConf only. What it does stands in `cnn_sweeps.sweeps`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

INTERRUPTED = 130
"""Exit code of a program that was ended by Ctrl-C, as shells have it."""


@dataclass(kw_only=True)
class SweeperConfig:
    """Schema of `hydra.sweeper`.

    Attributes:
        study_name: name of the study; null for one made from what is swept.
        n_trials: trials in the study altogether; null for every cell of a discrete space.
        timeout: seconds of running after which no further trial begins; null for none.
        n_jobs: workers; auto for one a core, 0 for this process alone. In an application: jobs
            that the launcher gets at a time.
        workers_per_gpu: workers on each GPU where n_jobs is auto; auto for as many as have memory.
        storage: path of the study's journal, or URL of a database; null for tracking.dir.
        objectives: metric name to `minimize` or `maximize`; when empty {val_accuracy: maximize},
            and in an application that is not ours `direction`.
        params: key to sweep expression: the space.
        sampler: an option of hydra/sweeper/sampler.
        pruner: an option of hydra/sweeper/pruner.
        duplicates: skip, reuse or replicate an experiment that was tried before.
        enqueue: points that are tried first, as overrides.
        retries: how often a trial is requeued whose worker died.
        max_failures: failures, without one success, that end the sweep.
        dry_run: say what would be done, and do nothing.
        log_level: debug, info, warning or error: what the log of the sweep holds.
        log_file: path of the log; null for STUDY.log beside the study.
        worker: set by the controller where a launcher places the workers.
        direction: of an application that is not ours: `minimize` (when null), `maximize`, or one
            for each value that a job returns.
        max_failure_rate: of an application: the share of a batch that may fail; null for 0.
        custom_search_space: of an application: a function (config, trial) that suggests more.
        patience: of an application: seconds to wait for a database that goes away; null for 300.
    """

    # The groups that may be overridden; a sampler with other options is another node.
    defaults: list[Any] = field(
        default_factory=lambda: ["_self_", {"sampler": "auto"}, {"pruner": "none"}]
    )
    _target_: str = "hydra_plugins.cnn_sweeps_sweeper.sweeper.CnnSweepsSweeper"
    study_name: str | None = None
    # Numbers are of any type here: the sweeper's own refusals say what is possible.
    n_trials: Any = None
    timeout: Any = None
    n_jobs: Any = "auto"
    workers_per_gpu: Any = "auto"
    storage: str | None = None
    # Open, so that no + is needed to name other metrics than a space of `search` does.
    objectives: Any = field(default_factory=lambda: DictConfig({}, flags={"struct": False}))
    params: Any = field(default_factory=lambda: DictConfig({}, flags={"struct": False}))
    sampler: Any = None
    pruner: Any = None
    duplicates: str = "skip"
    enqueue: list[Any] = field(default_factory=list)
    retries: Any = 2
    max_failures: Any = 5
    dry_run: bool = False
    log_level: Any = "info"
    log_file: str | None = None
    worker: str | None = None
    direction: Any = None
    max_failure_rate: Any = None
    custom_search_space: Any = None
    patience: Any = None
    # What stands in `sampler` is for Optuna: nothing there is made by Hydra.
    _recursive_: bool = False


class CnnSweepsSweeper(Sweeper):
    """Sweeps with Optuna; a cnn_sweeps experiment, or any Hydra application."""

    def __init__(self, **settings: Any) -> None:
        """Keep the values of `hydra.sweeper`; they are checked when the sweep begins."""
        self.settings = settings
        self.given: dict[str, Any] = {}

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra hands over before the sweep."""
        self.given = {"context": hydra_context, "task_function": task_function, "config": config}

    def sweep(self, arguments: list[str]) -> Sequence[Any]:
        """Carry out the sweep that the command line and `hydra.sweeper` ask for."""
        try:
            from cnn_sweeps.cli.sweep import sweep_from_hydra  # noqa: PLC0415 -- light discovery
            from cnn_sweeps.sweeps.hydra_call import HydraCall  # noqa: PLC0415
        except KeyboardInterrupt:  # while it is imported, in an application that shows tracebacks
            raise SystemExit(INTERRUPTED) from None

        return sweep_from_hydra(HydraCall(settings=self.settings, **self.given), arguments)


ConfigStore.instance().store(
    group="hydra/sweeper", name="cnn_sweeps", node=SweeperConfig, provider="cnn_sweeps"
)
