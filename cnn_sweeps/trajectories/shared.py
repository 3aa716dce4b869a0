"""Epochs of a lab or a class: a folder on a shared file system, which many read and write.

    <store>/<trajectory hash>/<environment>/about.json       what it is and where, for people
    <store>/<trajectory hash>/<environment>/epochs/0004.json  metrics, digests, and who trained it
    <store>/<trajectory hash>/<environment>/lock              held by who trains, where locks hold
    <store>/arrays/3f/3f2a....npz                             variables, by the digest of the file

An epoch never changes: its files are written under another name and then linked to their own, the
arrays first, so that of two writers the first counts and both may go on. Folders and files have the
permissions of the store's folder, whatever the umask of who writes. What is read is checked by its
digest, and is JSON and arrays without pickles; whether it was trained as it says is what the
writers are trusted for, and what an audit looks at.
"""

import getpass
import json
import os
import re
import socket
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from cnn_sweeps.data.files import part_of
from cnn_sweeps.text.dotted import dotted
from cnn_sweeps.text.json import sha256
from cnn_sweeps.trajectories import files
from cnn_sweeps.trajectories.entry import ABOUT, TrajectoryFolder
from cnn_sweeps.trajectories.files import Arrays
from cnn_sweeps.trajectories.history import EpochRecord, plain_record, record_of
from cnn_sweeps.trajectories.lock import LOCK, Lock

FORMAT = 1
EPOCHS, ARRAYS = "epochs", "arrays"
DIGEST = re.compile(r"[0-9a-f]{64}")
BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, BadZipFile)
"""What reading something says that is not what it should be."""


