"""What is said of a network on one split."""

import numpy as np

from cnn_sweeps.evaluation.evaluation import Evaluation

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
