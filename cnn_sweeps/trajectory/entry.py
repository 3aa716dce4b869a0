"""What is stored of one trajectory: its epochs, and checkpoints to go on from.

    <folder>/about.json          what it is, for people and for `cnn-sweeps cache`
    <folder>/history.json        every epoch so far, with the digests of its files
    <folder>/weights/0004.npz    the variables of the model after epoch 4
    <folder>/optimizer/0004.npz  those of the optimizer; kept for the last epochs only

Files are written under another name first and then renamed, the history last: a file counts
once the history names it. Every file carries or has a SHA-256 that is checked when it is read;
what does not fit is set aside as `*.damaged` and trained again.
"""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.errors import StoreError
from cnn_sweeps.history import Epoch

Arrays = Mapping[str, NDArray[Any]]

FORMAT = 1
HISTORY = "history.json"
ABOUT = "about.json"
WEIGHTS, OPTIMIZER = "weights", "optimizer"
MODEL = "model/"
"""Keys of a snapshot that are the model's own begin so; the others are the optimizer's."""
LAST_STATES = 2
"""Epochs, from the last one, whose optimizer is kept: one to go on from, and one in reserve."""
DAMAGED = ".damaged"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is stored of one epoch.

    Attributes:
        epoch: its metrics and its original seconds.
        run_id: the MLflow run that trained it.
        weights: SHA-256 of the file with the model's variables; None where it is lost.
        optimizer: SHA-256 of the file with the optimizer's; None where it is not kept.
    """

    epoch: Epoch
    run_id: str
    weights: str | None
    optimizer: str | None

    @property
    def number(self) -> int:
        """The epoch, from 1."""
        return self.epoch.number

    @property
    def can_be_continued(self) -> bool:
        """Whether everything is there that training goes on from."""
        return self.weights is not None and self.optimizer is not None


@dataclass(frozen=True)
class Entry:
    """The folder of one trajectory in one environment; it need not exist.

    Every method raises `StoreError` where the disk refuses to be written.

    Attributes:
        folder: where it is.
    """

    folder: Path

    def history(self) -> list[Kept]:
        """The epochs that are known, from the first on without a gap; damage ends the list."""
        path = self.folder / HISTORY
        try:
            stored = json.loads(path.read_bytes())
            kept = [_kept(plain) for plain in stored["epochs"]]
            whole = stored["sha256"] == _digest_of(kept)
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError):
            kept, whole = [], False
        if not whole:
            self._set_aside(path)
            return []
        return kept

    def put(self, epoch: Epoch, state: Arrays, *, run_id: str) -> None:
        """Add an epoch that was trained, or put back the lost files of a known one.

        Args:
            epoch: the next one, or one that is known; then its first record stays.
            state: all variables after it, as `variables.snapshot` gives them.
            run_id: the MLflow run that trained it.
        """
        model = {key: value for key, value in state.items() if key.startswith(MODEL)}
        optimizer = {key: value for key, value in state.items() if key not in model}
        kept = Kept(
            epoch=epoch,
            run_id=run_id,
            weights=self._write_arrays(WEIGHTS, epoch.number, model),
            optimizer=self._write_arrays(OPTIMIZER, epoch.number, optimizer),
        )
        before = self.history()
        if epoch.number <= len(before):
            first = before[epoch.number - 1]
            kept = replace(kept, epoch=first.epoch, run_id=first.run_id)
        self._write_history([*before[: epoch.number - 1], kept, *before[epoch.number :]])

    def weights(self, kept: Kept) -> Arrays | None:
        """The model's variables after an epoch; None where the file is lost or damaged."""
        return self._read_arrays(WEIGHTS, kept.number, kept.weights)

    def state(self, kept: Kept) -> Arrays | None:
        """All variables after an epoch, to go on from; None where a file is lost or damaged."""
        weights = self.weights(kept)
        optimizer = self._read_arrays(OPTIMIZER, kept.number, kept.optimizer)
        return None if weights is None or optimizer is None else {**weights, **optimizer}

    def describe(self, about: Mapping[str, Any]) -> None:
        """Say what the trajectory is, if nobody has."""
        if not (self.folder / ABOUT).exists():
            self._write(self.folder / ABOUT, json.dumps(about, indent=2).encode())

    @property
    def about(self) -> dict[str, Any]:
        """What the trajectory is; empty where nobody could say it."""
        try:
            told = json.loads((self.folder / ABOUT).read_bytes())
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(size for _, size in self._sizes())

    @property
    def used(self) -> float:
        """When it was last used, in seconds since 1970."""
        with suppress(OSError):
            return self.folder.stat().st_mtime
        return 0.0

    def touch(self) -> None:
        """Note that it is used; a folder that cannot be written is only read."""
        with suppress(OSError):
            os.utime(self.folder)

    def remove(self) -> None:
        """Delete it, at once for whoever looks: it is renamed first."""
        gone = self.folder.with_name(f"{self.folder.name}.removed-{os.getpid()}")
        with suppress(OSError):
            self.folder.rename(gone)
            shutil.rmtree(gone)
            self.folder.parent.rmdir()  # if no other environment has an entry

    def damage(self) -> list[str]:
        """Check every file against its digest; the names of those that do not fit, set aside."""
        kept = self.history()
        for one in kept:
            self._read_arrays(WEIGHTS, one.number, one.weights)
            self._read_arrays(OPTIMIZER, one.number, one.optimizer)
        return sorted(str(f.relative_to(self.folder)) for f in self.folder.rglob(f"*{DAMAGED}"))

    def _sizes(self) -> list[tuple[Path, int]]:
        sizes = []
        for path in self.folder.rglob("*"):
            with suppress(OSError):  # removed meanwhile
                sizes.append((path, path.stat().st_size))
        return sizes

    def _write_arrays(self, kind: str, number: int, arrays: Arrays) -> str:
        content = io.BytesIO()
        named: Any = {key.replace("/", "."): value for key, value in arrays.items()}
        np.savez(content, **named)
        data = content.getvalue()
        self._write(self._path(kind, number), data)
        return hashlib.sha256(data).hexdigest()

    def _read_arrays(self, kind: str, number: int, digest: str | None) -> Arrays | None:
        if digest is None:
            return None
        path = self._path(kind, number)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != digest:
            self._set_aside(path)
            return None
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {key.replace(".", "/"): arrays[key] for key in arrays.files}

    def _write_history(self, history: Sequence[Kept]) -> None:
        last = len(history) - LAST_STATES
        thinned = [one if one.number > last else replace(one, optimizer=None) for one in history]
        stored = {
            "format": FORMAT,
            "sha256": _digest_of(thinned),
            "epochs": [asdict(one) for one in thinned],
        }
        self._write(self.folder / HISTORY, json.dumps(stored).encode())
        for one in history[: max(last, 0)]:
            if one.optimizer is not None:
                self._path(OPTIMIZER, one.number).unlink(missing_ok=True)

    def _path(self, kind: str, number: int) -> Path:
        return self.folder / kind / f"{number:04}.npz"

    def _write(self, path: Path, data: bytes) -> None:
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            part.replace(path)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise StoreError(
                f"{path} cannot be written: {error.strerror}.\n"
                "  Make room or give leave to write; trajectory.reuse=false keeps nothing there."
            ) from error

    def _set_aside(self, path: Path) -> None:
        """Keep what does not fit its digest under another name, where it is never read."""
        with suppress(OSError):
            path.replace(path.with_name(path.name + DAMAGED))


def _kept(plain: Mapping[str, Any]) -> Kept:
    return Kept(**{**plain, "epoch": Epoch(**plain["epoch"])})


def _digest_of(history: Sequence[Kept]) -> str:
    plain = [asdict(one) for one in history]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
