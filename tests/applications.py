"""Small Hydra applications that are not ours, run in this process as a user runs them."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
import pytest
import yaml
from omegaconf import DictConfig, OmegaConf

SWEEPER = ("--multirun", "hydra/sweeper=cnn_sweeps")


@dataclass(kw_only=True)
class Application:
    """An application in a folder of its own.

    Attributes:
        folder: where it is started; its config is `conf/config.yaml` in it.
        task: what it does with its config.
        monkeypatch: of the test.
        calls: the configs that the task has seen.
    """

    folder: Path
    task: Callable[[DictConfig], Any]
    monkeypatch: pytest.MonkeyPatch
    calls: list[dict[str, Any]] = field(default_factory=list)

    def run(self, *typed: str) -> int:
        """Start it with these arguments in front of `-m` and the sweeper; its exit code."""

        def main(config: DictConfig) -> Any:
            self.calls.append(OmegaConf.to_container(config))  # type: ignore[arg-type]
            return self.task(config)

        self.monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        # Coverage measures by a trace function, which Hydra takes for a debugger: it would raise.
        self.monkeypatch.setattr("hydra._internal.utils.is_under_debugger", lambda: False)
        self.monkeypatch.chdir(self.folder)
        self.monkeypatch.setattr(sys, "argv", ["app.py", *SWEEPER, *typed])
        decorate = hydra.main(
            version_base="1.3", config_path=str(self.folder / "conf"), config_name="config"
        )
        try:
            decorate(main)()
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    def write(self, config: Mapping[str, Any]) -> None:
        """Write its config."""
        (self.folder / "conf").mkdir(exist_ok=True)
        (self.folder / "conf" / "config.yaml").write_text(yaml.safe_dump(dict(config)))

    def results(self, sweep: str = "swept") -> Any:
        """What stands in the results file of a sweep."""
        return yaml.safe_load((self.folder / sweep / "optimization_results.yaml").read_text())
