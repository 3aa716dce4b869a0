"""What is seen of a data set before anything is trained on it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from cnn_sweeps.config.schema import DigitsData, FolderData, NpzData
from cnn_sweeps.data.overview import look_through

Write = Callable[..., Path]


def test_files_are_counted_measured_and_compared(tmp_path: Path, write_images: Write) -> None:
    """Copies by what is seen, not by the bytes of the file; unreadable files are named."""
    write_images(tmp_path / "train", {"a": 9, "b": 9})
    write_images(tmp_path / "test", {"a": 2, "b": 2})
    for number in range(2):  # a test image that is a training image, as another format
        Image.open(tmp_path / "train" / "b" / f"00{number}.png").save(
            tmp_path / "test" / "b" / f"00{number}.bmp"
        )
        (tmp_path / "test" / "b" / f"00{number}.png").unlink()
        Image.new("RGB", (9, 9), (number, 250, 7)).save(tmp_path / "test" / "a" / f"00{number}.png")
    Image.new("RGB", (6, 4), (150, 0, 200)).save(tmp_path / "train" / "a" / "twice.png")
    (tmp_path / "train" / "a" / "empty.png").touch()
    found = look_through(FolderData(path=tmp_path))
    assert found.dataset.images_per_class["test"] == (2, 2)
    assert found.sizes == {(6, 4): 21, (9, 9): 2}
    assert (len(found.copies), found.across) == (3, 2)
    names = [sorted(Path(found.name(place)).name for place in group) for group in found.copies]
    assert sorted(names) == [
        ["000.bmp", "000.png"],
        ["000.png", "twice.png"],
        ["001.bmp", "001.png"],
    ]
    assert any("a/empty.png" in line for line in found.dataset.notices)


def test_arrays_have_numbers_in_place_of_names(tmp_path: Path) -> None:
    """And no sizes of files."""
    x = np.random.RandomState(0).randint(0, 256, (40, 5, 5), dtype=np.uint8)
    x[31] = x[30]
    y = np.arange(40) % 2
    path = tmp_path / "a.npz"
    np.savez(path, allow_pickle=False, x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    found = look_through(NpzData(path=path))
    assert (found.sizes, found.copies) == ({}, ((("test", 0), ("test", 1)),))
    assert found.name(found.copies[0][1]) == "test 1"
    assert look_through(DigitsData(limit=100)).copies == ()
