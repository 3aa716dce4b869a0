"""A run's page stays readable: fewer than 50 params and 20 metrics, whatever is trained."""

from pathlib import Path

from cnn_sweeps.config.loading import load
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.runs.log import params_of

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


def logged(*typed: str) -> dict[str, dict[str, str]]:
    """What a command logs of its config, group by group."""
    found: dict[str, dict[str, str]] = {}
    composed = validate.plain_values(validate.compose([*typed]))
    for key, text in params_of(load(composed)).items():
        found.setdefault(key.partition(".")[0], {})[key] = text
    return found


def test_params_of_every_model_on_every_data() -> None:
    """Every combination logs fewer than 50 params; a group's params are those of its option."""
    needs = {
        "idx": ["data.path=a"],
        "table": ["data.path=a.csv"],
        "custom": ["model.function=nets:build"],
        "npz": ["data.path=a.npz"],
        "image_folder": ["data.path=a"],
    }
    models, datas = (
        [logged(f"{group}={name}", *needs.get(name, []))[group] for name in options(group)]
        for group in ("model", "data")
    )
    for stopping in ("null", "2"):
        rest = logged("data=digits", f"trainer.early_stopping.patience={stopping}")
        counts = [
            sum(map(len, {**rest, "model": model, "data": data}.values()))
            for model in models
            for data in datas
        ]
        assert min(counts) > 0
        assert max(counts) < MOST_PARAMS


def test_metrics_that_are_documented() -> None:
    """The docs name every metric, and there are fewer than 20."""
    text = (CONF.parent / "docs" / "tracking.md").read_text(encoding="utf-8")
    assert [name for name in sorted(LOGGED) if f"`{name}`" not in text] == []
    assert len(LOGGED) < MOST_METRICS
