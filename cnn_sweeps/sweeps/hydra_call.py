"""What Hydra hands to a sweeper, for a sweep of our own experiments and for other applications."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from cnn_sweeps.sweeps.space.overrides import read_override, value_of
from cnn_sweeps.text.json import from_text
from cnn_sweeps.text.redact import hidden_in, without_password

OBJECTIVES = "hydra.sweeper.objectives"
STORAGE = "hydra.sweeper.storage"
NUMBERS = (
    "n_trials",
    "timeout",
    "n_jobs",
    "workers_per_gpu",
    "retries",
    "max_failures",
    "patience",
    "sampler",
    "pruner",
)
"""Settings that are numbers or hold some."""


@dataclass(frozen=True, kw_only=True)
class HydraCall:
    """What Hydra hands to a sweeper.

    Attributes:
        settings: the values of `hydra.sweeper`.
        config: the composed config without the sweep, Hydra's own part included.
        context: Hydra's config loader.
        task_function: what Hydra would run for each job.
    """

    settings: Mapping[str, Any]
    config: DictConfig
    context: HydraContext
    task_function: TaskFunction

    @cached_property
    def sweeper(self) -> dict[str, Any]:
        """The values of `hydra.sweeper`, resolved and plain.

        Numbers may come out of environment variables, as texts.
        """
        values = {key: plain_value(value) for key, value in self.settings.items()}
        return {key: from_text(value) if key in NUMBERS else value for key, value in values.items()}

    @cached_property
    def objectives(self) -> Any:
        """The objectives: those of the command line, not added to those of a file."""
        typed = _replaced(OBJECTIVES, self.config.hydra.overrides.hydra)
        return typed or self.sweeper["objectives"] or {}

    @property
    def is_local(self) -> bool:
        """Whether Hydra's own, sequential launcher is chosen."""
        return str(self.config.hydra.launcher._target_).endswith(".BasicLauncher")

    @property
    def ends_its_cluster(self) -> bool:
        """Whether the launcher is Ray's: its cluster ends with the thread that has started it."""
        return str(self.config.hydra.launcher._target_).endswith(".RayLauncher")

    @cached_property
    def stored_config(self) -> DictConfig:
        """The config as it may be written to files: no password in what is typed for a sweep."""
        config = self.config.copy()
        storage = self.sweeper["storage"]
        hydra = config.hydra
        with read_write(config), read_write(hydra), open_dict(hydra):
            hydra.overrides.task = [*map(hidden_in, hydra.overrides.task)]
            if dirname := hydra.job.get("override_dirname"):
                hydra.job.override_dirname = hidden_in(dirname)
            if uri := OmegaConf.select(config, "tracking.uri"):
                config.tracking.uri = without_password(str(uri))
            if storage and without_password(storage) != storage:
                hydra.sweeper.storage = without_password(storage)
                # A job is composed again, from these and from files; it does not look at the key.
                typed = [line for line in hydra.overrides.hydra if not _sets_storage(line)]
                hydra.overrides.hydra = [*typed, f"{STORAGE}=null"]
        return config

    def launcher(self) -> Launcher:
        """The chosen launcher, ready to launch jobs; what it writes down has no password."""
        if str(self.config.hydra.launcher._target_).endswith(".SlurmLauncher"):
            from cnn_sweeps.sweeps.workers.slurm import watch_queue  # noqa: PLC0415 -- an extra

            watch_queue()
        made = Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=self.task_function, config=self.stored_config
        )
        if HydraConfig.initialized():  # launchers hand the state of all singletons on
            HydraConfig.instance().set_config(self.stored_config)
        return made

    def recomposed(self, *more: str) -> "HydraCall":
        """The same call with more overrides."""
        typed = self.config.hydra.overrides
        config = self.context.config_loader.load_configuration(
            config_name=self.config.hydra.job.config_name,
            overrides=[*typed.hydra, *typed.task, *more],
            run_mode=RunMode.MULTIRUN,
            from_shell=False,
        )
        settings = {k: v for k, v in config.hydra.sweeper.items() if k in self.settings}
        return HydraCall(
            settings=settings,
            config=config,
            context=self.context,
            task_function=self.task_function,
        )

    def save_multirun(self) -> None:
        """Leave the sweep's config in its folder, as Hydra's own sweepers do."""
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.stored_config, folder / "multirun.yaml")


def _sets_storage(line: str) -> bool:
    return line.lstrip("+").startswith(f"{STORAGE}=")


def plain_value(node: Any) -> Any:
    """A value of a composed config, resolved, without OmegaConf around it."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _replaced(key: str, lines: Sequence[str]) -> Any:
    """What was typed for a key, if it was; Hydra adds a mapping to the one that is there."""
    typed = [line for line in lines if line.lstrip("+").startswith(f"{key}=")]
    return value_of(read_override(typed[-1])) if typed else None
