"""A dense network on the flattened image."""

from math import prod

from cnn_sweeps.config.schema import DnnModel
from cnn_sweeps.models import dense
from cnn_sweeps.models.network import Network, Shape, Tensor


def build(model: DnnModel, x: Tensor, num_classes: int) -> Tensor:
    """Nothing stands between the image and the dense layers."""
    return dense.head(model, x, num_classes, batch_norm=model.batch_norm)


def title(model: DnnModel) -> str:
    """The units of each layer: `dnn 256-64`."""
    return dense.listed_title("dnn", dense.dense_units(model))


def count_params(model: DnnModel, shape: Shape, num_classes: int) -> int:
    """Each pixel is a feature."""
    return dense.head_params(model, prod(shape), num_classes, batch_norm=model.batch_norm)


def multiply_adds(model: DnnModel, shape: Shape, num_classes: int) -> int:
    """Each weight is used once."""
    return dense.head_multiply_adds(model, prod(shape), num_classes)


NETWORK: Network[DnnModel] = Network(
    build=build, title=title, count_params=count_params, multiply_adds=multiply_adds
)
