"""Names of networks that a person can read at a glance."""

from cnn_sweeps.config.schema import Config, Model
from cnn_sweeps.models import network_of


def title(model: Model) -> str:
    """A short name such as `cnn 64x2`, `cnn 16-32-64`, `dnn 128` or `custom build_net`."""
    return network_of(model).title(model)


def name_of(config: Config) -> str:
    """A name for a run of it: `cnn 64x2 e5`, and `cnn 64x2 e5 seed 1` where that is not 0."""
    seed = f" seed {config.seed}" if config.seed else ""
    return f"{title(config.model)} e{config.trainer.epochs}{seed}"
