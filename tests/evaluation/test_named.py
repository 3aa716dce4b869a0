"""Metrics by name: each is that of scikit-learn, with its direction."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sklearn

from cnn_sweeps.evaluation import named

Labels, Scores = NDArray[np.int64], NDArray[np.float64]


def drawn(
    classes: int, *, images: int = 150, absent: bool = False, ties: bool = False, seed: int = 0
) -> tuple[Labels, Scores]:
    """Labels, and probabilities that know something of them.

    Args:
        classes: how many.
        images: how many.
        absent: whether no image is of the last class, and none is taken for it.
        ties: whether many images have the same few probabilities.
        seed: of what is drawn.
    """
    chance = np.random.RandomState(seed)
    labels = chance.randint(0, classes - absent, images)
    logits = chance.randn(images, classes) + 1.5 * np.eye(classes)[labels]
    if absent:
        logits[:, -1] = -9
    if ties:
        logits = np.round(logits)
    powers = np.exp(logits)
    return labels, powers / powers.sum(axis=1, keepdims=True)


def one_hot(labels: Labels, scores: Scores) -> tuple[Any, Any]:
    """Each class that has images against the others, as columns."""
    known = np.unique(labels)
    return np.stack([labels == each for each in known], axis=1), scores[:, known]


def ours_of_sklearn(name: str) -> Callable[[Labels, Scores], float]:
    """The same by a direct call of scikit-learn."""
    return {
        "accuracy": lambda y, p: sklearn.accuracy_score(y, p.argmax(axis=1)),
        "balanced_accuracy": lambda y, p: sklearn.balanced_accuracy_score(y, p.argmax(axis=1)),
        "macro_f1": lambda y, p: sklearn.f1_score(y, p.argmax(axis=1), average="macro"),
        "top_2_accuracy": lambda y, p: sklearn.top_k_accuracy_score(
            y, p, k=2, labels=range(p.shape[1])
        ),
        "roc_auc": lambda y, p: sklearn.roc_auc_score(*one_hot(y, p), average="macro"),
        "pr_auc": lambda y, p: sklearn.average_precision_score(*one_hot(y, p), average="macro"),
        "log_loss": lambda y, p: sklearn.log_loss(y, p, labels=range(p.shape[1])),
    }[name]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"classes": 2}, id="binary"),
        pytest.param({"classes": 2, "ties": True}, id="binary, ties"),
        pytest.param({"classes": 5}, id="many classes"),
        pytest.param({"classes": 5, "ties": True}, id="ties"),
        pytest.param({"classes": 4, "absent": True}, id="missing class"),
        pytest.param({"classes": 4, "absent": True, "ties": True, "images": 9}, id="few images"),
    ],
)
@pytest.mark.parametrize(
    "name",
    [*sorted(named.METRICS.keys() - {"brier", "ece"}), "top_2_accuracy"],
)
def test_a_metric_is_that_of_scikit_learn(name: str, given: dict[str, Any]) -> None:
    """To 1e-12, by a call of its own."""
    if name.startswith("top") and given["classes"] == 2:
        pytest.skip("of two classes it is 1")
    labels, scores = drawn(**given)
    metric = named.find_metric(name)
    assert metric is not None
    assert metric.of(labels, scores) == pytest.approx(
        ours_of_sklearn(name)(labels, scores), abs=1e-12
    )


def test_the_roc_auc_of_two_classes_is_that_of_one_of_them() -> None:
    """Each class against the other is the same question."""
    labels, scores = drawn(2)
    expected = sklearn.roc_auc_score(labels, scores[:, 1])
    assert named.METRICS["roc_auc"].of(labels, scores) == pytest.approx(expected, abs=1e-12)


def test_brier_is_the_squared_distance_from_the_truth() -> None:
    """Of two classes it is twice that of scikit-learn, which looks at one of them."""
    labels, scores = drawn(2, ties=True)
    expected = 2 * sklearn.brier_score_loss(labels, scores[:, 1])
    assert named.METRICS["brier"].of(labels, scores) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "higher_is_better"),
    [
        ("val_accuracy", True),
        ("val_macro_f1", True),
        ("test_top_3_accuracy", True),
        ("val_roc_auc", True),
        ("images_per_second", True),
        ("val_loss", False),
        ("val_log_loss", False),
        ("val_brier", False),
        ("epochs", False),
    ],
)
def test_a_leaderboard_knows_which_end_is_the_top(name: str, higher_is_better: bool) -> None:
    """Of metrics by their table, of others by their name."""
    assert named.higher_is_better(name) is higher_is_better


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("macro_f2", "macro_f1"), ("roc", "roc_auc"), ("top3_accuracy", "top_3_accuracy"), ("x", "")],
)
def test_a_misspelt_metric_is_guessed(typed: str, meant: str) -> None:
    """Where one is like it."""
    assert named.find_metric(typed) is None
    assert named.closest_name(typed) == meant
