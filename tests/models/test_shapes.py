"""What fits, how large it is, and how the refusal reads."""

from typing import Any

import pytest

from cnn_sweeps.config.schema import CnnModel, CustomModel, DnnModel, Model
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.models import shapes

SHAPE = (28, 28, 1)


def cnn(**fields: Any) -> CnnModel:
    """The default network with some fields changed."""
    return CnnModel(**fields)


def test_feature_maps_of_the_notebook() -> None:
    """Three blocks of 3x3 and 2x2 leave one pixel of 28."""
    assert [h for h, _ in shapes.feature_maps(cnn(conv_blocks=3), SHAPE)] == [26, 13, 11, 5, 3, 1]


def test_feature_maps_of_a_rectangle() -> None:
    """Height and width shrink each by its own."""
    assert shapes.feature_maps(cnn(conv_blocks=1), (28, 20, 3)) == [(26, 18), (13, 9)]


@pytest.mark.parametrize(
    ("fields", "shape", "most"),
    [
        pytest.param({}, SHAPE, 3, id="default"),
        pytest.param({"padding": "same"}, SHAPE, 4, id="same"),
        pytest.param({"pooling": "none"}, SHAPE, 13, id="no pooling"),
        pytest.param({"pooling": "none", "padding": "same"}, SHAPE, None, id="nothing shrinks"),
        pytest.param({"kernel_size": 1, "pool_size": 1}, SHAPE, None, id="all of one pixel"),
        pytest.param({"kernel_size": 29}, SHAPE, 0, id="kernel wider than the image"),
        pytest.param({"kernel_size": 28, "pooling": "none"}, SHAPE, 1, id="kernel as the image"),
        pytest.param({}, (28, 5, 1), 1, id="the shorter side counts"),
        pytest.param({}, (32, 32, 3), 3, id="cifar"),
    ],
)
def test_max_blocks(fields: dict[str, Any], shape: shapes.Shape, most: int | None) -> None:
    """As many blocks fit as leave at least one pixel."""
    assert shapes.max_blocks(cnn(**fields), shape) == most


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(cnn(conv_blocks=0), id="no block"),
        pytest.param(cnn(conv_blocks=3), id="as many as fit"),
        pytest.param(cnn(conv_blocks=9, padding="same", pooling="none"), id="no end"),
        pytest.param(cnn(conv_blocks=2, filters=(16, 32)), id="list of the right length"),
        pytest.param(DnnModel(), id="dnn"),
        pytest.param(CustomModel(function="nets:build"), id="custom"),
    ],
)
def test_what_fits_is_let_through(model: Any) -> None:
    """A possible network is not refused."""
    shapes.check_fits(model, SHAPE)


def test_a_fourth_block_is_refused_with_sizes_and_remedies() -> None:
    """The refusal says what was given, the sizes, what is possible and what to type."""
    with pytest.raises(ConfigError) as refused:
        shapes.check_fits(cnn(conv_blocks=4), SHAPE)
    assert str(refused.value) == (
        "model.conv_blocks=4 does not fit images of 28x28 with kernel_size=3, padding=valid "
        "and pool_size=2: the feature maps are 26, 13, 11, 5, 3, 1.\n"
        "At most 3 blocks fit: type model.conv_blocks=3 or model.padding=same or "
        "model.pooling=none."
    )


def test_only_remedies_that_help_are_named() -> None:
    """Padding does not make five poolings fit."""
    with pytest.raises(ConfigError, match=r"type model\.conv_blocks=3 or model\.pooling=none\.$"):
        shapes.check_fits(cnn(conv_blocks=5), SHAPE)


def test_a_kernel_wider_than_the_image_is_refused() -> None:
    """Where not even one block fits, the sizes are said to be none."""
    with pytest.raises(ConfigError, match=r"maps are none at all.\nAt most 0 blocks fit"):
        shapes.check_fits(cnn(conv_blocks=1, kernel_size=40, pooling="none"), SHAPE)


def test_maps_of_a_rectangle_are_named_by_both_sides() -> None:
    """Sides that differ are both shown."""
    with pytest.raises(ConfigError, match=r"are 26x18, 13x9, 11x7, 5x3, 3x1\.\nAt most 2"):
        shapes.check_fits(cnn(conv_blocks=3), (28, 20, 1))


@pytest.mark.parametrize(
    ("filters", "blocks", "message"),
    [
        pytest.param((16, 32, 64), 2, r"=\[16,32,64\] has 3 numbers, .*blocks=2\.", id="longer"),
        pytest.param((16,), 2, r"=\[16\] has 1 number, .*blocks=2\.", id="shorter"),
        pytest.param((16,), 0, "Type one number for all blocks, or .*blocks=1", id="no block"),
    ],
)
def test_a_list_of_another_length_is_refused(
    filters: tuple[int, ...], blocks: int, message: str
) -> None:
    """A list names one number for each block, no more and no fewer."""
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        shapes.check_fits(cnn(filters=filters, conv_blocks=blocks), SHAPE)


@pytest.mark.parametrize(
    ("model", "params"),
    [
        pytest.param(DnnModel(), 101_770, id="dense 128"),
        pytest.param(cnn(), 243_786, id="64x2"),
        pytest.param(cnn(conv_blocks=3), 84_106, id="64x3"),
        pytest.param(cnn(filters=32, conv_blocks=1), 693_962, id="32x1"),
        pytest.param(CustomModel(function="nets:build"), None, id="custom is not known"),
    ],
)
def test_count_params_of_the_notebook(model: Any, params: int | None) -> None:
    """The numbers of the notebook's own cells."""
    assert shapes.count_params(model, SHAPE, 10) == params


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(cnn(conv_blocks=1, filters=10**15), id="filters"),
        pytest.param(DnnModel(dense_units=10**9), id="dense units"),
    ],
)
def test_a_network_that_no_machine_holds_is_refused(model: CnnModel | DnnModel) -> None:
    """A slip in a number is told before Keras tries to allocate it."""
    with pytest.raises(
        ConfigError, match=r"would have \S+ parameters, but the limit is 2,147,483,647"
    ):
        shapes.check_size(model, SHAPE)


def test_a_large_network_passes() -> None:
    """Hundreds of millions of parameters are the user's own affair."""
    shapes.check_size(DnnModel(dense_units=(4096, 4096, 4096)), (224, 224, 3))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(DnnModel(), 784 * 128 + 1280, id="dense"),
        pytest.param(
            CnnModel(), 26**2 * 9 * 64 + 11**2 * 9 * 64**2 + 25 * 64 * 128 + 1280, id="64x2"
        ),
        pytest.param(CustomModel(function="a:b"), None, id="a user's own"),
    ],
)
def test_multiply_adds(model: Model, expected: int | None) -> None:
    """Every weight of a convolution is used once for each position of its map."""
    assert shapes.multiply_adds(model, (28, 28, 1), 10) == expected
