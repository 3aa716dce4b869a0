"""What is said of a network on one split."""

import json

import numpy as np
import pytest

from cnn_sweeps.evaluation.evaluation import Evaluation
from cnn_sweeps.text.json import dump_json

LABELS = np.array([0, 0, 1, 1, 2, 2])
PROBABILITIES = np.array(
    [
        [0.8, 0.1, 0.1],
        [0.2, 0.7, 0.1],
        [0.1, 0.8, 0.1],
        [0.1, 0.6, 0.3],
        [0.3, 0.3, 0.4],
        [0.1, 0.2, 0.7],
    ]
)
NAMES = ("ant", "bee", "wasp")


def test_everything_is_of_the_same_images() -> None:
    """Confusion, classes and metrics agree."""
    found = Evaluation.of(LABELS, PROBABILITIES, NAMES)
    assert found.images == 6
    assert found.confusion == ((1, 1, 0), (0, 2, 0), (0, 0, 2))
    assert found.metrics["accuracy"] == 5 / 6
    assert [each.recall for each in found.classes] == [0.5, 1, 1]
    assert sum(each.count for each in found.reliability) == 6


def test_rows_that_are_summed_in_single_precision_are_probabilities() -> None:
    """A network's float32 scores sum to 1 but for the last bits."""
    single = PROBABILITIES.astype(np.float32) * np.float32(1.0000001)
    assert Evaluation.of(LABELS, single, NAMES).metrics["accuracy"] == 5 / 6


def test_a_temperature_of_other_images_is_applied() -> None:
    """Calibrated values stand beside the others, under a heading that names it."""
    found = Evaluation.of(LABELS, PROBABILITIES, NAMES, temperature=0.5)
    assert set(found.calibrated) == {"ece", "log_loss"}
    assert found.calibrated["log_loss"] != found.metrics["log_loss"]
    assert "at temperature 0.5" in found.overall_table().head
    assert "at temperature" not in str(Evaluation.of(LABELS, PROBABILITIES, NAMES).overall_table())


def test_tables_have_a_row_for_each_class_and_metric() -> None:
    """In the order in which they are known."""
    found = Evaluation.of(LABELS, PROBABILITIES, NAMES)
    assert [row[0] for row in found.class_table().rows] == list(NAMES)
    assert [row[0] for row in found.overall_table().rows] == list(found.metrics)


def test_a_class_has_its_intervals_beside_its_scores() -> None:
    """Those that matter most stay where a terminal is narrow."""
    table = Evaluation.of(LABELS, PROBABILITIES, NAMES).class_table()
    assert table.head[1:3] == ("precision", "precision 95 %")
    assert table.rows[1][3:5] == ("1.0000", "1.00 to 1.00")
    assert table.first == ("class", "precision", "recall", "F1", "images")


def test_a_class_without_images_has_no_scores() -> None:
    """A recall of 0 would be wrong."""
    table = Evaluation.of(LABELS[:4], PROBABILITIES[:4], NAMES).class_table()
    assert table.rows[2] == ("wasp", "", "", "", "", "", "", "0")


def test_the_most_frequent_mistakes_come_first() -> None:
    """With their share of the true class; what never happened is not listed."""
    found = Evaluation.of(np.array([0, 0, 0, 1, 1]), np.eye(3)[[1, 1, 2, 1, 0]], NAMES)
    assert found.confusion_table().rows == (
        ("ant", "bee", "2", "66.7%"),
        ("ant", "wasp", "1", "33.3%"),
        ("bee", "ant", "1", "50.0%"),
    )


def test_what_is_stored_is_read_again() -> None:
    """Every field, also bins without an image."""
    found = Evaluation.of(LABELS, PROBABILITIES, NAMES, temperature=0.5)
    assert Evaluation.from_json(json.loads(dump_json(found))) == found
    assert found.calibrated_reliability != found.reliability
    with pytest.raises(ValueError, match="confusion"):
        Evaluation.from_json({"split": "test"})
