"""Image files that are listed with their labels and splits: decoded, divided, named by digests."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import ImageFiles
from cnn_sweeps.data import decoded
from cnn_sweeps.data.arrays import Labels, Shape, View
from cnn_sweeps.data.dataset import Content
from cnn_sweeps.data.decoded import Decoding
from cnn_sweeps.data.files import links_out
from cnn_sweeps.data.manifest import Manifest
from cnn_sweeps.data.readers import unreadable
from cnn_sweeps.data.readers.split_names import SplitName
from cnn_sweeps.data.split import hold_out
from cnn_sweeps.errors import DataError, UnreadableImageError

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".bmp", ".gif", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm"),
)
OTHER = f"another kind of file: not {' '.join(suffix[1:] for suffix in SUFFIXES)}"
TEST_SEED = 0
Faults = Mapping[Path, UnreadableImageError]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One image file.

    Attributes:
        path: where it is.
        label: its class, by number.
        group: images of one group are never in two splits; None where there are no groups.
    """

    path: Path
    label: int
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a data set of image files is, before any of them is read.

    Attributes:
        name: what the data set is called.
        source: the folder or table that the user named.
        folder: which the files lie below.
        class_names: in the order of the labels.
        splits: the files of each split; the test split is held out where it is missing.
        in_turns: whether the classes take turns, so that `limit` takes a like number of each.
        notices: what a person should know, a sentence each.
    """

    name: str
    source: Path
    folder: Path
    class_names: tuple[str, ...]
    splits: Mapping[SplitName, Sequence[Item]]
    in_turns: bool = False
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The images of one split, with what names them."""

    x: View
    y: Labels
    digests: NDArray[np.str_]
    groups: NDArray[np.str_] | None

    def of(self, which: NDArray[np.bool_] | slice) -> "_Part":
        """Some of them."""
        return _Part(
            x=self.x.pick(which),
            y=self.y[which],
            digests=self.digests[which],
            groups=None if self.groups is None else self.groups[which],
        )


def is_image(path: Path) -> bool:
    """Whether a file is an image by the end of its name."""
    return path.suffix.lower() in SUFFIXES


def shape(config: ImageFiles) -> Shape:
    """Height, width and channels that every image is brought to."""
    return Decoding.of(config).shape


def read(listing: Listing, config: ImageFiles) -> Content:
    """Decode the files, leave out what cannot be read if that is wanted, hold out a test split.

    From the second rules on the files name the data, and not their pixels, which another decoder
    may make others of.

    Raises:
        DataError: files that cannot be read as images, all of them told at once; nothing is left
            of a class; or no test split can be held out.
    """
    parts, found, notices = _decoded(listing, config)
    if "test" not in parts:
        train = parts["train"]
        option = "data.test_fraction"
        held = hold_out(
            train.y,
            config.test_fraction,
            seed=TEST_SEED,
            option=option,
            rules=config.rules,
            groups=train.groups,
        )
        parts |= {"train": train.of(~held), "test": train.of(held)}
    train, test, val = parts["train"], parts["test"], parts.get("validation")
    return Content(
        name=listing.name,
        source=str(listing.source),
        x_train=train.x,
        y_train=train.y,
        x_test=test.x,
        y_test=test.y,
        class_names=listing.class_names,
        x_val=val.x if val else None,
        y_val=val.y if val else None,
        groups=train.groups,
        rules=config.rules,
        notices=(*notices, *listing.notices),
        digest=_digest(parts, listing, config) if config.rules > 1 else None,
        decoded=found if config.rules > 1 else None,
    )


def _decoded(
    listing: Listing, config: ImageFiles
) -> tuple[dict[SplitName, _Part], str, tuple[str, ...]]:
    """The images of each split, the digest of what was decoded, and what is to be said of them."""
    items = [item for split in listing.splits.values() for item in split]
    files = list(dict.fromkeys(item.path for item in items if is_image(item.path)))
    cache = decoded.cache_folder(config.cache)
    digests = dict(zip(files, Manifest.of(listing.source, cache).digests(files), strict=True))
    found = decoded.read(files, list(digests.values()), config, listing.source)
    faults = {files[place]: fault for place, fault in found.faults.items()}
    faults |= _foreign(items)
    notices = found.notices
    if faults and not config.skip_unreadable:
        raise DataError(unreadable.refusal(faults, listing.folder, len(items)))
    if faults:
        notices += (unreadable.skipped_notice(faults, listing.folder, len(items)),)
    if config.rules > 1:
        notices += links_out(listing.folder, (path for path in files if path not in faults))
    images = replace(found.images, names=[str(path) for path in files])
    place = {path: number for number, path in enumerate(files)}
    parts = {}
    for split, listed in listing.splits.items():
        left = [item for item in listed if item.path not in faults]
        _complete(listed, left, faults)
        left = _in_turns(left) if listing.in_turns else left
        grouped = [item.group for item in left if item.group is not None]
        parts[split] = _Part(
            x=images.pick(np.array([place[item.path] for item in left], dtype=np.int64)),
            y=np.array([item.label for item in left], dtype=np.int64),
            digests=np.array([digests[item.path] for item in left]),
            groups=np.array(grouped) if grouped else None,
        )
    return parts, found.digest, notices


def _foreign(items: Sequence[Item]) -> Faults:
    """The files that are no images by their names, and what they are."""
    from cnn_sweeps.data.readers import picture  # noqa: PLC0415  imports Pillow

    others = (item.path for item in items if not is_image(item.path))
    return {path: picture.foreign_file(path, OTHER, "move or convert it") for path in others}


def _complete(listed: Sequence[Item], left: Sequence[Item], faults: Faults) -> None:
    """Refuse a class of a split of which nothing can be read.

    Raises:
        DataError: with the first of its files.
    """
    remaining = {item.label for item in left}
    for item in listed:
        if item.label not in remaining:
            raise DataError(
                f"{item.path.parent} has no image that can be read; {faults[item.path]}"
            )


def _in_turns(items: Sequence[Item]) -> list[Item]:
    """The first image of each class, then the second of each, and so on."""
    seen: Counter[int] = Counter()
    turns = []
    for item in items:
        turns.append((seen[item.label], item.label))
        seen[item.label] += 1
    order = sorted(range(len(items)), key=turns.__getitem__)
    return [items[place] for place in order]


def _digest(parts: Mapping[SplitName, _Part], listing: Listing, config: ImageFiles) -> str:
    """SHA-256 over the digests of the files, with labels, groups, names of classes and settings."""
    sha = hashlib.sha256()
    settings = {"class_names": listing.class_names, **Decoding.of(config).as_dict()}
    sha.update(f"image files {json.dumps(settings)}\n".encode())
    for split in sorted(parts):
        part = parts[split]
        sha.update(f"{split} {len(part.y)}\n".encode())
        sha.update("\n".join(part.digests).encode())
        sha.update(part.y.astype("<i8").tobytes())
        if split == "train" and part.groups is not None:
            sha.update(f"groups {json.dumps(part.groups.tolist())}\n".encode())
    return sha.hexdigest()
