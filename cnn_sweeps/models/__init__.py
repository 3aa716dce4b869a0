"""From the config of a network to the network. Here is the list of its kinds.

What is asked here is answered without Keras; `models.build` imports it.
"""

from collections.abc import Mapping
from typing import Any, Final

from cnn_sweeps.config.schema import Model
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.models import cnn, custom, dnn, pretrained, resnet
from cnn_sweeps.models.network import Network, Shape

NETWORKS: Final[Mapping[str, Network[Any]]] = {
    "dnn": dnn.NETWORK,
    "cnn": cnn.NETWORK,
    "resnet": resnet.NETWORK,
    "custom": custom.NETWORK,
    "pretrained": pretrained.NETWORK,
}
"""`model.name` and who builds it."""

MOST_PARAMS: Final = 2**31 - 1
"""8 GiB of weights in float32, and three times that with the state of Adam."""


def network_of(model: Model) -> Network[Any]:
    """The kind of network that a configuration names.

    Raises:
        ConfigError: there is none of that name.
    """
    if model.name not in NETWORKS:
        known = ", ".join(NETWORKS)
        raise ConfigError(f"model.name={model.name} has no builder; there are {known}.")
    return NETWORKS[model.name]


def check(model: Model, shape: Shape | None) -> None:
    """Refuse what cannot be built for such images, before anything is built.

    Args:
        model: the network.
        shape: of an image; None where only loading can tell.

    Raises:
        ConfigError: it does not fit, or has more parameters than any machine holds.
    """
    network_of(model).check(model, shape)
    total = (count_params(model, shape, 1) or 0) if shape else 0
    if total > MOST_PARAMS:  # a slip of the keyboard, most likely
        raise ConfigError(
            f"The network would have {total:.2g} parameters, but the limit is {MOST_PARAMS:,}.\n"
            f"Type smaller numbers for {_sizes(model)}."
        )


def _sizes(model: Model) -> str:
    """The keys that make a network large."""
    sizes = ("dense_units", "filters", "width", "depth")
    return " or ".join(f"model.{size}" for size in sizes if hasattr(model, size))


def count_params(model: Model, shape: Shape, num_classes: int) -> int | None:
    """All parameters of the network, as Keras counts them; None where only building can tell."""
    return network_of(model).count_params(model, shape, num_classes)


def multiply_adds(model: Model, shape: Shape, num_classes: int) -> int | None:
    """Multiplications of one forward pass of one image; None where only building can tell."""
    return network_of(model).multiply_adds(model, shape, num_classes)
