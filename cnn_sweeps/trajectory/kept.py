"""What is known of the epochs of a trajectory, and how it is written down."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from cnn_sweeps.history import Epoch

FORMAT = 1
LAST_STATES = 2
"""Epochs, from the last one, whose optimizer is kept: one to go on from, and one in reserve."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is stored of one epoch.

    Attributes:
        epoch: its metrics and its original seconds.
        run_id: the MLflow run that trained it.
        weights: SHA-256 of the file with the model's variables.
        optimizer: SHA-256 of the file with the optimizer's; None where it is not kept.
    """

    epoch: Epoch
    run_id: str
    weights: str
    optimizer: str | None

    @property
    def number(self) -> int:
        """The epoch, from 1."""
        return self.epoch.number


def thinned(history: Sequence[Kept]) -> list[Kept]:
    """The epochs, with the optimizer of the last ones only."""
    last = len(history) - LAST_STATES
    return [one if one.number > last else replace(one, optimizer=None) for one in history]


def encode(history: Sequence[Kept]) -> bytes:
    """The epochs as JSON that carries its own digest."""
    stored = {
        "format": FORMAT,
        "sha256": _digest_of(history),
        "epochs": [asdict(one) for one in history],
    }
    return json.dumps(stored).encode()


def decode(data: bytes) -> list[Kept]:
    """The epochs that `encode` wrote.

    Raises:
        ValueError: this is not what was written, or was written by another program.
    """
    try:
        stored = json.loads(data)
        history = [_kept(plain) for plain in stored["epochs"]]
        whole = (stored["format"], stored["sha256"]) == (FORMAT, _digest_of(history))
    except (KeyError, TypeError) as error:
        raise ValueError("not a history") from error
    if not whole or [one.number for one in history] != list(range(1, len(history) + 1)):
        raise ValueError("not the history that was written")
    return history


def _kept(plain: Mapping[str, Any]) -> Kept:
    return Kept(**{**plain, "epoch": Epoch(**plain["epoch"])})


def _digest_of(history: Sequence[Kept]) -> str:
    plain = [asdict(one) for one in history]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