def who() -> str:
    """Who writes, for a person: `ana@lab-3`."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container without that user
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


@dataclass(frozen=True, kw_only=True)
class SharedEpoch:
    """One epoch of a shared store.

    Attributes:
        record: its metrics, and the digests of its files.
        writer: who gave it.
        previous: what the epoch before it came to; empty for the first.
        contents: those of its files that are there, by their digests.
    """

    record: EpochRecord
    writer: str
    previous: Mapping[str, Any]
    contents: Mapping[str, bytes] = field(default_factory=dict)

    @cached_property
    def arrays(self) -> Arrays:
        """Its variables, as far as they are there.

        Raises:
            ValueError: a file holds something else than arrays.
        """
        try:
            return {k: v for d in self.contents.values() for k, v in files.decode_arrays(d).items()}
        except BROKEN as error:
            raise ValueError("not arrays") from error

    def encode(self) -> bytes:
        """The epoch as JSON that carries its own digest."""
        body = {
            "format": FORMAT,
            **plain_record(self.record),
            "writer": self.writer,
            "previous": dict(self.previous),
        }
        return json.dumps({**body, "sha256": sha256(body)}).encode()

    @classmethod
    def decode(cls, data: bytes) -> "SharedEpoch":
        """What `encode` wrote.

        Raises:
            ValueError: this is something else.
        """
        try:
            body = json.loads(data)
            whole = body.pop("sha256") == sha256(body) and body.pop("format") == FORMAT
            writer, previous = str(body.pop("writer")), dict(body.pop("previous"))
            record = record_of(body)
        except BROKEN as error:
            raise ValueError("not an epoch") from error
        digests = [each for each in digests_of(record) if not DIGEST.fullmatch(str(each))]
        numbers = (v for v in vars(record.epoch).values() if v is not None and v != {})
        if not whole or digests or not all(isinstance(each, int | float) for each in numbers):
            raise ValueError("not the epoch that was written")
        return cls(record=record, writer=writer, previous=previous)


def digests_of(record: EpochRecord) -> tuple[str, ...]:
    """The files of an epoch, by their digests; those that all epochs share first."""
    return tuple(d for d in (record.frozen, record.weights, record.optimizer) if d is not None)


@dataclass(frozen=True)
class SharedStore:
    """The folder of all of them; it need not exist.

    Attributes:
        folder: where it is.
    """

    folder: Path

    def entry(self, trajectory_hash: str, environment: str) -> "SharedEntry":
        """Where a trajectory is in one environment; there may be nothing yet."""
        return SharedEntry(self.folder / trajectory_hash / environment, self)

    def entries(self) -> list["SharedEntry"]:
        """All that is there, by the names of their folders."""
        found = sorted(self.folder.glob(f"*/*/{EPOCHS}"))
        return [SharedEntry(path.parent, self) for path in found]

    def array(self, digest: str) -> Path:
        """Where a file of arrays is."""
        return self.folder / ARRAYS / digest[:2] / f"{digest}.npz"

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size in files.sizes(self.folder))

    def write(self, path: Path, data: bytes) -> None:
        """Put a file in its place, unless there is one; for all who may use the store.

        Raises:
            OSError: the file system refuses.
        """
        if path.exists():
            return
        self._make(path.parent)
        part = part_of(path)
        try:
            part.write_bytes(data)
            self._share(part, 0o666)
            try:
                os.link(part, path)
            except FileExistsError:
                return  # somebody was quicker, with the same content
            except OSError:  # a file system without links
                part.replace(path)
        finally:
            files.delete(part)

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder != self.folder:
            self._make(folder.parent)
        folder.mkdir(exist_ok=True)
        self._share(folder, 0o7777)

    def _share(self, path: Path, allowed: int) -> None:
        if path != self.folder:
            with suppress(OSError):  # somebody else's, who has done it
                path.chmod(stat.S_IMODE(self.folder.stat().st_mode) & allowed)

    def drop(self, epochs: Mapping[Path, EpochRecord]) -> None:
        """Delete the variables of epochs that are too large to be kept whole.

        What any other epoch names stays, whoever gave it.

        Args:
            epochs: by their files.
        """
        surplus = {d for one in epochs.values() for d in (one.weights, one.optimizer) if d}
        for entry in self.entries():
            for path in entry.paths:
                if path not in epochs:
                    surplus -= entry.named_in(path)
        for digest in surplus:
            files.delete(self.array(digest))

    def clear(self, entries: Iterable["SharedEntry"], *, others: bool) -> int:
        """Delete the epochs of these entries that this user wrote, with what no other epoch needs.

        Args:
            entries: whose.
            others: whether those that others wrote go as well.

        Returns:
            How many epochs were deleted.
        """
        chosen = [(entry, path) for entry in entries for path in entry.paths]
        gone = [(entry, path) for entry, path in chosen if others or _is_mine(path)]
        dropped = {digest for entry, path in gone for digest in entry.named_in(path)}
        for _, path in gone:
            files.delete(path)
        used = {digest for entry in self.entries() for digest in entry.named}
        for digest in dropped - used:
            if others or _is_mine(self.array(digest)):
                files.delete(self.array(digest))
        for entry in self.entries():
            entry.remove_if_empty()
        return sum(not path.exists() for _, path in gone)


def _is_mine(path: Path) -> bool:
    with suppress(OSError):
        return path.stat().st_uid == os.getuid()
    return False


@dataclass(frozen=True)
class SharedEntry(TrajectoryFolder):
    """One trajectory in one environment, in a shared store.

    Attributes:
        store: the whole.
    """

    store: SharedStore

    @property
    def paths(self) -> list[Path]:
        """The files of its epochs, in order."""
        return sorted((self.folder / EPOCHS).glob("*.json"))

    @property
    def named(self) -> set[str]:
        """The digests of the files that its epochs have."""
        return {digest for one in self.epochs() for digest in digests_of(one.record)}

    def named_in(self, path: Path) -> set[str]:
        """Those of one epoch, by the file of it."""
        one = self.epoch(int(path.stem)) if path.stem.isdecimal() else None
        return set(digests_of(one.record)) if one else set()

    @property
    def size(self) -> int:
        """Bytes of its files, with arrays that it shares with others."""
        own = sum(size for _, size in files.sizes(self.folder))
        arrays = [self.store.array(digest) for digest in self.named]
        return own + sum(path.stat().st_size for path in arrays if path.exists())

    @property
    def lock(self) -> Lock:
        """Held by who trains it. It only saves work."""
        return Lock(self.folder)

    def has(self, number: int) -> bool:
        """Whether an epoch is there, as far as its name tells, and may be looked at."""
        return os.path.exists(self.file(number))  # noqa: PTH110 -- that of a path would raise

    def epoch(self, number: int) -> SharedEpoch | None:
        """One epoch without its arrays; None where it is not there, or damaged and set aside."""
        path = self.file(number)
        try:
            found = SharedEpoch.decode(path.read_bytes())
        except OSError:
            return None
        except ValueError:
            files.quarantine(path)
            return None
        return found if found.record.number == number else None

    def epochs(self) -> Iterator[SharedEpoch]:
        """All epochs without their arrays."""
        for path in self.paths:
            if path.stem.isdecimal() and (found := self.epoch(int(path.stem))):
                yield found

    def contents(self, record: EpochRecord) -> dict[str, bytes]:
        """The files of an epoch that are there as they were written, by their digests."""
        read = {
            digest: files.read(self.store.array(digest), digest) for digest in digests_of(record)
        }
        return {digest: data for digest, data in read.items() if data is not None}

    def put(self, given: SharedEpoch, about: Mapping[str, Any]) -> bool:
        """Add an epoch, unless it is there; then only files of it that were lost.

        Returns:
            Whether it was added.

        Raises:
            OSError: the file system refuses.
        """
        there = self.epoch(given.record.number)
        self._put_arrays(given, (there or given).record)
        if there is not None:
            return False
        self.store.write(self.folder / ABOUT, json.dumps(dict(about), indent=2).encode())
        self.store.write(self.file(given.record.number), given.encode())
        self._put_arrays(given, given.record)  # who saw no epoch name them may have dropped them
        return True

    def _put_arrays(self, given: SharedEpoch, record: EpochRecord) -> None:
        for digest in digests_of(record):
            if digest in given.contents:
                self.store.write(self.store.array(digest), given.contents[digest])

    def make_lock(self) -> None:
        """Let there be something to lock, for all who may use the store.

        Raises:
            OSError: the file system refuses.
        """
        self.store.write(self.folder / LOCK, b"")

    def elsewhere(self, number: int) -> "SharedEntry | None":
        """The same trajectory in another environment, which has that epoch."""
        for folder in sorted(self.folder.parent.glob("*")):
            other = SharedEntry(folder, self.store)
            if folder != self.folder and other.has(number):
                return other
        return None

    def damaged(self) -> dict[str, str]:
        """Files of its epochs that are not as they were written, which are set aside, by name."""
        before, bad = self.paths, {}
        for path in before:
            if path.stem.isdecimal() and self.epoch(int(path.stem)) is None:
                bad[f"{EPOCHS}/{path.name}"] = "damaged"
        for one in self.epochs():
            for digest in digests_of(one.record):
                path = self.store.array(digest)
                if path.exists() and files.read(path, digest) is None:
                    bad[f"{ARRAYS}/{path.name}"] = "damaged"
        return bad

    def remove_if_empty(self) -> None:
        """Delete the folder where no epoch is left."""
        if self.paths:
            return
        for path, _ in files.sizes(self.folder):
            files.delete(path)
        with suppress(OSError):
            (self.folder / EPOCHS).rmdir()
            self.folder.rmdir()
            self.folder.parent.rmdir()

    def file(self, number: int) -> Path:
        """The file of an epoch."""
        return self.folder / EPOCHS / f"{number:04}.json"


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """The parts of two environments that differ, by name; either may have been stored as JSON."""
    here, there = (dict(dotted(json.loads(json.dumps(dict(each))))) for each in (one, other))
    names = dict.fromkeys(key for key in (*here, *there) if here.get(key) != there.get(key))
    return tuple(name.removeprefix("packages.") for name in names)
