"""A user's own images: one sub-folder for each class."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import FolderData
from cnn_sweeps.data import progress
from cnn_sweeps.data.arrays import Part, Shape
from cnn_sweeps.data.dataset import FEWEST_CLASSES, Content, assemble
from cnn_sweeps.data.files import check_memory, expanded, kind, links_out, told, visible
from cnn_sweeps.data.readers import unreadable
from cnn_sweeps.data.readers.reader import Reader
from cnn_sweeps.data.readers.split_names import SplitName, not_read, split_of
from cnn_sweeps.data.split import hold_out, refuse_unused
from cnn_sweeps.errors import DataError, UnreadableImageError
from cnn_sweeps.text.format import pluralize

if TYPE_CHECKING:
    from cnn_sweeps.data.readers import picture

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".bmp", ".gif", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm"),
)
OTHER = f"another kind of file: not {' '.join(suffix[1:] for suffix in SUFFIXES)}"
TEST_SEED = 0
FEWEST_SPLITS = 2
PARTS_OF: dict[SplitName, str] = {"train": "train", "test": "test", "validation": "val"}
"""How the arrays of a split are called."""
ORDER = {split: place for place, split in enumerate(PARTS_OF)}
Classes = dict[str, list[Path]]
Faults = dict[Path, UnreadableImageError]


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
    folder = expanded(config.path)
    folders = split_folders(folder, config.rules)
    classes: dict[SplitName, Classes] = {"train": class_files(folders["train"])}
    names = tuple(classes["train"])
    for split in folders.keys() - {"train"}:
        _check_labelled(folders[split], split, names)
        classes[split] = class_files(folders[split], fewest=1)
        _same_classes(folders["train"], names, folders[split], tuple(classes[split]))
    paths = [path for found in classes.values() for _, path in _in_turns(found)]
    images, faults, notices = _read(paths, config)
    if faults:
        notices += (unreadable.notice(faults, folder, len(paths)),)
        place = {path: number for number, path in enumerate(paths)}
        classes = {split: _readable(found, faults) for split, found in classes.items()}
        paths = [path for found in classes.values() for _, path in _in_turns(found)]
        images = images[[place[path] for path in paths]]
    turns = {split: _in_turns(found) for split, found in classes.items()}
    arrays: dict[str, NDArray[Any]] = {}
    start = 0
    for split, turn in turns.items():
        arrays[f"x_{PARTS_OF[split]}"] = images[start : start + len(turn)]
        arrays[f"y_{PARTS_OF[split]}"] = np.array([label for label, _ in turn], dtype=np.int64)
        start += len(turn)
    if "test" not in folders:
        arrays |= _hold_out_test(arrays["x_train"], arrays["y_train"], config)
    elif config.rules > 1:
        refuse_unused(config, "test_fraction", f"{folders['test']} is the test split")
    if config.rules > 1:
        beside = [path.name for path in class_folders(folder) if path not in folders.values()]
        notices += not_read(folder, beside if folders["train"] != folder else [])
        notices += links_out(folder, paths)
    content = assemble(
        {part: Part(array, str(folder)) for part, array in arrays.items()},
        name=folder.resolve().name,
        source=str(folder),
        class_names=names,
        rules=config.rules,
        scaled=True,
    )
    return replace(content, notices=notices)


def shape(config: FolderData) -> Shape:
    """Height, width and channels that every image is brought to."""
    return *config.image_size, 1 if config.color == "grayscale" else 3


def num_classes(config: FolderData) -> int:
    """As many as there are folders of training images."""
    return len(class_folders(split_folders(expanded(config.path), config.rules)["train"]))


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
    return {split: path for path, split in sorted(splits.items(), key=lambda item: ORDER[item[1]])}


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
        DataError: fewer classes than that, an empty one, or images or folders out of place.
    """
    loose = [path for path in visible(folder) if path.is_file() and _is_image(path)]
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
    inside = visible(folder)
    for path in inside:
        if path.is_symlink() and not path.exists():
            raise DataError(f"{path} is a link to nothing; fix or remove it.")
    return [path for path in inside if path.is_dir()]


def _is_image(path: Path) -> bool:
    """Whether a file is an image by the end of its name."""
    return path.suffix.lower() in SUFFIXES


def _files(folder: Path) -> list[Path]:
    """The files of one class folder."""
    files = visible(folder)
    if not files:
        raise DataError(
            f"{folder} contains no images; add images or remove the class folder everywhere."
        )
    for path in files:
        if path.is_dir():
            raise DataError(
                f"{path} is a folder inside a class folder; class "
                "folders lie in the folder itself, or in its train/, val/ and test/."
            )
    return files


