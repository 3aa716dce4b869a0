"""Whether probabilities mean what they say."""

import numpy as np
import pytest

from cnn_sweeps.evaluation import calibration


def test_honest_probabilities_have_no_calibration_error() -> None:
    """Of 10 images at 70 %, 7 are right."""
    labels = np.array([0] * 7 + [1] * 3)
    probabilities = np.tile([0.7, 0.3], (10, 1))
    bins = calibration.reliability(labels, probabilities)
    assert calibration.expected_calibration_error(bins) == pytest.approx(0, abs=1e-12)
    (full,) = (each for each in bins if each.count)
    assert (full.count, full.accuracy) == (10, pytest.approx(0.7))
    assert full.low < 0.7 <= full.high


def test_the_error_is_the_mean_gap_over_images() -> None:
    """Half of them at 90 % with 50 % right, half at 60 % with 60 % right."""
    sure = np.tile([0.9, 0.1], (10, 1))
    unsure = np.tile([0.6, 0.4], (10, 1))
    labels = np.array([0] * 5 + [1] * 5 + [0] * 6 + [1] * 4)
    bins = calibration.reliability(labels, np.concatenate([sure, unsure]))
    assert calibration.expected_calibration_error(bins) == pytest.approx((0.4 + 0) / 2)


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_certainty_and_its_opposite_have_a_bin(edge: float) -> None:
    """The first and the last value are counted."""
    bins = calibration.reliability(np.array([0]), np.array([[edge, 1 - edge]]))
    assert sum(each.count for each in bins) == 1


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_a_scale_of_the_logits(factor: float) -> None:
    """Labels drawn from probabilities, which are then made too sure or not sure enough."""
    chance = np.random.RandomState(0)
    honest = chance.dirichlet(np.ones(4), 5000)
    labels = np.array([chance.choice(4, p=row) for row in honest])
    told = calibration.scale_probabilities(honest, 1 / factor)
    assert calibration.temperature(labels, told) == pytest.approx(factor, rel=0.1)


def test_scaling_keeps_the_order_of_the_classes() -> None:
    """Accuracy stays what it is."""
    rows = np.random.RandomState(1).dirichlet(np.ones(6), 50)
    for by in (0.2, 5.0):
        made = calibration.scale_probabilities(rows, by)
        assert np.array_equal(made.argsort(axis=1), rows.argsort(axis=1))
        assert made.sum(axis=1) == pytest.approx(1)
