"""What is said of predictions, from probabilities made by hand."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from cnn_sweeps.errors import UnreadableImageError
from cnn_sweeps.runs.use.prediction import Predictions


def made(*rows: tuple[float, ...], sources: tuple[str, ...] | None = None) -> Predictions:
    """Predictions of as many pictures as there are rows."""
    return Predictions(
        sources=sources or tuple(f"{number}.png" for number in range(len(rows))),
        class_names=("ant", "bee", "wasp"),
        probabilities=np.array(rows).reshape(-1, 3),
    )


def test_each_picture_has_the_name_of_its_most_probable_class() -> None:
    """With its probability."""
    found = made((0.1, 0.7, 0.2), (0.5, 0.25, 0.25))
    assert found.classes == ("bee", "ant")
    assert found.confidence.tolist() == [0.7, 0.5]
    assert found.top(0, 2) == [("bee", 0.7), ("wasp", 0.2)]


def test_the_unsure_ones_come_first() -> None:
    """In the table, in JSON and in CSV; equals in the order in which they were given."""
    found = made((0.9, 0.1, 0.0), (0.4, 0.3, 0.3), (0.0, 0.4, 0.6), (0.3, 0.4, 0.3))
    order = ["1.png", "3.png", "2.png", "0.png"]
    assert [row[0] for row in found.table(1).rows] == order
    assert [record["file"] for record in found.records(1)] == order
    assert [row["file"] for row in csv.DictReader(io.StringIO(found.to_csv(1)))] == order


def test_as_many_classes_as_were_asked_for() -> None:
    """And no more than there are."""
    found = made((0.2, 0.5, 0.3))
    assert found.table(2).rows == (("0.png", "bee", "50.0%", "wasp", "30.0%"),)
    assert found.table(9).rows[0][5:] == ("ant", "20.0%")
    (row,) = csv.DictReader(io.StringIO(found.to_csv(9)))
    assert row == {
        "file": "0.png",
        **{"class": "bee", "probability": "0.5"},
        **{"class_2": "wasp", "probability_2": "0.3"},
        **{"class_3": "ant", "probability_3": "0.2"},
    }


def test_nothing_is_a_prediction_too() -> None:
    """No picture, no row."""
    found = made()
    assert (len(found), found.classes, found.records(3)) == (0, (), [])


def test_a_file_that_cannot_be_read_has_an_error_in_json() -> None:
    """It is not silently left out of what a program reads."""
    found = Predictions(
        sources=(),
        class_names=("ant", "bee"),
        probabilities=np.empty((0, 2)),
        unreadable=(UnreadableImageError("x.jpg", "an empty file, 0 bytes"),),
    )
    (record,) = found.records(3)
    assert record["file"] == "x.jpg"
    assert "0 bytes" in record["error"]


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0.png", "@sum.png", "-1+1.png", "+a.png"])
def test_a_name_is_no_formula_in_a_spreadsheet(name: str) -> None:
    """It may come from a stranger's archive."""
    (row,) = csv.DictReader(io.StringIO(made((0.2, 0.5, 0.3), sources=(name,)).to_csv(1)))
    assert row["file"] == f"'{name}"
    assert row["probability"] == "0.5"


def test_a_link_lies_where_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of links to pictures elsewhere, and a link to a folder of another name."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "1").touch()
    (tmp_path / "bee").mkdir()
    (tmp_path / "bee" / "1.png").symlink_to(tmp_path / "store" / "1")
    (tmp_path / "wasp").symlink_to(tmp_path / "store")
    monkeypatch.chdir(tmp_path / "bee")
    sources = ("1.png", "../wasp/1")
    right = made((0.0, 0.9, 0.1), (0.0, 0.9, 0.1), sources=sources).right()
    assert (right or "").startswith("1 of 2 pictures")


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        pytest.param(("a/ant/1.png", "a/bee/2.png"), "1 of 2 pictures (50.0%)", id="by class"),
        pytest.param(("a/ant/1.png", "a/other/2.png"), None, id="another folder"),
        pytest.param(("1.png", "2.png"), None, id="no folder"),
    ],
)
def test_folders_of_classes_say_what_is_right(sources: tuple[str, ...], said: str | None) -> None:
    """Only where every picture lies in one."""
    right = made((0.9, 0.1, 0.0), (0.8, 0.1, 0.1), sources=sources).right()
    assert right == said if said is None else (right or "").startswith(said)
