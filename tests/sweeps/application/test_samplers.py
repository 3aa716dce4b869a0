"""Samplers of an application, also as the official Optuna sweeper writes them."""

from typing import Any

import pytest

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.application.samplers import parse_sampler
from cnn_sweeps.sweeps.plan.samplers import SAMPLERS


@pytest.mark.parametrize(
    ("given", "name", "params"),
    [
        pytest.param(None, "auto", {}, id="none"),
        pytest.param("random", "random", {}, id="name"),
        pytest.param(
            {"name": "tpe", "n_startup_trials": 3}, "tpe", {"n_startup_trials": 3}, id="ours"
        ),
        pytest.param(
            {
                "_target_": "optuna.samplers.TPESampler",
                "seed": 5,
                "consider_prior": None,
                "n_startup_trials": 10,
                "n_ei_candidates": 12,
                "warn_independent_sampling": None,
            },
            "tpe",
            {"n_ei_candidates": 12},
            id="official",
        ),
        pytest.param(
            {"_target_": "optuna.samplers.GridSampler", "_partial_": True}, "grid", {}, id="grid"
        ),
        pytest.param({"_target_": "optuna.samplers.NSGAIISampler"}, "nsgaii", {}, id="nsgaii"),
        pytest.param(
            {"name": "auto", "group": False, "_target_": "optuna.samplers.RandomSampler"},
            "random",
            {},
            id="over another",
        ),
    ],
)
def test_a_sampler_is_read(given: Any, name: str, params: dict[str, Any]) -> None:
    """By name or by Optuna's class; what says Optuna's default says nothing."""
    spec = parse_sampler(given, None)
    assert (spec.name, dict(spec.params)) == (name, params)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in ("auto", "grid")])
def test_every_class_of_optuna_is_found_by_its_path(name: str) -> None:
    """What the official sweeper instantiates has a name here."""
    spec = parse_sampler({"_target_": f"optuna.samplers.{SAMPLERS[name].optuna}"}, None)
    assert spec.name == name


@pytest.mark.parametrize(
    ("seed", "own", "used"),
    [(None, 7, 7), (3, 7, 3), (None, "abc", 0), (None, None, 0), (None, -1, 0)],
)
def test_the_seed_is_the_samplers_or_the_applications(seed: Any, own: Any, used: int) -> None:
    """An application's `seed` that is no seed is none."""
    assert parse_sampler({"name": "tpe", "seed": seed}, own).seed == used


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"name": "motpe"}, "motpe.*removed in Optuna 4.0", id="motpe"),
        pytest.param({"_target_": "x.raise_motpe_removed"}, "removed in Optuna", id="as class"),
        pytest.param({"_target_": "my.Sampler"}, "my.Sampler is not one of", id="own class"),
        pytest.param({"name": "tpes"}, "did you mean `tpe`", id="misspelt"),
    ],
)
def test_another_sampler_is_refused(given: Any, message: str) -> None:
    """A sampler has to be stored with the study, so it is one that has a name."""
    with pytest.raises(ConfigError, match=message):
        parse_sampler(given, None)
