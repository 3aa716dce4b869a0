"""The Sweeper plugin keeps Hydra's contract, also in applications that are not ours."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import version
from hydra.core.plugins import Plugins
from hydra.errors import CompactHydraException, Hydra14MigrationWarning
from hydra.extra.pytest_plugin import hydra_sweep_runner
from hydra.plugins.sweeper import Sweeper
from hydra.test_utils.launcher_common_tests import LauncherTestSuite
from omegaconf import DictConfig

from hydra_plugins.cnn_sweeps_sweeper.sweeper import CnnSweepsSweeper

__all__ = ["hydra_sweep_runner"]

# Hydra's own suite asks for the defaults of Hydra 1.1, and Hydra says so.
pytestmark = pytest.mark.filterwarnings("ignore:Future Hydra versions:UserWarning")

OURS = ["hydra/sweeper=cnn_sweeps"]
Runner = Callable[..., Any]


@pytest.fixture(autouse=True)
def defaults_of_hydra_1_1(hydra_restore_singletons: None) -> None:
    """What Hydra's own suite stands on, whatever an earlier test composed with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Hydra14MigrationWarning)
        version.setbase("1.1")


def test_hydra_discovers_the_plugin() -> None:
    """Hydra finds the Sweeper in the namespace package."""
    found = [plugin.__name__ for plugin in Plugins.instance().discover(Sweeper)]
    assert CnnSweepsSweeper.__name__ in found


@pytest.mark.parametrize(("launcher_name", "overrides"), [("basic", OURS)], ids=["basic"])
class TestHydrasContract(LauncherTestSuite):
    """Hydra's own suite, with our Sweeper in front of its launcher."""


def sweep(
    runner: Runner, folder: Path, task: Callable[[DictConfig], Any], *overrides: str
) -> list[Any]:
    """Sweep a foreign application's task function; what its jobs returned."""
    swept = runner(
        calling_file=None,
        calling_module="hydra.test_utils.a_module",
        task_function=task,
        config_path="configs",
        config_name="compose.yaml",
        overrides=[*OURS, *overrides],
        temp_dir=folder,
    )
    with swept:
        return [job.return_value for batch in swept.returns for job in batch]


def test_foreign_application_is_searched_by_the_sampler(
    hydra_sweep_runner: Runner, tmp_path: Path
) -> None:
    """A continuous space of any application is searched for as many trials as asked."""
    returned = sweep(
        hydra_sweep_runner,
        tmp_path,
        lambda cfg: (cfg.x - 2) ** 2,
        "+x=interval(0.0,4.0)",
        "hydra.sweeper.n_trials=12",
        "+hydra.sweeper.objectives.loss=minimize",
    )
    assert len(returned) == 12
    assert min(returned) < 1


def test_foreign_application_may_return_named_metrics(
    hydra_sweep_runner: Runner, tmp_path: Path
) -> None:
    """A task function that returns a mapping is optimised by the metric's name."""
    returned = sweep(
        hydra_sweep_runner,
        tmp_path,
        lambda cfg: {"loss": cfg.x, "other": 1},
        "+x=interval(0.0,4.0)",
        "hydra.sweeper.n_trials=2",
        "+hydra.sweeper.objectives.loss=minimize",
    )
    assert [set(metrics) for metrics in returned] == [{"loss", "other"}] * 2


def test_foreign_application_that_returns_no_number_is_refused(
    hydra_sweep_runner: Runner, tmp_path: Path
) -> None:
    """A sampler cannot search without a number; Hydra prints such a refusal as it is."""
    with pytest.raises(CompactHydraException, match="returned 'text'"):
        sweep(hydra_sweep_runner, tmp_path, lambda cfg: "text", "+x=interval(0.0,4.0)")
