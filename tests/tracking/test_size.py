"""A run's page stays readable: fewer than 50 params and 20 metrics, whatever is trained."""

from pathlib import Path

import pytest

from cnn_sweeps.runs import validate
from cnn_sweeps.tracking import flatten

MOST_PARAMS, MOST_METRICS = 50, 20
CONF = Path(validate.config_dir())
LOGGED = {
    *("loss", "accuracy", "val_loss", "val_accuracy", "epoch_seconds", "images_per_second"),
    *("test_loss", "test_accuracy", "epochs", "best_epoch", "trainable_params", "total_params"),
    *("data_seconds", "build_seconds", "train_seconds", "total_seconds", "peak_memory_mb"),
}
"""Every metric that docs/tracking.md names."""


def options(group: str) -> list[str]:
    """The names that a group of the configuration can have."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@pytest.mark.parametrize("stopping", ["null", "2"])
@pytest.mark.parametrize("data", options("data"))
@pytest.mark.parametrize("model", options("model"))
def test_params_of_every_model_on_every_data(model: str, data: str, stopping: str) -> None:
    """Every combination logs fewer than 50 params."""
    from cnn_sweeps.runs.log import APART

    needs = {"custom": ["model.function=nets:build"]}.get(model, [])
    needs += {"npz": ["data.path=a.npz"], "image_folder": ["data.path=a"]}.get(data, [])
    typed = [f"model={model}", f"data={data}", f"trainer.early_stopping.patience={stopping}"]
    plain = validate.plain(validate.compose([*typed, *needs]))
    logged = {key: value for key, value in plain.items() if key not in APART}
    assert 0 < len(flatten(logged)) < MOST_PARAMS


def test_metrics_that_are_documented() -> None:
    """The docs name every metric, and there are fewer than 20."""
    text = (CONF.parent / "docs" / "tracking.md").read_text(encoding="utf-8")
    assert [name for name in sorted(LOGGED) if f"`{name}`" not in text] == []
    assert len(LOGGED) < MOST_METRICS