def _check_labelled(folder: Path, split: SplitName, names: Sequence[str]) -> None:
    """Refuse a split beside the training images that has no labels, or nothing in it.

    Raises:
        DataError: with what becomes of the split when it is moved away.
    """
    fraction = "data.test_fraction" if split == "test" else "data.validation_fraction"
    without = f"without it, {fraction} of the training images is held out"
    inside = visible(folder)
    if not any(path.is_file() or visible(path) for path in inside):
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


def _hold_out_test(
    x: NDArray[np.uint8], y: NDArray[Any], config: FolderData
) -> dict[str, NDArray[Any]]:
    """Training and test arrays, where the user has no test images."""
    fraction, option = config.test_fraction, "data.test_fraction"
    held = hold_out(y, fraction, seed=TEST_SEED, option=option, rules=config.rules)
    return {"x_train": x[~held], "y_train": y[~held], "x_test": x[held], "y_test": y[held]}


def _in_turns(classes: Classes) -> list[tuple[int, Path]]:
    """Labels and files: the first image of each class, then the second of each, and so on.

    `limit` then takes a like number of each class instead of the first classes alone.
    """
    turns = [
        (turn, label, path)
        for label, files in enumerate(classes.values())
        for turn, path in enumerate(files)
    ]
    return [(label, path) for _, label, path in sorted(turns, key=lambda item: item[:2])]


def _read(
    paths: Sequence[Path], config: FolderData
) -> tuple[NDArray[np.uint8], Faults, tuple[str, ...]]:
    """The images of all splits, those that cannot be read, and a sentence on each scaling."""
    from cnn_sweeps.data.readers import picture  # noqa: PLC0415  imports Pillow

    height, width, channels = shape(config)
    folder = expanded(config.path)
    faults: Faults = {}
    depths: dict[picture.Depth, list[int]] = {}
    brightest: dict[picture.Depth, int] = {}
    with told(folder):
        check_memory(len(paths) * height * width * channels, folder)
        images = np.empty((len(paths), height, width, channels), dtype=np.uint8)
        for place, path in enumerate(progress.counted(paths, "images read")):
            try:
                if not _is_image(path):
                    raise picture.foreign(path, OTHER, "move or convert it")
                found = picture.read(path, config.image_size, color=config.color)
            except UnreadableImageError as fault:
                faults[path] = fault
                continue
            images[place] = found.pixels
            depths.setdefault(found.depth, []).append(place)
            brightest[found.depth] = max(brightest.get(found.depth, 0), found.brightest)
    if faults and not config.skip_unreadable:
        raise DataError(unreadable.refusal(faults, folder, len(paths)))
    notices = _scale(images, paths, depths, brightest, config) if config.rules > 1 else ()
    return images, faults, notices


def _scale(
    images: NDArray[np.uint8],
    paths: Sequence[Path],
    depths: Mapping["picture.Depth", Sequence[int]],
    brightest: Mapping["picture.Depth", int],
    config: FolderData,
) -> tuple[str, ...]:
    """Read images of which all are nearly black again, by their range; a sentence on each depth.

    Args:
        images: of the paths; those are replaced.
        paths: the files.
        depths: the places of the images of each depth.
        brightest: their greatest value.
        config: how they are read.

    Raises:
        DataError: all of one depth are black.
    """
    from cnn_sweeps.data.readers import picture  # noqa: PLC0415  imports Pillow

    notices: tuple[str, ...] = ()
    for depth, places in depths.items():
        white = picture.white_of(depth, brightest[depth])
        if white is None:
            raise DataError(
                f"{len(places):,} {depth} images of {config.path}, such as {paths[places[0]]}, "
                f"have values up to {brightest[depth]}, which is black: scale them, and save "
                "them with 8 bits a channel."
            )
        if white != picture.WHITE[depth]:
            for place in places:
                images[place] = picture.read(
                    paths[place], config.image_size, color=config.color, white=white
                ).pixels
            values = f"{len(places):,} {depth} images have values up to {brightest[depth]}"
            notices += (f"{values}: {white} was taken as white.",)
    return notices


def _readable(classes: Classes, faults: Faults) -> Classes:
    """The classes without the files that cannot be read.

    Raises:
        DataError: nothing is left of one.
    """
    left = {name: [path for path in files if path not in faults] for name, files in classes.items()}
    for name, files in left.items():
        if not files:
            path = classes[name][0]
            raise DataError(f"{path.parent} has no image that can be read; {faults[path]}")
    return left


READER: Reader[FolderData] = Reader(read=read, shape=shape, num_classes=num_classes)
