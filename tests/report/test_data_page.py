"""The page of a data set: it loads nothing, and nothing of the user's is taken for HTML."""

from pathlib import Path

from PIL import Image

from cnn_sweeps.config.schema import Augment, DigitsData, FolderData
from cnn_sweeps.data.overview import look_through
from cnn_sweeps.report.data_page import MOST_SIZES, page, sizes


def test_the_page_has_counts_copies_and_pictures(tmp_path: Path) -> None:
    """A sheet for each split; names of files and classes are escaped."""
    for number in range(24):
        file = tmp_path / "pets" / ("<b>cat", "dog")[number % 2] / f"{number}&.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (200, 10 * (number // 4 * 2 + number % 2), 0)).save(file)
    made = page(look_through(FolderData(path=tmp_path / "pets")))
    assert made.startswith("<!doctype html>")
    assert made.count("data:image/png;base64,") == 3
    assert "http" not in made
    assert "<b>" not in made
    assert "&lt;b&gt;cat" in made
    assert "&amp;.png" in made
    assert "<td>4x4</td><td>24</td>" in made


def test_the_page_shows_what_augmentation_makes() -> None:
    """One more picture, and none where nothing is on."""
    overview = look_through(DigitsData(limit=40))
    plain = page(overview, Augment())
    assert plain == page(overview)
    augmented = page(overview, Augment(flip="both", rotate=20.0))
    assert augmented.count("data:image/png;base64,") == plain.count("data:image/png;base64,") + 1
    assert "<h2>augmentation</h2>" in augmented


def test_the_page_fits_a_phone_and_a_dark_screen() -> None:
    """It says that it does, and what is wider is scrolled."""
    made = page(look_through(DigitsData(limit=40)))
    assert 'name="viewport"' in made
    assert "color-scheme: light dark" in made
    assert made.count('<div class="scroll">') == made.count("<table>") + made.count("<img ")


def test_many_sizes_are_told_as_a_range(tmp_path: Path) -> None:
    """Photographs have nearly as many sizes as there are files."""
    for number in range(24):
        file = tmp_path / "pets" / ("cat", "dog")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4 + number, 40 - number), (200, 10 * number, 0)).save(file)
    table = sizes(look_through(FolderData(path=tmp_path / "pets")))
    assert len(table.rows) == MOST_SIZES + 1
    assert table.rows[-1] == ("12x17 to 27x32, 16 other sizes", "16")
