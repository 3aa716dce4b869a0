"""A user's own images: one sub-folder for each class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import FolderData
from cnn_sweeps.data.arrays import Part, Shape
from cnn_sweeps.data.dataset import FEWEST_CLASSES, Content, assemble
from cnn_sweeps.data.files import expanded, kind, told, visible
from cnn_sweeps.data.readers.reader import Reader
from cnn_sweeps.data.split import hold_out
from cnn_sweeps.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
TEST_SEED = 0
Classes = dict[str, list[Path]]


def read(config: FolderData) -> Content:
    """Read `train/` and `test/`, or one folder of classes and hold out the test split.

    Without `test/`, a fixed seed marks `test_fraction` of each class. Other folders beside
    `train/` and `test/` (such as `val/`) are not read.

    Raises:
        DataError: no class folders, an empty one, ones that differ between `train/` and
            `test/`, a file that is no image, or an image that cannot be read.
    """
    folder = expanded(config.path)
    train, test = halves(folder)
    classes = class_files(train)
    names = tuple(classes)
    x, y = _read(classes, config)
    if test is not None:
        test_classes = class_files(test)
        _same_classes(train, names, test, tuple(test_classes))
        x_test, y_test = _read(test_classes, config)
    else:
        held = hold_out(y, config.test_fraction, seed=TEST_SEED, option="data.test_fraction")
        x, y, x_test, y_test = x[~held], y[~held], x[held], y[held]
    arrays = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
    return assemble(
        {part: Part(array, str(folder)) for part, array in arrays.items()},
        name=folder.resolve().name,
        source=str(folder),
        class_names=names,
    )


def shape(config: FolderData) -> Shape:
    """Height, width and channels that every image is brought to."""
    return *config.image_size, 1 if config.color == "grayscale" else 3


def num_classes(config: FolderData) -> int:
    """As many as there are folders of training images."""
    return len(class_folders(halves(expanded(config.path))[0]))


def halves(folder: Path) -> tuple[Path, Path | None]:
    """The folder of training classes, and that of the test classes where there is one.

    Raises:
        DataError: the path is missing or no folder.
    """
    if kind(folder) == "file":
        raise DataError(
            f"data.path={folder} is a file; data=image_folder reads a folder with one "
            "sub-folder for each class."
        )
    visible(folder)  # a missing or forbidden folder is told here, once
    train, test = folder / "train", folder / "test"
    if kind(train) != "folder" or not class_folders(train):
        return folder, None
    return train, test if kind(test) == "folder" else None


def class_files(folder: Path) -> Classes:
    """The image files of each class, classes and files sorted by name.

    Raises:
        DataError: fewer than two classes, an empty one, or something that is no image.
    """
    loose = [path for path in visible(folder) if path.is_file() and _is_image(path)]
    if loose:
        raise DataError(
            f"{loose[0]} lies outside the class folders; make one sub-folder for each class "
            "and move the images there."
        )
    folders = class_folders(folder)
    if len(folders) < FEWEST_CLASSES:
        raise DataError(
            f"{folder} has {len(folders)} sub-folders; it needs at least two, one for each class."
        )
    return {path.name: _image_files(path) for path in folders}


def class_folders(folder: Path) -> list[Path]:
    """The visible sub-folders, sorted by name."""
    return [path for path in visible(folder) if path.is_dir()]


def _is_image(path: Path) -> bool:
    """Whether a file is an image by the end of its name."""
    return path.suffix.lower() in SUFFIXES


def _image_files(folder: Path) -> list[Path]:
    """The images of one class folder; anything else in it is refused, not skipped."""
    files = visible(folder)
    if not files:
        raise DataError(f"{folder} contains no images; add images or remove the class folder.")
    for path in files:
        if path.is_dir():
            raise DataError(f"{path} is a folder inside a class folder; move its images up.")
        if not _is_image(path):
            known = " ".join(suffix[1:] for suffix in SUFFIXES)
            raise DataError(f"{path} is not an image ({known}); move or convert it.")
    return files


def _same_classes(train: Path, names: Sequence[str], test: Path, others: Sequence[str]) -> None:
    """`train/` and `test/` name the same classes."""
    for folder, lacking in (
        (test, sorted(set(names) - set(others))),
        (train, sorted(set(others) - set(names))),
    ):
        if lacking:
            raise DataError(
                f"{folder} lacks the class folder {', '.join(lacking)}; "
                f"{train.name}/ and {test.name}/ must have the same ones."
            )


def _read(classes: Classes, config: FolderData) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """All images and labels, class after class in turn.

    The first image of each class, then the second of each, and so on: `limit` then takes
    a like number of each class instead of the first classes alone.
    """
    from cnn_sweeps.data.readers import picture  # noqa: PLC0415  imports Pillow

    turns = [
        (turn, label, path)
        for label, files in enumerate(classes.values())
        for turn, path in enumerate(files)
    ]
    turns.sort(key=lambda item: item[:2])
    height, width, channels = shape(config)
    with told(expanded(config.path)):
        images = np.empty((len(turns), height, width, channels), dtype=np.uint8)
    for place, (_, _, path) in enumerate(turns):
        images[place] = picture.read(path, config.image_size, color=config.color)
    return images, np.array([label for _, label, _ in turns], dtype=np.int64)


READER: Reader[FolderData] = Reader(read=read, shape=shape, num_classes=num_classes)
