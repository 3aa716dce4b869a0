"""Digests of many files, recorded so that the next start need not read the files again.

    <cache>/manifests/<source>.npz    paths, what each file looked like, when it was read, digests

A digest counts for as long as the file has the size, the times and the inode that it had: then
the file is not read. A file that was changed just before its digest was taken is read again, since
a second change may fall into the same tick of the clock.
"""

import hashlib
import os
import stat
import time
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.data import progress
from cnn_sweeps.data.files import as_data_error, check_regular, written_whole
from cnn_sweeps.errors import DataError

FOLDER = "manifests"
SUFFIX = ".npz"
FORMAT = 2
TICK = 2_000_000_000
"""Nanoseconds within which some file systems give two changes one time."""
Look = tuple[int, int, int, int]
"""Size in bytes, times of the last change of content and of entry in nanoseconds, inode."""
LOOK = 4
"""Numbers of a look."""
HEX = 64
"""Digits of a SHA-256."""
CHUNK = 1 << 12
"""Files that are handled at a time: as Python's objects, all of them would take much memory."""
MANY = 2
"""Files that are missing, from which on it is told how many are; so many are named."""
NO_LOOK = -1
"""Stands for a file that is not known: no file has that size."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files as they were when their digests were taken, column by column.

    Attributes:
        names: their absolute paths, with a zero byte between: a list of so many takes far more.
        looks: size, times and inode of each, (n, 4).
        taken: when its digest was taken, in nanoseconds since 1970, (n,).
        digests: SHA-256 of each, (n,).
    """

    names: NDArray[np.uint8]
    looks: NDArray[np.int64]
    taken: NDArray[np.int64]
    digests: NDArray[np.bytes_]

    @classmethod
    def unknown(cls, names: NDArray[np.uint8]) -> "Files":
        """Files of which nothing is known."""
        count = _count(names)
        return cls(
            names=names,
            looks=np.full((count, LOOK), NO_LOOK, dtype=np.int64),
            taken=np.zeros(count, dtype=np.int64),
            digests=np.zeros(count, dtype=f"S{HEX}"),
        )

    def of(self, names: NDArray[np.uint8]) -> "Files":
        """What is known of these files, in their order."""
        if np.array_equal(self.names, names):
            return self
        found = Files.unknown(names)
        place = {name: at for at, name in enumerate(_split(self.names))}
        held = np.array([place.get(name, NO_LOOK) for name in _split(names)], dtype=np.int64)
        known = held != NO_LOOK
        for column in ("looks", "taken", "digests"):
            getattr(found, column)[known] = getattr(self, column)[held[known]]
        return found

    def unchanged(self, looks: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of them look as they did, and had not just been changed, (n,)."""
        settled = self.looks[:, 1:3].max(axis=1, initial=0) + TICK < self.taken
        same: NDArray[np.bool_] = (self.looks == looks).all(axis=1) & settled
        return same


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is remembered of the files that one data set names.

    Attributes:
        file: where it is stored.
        source: the folder or table that names the files.
        known: the files, and how they were.
    """

    file: Path
    source: str
    known: Files

    @classmethod
    def of(cls, source: Path, cache: Path) -> "Manifest":
        """What is stored for a source; empty where that is nothing that can be read."""
        place = str(source.resolve())
        name = hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()[:32]
        return cls.read(cache / FOLDER / f"{name}{SUFFIX}", place)

    @classmethod
    def read(cls, file: Path, source: str = "") -> "Manifest":
        """A stored one."""
        try:
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
                if stored["format"].item() == FORMAT:
                    return cls(file=file, source=_text(stored["source"]), known=_files(stored))
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            pass  # a digest is taken again sooner than it is believed
        return cls(file=file, source=source, known=Files.unknown(_joined(())))

    def digests(self, paths: Sequence[str]) -> NDArray[np.bytes_]:
        """SHA-256 of each file, and remember them; only files that look new are read.

        Raises:
            DataError: one is missing, forbidden, or no regular file.
        """
        names = _joined(paths)
        known, looks = self.known.of(names), self._looks(paths)
        fresh = np.flatnonzero(~known.unchanged(looks)).tolist()
        if not fresh:
            return known.digests
        taken, digests = known.taken.copy(), known.digests.copy()
        for place in progress.with_progress(fresh, "files looked at"):
            taken[place] = time.time_ns()
            digests[place] = sha256_of(Path(paths[place])).encode()
        found = Files(names=names, looks=looks, taken=taken, digests=digests)
        replace(self, known=found).write()
        return digests

    def _looks(self, paths: Sequence[str]) -> NDArray[np.int64]:
        """How each file looks, (n, 4); where many are missing, all of them are told at once."""
        try:
            return _looks(paths)
        except DataError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            missing = [path for path in paths if not os.path.exists(path)]  # noqa: PTH110 -- many
            if len(missing) < MANY:
                raise
        told = ", ".join(missing[:MANY]) + (" ..." if len(missing) > MANY else "")
        raise DataError(
            f"{len(missing):,} of the {len(paths):,} files that {self.source} names do not exist: "
            f"{told}; check the paths."
        )

    def changed(self) -> Iterable[str]:
        """Read all files again; those that look as they did, and have another content."""
        known = self.known
        for name, look, digest in zip(_split(known.names), known.looks, known.digests, strict=True):
            path = Path(name)
            with suppress(DataError):
                if _look(path) == tuple(look.tolist()) and sha256_of(path) != digest.decode():
                    yield name

    def write(self) -> None:
        """Store it; without it the files are read again."""
        with (
            suppress(OSError, ValueError),
            written_whole(self.file) as part,
            part.open("wb") as file,
        ):
            np.savez(
                file,
                format=FORMAT,
                source=_bytes(self.source),
                names=self.known.names,
                looks=self.known.looks,
                taken=self.known.taken,
                digests=self.known.digests,
            )


def changed_files(cache: Path) -> list[str]:
    """Read again all files of which digests are remembered; those that nobody saw change.

    What is remembered of their data sets is forgotten, so that all their files are read next.

    Args:
        cache: the folder of the cache.
    """
    found: list[str] = []
    for file in sorted((cache / FOLDER).glob(f"*{SUFFIX}")):
        if changed := list(Manifest.read(file).changed()):
            found += changed
            file.unlink(missing_ok=True)
    return found


def sha256_of(path: Path) -> str:
    """SHA-256 of the content of a file, 64 hex digits."""
    with as_data_error(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def add_joined(sha: "hashlib._Hash", digests: NDArray[np.bytes_], between: bytes) -> None:
    """Hash digests as they would be joined; of a million, the text would take much memory."""
    for start in range(0, len(digests), CHUNK):
        sha.update(between if start else b"")
        sha.update(between.join(digests[start : start + CHUNK].tolist()))


def _joined(paths: Sequence[str]) -> NDArray[np.uint8]:
    """Absolute paths; many files share a folder, and each folder is looked at once."""
    folders: dict[str, bytes] = {}
    joined = bytearray()
    for path in paths:
        folder, separator, name = path.rpartition(os.sep)
        if folder not in folders:
            absolute = os.path.abspath(folder + separator).rstrip(os.sep) + os.sep
            folders[folder] = b"\0" + os.fsencode(absolute)
        joined += folders[folder]
        joined += os.fsencode(name)
    return np.frombuffer(joined, dtype=np.uint8)[1:]


def _split(names: NDArray[np.uint8]) -> list[str]:
    return _text(names).split("\0") if names.size else []


def _count(names: NDArray[np.uint8]) -> int:
    return int((names == 0).sum()) + 1 if names.size else 0


def _looks(paths: Sequence[str]) -> NDArray[np.int64]:
    """How each file looks, (n, 4)."""
    looks = np.empty((len(paths), LOOK), dtype=np.int64)
    for start in range(0, len(paths), CHUNK):
        looks[start : start + CHUNK] = [_look(path) for path in paths[start : start + CHUNK]]
    return looks


def _look(path: str | Path) -> Look:
    try:
        known = os.stat(path)  # noqa: PTH116 -- a `Path` takes as long as the look
    except OSError:
        with as_data_error(Path(path)):
            raise
    if not stat.S_ISREG(known.st_mode):
        check_regular(Path(path))
    return known.st_size, known.st_mtime_ns, known.st_ctime_ns, known.st_ino


def _files(stored: "np.lib.npyio.NpzFile") -> Files:
    """The columns of a stored manifest.

    Raises:
        ValueError: they do not belong together.
    """
    found = Files(
        names=stored["names"],
        looks=stored["looks"],
        taken=stored["taken"],
        digests=stored["digests"],
    )
    expected = Files.unknown(found.names)
    for column in ("names", "looks", "taken", "digests"):
        array, other = getattr(found, column), getattr(expected, column)
        if array.dtype != other.dtype or array.shape != other.shape:
            raise ValueError(f"{column} is {array.dtype} {array.shape}")
    return found


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(errors="surrogateescape"), dtype=np.uint8)


def _text(stored: NDArray[np.uint8]) -> str:
    return stored.tobytes().decode(errors="surrogateescape")
