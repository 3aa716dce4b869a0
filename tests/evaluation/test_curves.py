"""ROC and precision-recall curves against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sklearn

from cnn_sweeps.evaluation import curves

NAMES = ("ant", "bee", "wasp")


def drawn(images: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of two of three classes, and probabilities that know something of them."""
    chance = np.random.RandomState(1)
    labels = chance.randint(0, 2, images)
    scores = np.exp(chance.randn(images, 3) + np.eye(3)[labels])
    return labels, scores / scores.sum(axis=1, keepdims=True)


def test_areas_are_those_of_scikit_learn() -> None:
    """Whatever points are left of a long curve; a class without images has none."""
    labels, probabilities = drawn(3000)
    found = curves.roc(labels, probabilities, NAMES)
    precise = curves.precision_recall(labels, probabilities, NAMES)
    assert [each.name for each in found] == [each.name for each in precise] == ["ant", "bee"]
    for number in range(2):
        own, scores = labels == number, probabilities[:, number]
        assert found[number].area == pytest.approx(sklearn.roc_auc_score(own, scores), abs=1e-12)
        expected = sklearn.average_precision_score(own, scores)
        assert precise[number].area == pytest.approx(expected, abs=1e-12)


def test_a_long_curve_keeps_its_shape() -> None:
    """Few points, both ends among them, and none far from the curve."""
    labels, probabilities = drawn(3000)
    curve = curves.roc(labels, probabilities, NAMES)[0]
    assert len(curve.x) <= curves.POINTS
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(curve.area, abs=2e-3)
    assert max(np.hypot(np.diff(curve.x), np.diff(curve.y))) < 0.05


def test_one_class_has_no_curve() -> None:
    """There is nothing to tell it from."""
    labels = np.zeros(4, np.int64)
    assert curves.roc(labels, np.full((4, 3), 1 / 3), NAMES) == ()
