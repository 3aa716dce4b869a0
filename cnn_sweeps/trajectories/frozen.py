"""Variables that training leaves as they are, such as a frozen backbone: stored once.

    <tracking.dir>/trajectories/frozen/<SHA-256>.npz

Epochs name such a file by its digest, whatever trajectory they belong to. It is deleted when no
epoch names it any more. Who writes one and then the history that names it, and who looks for those
that nobody names, hold one lock meanwhile.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cnn_sweeps.errors import StoreError
from cnn_sweeps.trajectories import files
from cnn_sweeps.trajectories.files import Arrays
from cnn_sweeps.trajectories.lock import LOCK, PAUSE, Lock

FOLDER = "frozen"
"""Folder beside those of the trajectories."""


@dataclass(frozen=True)
class FrozenStore:
    """The variables that are stored once for all epochs that have them; there may be none yet.

    Attributes:
        folder: where they are.
    """

    folder: Path

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file, by its digest."""
        return {path.stem: size for path, size in files.sizes(self.folder) if path.suffix == ".npz"}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let nobody delete what is written inside the block, until a history names it.

        Raises:
            StoreError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise files.refusal(self.folder, error) from error
        with Lock(self.folder) as lock:
            while not lock.acquire():
                time.sleep(PAUSE)
            yield

    def put(self, arrays: Arrays) -> str:
        """Store arrays, unless they are there; returns the digest that names them.

        Raises:
            StoreError: the disk refuses.
        """
        data = files.encode_arrays(arrays)
        digest = files.digest_of(data)
        if not self.path(digest).exists():
            files.write(self.path(digest), data)
        return digest

    def read(self, digest: str) -> Arrays | None:
        """The arrays of a digest; None where the file is lost or damaged."""
        data = files.read(self.path(digest), digest)
        return None if data is None else files.decode_arrays(data)

    def path(self, digest: str) -> Path:
        """Where the arrays of a digest are."""
        return self.folder / f"{digest}.npz"

    def drop_unused(self, used: Iterable[str]) -> None:
        """Delete whatever no epoch names; a folder that cannot be written stays as it is.

        Args:
            used: looked up once nobody writes: the digests that epochs name.
        """
        if not self.folder.is_dir():
            return
        try:
            with self.writing():
                kept = {self.folder / LOCK, *map(self.path, used)}
                for path, _ in files.sizes(self.folder):
                    if path not in kept:
                        files.delete(path)
        except StoreError:
            return
