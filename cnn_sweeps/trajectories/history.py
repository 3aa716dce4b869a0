"""The epochs of a trajectory as values, and as the JSON that is stored of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cnn_sweeps.text.json import sha256
from cnn_sweeps.training.epoch import Epoch

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """What is stored of one epoch.

    Attributes:
        epoch: its metrics and its original seconds.
        run_id: the MLflow run that trained it.
        weights: SHA-256 of the file with the model's variables; None where it is not kept.
        optimizer: SHA-256 of the file with the optimizer's; None where it is not kept.
        frozen: SHA-256 of the file with those of the model's that are frozen; None without any.
    """

    epoch: Epoch
    run_id: str
    weights: str | None
    optimizer: str | None
    frozen: str | None = None

    @property
    def number(self) -> int:
        """The epoch, from 1."""
        return self.epoch.number

    def matches(self, other: "EpochRecord") -> bool:
        """Whether both are of one training, as far as it is stored: same results, same weights."""
        same = repr(self.epoch.result) == repr(other.epoch.result)  # a NaN is like a NaN
        return same and (None in (self.weights, other.weights) or self.weights == other.weights)


def encode_history(history: Sequence[EpochRecord], first: int = 1) -> bytes:
    """The epochs as JSON that carries its own digest; `first` is the number of the first one."""
    stored = {
        "format": FORMAT,
        "sha256": _digest_of(history),
        "epochs": [plain_record(one) for one in history],
        **({"first": first} if first > 1 else {}),
    }
    return json.dumps(stored).encode()


def decode_history(data: bytes) -> list[EpochRecord]:
    """The epochs that `encode` wrote.

    Raises:
        ValueError: this is not what was written, or was written by another program.
    """
    try:
        stored = json.loads(data)
        history = [record_of(plain) for plain in stored["epochs"]]
        whole = (stored["format"], stored["sha256"]) == (FORMAT, _digest_of(history))
        first = stored.get("first", 1)
        numbers = list(range(first, first + len(history)))
    except (KeyError, TypeError) as error:
        raise ValueError("not a history") from error
    if not whole or [one.number for one in history] != numbers:
        raise ValueError("not the history that was written")
    return history


def record_of(plain: Mapping[str, Any]) -> EpochRecord:
    """The epoch that `plain_record` gave."""
    return EpochRecord(**{**plain, "epoch": Epoch(**plain["epoch"])})


def plain_record(one: EpochRecord) -> dict[str, Any]:
    """An epoch as it is stored: further metrics stand in a file of their own.

    Without frozen variables it reads as it did before there were any.
    """
    plain = asdict(one)
    del plain["epoch"]["measured"]
    return {key: value for key, value in plain.items() if key != "frozen" or value is not None}


def _digest_of(history: Sequence[EpochRecord]) -> str:
    return sha256([plain_record(one) for one in history])
