"""Metrics for a person."""

import math

import pytest

from cnn_sweeps.text import format as measures


@pytest.mark.parametrize(
    ("metric", "values", "expected"),
    [
        pytest.param("val_accuracy", [0.9, 0.87654, None], ["0.9000", "0.8765", ""], id="share"),
        pytest.param("train_seconds", [9.54, 123], ["9.5", "123.0"], id="seconds"),
        pytest.param("epoch_seconds", [0.04], ["0.040"], id="short"),
        pytest.param("trainable_params", [27682.0, 5], ["27,682", "5"], id="count"),
        pytest.param("images_per_second", [1234.56, 7.1], ["1,234.6", "7.1000"], id="mixed"),
        pytest.param(
            "val_loss", [0.3472, 7.75465e44, 2.5], ["0.3472", "7.75e+44", "2.5000"], id="diverged"
        ),
        pytest.param(
            "val_loss",
            [12.34, -1e300, 3e-9, 0],
            ["12.3", "-1.00e+300", "3.00e-09", "0.0000"],
            id="of all sizes",
        ),
        pytest.param("val_loss", [2.0**150, 2.0**90], ["1.43e+45", "1.24e+27"], id="all diverged"),
        pytest.param("train_seconds", [0.9, 2e-5, 3e9], ["0.900", "2.00e-05", "3.00e+09"], id="s"),
        pytest.param("total_params", [138357544, 2e15], ["138,357,544", "2.00e+15"], id="counts"),
        pytest.param("val_accuracy", [1.0, 1.0], ["1.0000", "1.0000"], id="all right"),
        pytest.param("loss", [0.00042, 0.0001], ["4.20e-04", "1.00e-04"], id="small"),
        pytest.param("loss", [math.nan, 0.5, math.inf], ["nan", "0.5000", "inf"], id="no number"),
        pytest.param("loss", [], [], id="nothing"),
    ],
)
def test_each_value_has_digits_that_say_something(
    metric: str, values: list[float | None], expected: list[str]
) -> None:
    """Whatever stands beside it; what is of one size has its points below each other."""
    assert measures.texts(metric, values) == expected


@pytest.mark.parametrize(
    ("metric", "head"),
    [
        ("train_seconds", "train s"),
        ("peak_memory_mb", "peak memory MB"),
        ("images_per_second", "images/s"),
        ("val_accuracy", "val_accuracy"),
    ],
)
def test_units_stand_in_the_heading(metric: str, head: str) -> None:
    """What has no unit keeps the name that is typed."""
    assert measures.head(metric) == head


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([0.5, 0.25, 0], ["0.50", "0.25", "0.00"], id="decimals"),
        pytest.param([16, 8, ""], ["16", "8", ""], id="whole"),
        pytest.param([0.001, 1e-05], ["0.001", "1e-05"], id="powers of ten"),
        pytest.param([0.01, 1e30], ["0.01", "1e+30"], id="far apart"),
        pytest.param([0.123456, 0.123457], ["0.123456", "0.123457"], id="close together"),
        pytest.param(["adam", "sgd"], ["adam", "sgd"], id="names"),
        pytest.param([0.5, "null"], ["0.5", "null"], id="number or not"),
        pytest.param([0.5, None, True], ["0.5", "null", "true"], id="as typed"),
    ],
)
def test_settings_are_aligned_where_they_are_numbers(
    values: list[object], expected: list[str]
) -> None:
    """Names and powers of ten stay as they are."""
    assert measures.aligned_numbers(values) == expected
