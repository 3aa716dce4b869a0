"""Small configs for tests, as plain values and as `Config`."""

from typing import Any

from cnn_sweeps.config import Config
from cnn_sweeps.config.loading import load


def values(**groups: Any) -> dict[str, Any]:
    """Plain values of a small experiment; each group's keys are laid over it."""
    base: dict[str, Any] = {
        "model": {"name": "cnn", "filters": 4, "conv_blocks": 1, "dense_units": 8},
        "data": {"name": "digits", "limit": 200},
        "trainer": {"epochs": 1, "progress": "none"},
        "tracking": {"figures": False},  # they take as long as the training
        "trajectory": {},
        "seed": 0,
    }
    for name, given in groups.items():
        replaces = isinstance(given, dict) and "name" not in given
        base[name] = {**base.get(name, {}), **given} if replaces else given
    return base


def config(**groups: Any) -> Config:
    """A small experiment as a checked config."""
    return load(values(**groups))


def with_figures(**groups: Any) -> Config:
    """The same, of a run that draws them."""
    return config(**groups | {"tracking": {"figures": True, **groups.get("tracking", {})}})
