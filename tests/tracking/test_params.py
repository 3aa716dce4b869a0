"""Values on their way into MLflow."""

import math
from pathlib import Path

import numpy as np
import pytest

from cnn_sweeps.tracking import flatten, params


def test_flatten_joins_names_with_dots() -> None:
    """Nested mappings become one level of dotted names."""
    nested = {"trainer": {"optimizer": {"name": "adam"}, "epochs": 5}, "seed": 0}
    assert flatten(nested) == {
        "trainer.optimizer.name": "adam",
        "trainer.epochs": "5",
        "seed": "0",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(None, "null", id="null"),
        pytest.param(True, "true", id="bool"),
        pytest.param(0.001, "0.001", id="float"),
        pytest.param([16, 32], "[16, 32]", id="list"),
        pytest.param((16, 32), "[16, 32]", id="tuple"),
        pytest.param({}, "{}", id="empty-mapping"),
        pytest.param("", "", id="empty-text"),
        pytest.param("Größe", "Größe", id="unicode"),
        pytest.param(["ä"], '["ä"]', id="unicode-in-list"),
        pytest.param([Path("a/b")], '["a/b"]', id="path-in-list"),
        pytest.param(Path("a/b"), "a/b", id="path"),
    ],
)
def test_flatten_writes_values_as_typed(value: object, text: str) -> None:
    """A value reads as it would be typed, and nothing that is absent vanishes."""
    assert flatten({"x": value}) == {"x": text}


def single(value: float) -> float:
    """A float32 as Python's own float."""
    return float(np.float32(value))


@pytest.mark.parametrize("value", [0.874, 1 / 3, 0.1, 1e-9, 3e38, 16777216.0, 1.0, 0.0, -0.7])
def test_a_score_has_no_digits_but_its_own(value: float) -> None:
    """And comes back bit for bit, from a store that has all the digits too."""
    logged = params.shortest_decimal("val_accuracy", single(value))
    assert len(repr(logged)) <= len(repr(single(value)))
    for stored in (logged, single(value)):
        assert params.exact_value("val_accuracy", stored, precision="float32") == single(value)
        assert params.exact_value("val_accuracy", stored, precision="mixed_bfloat16") == single(
            value
        )
    assert params.shortest_decimal("best_loss", single(0.874)) == 0.874


@pytest.mark.parametrize("value", [float("inf"), 1e300, 0.1, 0.30000000000000004])
def test_what_is_no_float32_is_stored_as_it_is(value: float) -> None:
    """Scores of a training in float64 among them, and those that no training gave."""
    assert params.shortest_decimal("loss", value) == value
    assert params.exact_value("loss", value, precision="float64") == value
    assert params.exact_value("loss", value, precision=None) == value


def test_no_other_number_is_touched() -> None:
    """Seconds are measured, and 2**30 params are not 1.0737418e+09."""
    for name, value in {"train_seconds": single(0.874), "total_params": 2.0**30}.items():
        assert params.shortest_decimal(name, value) == value
        assert params.exact_value(name, value, precision="float32") == value
    assert math.isnan(params.shortest_decimal("loss", math.nan))
    assert math.isnan(params.exact_value("loss", math.nan, precision="float32"))


def test_shorten_shows_the_cut() -> None:
    """A text over the limit ends in an ellipsis and has just the limit's length."""
    assert params.shorten("abcdef", 4) == "abc…"


def test_shorten_leaves_what_fits() -> None:
    """A text of exactly the limit stays whole."""
    assert params.shorten("abcd", 4) == "abcd"


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        pytest.param("trainer.epochs", "trainer.epochs", id="plain"),
        pytest.param("a/../b", "a_.._b", id="path"),
        pytest.param("größe (mm)", "größe _mm_", id="brackets"),
        pytest.param("", "_", id="empty"),
        pytest.param("n" * 300, "n" * 250, id="long"),
    ],
)
def test_key_becomes_acceptable(name: str, accepted: str) -> None:
    """A name from a user's own parameters never makes MLflow refuse the batch."""
    assert params.key(name) == accepted


def test_batches_keep_order_and_size() -> None:
    """Items come in order, in lists of the size, the last one shorter."""
    assert list(params.batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
