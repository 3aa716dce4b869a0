"""A user's own images: one sub-folder for each class."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cnn_sweeps.config.schema import FolderData
from cnn_sweeps.data.dataset import FEWEST_CLASSES, Content
from cnn_sweeps.data.files import as_data_error, entries_of, expand_user, kind, visible_entries
from cnn_sweeps.data.readers import listed
from cnn_sweeps.data.readers.listed import Files, Listing, is_image
from cnn_sweeps.data.readers.reader import Reader
from cnn_sweeps.data.readers.split_names import SplitName, not_read, split_of
from cnn_sweeps.data.split import refuse_unused
from cnn_sweeps.errors import DataError
from cnn_sweeps.text.escape import printable
from cnn_sweeps.text.format import pluralize

FEWEST_SPLITS = 2
ORDER = ("train", "test", "validation")
Classes = dict[str, list[str]]


def read(config: FolderData) -> Content:
    """Read `train/`, `val/` and `test/`, or one folder of classes and hold out the test split.

    Without `test/`, a fixed seed marks `test_fraction` of each class. Other folders beside these
    are not read (nor is `val/` by the first rules).

    Files that cannot be read as images are left out with `skip_unreadable`, as if they were not
    there.

    Raises:
        DataError: no class folders, an empty one, ones that differ between the splits, or files
            that cannot be read as images: all of them are told.
        ConfigError: `test_fraction` has no effect.
    """
    folder = expand_user(config.path)
    folders = split_folders(folder, config.rules)
    classes: dict[SplitName, Classes] = {"train": class_files(folders["train"])}
    names = tuple(classes["train"])
    for split in [name for name in folders if name != "train"]:  # in order: it names what is kept
        _check_labelled(folders[split], split, names)
        classes[split] = class_files(folders[split], fewest=1)
        _same_classes(folders["train"], names, folders[split], tuple(classes[split]))
    splits = {split: _labelled(found) for split, found in classes.items()}
    notices: tuple[str, ...] = ()
    if "test" in folders and config.rules > 1:
        refuse_unused(config, "test_fraction", f"{folders['test']} is the test split")
    if config.rules > 1:
        beside = [path.name for path in class_folders(folder) if path not in folders.values()]
        notices += not_read(folder, beside if folders["train"] != folder else [])
        notices += not_read(folders["train"], _hidden_classes(folders["train"]))
    return listed.read(
        Listing(
            name=folder.resolve().name,
            source=folder,
            folder=folder,
            class_names=names,
            splits=splits,
            in_turns=True,
            notices=notices,
        ),
        config,
    )


def _hidden_classes(folder: Path) -> list[str]:
    """The hidden folders that hold images: they may have been meant as classes."""
    with as_data_error(folder), os.scandir(folder) as entries:
        hidden = sorted(entry.name for entry in entries if entry.name.startswith("."))
    return [name for name in hidden if any(map(is_image, _names(folder / name)))]


def _names(folder: Path) -> list[str]:
    """What is visible in a folder that may be none."""
    try:
        return [path.name for path in visible_entries(folder)]
    except DataError:
        return []


def _labelled(classes: Classes) -> Files:
    """The files of all classes, with the number of their class."""
    counts = [len(files) for files in classes.values()]
    return Files(
        paths=[path for files in classes.values() for path in files],
        labels=np.repeat(np.arange(len(counts)), counts),
    )


def num_classes(config: FolderData) -> int:
    """As many as there are folders of training images."""
    return len(class_folders(split_folders(expand_user(config.path), config.rules)["train"]))


def split_folders(folder: Path, rules: int) -> dict[SplitName, Path]:
    """The folder of the training classes, and those of the other splits where there are any.

    By the first rules, `train/` and `test/` in just this case.

    Raises:
        DataError: the path is missing or no folder, or it is not clear what is the training split.
    """
    if kind(folder) == "file":
        raise DataError(
            f"data.path={folder} is a file; data=image_folder reads a folder with one "
            "sub-folder for each class."
        )
    inside = class_folders(folder)  # a missing or forbidden folder is told here, once
    if rules == 1:
        found = {path.name: path for path in inside if path.name in ("train", "test")}
        if "train" not in found or not class_folders(found["train"]):
            return {"train": folder}
        return {split: found[split] for split in ("train", "test") if split in found}
    splits = {path: split for path in inside if (split := split_of(path.name))}
    divided = [path for path in splits if class_folders(path)]
    if not divided and len(set(splits.values())) < FEWEST_SPLITS:
        return {"train": folder}  # a class may be called `train`
    _check_splits(folder, splits, divided)
    return {
        split: path for path, split in sorted(splits.items(), key=lambda item: ORDER.index(item[1]))
    }


def _check_splits(folder: Path, splits: Mapping[Path, SplitName], divided: Sequence[Path]) -> None:
    """Refuse folders of splits of which not every one has class folders, or has its own role."""
    names = f"{', '.join(path.name for path in splits)} in {folder}"
    if not divided:
        raise DataError(
            f"{names} are called as splits are, but have no class folders; make one sub-folder "
            f"for each class in each of them, such as {next(iter(splits)).name}/CLASS."
        )
    if len(set(splits.values())) < len(splits):
        raise DataError(f"{names}: two of them are the same split; keep one of each.")
    if "train" not in splits.values():
        raise DataError(
            f"{names} has class folders, but there is no train/ beside it; move the class "
            "folders of the training images there."
        )


def class_files(folder: Path, fewest: int = FEWEST_CLASSES) -> Classes:
    """The files of each class, classes and files sorted by name; not all need be images.

    Raises:
        DataError: fewer classes than that, an empty one, one whose name is no text, or images or
            folders out of place.
    """
    loose = [path for path in visible_entries(folder) if path.is_file() and is_image(path.name)]
    folders = class_folders(folder)
    if loose:
        deep = (
            ""
            if folders or not _has_classes(folder.parent)
            else f", or type data.path={folder.parent}"
        )
        raise DataError(
            f"{loose[0]} lies outside the class folders; make one sub-folder for each class "
            f"and move the images there{deep}."
        )
    if len(folders) < fewest:
        inner = _classes_below(folders)
        hint = f": type data.path={inner}" if inner else ", one for each class"
        raise DataError(
            f"{folder} has {pluralize(len(folders), 'sub-folder')}; it needs at least two{hint}."
        )
    for path in folders:
        if path.name != path.name.encode(errors="replace").decode():
            raise DataError(
                f"the name of the class folder {printable(str(path))} is no UTF-8 text; rename it."
            )
    return {path.name: _files(path) for path in folders}


def _has_classes(folder: Path) -> bool:
    return len(class_folders(folder)) >= FEWEST_CLASSES


def _classes_below(folders: Sequence[Path]) -> Path | None:
    """Where the class folders are, if archives have put one folder into another."""
    while len(folders) == 1:
        inside = class_folders(folders[0])
        if len(inside) >= FEWEST_CLASSES or any(split_of(path.name) for path in inside):
            return folders[0]
        folders = inside
    return None


def class_folders(folder: Path) -> list[Path]:
    """The visible sub-folders, sorted by name.

    Raises:
        DataError: a link to nothing, which may have been a class.
    """
    inside = visible_entries(folder)
    for path in inside:
        if path.is_symlink() and not path.exists():
            raise DataError(f"{path} is a link to nothing; fix or remove it.")
    return [path for path in inside if path.is_dir()]


def _files(folder: Path) -> list[str]:
    """The files of one class folder."""
    entries = entries_of(folder)
    if not entries:
        raise DataError(
            f"{folder} contains no images; add images or remove the class folder everywhere."
        )
    if inner := next(filter(_is_folder, entries), None):
        raise DataError(
            f"{folder / inner.name} is a folder inside a class folder; class "
            "folders lie in the folder itself, or in its train/, val/ and test/."
        )
    return [f"{folder}{os.sep}{entry.name}" for entry in entries]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _check_labelled(folder: Path, split: SplitName, names: Sequence[str]) -> None:
    """Refuse a split beside the training images that has no labels, or nothing in it.

    Raises:
        DataError: with what becomes of the split when it is moved away.
    """
    fraction = "data.test_fraction" if split == "test" else "data.validation_fraction"
    without = f"without it, {fraction} of the training images is held out"
    inside = visible_entries(folder)
    if not any(path.is_file() or visible_entries(path) for path in inside):
        raise DataError(f"{folder} holds no images; add some, or remove it: {without}.")
    if not {path.name for path in class_folders(folder)} & {*names}:
        raise DataError(
            f"{folder} has no class folders such as {names[0]}, so that the labels of its images "
            f"are not known; make them, or move {folder.name}/ elsewhere: {without}."
        )


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


READER: Reader[FolderData] = Reader(read=read, shape=listed.shape, num_classes=num_classes)
