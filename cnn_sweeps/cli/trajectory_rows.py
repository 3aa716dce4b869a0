"""What `cnn-sweeps cache` says of trajectories, one's own or those of a shared store."""

from collections.abc import Iterable, Mapping, Sequence, Sized
from pathlib import PurePath
from typing import Any

from cnn_sweeps.errors import UnknownHashError
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.text.format import MB, pluralize
from cnn_sweeps.text.table import Table
from cnn_sweeps.text.terminal import say
from cnn_sweeps.trajectories.entry import TrajectoryFolder

MOST_NAMED = 10


def told_of(entry: TrajectoryFolder) -> dict[str, Any]:
    """What an entry is, ready for JSON."""
    about = entry.about
    return {
        **_name_of(entry),
        "title": str(about.get("title", "")),
        "data": str(about.get("data", "")),
    }


def _name_of(entry: TrajectoryFolder) -> dict[str, str]:
    return {"trajectory_hash": entry.trajectory_hash, "environment": entry.environment}


def table(
    rows: Sequence[Mapping[str, Any]], name: str, more: Sequence[str], *, every: str
) -> Table:
    """A row for each entry.

    Args:
        rows: what is known of each: `told_of`, with its `epochs`, `bytes` and maybe `data_path`.
        name: of a further column.
        more: the cells of that.
        every: the command that shows all columns.
    """
    columns = {
        "trajectory": [row["trajectory_hash"][:SHOWN] for row in rows],
        "network": [row["title"] for row in rows],
        "data": [_data(row) for row in rows],
        "epochs": [str(row["epochs"]) for row in rows],
        "size MB": [f"{row['bytes'] / MB:,.1f}" for row in rows],
        name: more,
        "environment": [row["environment"] for row in rows],
    }
    return Table(
        head=tuple(columns),
        rows=tuple(zip(*columns.values(), strict=True)),
        text=frozenset(columns.keys() - {"epochs", "size MB"}),
        first=("trajectory", "size MB", "epochs", name, "network"),
        every=every,
    )


def _data(row: Mapping[str, Any]) -> str:
    """The kind of data, and the name of a folder or file of the user's own."""
    return f"{row['data']} {PurePath(row.get('data_path', '')).name}".strip()


def refuse_several(prefix: str, hashes: Iterable[str]) -> None:
    """Refuse a prefix that several trajectories have.

    Raises:
        UnknownHashError: the hashes are not one.
    """
    different = sorted({*hashes})
    if len(different) > 1:
        raise UnknownHashError(
            f"{prefix} matches {len(different)} trajectory hashes; type more digits:\n"
            + "\n".join(f"  {each[: SHOWN + 4]}" for each in different[:MOST_NAMED])
        )


def count(entries: Sized) -> str:
    """How many trajectories there are, for a person."""
    return pluralize(len(entries), "trajectory", "trajectories")


def found_faults(
    damaged: Sequence[tuple[TrajectoryFolder, Mapping[str, str]]],
) -> list[dict[str, str]]:
    """The damaged files of entries, each with its fault, ready for JSON."""
    return [
        {**_name_of(entry), "file": file, "fault": fault}
        for entry, files in damaged
        for file, fault in sorted(files.items())
    ]


def say_checked(entries: Sized, faults: Sequence[Mapping[str, str]], remedy: str) -> None:
    """Say which files are damaged and what becomes of them, or that all are intact."""
    for each in faults:
        where = f"{each['trajectory_hash'][:SHOWN]} {each['environment']}"
        say(f"{where}  {each['file']} is {each['fault']}")
    say(f"{count(entries)} checked: {remedy if faults else 'all files are intact'}.")
