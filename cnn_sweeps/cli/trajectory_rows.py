"""What `cnn-sweeps cache` says of trajectories, one's own or those of a shared store."""

from collections.abc import Mapping, Sequence, Sized
from typing import Protocol

from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.terminal import say


class Stored(Protocol):
    """A trajectory in one environment."""

    @property
    def trajectory_hash(self) -> str:
        """Which trajectory it is."""

    @property
    def environment(self) -> str:
        """Where it was trained."""


def name_of(entry: Stored) -> dict[str, str]:
    """What tells an entry from the others, ready for JSON."""
    return {"trajectory_hash": entry.trajectory_hash, "environment": entry.environment}


def count(entries: Sized) -> str:
    """How many trajectories there are, for a person."""
    return pluralize(len(entries), "trajectory", "trajectories")


def found_faults(
    damaged: Sequence[tuple[Stored, Mapping[str, str]]],
) -> list[dict[str, str]]:
    """The damaged files of entries, each with its fault, ready for JSON."""
    return [
        {**name_of(entry), "file": file, "fault": fault}
        for entry, files in damaged
        for file, fault in sorted(files.items())
    ]


def say_checked(entries: Sized, faults: Sequence[Mapping[str, str]], remedy: str) -> None:
    """Say which files are damaged and what becomes of them, or that all are intact."""
    for each in faults:
        where = f"{each['trajectory_hash'][:SHOWN]} {each['environment']}"
        say(f"{where}  {each['file']} is {each['fault']}")
    say(f"{count(entries)} checked: {remedy if faults else 'all files are intact'}.")
