"""The cache of this machine: folders that are named by what their content is made of.

    <cache>/<kind>/<key>/             what is kept; its kind says which files that are
    <cache>/<kind>/<key>/about.json   what it is; its time is that of the last use
    <cache>/<kind>/<key>.lock         held by the process that makes it
    <cache>/<kind>/<key>.part-3f2a/   not whole yet, or being deleted

A folder is written under another name and renamed when it is whole, so that a process that is
killed leaves nothing that anybody would read. All kinds have one limit: what was not used for
longest goes first, and a process that has it open keeps it.
"""

import errno
import os
import shutil
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cnn_sweeps.data.files import PART, expand_user, part_of
from cnn_sweeps.text.json import read_mapping

VARIABLE: Final = "CNN_SWEEPS_CACHE"
DECODED: Final = "decoded"
FEATURES: Final = "features"
ABOUT: Final = "about.json"
LOCK: Final = ".lock"
GB: Final = 10**9
PAUSE: Final = 0.05
"""Seconds between two attempts to take a lock."""
NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EROFS, errno.EACCES)
"""What a drive says that knows no locks, or cannot be written."""


def cache_folder(chosen: Path | None) -> Path:
    """Where the cache is."""
    named = chosen or os.environ.get(VARIABLE)
    if named:
        return expand_user(Path(named))
    return expand_user(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")) / "cnn_sweeps"


@dataclass(frozen=True)
class CachedFolder:
    """What is kept under a key; it need not be there.

    Attributes:
        folder: where it is.
    """

    folder: Path

    @property
    def lock(self) -> Path:
        """The file that is locked by whoever makes it."""
        return self.folder.with_name(f"{self.folder.name}{LOCK}")

    @property
    def about(self) -> dict[str, Any]:
        """What it is; empty where that cannot be read."""
        return read_mapping(self.folder / ABOUT)

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return _size_of(self.folder)

    @property
    def used(self) -> float:
        """When it was last used, in seconds since 1970."""
        with suppress(OSError):
            return (self.folder / ABOUT).stat().st_mtime
        return 0.0

    def mark_used(self) -> None:
        """Note that it is used; a cache that cannot be written is only read."""
        with suppress(OSError):
            os.utime(self.folder / ABOUT)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; on a drive that knows no locks, two processes make the same.

        Raises:
            OSError: the cache cannot be written.
        """
        from filelock import FileLock  # noqa: PLC0415 -- most commands make nothing

        self.lock.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.lock, poll_interval=PAUSE, fallback_to_soft=False)
        try:
            lock.acquire()
            self.remove_leftovers()
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def written(self) -> Iterator[Path]:
        """Give an empty folder that takes the place of this one at the end of the block.

        Raises:
            OSError: there is no room, or the cache cannot be written.
        """
        self.remove()
        part = part_of(self.folder)
        part.mkdir(parents=True)
        try:
            yield part
            try:
                part.rename(self.folder)
            except OSError:
                if not self.folder.exists():  # else somebody was quicker, without locks
                    raise
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def remove(self) -> None:
        """Delete it, at once for whoever looks."""
        gone = part_of(self.folder)
        with suppress(OSError):
            self.folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def leftovers(self) -> list[Path]:
        """What is not whole of it; of killed processes alone for who has the lock."""
        return [*self.folder.parent.glob(f"{self.folder.name}{PART}*")]

    def remove_leftovers(self) -> None:
        """Delete what processes that were killed have left; only for who has the lock."""
        for left in self.leftovers():
            shutil.rmtree(left, ignore_errors=True)


@dataclass(frozen=True)
class FolderCache:
    """All that is kept, of all kinds; nothing need be there.

    Attributes:
        root: the folder of the cache.
    """

    root: Path

    def folders(self, *kinds: str) -> list[CachedFolder]:
        """What is there of some kinds, the least recently used first."""
        whole = [path for path in self._paths(*kinds) if PART not in path.name and path.is_dir()]
        return sorted(map(CachedFolder, whole), key=lambda each: each.used)

    def evict(self, max_gb: float, *, keep: Container[Path | None] = ()) -> list[CachedFolder]:
        """Delete what was not used for longest until the rest fits, and what nobody will read.

        Args:
            max_gb: what may be there of all kinds together, in GB (10^9 bytes).
            keep: folders that stay.

        Returns:
            What was deleted.
        """
        for each in self._abandoned():
            each.remove_leftovers()
            if not each.folder.exists():
                each.lock.unlink(missing_ok=True)
        known = [(each, each.size) for each in self.folders(DECODED, FEATURES)]
        surplus = sum(size for _, size in known) - max_gb * GB
        gone = []
        for each, size in known:
            if surplus > 0 and each.folder not in keep:
                each.remove()
                each.lock.unlink(missing_ok=True)
                surplus -= size
                gone.append(each)
        return gone

    def left(self) -> int:
        """Bytes that processes have left that were killed."""
        return sum(_size_of(left) for each in self._abandoned() for left in each.leftovers())

    def _abandoned(self) -> Iterator[CachedFolder]:
        """What is begun and not whole, each while its lock is held: nobody makes it now."""
        from filelock import FileLock, Timeout  # noqa: PLC0415 -- most commands make nothing

        begun = {
            path.with_name(path.name.partition(PART)[0].removesuffix(LOCK))
            for path in self._paths(DECODED, FEATURES)
            if PART in path.name or path.name.endswith(LOCK)
        }
        for each in map(CachedFolder, sorted(begun)):
            if each.folder.exists() and not each.leftovers():
                continue
            lock = FileLock(each.lock, blocking=False, fallback_to_soft=False)
            with suppress(OSError, Timeout), lock:
                yield each

    def _paths(self, *kinds: str) -> Iterator[Path]:
        for kind in kinds:
            with suppress(OSError):
                yield from [*(self.root / kind).iterdir()]


def _size_of(folder: Path) -> int:
    with suppress(OSError):
        return sum(path.stat().st_size for path in folder.iterdir())
    return 0
