"""Features of frozen backbones, kept in files that all processes read.

<cache>/features/<key>/train.npy, val.npy    an array for each split
<cache>/features/<key>/about.json            what they are, and the digests of the files
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.data.decoded import GB, locked
from cnn_sweeps.data.download import digest_of
from cnn_sweeps.data.row_file import RowFile

FORMAT: Final = 1
FOLDER: Final = "features"
ABOUT: Final = "about.json"
SPLITS: Final = ("train", "val")
PART: Final = ".part-"


@dataclass(frozen=True, kw_only=True)
class FeatureCache:
    """Where features are kept.

    Attributes:
        folder: of the cache; features are in a folder of it.
        source: all that names them beside the weights of the backbone, as plain values.
        own_code: whether the backbone is the user's own, which only a look at what it gives names.
        title: what they are, for people.
        max_gb: size of all of them, in GB (10^9 bytes); what was not used for longest goes first.
    """

    folder: Path
    source: Any = None
    own_code: bool = False
    title: str = ""
    max_gb: float = 20.0

    @property
    def root(self) -> Path:
        """The folder of all features."""
        return self.folder / FOLDER

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the lock of a set of features: one process computes it, all others wait for it.

        Raises:
            OSError: the folder cannot be written.
        """
        with locked(self.root / f"{key}.lock"):
            yield

    def read(self, key: str, shapes: Sequence[tuple[int, ...]]) -> list[RowFile] | None:
        """The arrays of a set, which are read when they are used; None where they are not there.

        Args:
            key: of the set.
            shapes: that the array of each split must have.
        """
        found = []
        try:
            for split, shape in zip(SPLITS, shapes, strict=True):
                array = RowFile(_file(self.root / key, split))
                if array.shape != shape:
                    return None
                found.append(array)
            os.utime(self.root / key / ABOUT)
        except (OSError, ValueError):
            return None
        return found

    def write(self, key: str, arrays: Sequence[NDArray[Any]]) -> None:
        """Keep the arrays of a set, whole or not at all, and make room for them; hold its lock.

        Raises:
            OSError: there is no room, or the folder cannot be written.
        """
        entry = self.root / key
        for left in self.root.glob(f"{key}{PART}*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        part = entry.with_name(f"{key}{PART}{os.getpid()}")
        part.mkdir(parents=True)
        try:
            for split, array in zip(SPLITS, arrays, strict=True):
                np.save(_file(part, split), array)
            digests = {split: digest_of(_file(part, split)) for split in SPLITS}
            about = {"format": FORMAT, "title": self.title, "sha256": digests}
            (part / ABOUT).write_text(json.dumps(about))
            shutil.rmtree(entry, ignore_errors=True)
            part.rename(entry)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self.evict(self.max_gb, keep=entry)

    def entries(self) -> list[Path]:
        """The folder of each set of features, the least recently used first."""
        with suppress(OSError):
            found = [path for path in self.root.iterdir() if (path / ABOUT).is_file()]
            return sorted(found, key=lambda path: (path / ABOUT).stat().st_mtime)
        return []

    def evict(self, max_gb: float, *, keep: Path | None = None) -> list[Path]:
        """Delete what was not used for longest until the rest fits; who has it open keeps it.

        Returns:
            The sets that were deleted.
        """
        entries = [(entry, size_of(entry)) for entry in self.entries()]
        surplus, gone = sum(size for _, size in entries) - max_gb * GB, []
        for entry, size in entries:
            if surplus > 0 and entry != keep:
                shutil.rmtree(entry, ignore_errors=True)
                surplus -= size
                gone.append(entry)
        return gone


def is_intact(entry: Path) -> bool:
    """Whether the files of a set of features are as they were written."""
    with suppress(OSError, ValueError, KeyError):
        about = json.loads((entry / ABOUT).read_bytes())
        return all(digest_of(_file(entry, split)) == about["sha256"][split] for split in SPLITS)
    return False


def size_of(entry: Path) -> int:
    """Bytes of the files of a set of features."""
    with suppress(OSError):
        return sum(path.stat().st_size for path in entry.iterdir())
    return 0


def title_of(entry: Path) -> str:
    """What a set of features is; empty where that cannot be read."""
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads((entry / ABOUT).read_bytes())["title"])
    return ""


def _file(entry: Path, split: str) -> Path:
    return entry / f"{split}.npy"
