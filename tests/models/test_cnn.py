"""Which blocks fit, and how the refusal reads."""

from typing import Any

import pytest

from cnn_sweeps.config.schema import CnnModel
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.models.cnn import check, feature_maps, max_blocks
from cnn_sweeps.models.network import Shape

SHAPE = (28, 28, 1)


def cnn(**fields: Any) -> CnnModel:
    """The default network with some fields changed."""
    return CnnModel(**fields)


def test_feature_maps_of_the_notebook() -> None:
    """Three blocks of 3x3 and 2x2 leave one pixel of 28."""
    assert [h for h, _ in feature_maps(cnn(conv_blocks=3), SHAPE)] == [26, 13, 11, 5, 3, 1]


def test_feature_maps_of_a_rectangle() -> None:
    """Height and width shrink each by its own."""
    assert feature_maps(cnn(conv_blocks=1), (28, 20, 3)) == [(26, 18), (13, 9)]


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
def test_max_blocks(fields: dict[str, Any], shape: Shape, most: int | None) -> None:
    """As many blocks fit as leave at least one pixel."""
    assert max_blocks(cnn(**fields), shape) == most


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(cnn(conv_blocks=0), id="no block"),
        pytest.param(cnn(conv_blocks=3), id="as many as fit"),
        pytest.param(cnn(conv_blocks=9, padding="same", pooling="none"), id="no end"),
        pytest.param(cnn(conv_blocks=2, filters=(16, 32)), id="list of the right length"),
    ],
)
def test_what_fits_is_let_through(model: CnnModel) -> None:
    """A possible network is not refused."""
    check(model, SHAPE)


def test_a_fourth_block_is_refused_with_sizes_and_remedies() -> None:
    """The refusal says what was given, the sizes, what is possible and what to type."""
    with pytest.raises(ConfigError) as refused:
        check(cnn(conv_blocks=4), SHAPE)
    assert str(refused.value) == (
        "model.conv_blocks=4 does not fit images of 28x28 with kernel_size=3, padding=valid "
        "and pool_size=2: the feature maps are 26, 13, 11, 5, 3, 1.\n"
        "At most 3 blocks fit: type model.conv_blocks=3 or model.padding=same or "
        "model.pooling=none."
    )


def test_only_remedies_that_help_are_named() -> None:
    """Padding does not make five poolings fit."""
    with pytest.raises(ConfigError, match=r"type model\.conv_blocks=3 or model\.pooling=none\.$"):
        check(cnn(conv_blocks=5), SHAPE)


def test_a_kernel_wider_than_the_image_is_refused() -> None:
    """Where not even one block fits, the sizes are said to be none."""
    with pytest.raises(ConfigError, match=r"maps are none at all.\nAt most 0 blocks fit"):
        check(cnn(conv_blocks=1, kernel_size=40, pooling="none"), SHAPE)


def test_maps_of_a_rectangle_are_named_by_both_sides() -> None:
    """Sides that differ are both shown."""
    with pytest.raises(ConfigError, match=r"are 26x18, 13x9, 11x7, 5x3, 3x1\.\nAt most 2"):
        check(cnn(conv_blocks=3), (28, 20, 1))


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
        check(cnn(filters=filters, conv_blocks=blocks), SHAPE)
