"""Metrics against scikit-learn, and intervals that hold what they say."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sklearn

from cnn_sweeps.errors import RunFailedError
from cnn_sweeps.evaluation import metrics

NAMES = ("ant", "bee", "wasp", "fly", "moth", "gnat", "flea")


def drawn(
    seed: int, *, images: int = 200, classes: int = 4, absent: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels, and probabilities that know something of them."""
    chance = np.random.RandomState(seed)
    labels = chance.randint(0, classes, images)
    if absent is not None:
        labels = np.where(labels == absent, (absent + 1) % classes, labels)
    logits = chance.randn(images, classes) + 2 * np.eye(classes)[labels]
    powers = np.exp(logits)
    return labels, powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("seed", [0, 1])
def test_metrics_are_those_of_scikit_learn(classes: int, seed: int) -> None:
    """To the last bits."""
    labels, probabilities = drawn(seed, classes=classes)
    found = metrics.overall_metrics(labels, probabilities)
    predicted, every = probabilities.argmax(axis=1), range(classes)
    exact = np.eye(classes)[labels]
    expected = {
        "accuracy": sklearn.accuracy_score(labels, predicted),
        "balanced_accuracy": sklearn.balanced_accuracy_score(labels, predicted),
        "macro_f1": sklearn.f1_score(labels, predicted, average="macro"),
        "log_loss": sklearn.log_loss(labels, probabilities, labels=every),
        "roc_auc": sklearn.roc_auc_score(exact, probabilities, average="macro"),
        "pr_auc": sklearn.average_precision_score(exact, probabilities, average="macro"),
    }
    if classes == 2:
        expected["brier"] = 2 * sklearn.brier_score_loss(labels, probabilities[:, 1])
    if k := metrics.top_k(classes):
        expected[f"top_{k}_accuracy"] = sklearn.top_k_accuracy_score(
            labels, probabilities, k=k, labels=every
        )
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


def test_a_class_without_images_leaves_the_means_as_they_are() -> None:
    """It has a row with support 0, and is no part of a mean."""
    labels, probabilities = drawn(3, classes=4, absent=2)
    found = metrics.overall_metrics(labels, probabilities)
    assert all(map(np.isfinite, found.values()))
    predicted = probabilities.argmax(axis=1)
    with pytest.warns(UserWarning, match="y_pred contains classes"):
        expected = sklearn.balanced_accuracy_score(labels, predicted)
    assert found["balanced_accuracy"] == pytest.approx(expected)
    row = metrics.per_class(labels, predicted, NAMES[:4])[2]
    assert (row.name, row.support, row.recall) == ("wasp", 0, 0)


def test_one_class_has_no_auc() -> None:
    """There is nothing to tell it from."""
    labels = np.zeros(5, np.int64)
    found = metrics.overall_metrics(labels, np.tile([0.7, 0.3], (5, 1)))
    assert "roc_auc" not in found
    assert found["accuracy"] == 1


def test_a_probability_of_zero_does_not_end_in_infinity() -> None:
    """A network may be sure and wrong."""
    found = metrics.overall_metrics(np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert np.isfinite(found["log_loss"])


def test_intervals_hold_the_value_and_can_be_repeated() -> None:
    """The same seed, the same interval."""
    labels, probabilities = drawn(5, classes=5)
    found = metrics.overall_metrics(labels, probabilities)
    ends = metrics.intervals(labels, probabilities)
    assert ends == metrics.intervals(labels, probabilities)
    assert set(ends) == {*found} - {"roc_auc", "pr_auc", "ece"}
    for name, (low, high) in ends.items():
        assert low < found[name] < high, name


def test_an_interval_is_as_wide_as_theory_says() -> None:
    """For accuracy that of a proportion: 1.96 standard errors to each side."""
    labels, probabilities = drawn(6, images=2000)
    accuracy = metrics.overall_metrics(labels, probabilities)["accuracy"]
    low, high = metrics.intervals(labels, probabilities)["accuracy"]
    error = 1.96 * np.sqrt(accuracy * (1 - accuracy) / 2000)
    assert (high - low) / 2 == pytest.approx(error, rel=0.1)


def test_intervals_of_a_class_are_those_of_drawn_images() -> None:
    """The bootstrap over images, done image by image, has the same ends but for chance."""
    labels, probabilities = drawn(7, images=300, classes=3)
    predicted = probabilities.argmax(axis=1)
    ends = metrics.class_intervals(labels, predicted, 3)[1]
    drawings = np.random.RandomState(1).randint(0, 300, (2000, 300))
    true, found = (labels == 1)[drawings], (predicted == 1)[drawings]
    right = (true & found).sum(axis=1)
    of_found, of_true = right / found.sum(axis=1), right / true.sum(axis=1)
    seen = [of_found, of_true, 2 * right / (found.sum(axis=1) + true.sum(axis=1))]
    for name, values in zip(("precision", "recall", "f1"), seen, strict=True):
        assert ends[name] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.015), name


def test_a_class_without_images_has_no_interval() -> None:
    """Nothing is known of it."""
    labels, probabilities = drawn(3, classes=4, absent=2)
    rows = metrics.per_class(labels, probabilities.argmax(axis=1), NAMES[:4])
    assert [bool(row.intervals) for row in rows] == [True, True, False, True]


def test_a_class_that_is_never_predicted_has_no_precision_to_be_sure_of() -> None:
    """Its recall is 0, surely."""
    ends = metrics.class_intervals(np.array([0, 0, 1]), np.array([0, 0, 0]), 2)[1]
    assert ends == {"recall": (0, 0), "f1": (0, 0)}


@pytest.mark.parametrize("row", [(np.nan, 0.5), (np.inf, 0.5), (0.0, 0.0)])
def test_what_is_no_probability_is_refused(row: tuple[float, float]) -> None:
    """With how many images it is, in the package's own words."""
    with pytest.raises(RunFailedError, match="no probabilities for 1 of 2 images"):
        metrics.normalized(np.array([row, (0.2, 0.8)]))


@pytest.mark.parametrize(
    "scores",
    [
        pytest.param(np.full((40, 4), 0.25), id="constant"),
        pytest.param(np.tile(np.eye(4), (10, 1)), id="certain"),
        pytest.param(
            np.repeat([[0.4, 0.4, 0.1, 0.1], [0.1, 0.4, 0.4, 0.1]], 20, axis=0), id="ties"
        ),
    ],
)
def test_metrics_of_odd_probabilities_are_those_of_scikit_learn(
    scores: NDArray[np.float64],
) -> None:
    """Where all are equal, none is in doubt, or several classes lead."""
    labels = np.arange(40) % 4
    found, predicted = metrics.overall_metrics(labels, scores), scores.argmax(axis=1)
    expected = {
        "accuracy": sklearn.accuracy_score(labels, predicted),
        "balanced_accuracy": sklearn.balanced_accuracy_score(labels, predicted),
        "macro_f1": sklearn.f1_score(labels, predicted, average="macro", zero_division=0),
        "top_3_accuracy": sklearn.top_k_accuracy_score(labels, scores, k=3),
        "roc_auc": sklearn.roc_auc_score(labels, scores, multi_class="ovr"),
        "log_loss": sklearn.log_loss(labels, scores),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
