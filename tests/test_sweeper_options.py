"""The sweeper's options in every application, and nothing else of cnn_sweeps."""

from pathlib import Path

import pytest
from hydra.core.object_type import ObjectType

from cnn_sweeps.runs.composition.validate import config_dir
from cnn_sweeps.sweeps.plan.pruners import PRUNERS
from cnn_sweeps.sweeps.plan.samplers import SAMPLERS
from hydra_plugins.cnn_sweeps_sweeper import options
from hydra_plugins.cnn_sweeps_sweeper.options import OptionsSource

SAMPLER, PRUNER = options.OPTIONS


@pytest.fixture
def source() -> OptionsSource:
    """The source as the search path has it."""
    return OptionsSource("cnn_sweeps", f"{options.SCHEME}://{config_dir()}")


def test_every_sampler_and_pruner_is_an_option(source: OptionsSource) -> None:
    """They are those of the shipped files."""
    assert set(source.list(SAMPLER, ObjectType.CONFIG)) == set(SAMPLERS)
    assert set(source.list(PRUNER, ObjectType.CONFIG)) == set(PRUNERS)
    assert source.load_config(f"{SAMPLER}/tpe").config.name == "tpe"


def test_no_other_group_is_shown(source: OptionsSource) -> None:
    """Another application's `model` is its own."""
    assert source.available()
    assert source.list("", None) == ["hydra"]
    assert not source.is_group("model")
    assert not source.is_config("model/cnn")
    assert not source.is_config("config")


def test_options_of_the_official_sweeper_are_left_to_it(
    source: OptionsSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside it, both sweepers work: ours reads its samplers."""
    monkeypatch.setattr(options, "find_spec", lambda _: True)
    assert set(source.list(SAMPLER, ObjectType.CONFIG)) == {"auto", "nsgaiii"}


def test_the_folder_is_the_shipped_one() -> None:
    """The plugin finds it without importing the package."""
    assert options._conf() == Path(config_dir())
