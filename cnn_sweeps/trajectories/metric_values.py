"""Further metrics of stored epochs, beside those that every epoch has.

A file beside the history, `metrics.json`: for each epoch the values by what names a metric, and
the epoch's own loss, by which it is known to be the same one. It is made anew from weights where
it is lost, or where the code or the library that computes the metrics is another.
"""

import ast
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cnn_sweeps.errors import StoreError
from cnn_sweeps.evaluation import calibration, metrics, named
from cnn_sweeps.text.json import sha256
from cnn_sweeps.training.epoch import Epoch
from cnn_sweeps.trajectories import files
from cnn_sweeps.trajectories.lock import hold_lock

FILE = "metrics.json"
WRITING = "metrics.lock"
"""Held by who adds to it."""
COMPUTING = (metrics, calibration, named)


def read(folder: Path, epoch: Epoch) -> dict[str, float]:
    """What is known of an epoch, by what names each metric; empty where nothing is."""
    return read_all(folder, [epoch])[epoch.number]


def read_all(folder: Path, epochs: Iterable[Epoch]) -> dict[int, dict[str, float]]:
    """The same of several epochs, by their numbers."""
    stored = _stored(folder)
    known = {epoch.number: (epoch, stored.get(str(epoch.number), {})) for epoch in epochs}
    return {
        number: dict(found["values"]) if found.get("loss") == epoch.loss else {}
        for number, (epoch, found) in known.items()
    }


def write(folder: Path, epoch: Epoch, values: Mapping[str, float]) -> None:
    """Add metrics of an epoch; a folder that cannot be written is only read.

    Whoever trains adds to one file with those that measure stored epochs, one at a time.

    Args:
        folder: that of the trajectory.
        epoch: one of its epochs.
        values: by what names each metric.
    """
    with ExitStack() as held, suppress(StoreError):
        with suppress(StoreError):  # without locks, values may be lost, and are measured again
            held.enter_context(hold_lock(folder / WRITING))
        merged = {**read(folder, epoch), **values}
        epochs = {**_stored(folder), str(epoch.number): {"loss": epoch.loss, "values": merged}}
        content = {"by": _by(), "sha256": sha256(epochs), "epochs": epochs}
        files.write(folder / FILE, json.dumps(content).encode())


def _stored(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / FILE).read_bytes())
        epochs = content["epochs"]
        whole = content["by"] == _by() and content["sha256"] == sha256(epochs)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return dict(epochs) if whole else {}


@cache
def _by() -> str:
    """Digest of what computes the metrics: the modules without their comments, and scikit-learn."""
    code = [ast.dump(ast.parse(Path(str(each.__file__)).read_bytes())) for each in COMPUTING]
    return sha256([*code, version("scikit-learn")])
