"""What is stored of one trajectory: its epochs, and checkpoints to go on from.

    <folder>/about.json          what it is, for people and for `cnn-sweeps cache`
    <folder>/history.json        every epoch so far, with the digests of its files
    <folder>/weights/0004.npz    the variables of the model after epoch 4, but for those that are
                                 frozen (`trajectories.frozen`)
    <folder>/optimizer/0004.npz  those of the optimizer; kept for the last epochs only
    <folder>/kept/0004           says that the state after epoch 4 is kept: another segment of a
                                 training begins with it, or the user has marked it
    <folder>/metrics.json        further metrics of epochs, where any were asked for
    <folder>/metrics.lock        held by who adds to them
    <folder>/lock                held by the process that trains it
    <folder>/users/3f2a/lock     held by a training that uses it: it is not deleted meanwhile

Where the state of an epoch is large, the weights of most epochs are not kept either (`Retention`).

Files are written under another name first and then renamed, the history last: a file counts
once the history names it. Every file carries or has a SHA-256 that is checked when it is read;
what does not fit is set aside as `*.damaged` and trained again.
"""

import json
import os
import shutil
import uuid
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cnn_sweeps.errors import StoreError
from cnn_sweeps.text.json import read_mapping
from cnn_sweeps.training.epoch import Epoch
from cnn_sweeps.trajectories import files, frozen, metric_values
from cnn_sweeps.trajectories.files import Arrays
from cnn_sweeps.trajectories.frozen import FrozenStore
from cnn_sweeps.trajectories.history import EpochRecord, decode_history, encode_history
from cnn_sweeps.trajectories.lock import LOCK, Lock
from cnn_sweeps.trajectories.retention import KEEP_ALL, Retention, drop_old_state

HISTORY = "history.json"
ABOUT = "about.json"
WEIGHTS, OPTIMIZER, KEPT = "weights", "optimizer", "kept"
USERS = "users"
MODEL = "model/"
"""Keys of a snapshot that are the model's own begin so; the others go with the optimizer."""
REMOVED = ".removed-"
"""Stands in the name of a folder that is being deleted."""


@dataclass(frozen=True)
class TrajectoryFolder:
    """Where one trajectory is stored in one environment: `<trajectory hash>/<environment>`.

    Attributes:
        folder: where it is; it need not exist.
    """

    folder: Path

    @property
    def trajectory_hash(self) -> str:
        """Which trajectory it is: 64 hex digits."""
        return self.folder.parent.name

    @property
    def environment(self) -> str:
        """Where it was trained: the first digits of the fingerprint."""
        return self.folder.name

    @property
    def about(self) -> dict[str, Any]:
        """What the trajectory is, for people; empty where nobody could say it."""
        return read_mapping(self.folder / ABOUT)


