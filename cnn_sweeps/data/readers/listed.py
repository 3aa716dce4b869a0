"""Image files that are listed with their labels and splits: decoded, divided, named by digests."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import ImageFiles
from cnn_sweeps.data import decoded
from cnn_sweeps.data.arrays import Labels, Shape, View
from cnn_sweeps.data.dataset import Content
from cnn_sweeps.data.decoded import Decoding
from cnn_sweeps.data.files import links_out
from cnn_sweeps.data.folder_cache import cache_folder
from cnn_sweeps.data.manifest import Manifest, add_joined
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
Faults = Mapping[str, UnreadableImageError]


@dataclass(frozen=True, kw_only=True)
class Files:
    """Image files with their labels, column by column: there may be millions.

    Attributes:
        paths: where they are.
        labels: the number of the class of each, (n,).
        groups: of each, (n,); images of one group are never in two splits. None without groups.
    """

    paths: list[str]
    labels: Labels
    groups: NDArray[np.str_] | None = None

    def of(self, which: NDArray[Any]) -> "Files":
        """Those of an array of indices or a mask."""
        places = np.arange(len(self.paths))[which]
        return Files(
            paths=[self.paths[place] for place in places.tolist()],
            labels=self.labels[places],
            groups=None if self.groups is None else self.groups[places],
        )


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
    splits: Mapping[SplitName, Files]
    in_turns: bool = False
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The images of one split, with what names them."""

    x: View
    y: Labels
    digests: NDArray[np.bytes_]
    groups: NDArray[np.str_] | None

    def of(self, which: NDArray[np.bool_] | slice) -> "_Part":
        """Some of them."""
        return _Part(
            x=self.x.pick(which),
            y=self.y[which],
            digests=self.digests[which],
            groups=None if self.groups is None else self.groups[which],
        )


def is_image(name: str) -> bool:
    """Whether a file is an image by the end of its name."""
    return name.lower().endswith(SUFFIXES)


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
        decoded=found.digest if config.rules > 1 else None,
        white=found.white,
    )


def _decoded(
    listing: Listing, config: ImageFiles
) -> tuple[dict[SplitName, _Part], decoded.Decoded, tuple[str, ...]]:
    """The images of each split, all that were decoded, and what is to be said of them."""
    every = [path for files in listing.splits.values() for path in files.paths]
    known = np.array([is_image(path) for path in every])
    paths = every if known.all() else [every[place] for place in np.flatnonzero(known).tolist()]
    cache = cache_folder(config.cache)
    digests = Manifest.of(listing.source, cache).digests(paths)

    def check() -> None:
        now = Manifest.of(listing.source, cache).digests(paths)
        for place in np.flatnonzero(now != digests).tolist():
            raise DataError(f"{paths[place]} was changed while the images were read; start again.")

    found = decoded.read(paths, digests, config, listing.source, check)
    faults = {paths[place]: fault for place, fault in found.faults.items()}
    if len(paths) < len(every):
        faults |= _foreign(every)
    notices = found.notices
    if faults and not config.skip_unreadable:
        raise DataError(unreadable.refusal(faults, listing.folder, len(every)))
    if faults:
        notices += (unreadable.skipped_notice(faults, listing.folder, len(every)),)
    if config.rules > 1:
        notices += links_out(listing.folder, (path for path in paths if path not in faults))
    images = replace(found.images, names=paths)
    numbers, first, parts = np.cumsum(known) - 1, 0, {}
    for split, files in listing.splits.items():
        left = _readable(files, faults)
        left = left[_in_turns(files.labels[left])] if listing.in_turns else left
        places = numbers[first + left]
        parts[split] = _Part(
            x=images.pick(places),
            y=files.labels[left],
            digests=digests[places],
            groups=None if files.groups is None else files.groups[left],
        )
        first += len(files.paths)
    return parts, found, notices


def _foreign(paths: Sequence[str]) -> Faults:
    """The files that are no images by their names, and what they are."""
    from cnn_sweeps.data.readers import picture  # noqa: PLC0415  imports Pillow

    others = (path for path in paths if not is_image(path))
    return {path: picture.foreign_file(Path(path), OTHER, "move or convert it") for path in others}


def _readable(files: Files, faults: Faults) -> NDArray[np.int64]:
    """The places of the files of a split that can be read.

    Raises:
        DataError: nothing is left of a class; with the first of its files.
    """
    if not faults:
        return np.arange(len(files.paths))
    left = np.flatnonzero([path not in faults for path in files.paths])
    for label in np.setdiff1d(files.labels, files.labels[left]):
        first = files.paths[int(np.argmax(files.labels == label))]
        raise DataError(f"{Path(first).parent} has no image that can be read; {faults[first]}")
    return left


def _in_turns(labels: Labels) -> NDArray[np.int64]:
    """The first image of each class, then the second of each, and so on: their places."""
    by_class = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    turns = np.empty(len(labels), dtype=np.int64)
    turns[by_class] = np.concatenate([np.arange(count) for count in counts])
    return np.lexsort((labels, turns))


def _digest(parts: Mapping[SplitName, _Part], listing: Listing, config: ImageFiles) -> str:
    """SHA-256 over the digests of the files, with labels, groups, names of classes and settings."""
    sha = hashlib.sha256()
    settings = {"class_names": listing.class_names, **Decoding.of(config).as_dict()}
    sha.update(f"image files {json.dumps(settings)}\n".encode())
    for split in sorted(parts):
        part = parts[split]
        sha.update(f"{split} {len(part.y)}\n".encode())
        add_joined(sha, part.digests, b"\n")
        sha.update(part.y.astype("<i8").tobytes())
        if split == "train" and part.groups is not None:
            sha.update(f"groups {json.dumps(part.groups.tolist())}\n".encode())
    return sha.hexdigest()
