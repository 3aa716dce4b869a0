"""The area under the margin."""

import numpy as np
import pytest


def test_it_is_the_mean_difference_of_the_scores_before_the_softmax() -> None:
    """Lost epochs are passed over; a score of nothing leaves it finite."""
    from cnn_sweeps.runs.epochs.label_errors import area_under_margin

    random, y = np.random.RandomState(0), np.array([0, 2, 1])
    raw = random.normal(size=(2, 3, 3)).astype(np.float32)
    shares = np.exp(raw) / np.exp(raw).sum(axis=2, keepdims=True)
    margins, last, count = area_under_margin(iter([shares[0], None, shares[1]]), y)
    expected = [
        np.mean([each[i, k] - np.delete(each[i], k).max() for each in raw]) for i, k in enumerate(y)
    ]
    assert margins == pytest.approx(expected, abs=1e-5)
    assert count == 2
    np.testing.assert_array_equal(last, shares[1])
    certain = np.eye(3, dtype=np.float32)
    margins, _, _ = area_under_margin(iter([certain]), np.array([0, 0, 2]))
    assert np.isfinite(margins).all()
    assert margins[1] < 0 < margins[0]
    assert area_under_margin(iter([None]), y)[2] == 0
