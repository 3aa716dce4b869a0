"""An overview of a data set before anything is trained on it."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cnn_sweeps.config.schema import Data, ImageFiles
from cnn_sweeps.data.arrays import Images, View
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.data.loading import load
from cnn_sweeps.data.notices import fingerprints

Place = tuple[str, int]
"""A split, and the number of an image in it."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A data set, looked through.

    Attributes:
        dataset: with the files left out that cannot be read; its notices name them.
        sizes: how many image files have which width and height; empty for arrays.
        copies: images that are exactly the same, those of several splits first.
    """

    dataset: Dataset
    sizes: Mapping[tuple[int, int], int]
    copies: tuple[tuple[Place, ...], ...]

    @property
    def splits(self) -> dict[str, Images]:
        """The images of each split."""
        data = self.dataset
        return {"train": data.x_train, "validation": data.x_val, "test": data.x_test}

    def name(self, place: Place) -> str:
        """The file of an image, or its split and number."""
        return name_of(self.splits[place[0]], *place)

    @property
    def across(self) -> int:
        """How many of the copies are in several splits."""
        return sum(len({split for split, _ in group}) > 1 for group in self.copies)


def name_of(images: Images, split: str, number: int) -> str:
    """The file of an image; for arrays, its split and number."""
    if isinstance(images, View) and images.names:
        return images.names[int(images.places[number])]
    return f"{split} {number}"


def look_through(config: Data) -> Overview:
    """Read a data set and look through it.

    Raises:
        DataError: as for a training, but for files that cannot be read.
    """
    if isinstance(config, ImageFiles):
        config = replace(config, skip_unreadable=True)
    overview = Overview(dataset=load(config), sizes={}, copies=())
    return replace(overview, sizes=_sizes(overview.splits), copies=_copies(overview.splits))


def _copies(splits: Mapping[str, Images]) -> tuple[tuple[Place, ...], ...]:
    groups: defaultdict[bytes, list[Place]] = defaultdict(list)
    for split, images in splits.items():
        for number, mark in enumerate(fingerprints(images).tolist()):
            groups[mark].append((split, number))
    found = [tuple(group) for group in groups.values() if len(group) > 1]
    return tuple(sorted(found, key=lambda group: -len({split for split, _ in group})))


def _sizes(splits: Mapping[str, Images]) -> Counter[tuple[int, int]]:
    """Widths and heights, from the heads of the files."""
    from PIL import Image  # noqa: PLC0415  few commands need it

    from cnn_sweeps.data.readers import picture  # noqa: PLC0415

    sizes: Counter[tuple[int, int]] = Counter()
    with picture.strict_decoding():
        for images in splits.values():
            for number in range(len(images) if isinstance(images, View) else 0):
                with Image.open(Path(name_of(images, "", number))) as image:
                    sizes[image.size] += 1
    return sizes
