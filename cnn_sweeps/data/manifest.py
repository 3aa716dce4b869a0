"""Digests of many files, remembered, so that the next start need not read the files again.

A digest counts for as long as the file has the size, the times and the inode that it had: then
the file is not read. A file that was changed just before its digest was taken is read again, since
a second change may fall into the same tick of the clock.
"""

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cnn_sweeps.data import progress
from cnn_sweeps.data.files import as_data_error, check_regular
from cnn_sweeps.errors import DataError

FOLDER = "manifests"
FORMAT = 1
TICK = 2_000_000_000
"""Nanoseconds within which some file systems give two changes one time."""
Look = tuple[int, int, int, int]
"""Size in bytes, times of the last change of content and of entry in nanoseconds, inode."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is remembered of the files that one data set names.

    Attributes:
        file: where it is stored.
        source: the folder or table that names the files.
        known: by path, how a file looked, when its digest was taken, and that digest.
    """

    file: Path
    source: str
    known: dict[str, tuple[Look, int, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Path, cache: Path) -> "Manifest":
        """What is stored for a source; empty where that is nothing that can be read."""
        place = str(source.resolve())
        name = hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()[:32]
        return cls.read(cache / FOLDER / f"{name}.json", place)

    @classmethod
    def read(cls, file: Path, source: str = "") -> "Manifest":
        """A stored one."""
        try:
            stored = json.loads(file.read_bytes())
            known = {
                path: (tuple(look), at, sha) for path, (look, at, sha) in stored["files"].items()
            }
            if stored["format"] == FORMAT:
                return cls(file=file, source=stored["source"], known=known)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # a digest is taken again sooner than it is believed
        return cls(file=file, source=source)

    def digests(self, paths: Sequence[Path]) -> list[str]:
        """SHA-256 of each file, and remember them; only files that look new are read.

        Raises:
            DataError: one is missing, forbidden, or no regular file.
        """
        found: dict[str, tuple[Look, int, str]] = {}
        fresh = []
        names = [os.path.abspath(path) for path in paths]
        for path, name in zip(paths, names, strict=True):
            look = _look(path)
            known = self.known.get(name)
            if known is not None and known[0] == look and max(look[1:3]) + TICK < known[1]:
                found[name] = known
            else:
                fresh.append((path, name, look))
        for path, name, look in progress.with_progress(fresh, "files looked at"):
            found[name] = (look, time.time_ns(), sha256_of(path))
        if fresh:
            self._write(found)
        return [found[name][2] for name in names]

    def changed(self) -> Iterable[str]:
        """Read all files again; those that look as they did, and have another content."""
        for name, (look, _, digest) in self.known.items():
            path = Path(name)
            with suppress(DataError):
                if _look(path) == look and sha256_of(path) != digest:
                    yield name

    def _write(self, known: dict[str, tuple[Look, int, str]]) -> None:
        """Store it; without it the files are read again."""
        content = {"format": FORMAT, "source": self.source, "files": known}
        part = self.file.with_name(f"{self.file.name}.{os.getpid()}.part")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(content))
            part.replace(self.file)
        except (OSError, ValueError):
            with suppress(OSError):
                part.unlink()


def sha256_of(path: Path) -> str:
    """SHA-256 of the content of a file, 64 hex digits."""
    with as_data_error(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _look(path: Path) -> Look:
    with as_data_error(path):
        known = path.stat()
    if not stat.S_ISREG(known.st_mode):
        check_regular(path)
    return known.st_size, known.st_mtime_ns, known.st_ctime_ns, known.st_ino
