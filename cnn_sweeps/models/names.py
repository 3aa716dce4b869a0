"""Names of networks that a person can read at a glance."""

from cnn_sweeps.config.schema import CnnModel, Config, CustomModel, Model
from cnn_sweeps.models import shapes


def title(model: Model) -> str:
    """A short name such as `cnn 64x2`, `cnn 16-32-64`, `dnn 128` or `custom build_net`."""
    if isinstance(model, CustomModel):
        return f"custom {model.function.rpartition(':')[2]}"
    if isinstance(model, CnnModel) and isinstance(model.filters, int):
        return f"cnn {model.filters}x{model.conv_blocks}"
    numbers = shapes.filters(model) if isinstance(model, CnnModel) else shapes.dense_units(model)
    return f"{model.name} {'-'.join(map(str, numbers)) or '0'}"


def name_of(config: Config) -> str:
    """A name for a run of it: `cnn 64x2 e5`, and `cnn 64x2 e5 seed 1` where that is not 0."""
    seed = f" seed {config.seed}" if config.seed else ""
    return f"{title(config.model)} e{config.trainer.epochs}{seed}"
