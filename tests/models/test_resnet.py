"""What a residual network is known to be before it is built, and what is refused."""

from typing import Any

import pytest

from cnn_sweeps.config.schema import ResnetModel
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.models.names import title
from cnn_sweeps.models.network import Shape
from cnn_sweeps.models.resnet import check, count_params, multiply_adds, stem_stride

CIFAR = (32, 32, 3)


def resnet(**fields: Any) -> ResnetModel:
    """The default network with some fields changed."""
    return ResnetModel(**fields)


BUILT = [
    pytest.param({}, (28, 28, 1), 1, 10, id="default"),
    pytest.param({"depth": 14, "width": 5}, CIFAR, 1, 10, id="cifar"),
    pytest.param({"depth": 4, "stages": 1, "width": 1}, (1, 1, 1), 1, 2, id="one pixel"),
    pytest.param({"depth": 8, "dropout": 0.5}, (30, 53, 3), 1, 2, id="odd sides"),
    pytest.param({"depth": 12, "stages": 5, "width": 2}, (28, 28, 1), 1, 3, id="five stages"),
    pytest.param({"depth": 10, "stages": 2, "width": 4}, (65, 99, 3), 2, 3, id="halved"),
    pytest.param({"depth": 8, "width": 3}, (129, 131, 3), 4, 7, id="quartered"),
    pytest.param({"depth": 18, "stages": 4, "width": 4}, (224, 224, 3), 4, 100, id="photographs"),
]


@pytest.mark.parametrize(("fields", "shape", "stride", "classes"), BUILT)
def test_it_is_as_large_as_was_said(
    fields: dict[str, Any], shape: Shape, stride: int, classes: int
) -> None:
    """Parameters as Keras counts them; multiplications by the maps that Keras makes."""
    from keras import layers

    from cnn_sweeps.models.build import build_model

    model = resnet(**fields)
    network = build_model(model, shape, classes)
    assert stem_stride(shape) == stride
    assert count_params(model, shape, classes) == network.count_params()
    used, convolutions = 0, 0
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D):
            height, width = layer.output.shape[1:3]
            used += height * width * layer.kernel.shape.num_elements()
            convolutions += layer.kernel_size[0] > 1
        elif isinstance(layer, layers.Dense):
            used += layer.kernel.shape.num_elements()
    assert multiply_adds(model, shape, classes) == used
    assert convolutions + 1 == model.depth  # shortcuts are not counted


def test_the_networks_of_the_paper_have_its_sizes() -> None:
    """ResNet-20, 56 and 110 on CIFAR-10: 0.27, 0.85 and 1.7 million parameters."""
    sizes = [count_params(resnet(depth=depth), CIFAR, 10) for depth in (20, 56, 110)]
    assert [round(size / 1e6, 2) for size in sizes] == [0.27, 0.86, 1.74]


@pytest.mark.parametrize(
    ("fields", "near"),
    [
        pytest.param({"depth": 18}, "14, 20, 26", id="between"),
        pytest.param({"depth": 4}, "8, 14, 20", id="below"),
        pytest.param({"depth": 20, "stages": 4}, "18, 26, 34", id="four stages"),
    ],
)
def test_an_impossible_depth_is_refused_before_the_images_are_known(
    fields: dict[str, Any], near: str
) -> None:
    """In one line, with the nearest that are possible."""
    with pytest.raises(ConfigError) as refused:
        check(resnet(**fields), None)
    assert str(refused.value).endswith(f"for example, one of {near}.")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("stages", "shape", "most"),
    [
        pytest.param(7, (28, 28, 1), 6, id="28"),
        pytest.param(8, (224, 224, 3), 7, id="224"),
        pytest.param(3, (2, 90, 1), 2, id="the shorter side counts"),
    ],
)
def test_more_stages_than_the_images_have_room_for_are_refused(
    stages: int, shape: Shape, most: int
) -> None:
    """The last stage that halves maps of more than one pixel still fits."""
    with pytest.raises(ConfigError, match=rf"Type model\.stages={most} or fewer\."):
        check(resnet(depth=2 * stages + 2, stages=stages), shape)
    check(resnet(depth=2 * most + 2, stages=most), shape)


def test_the_title_tells_one_from_another() -> None:
    """Depth and width; the stages where they are not three."""
    assert title(resnet(depth=20)) == "resnet 20 w16"
    assert title(resnet(depth=18, stages=4, width=8)) == "resnet 18 w8 s4"
