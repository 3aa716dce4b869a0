"""Features of frozen backbones, kept in files that all processes read.

    <cache>/features/<key>/train.npy, val.npy    an array for each split
    <cache>/features/<key>/about.json            what they are, and the digests of the files

`data.folder_cache` says how they are kept. They count in the limit of the cache with the decoded
images that they are made of, which they never put out of it.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.data.download import digest_of
from cnn_sweeps.data.folder_cache import ABOUT, FEATURES, GB, CachedFolder, FolderCache
from cnn_sweeps.data.row_file import RowFile

FORMAT: Final = 1
SPLITS: Final = ("train", "val")


@dataclass(frozen=True, kw_only=True)
class FeatureCache:
    """Where features are kept.

    Attributes:
        folder: of the cache; features are in a folder of it.
        source: all that names them beside the weights of the backbone, as plain values.
        own_code: whether the backbone is the user's own, which only a look at what it gives names.
        title: what they are, for people.
        max_gb: size of the cache, in GB (10^9 bytes).
    """

    folder: Path
    source: Any = None
    own_code: bool = False
    title: str = ""
    max_gb: float = 20.0

    def entry(self, key: str) -> CachedFolder:
        """Where a set of features is; there may be nothing yet."""
        return CachedFolder(self.folder / FEATURES / key)

    def read(self, key: str, shapes: Sequence[tuple[int, ...]]) -> list[RowFile] | None:
        """The arrays of a set, which are read when they are used; None where they are not there.

        Args:
            key: of the set.
            shapes: that the array of each split must have.
        """
        entry, found = self.entry(key), []
        try:
            for split, shape in zip(SPLITS, shapes, strict=True):
                array = RowFile(_file(entry.folder, split))
                if array.shape != shape:
                    return None
                found.append(array)
        except (OSError, ValueError):
            return None
        entry.mark_used()
        return found

    def write(
        self, key: str, arrays: Sequence[NDArray[Any]], *, images: Path | None = None
    ) -> None:
        """Keep the arrays of a set, whole or not at all, and make room for them; hold its lock.

        They are not kept where they have no room beside their images, which every start needs.

        Args:
            key: of the set.
            arrays: one for each split.
            images: the folder of the cache that has the images, if one has.

        Raises:
            OSError: there is no room, or the folder cannot be written.
        """
        beside = CachedFolder(images).size if images else 0
        if sum(array.nbytes for array in arrays) + beside > self.max_gb * GB:
            return
        entry = self.entry(key)
        with entry.written() as part:
            for split, array in zip(SPLITS, arrays, strict=True):
                np.save(_file(part, split), array)
            digests = {split: digest_of(_file(part, split)) for split in SPLITS}
            about = {"format": FORMAT, "title": self.title, "sha256": digests}
            (part / ABOUT).write_text(json.dumps(about))
        FolderCache(self.folder).evict(self.max_gb, keep=[entry.folder, images])


def is_intact(entry: CachedFolder) -> bool:
    """Whether the files of a set of features are as they were written."""
    with suppress(OSError, ValueError, KeyError):
        sha256 = entry.about["sha256"]
        return all(digest_of(_file(entry.folder, split)) == sha256[split] for split in SPLITS)
    return False


def _file(folder: Path, split: str) -> Path:
    return folder / f"{split}.npy"