@dataclass(frozen=True)
class Entry(TrajectoryFolder):
    """One trajectory in one environment, in the cache of `tracking.dir`.

    Attributes:
        first: number of its first epoch; not 1 where another trajectory goes on in it.
    """

    first: int = field(default=1, compare=False)

    def history(self) -> list[EpochRecord]:
        """The epochs that are known, from its first on without a gap; none where damaged."""
        path = self.folder / HISTORY
        try:
            return decode_history(path.read_bytes())
        except OSError:
            return []
        except ValueError:
            files.quarantine(path)
            return []

    def quarantine(self) -> None:
        """Keep the epochs under another name, where they are never read."""
        files.quarantine(self.folder / HISTORY)

    @property
    def frozen(self) -> FrozenStore:
        """Where variables are that its epochs and those of others have in common."""
        return FrozenStore(self.folder.parents[1] / frozen.FOLDER)

    def put(
        self,
        epoch: Epoch,
        state: Arrays,
        *,
        run_id: str,
        known: Sequence[EpochRecord] = (),
        unchanged: Container[str] = (),
        retention: Retention = KEEP_ALL,
    ) -> EpochRecord:
        """Add an epoch that was trained, or restore the lost files of a known one.

        Args:
            epoch: the next one, or one that is known: then its first record stays where it came
                out the same, and else it takes the place of that and of all that follows.
            state: all variables after it, as `training.state.snapshot` gives them; those of the
                model alone where training cannot go on from them.
            run_id: the MLflow run that trained it.
            known: the epochs that whoever trains knows of, for where the disk has lost them.
            unchanged: keys of frozen variables of the model.
            retention: which epochs keep their weights.

        Raises:
            StoreError: the disk refuses.
        """
        model = {key: value for key, value in state.items() if key.startswith(MODEL)}
        still = {key: value for key, value in model.items() if key in unchanged}
        own = {key: value for key, value in model.items() if key not in still}
        rest = {key: value for key, value in state.items() if key not in model}
        with self.frozen.writing() if still else nullcontext():
            new = EpochRecord(
                epoch=epoch,
                run_id=run_id,
                weights=self._write_arrays(WEIGHTS, epoch.number, own),
                optimizer=self._write_arrays(OPTIMIZER, epoch.number, rest) if rest else None,
                frozen=self.frozen.put(still) if still else None,
            )
            size = sum(value.nbytes for value in (*own.values(), *rest.values()))
            return self._add(new, known, retention, size)

    def contents(self, one: EpochRecord) -> dict[str, bytes]:
        """The files of an epoch that are there, by their digests."""
        read = {digest: files.read(path, digest) for path, digest in self._files(one)}
        return {digest: data for digest, data in read.items() if data is not None}

    def adopt(
        self,
        one: EpochRecord,
        contents: Mapping[str, bytes],
        *,
        known: Sequence[EpochRecord] = (),
        retention: Retention = KEEP_ALL,
    ) -> EpochRecord:
        """Add an epoch that was trained elsewhere, with as many of its files as are given.

        Args:
            one: the next one, or one that is known.
            contents: its files, by their digests.
            known: see `put`.
            retention: see `put`.

        Raises:
            StoreError: the disk refuses.
        """
        kept = _without(one, contents)
        with self.frozen.writing() if kept.frozen else nullcontext():
            for path, digest in self._files(kept):
                if digest != kept.frozen or not path.exists():
                    files.write(path, contents[digest])
            size = sum(len(data) for digest, data in contents.items() if digest != one.frozen)
            return self._add(kept, known, retention, size)

    def keep_state(self, number: int) -> None:
        """Keep the state after an epoch, as it is now or when it will be trained."""
        with suppress(OSError):  # what cannot be written may still be read
            (self.folder / KEPT).mkdir(parents=True, exist_ok=True)
            self._note(number).touch()

    def metrics(self, one: EpochRecord) -> dict[str, float]:
        """Further metrics of an epoch that are known, by what names each."""
        return metric_values.read(self.folder, one.epoch)

    def put_metrics(self, one: EpochRecord, values: Mapping[str, float]) -> None:
        """Add further metrics of an epoch."""
        metric_values.write(self.folder, one.epoch, values)

    def weights(self, one: EpochRecord) -> Arrays | None:
        """The model's variables after an epoch; None where they are not kept, lost or damaged."""
        own = self._read_arrays(WEIGHTS, one.number, one.weights)
        if own is None or one.frozen is None:
            return own
        still = self.frozen.read(one.frozen)
        return None if still is None else {**still, **own}

    def state(self, one: EpochRecord) -> Arrays | None:
        """All variables after an epoch, to go on from; None where one file is not there."""
        rest = self._read_arrays(OPTIMIZER, one.number, one.optimizer)
        weights = None if rest is None else self.weights(one)
        return None if rest is None or weights is None else {**weights, **rest}

    def describe(self, about: Mapping[str, Any]) -> None:
        """Say what the trajectory is, if nobody has.

        Raises:
            StoreError: the disk refuses.
        """
        if not (self.folder / ABOUT).exists():
            files.write(self.folder / ABOUT, json.dumps(about, indent=2).encode())

    @property
    def shared(self) -> set[str]:
        """The digests of the frozen variables that its epochs have."""
        return {one.frozen for one in self.history() if one.frozen is not None}

    @property
    def size(self) -> int:
        """Bytes of all its files, without what it shares with others."""
        return sum(size for _, size in files.sizes(self.folder))

    @property
    def used(self) -> float:
        """When it was last used, in seconds since 1970."""
        with suppress(OSError):
            return self._clock.stat().st_mtime
        return 0.0

    def mark_used(self) -> None:
        """Note that it is used; a folder that cannot be written is only read."""
        with suppress(OSError):
            os.utime(self._clock)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Inside the block it is in use, whoever holds its lock; see `is_in_use`."""
        mark = self.folder / USERS / uuid.uuid4().hex
        with suppress(OSError):  # what cannot be written may still be read
            mark.mkdir(parents=True)
        with Lock(mark) as lock:
            with suppress(StoreError):
                lock.acquire()
            try:
                yield
            finally:
                shutil.rmtree(mark, ignore_errors=True)

    def is_in_use(self) -> bool:
        """Whether a training uses it at the moment; the marks of dead ones are deleted."""
        for mark in (self.folder / USERS).glob("*"):
            with suppress(StoreError), Lock(mark) as lock:
                if not lock.acquire():
                    return True
                shutil.rmtree(mark, ignore_errors=True)
        return False

    def remove(self) -> bool:
        """Delete it, at once for whoever looks: it is renamed first. Whether it is gone."""
        gone = self.folder.with_name(f"{self.folder.name}{REMOVED}{uuid.uuid4().hex}")
        with suppress(OSError):
            self.folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
            self.folder.parent.rmdir()  # if no other environment has an entry
        return not self.folder.exists()

    def prune(self) -> None:
        """Delete what processes that died, and damage, have left. Only for who has the lock."""
        own = (ABOUT, HISTORY, LOCK, metric_values.FILE, metric_values.WRITING)
        named = {self.folder / name for name in own}
        named |= {path for path, _ in self._named()} | set((self.folder / KEPT).glob("*"))
        named |= set((self.folder / USERS).glob("*/*"))
        for path, _ in files.sizes(self.folder):
            if path not in named:
                files.delete(path)

    def verify(self) -> dict[str, str]:
        """Check every file against its digest, and set aside what does not fit.

        Returns:
            `damaged` or `missing` for each file that is not as it was written, by name.
        """
        if not self.history():
            return {HISTORY: "damaged"} if files.is_damaged(self.folder / HISTORY) else {}
        bad = [file for file in self._named() if files.read(*file) is None]
        # Whoever trains at the moment deletes optimizers that the history no longer names.
        still = self._named()
        return {
            self._shown(path): "damaged" if files.is_damaged(path) else "missing"
            for path, digest in bad
            if (path, digest) in still
        }

    @property
    def _clock(self) -> Path:
        """What carries the time of the last use: nothing but a use changes the history."""
        history = self.folder / HISTORY
        return history if history.exists() else self.folder

    def _named(self) -> list[tuple[Path, str]]:
        """The files that the history names, with their digests."""
        history = self.history()
        return list(dict.fromkeys(file for one in history for file in self._files(one)))

    def _files(self, one: EpochRecord) -> list[tuple[Path, str]]:
        """The files of an epoch, with their digests."""
        own = ((WEIGHTS, one.weights), (OPTIMIZER, one.optimizer))
        files_of = [(self._path(kind, one.number), digest) for kind, digest in own if digest]
        return files_of + ([(self.frozen.path(one.frozen), one.frozen)] if one.frozen else [])

    def _shown(self, path: Path) -> str:
        own = path.is_relative_to(self.folder)
        return str(path.relative_to(self.folder if own else self.folder.parents[1]))

    def _write_arrays(self, kind: str, number: int, values: Arrays) -> str:
        return files.write(self._path(kind, number), files.encode_arrays(values))

    def _read_arrays(self, kind: str, number: int, digest: str | None) -> Arrays | None:
        data = None if digest is None else files.read(self._path(kind, number), digest)
        return None if data is None else files.decode_arrays(data)

    def _add(
        self, new: EpochRecord, known: Sequence[EpochRecord], retention: Retention, size: int
    ) -> EpochRecord:
        """Add an epoch to the history; see `put` for one that is known."""
        before = max(self.history(), [*known], key=len)
        at = new.number - self.first
        after, same = before[at + 1 :], at < len(before) and before[at].matches(new)
        if same:
            new = replace(new, epoch=before[at].epoch, run_id=before[at].run_id)
        self._write_history(
            [*before[:at], new, *(after if same else [])],
            in_hand=new.number,
            retention=retention,
            size=size,
        )
        if not same:
            self._forget(after)
        return new

    def _forget(self, epochs: Sequence[EpochRecord]) -> None:
        """Delete the files of epochs that go on from another one than is stored now."""
        for one in epochs:
            for kind in (WEIGHTS, OPTIMIZER):
                files.delete(self._path(kind, one.number))

    def _write_history(
        self,
        history: Sequence[EpochRecord],
        *,
        in_hand: int,
        retention: Retention,
        size: int,
    ) -> None:
        """Write what is stored now, and then delete what is no longer kept.

        Of epochs that are trained again the one in hand stays, and the one before it: whoever is
        killed meanwhile need not begin once more.
        """
        marked = {one.number for one in history if self._note(one.number).exists()}
        states = {*marked, in_hand, in_hand - 1}
        measured = {}
        if retention.metrics and not retention.keeps_all(size):
            measured = metric_values.read_all(self.folder, [one.epoch for one in history])
        shorter = drop_old_state(history, retention.weights(history, size, measured), states)
        files.write(self.folder / HISTORY, encode_history(shorter, self.first))
        for before, after in zip(history, shorter, strict=True):
            if before.optimizer != after.optimizer:
                files.delete(self._path(OPTIMIZER, after.number))
            if before.weights != after.weights:
                files.delete(self._path(WEIGHTS, after.number))

    def _note(self, number: int) -> Path:
        return self.folder / KEPT / f"{number:04}"

    def _path(self, kind: str, number: int) -> Path:
        return self.folder / kind / f"{number:04}.npz"


def _without(one: EpochRecord, contents: Container[str]) -> EpochRecord:
    """An epoch with the files that are there; without its weights the others are of no use."""
    if one.weights not in contents or (one.frozen is not None and one.frozen not in contents):
        return replace(one, weights=None, optimizer=None, frozen=None)
    return one if one.optimizer in contents else replace(one, optimizer=None)
