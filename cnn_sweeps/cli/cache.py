"""`cnn-sweeps cache`: what is kept of trainings, whether it is whole, and how to be rid of it."""

from collections.abc import Callable, Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cnn_sweeps.cli import output
from cnn_sweeps.cli.arguments import Arguments
from cnn_sweeps.errors import UnknownHashError
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.validate import compose_trajectories
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.json import dumped
from cnn_sweeps.text.table import Table
from cnn_sweeps.text.terminal import say
from cnn_sweeps.tracking import checked_prefix
from cnn_sweeps.trajectories.cache import GB, TrajectoryStore
from cnn_sweeps.trajectories.entry import Entry

MB = 10**6
REMEDY = "damaged files are quarantined, and their epochs trained again when needed"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a command is about.

    Attributes:
        store: where to look.
        max_gb: how much may be kept there.
        prefix: the beginning of one trajectory hash; None for all.
        json: whether a program reads the answer.
    """

    store: TrajectoryStore
    max_gb: float
    prefix: str | None
    json: bool

    @property
    def entries(self) -> list[Entry]:
        """The entries that are meant, the least recently used first.

        Raises:
            UnknownHashError: no trajectory, or several, have that prefix.
        """
        every = self.store.entries()
        if self.prefix is None:
            return every
        meant = [entry for entry in every if entry.trajectory_hash.startswith(self.prefix)]
        hashes = sorted({entry.trajectory_hash for entry in meant})
        if not hashes:
            raise UnknownHashError(
                f"no trajectory hash begins with {self.prefix}, in {self.place}.\n"
                "  cnn-sweeps cache lists all; look elsewhere with tracking.dir=FOLDER."
            )
        if len(hashes) > 1:
            raise UnknownHashError(
                f"{self.prefix} matches {len(hashes)} trajectory hashes; type more "
                "digits:\n" + "\n".join(f"  {each[: SHOWN + 4]}" for each in hashes[:10])
            )
        return meant

    @property
    def place(self) -> Path:
        """Where it looks, for a person."""
        return self.store.folder.absolute()


def main(typed: list[str]) -> int:
    """List, check or delete what is kept; 0 when it is done, 1 where something is damaged.

    Raises:
        ConfigError: this is none of the things that can be done.
        UnknownHashError: no trajectory, or several, have that prefix.
    """
    parser = Arguments(
        "cache",
        f"[{' | '.join(ACTIONS)}] [HASH] [--json]",
        "List cached epochs (the default), verify every file by its "
        "checksum, or delete them. Trajectories in use are not deleted.",
        names=(0, 2),
        epilog="HASH: a unique prefix of a trajectory hash, at least 4 hex digits; default: all.",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    asked = parser.read(typed)
    action, *hashes = asked.names or ["list"]
    if action not in ACTIONS:
        parser.refuse(asked.names)
    prefix = checked_prefix(hashes[0], "trajectory") if hashes else None
    tracking, trajectory = compose_trajectories(asked.overrides)
    store = TrajectoryStore.under(tracking.dir)
    return ACTIONS[action](
        Asked(store=store, max_gb=trajectory.max_gb, prefix=prefix, json=asked.json)
    )


def show(asked: Asked) -> int:
    """Print a row for each trajectory, the one that would be deleted first at the top."""
    rows, taken = [_plain(entry) for entry in asked.entries], asked.store.size
    if asked.json:
        _print_json(folder=str(asked.place), max_gb=asked.max_gb, bytes=taken, entries=rows)
    elif not rows:
        say(f"the cache in {asked.place} is empty.")
    else:
        out = output.console()
        _table(rows).show(out)
        epochs = sum(row["epochs"] for row in rows)
        of = f"{_size(taken)} of {asked.max_gb:g} GB (trajectory.max_gb)"
        out.print(f"{_count(rows)}, {pluralize(epochs, 'epoch')}; {of}")
    return 0


def verify(asked: Asked) -> int:
    """Check every file; what does not fit its checksum is set aside."""
    entries = asked.entries
    faults = [
        {**_name(entry), "file": file, "fault": fault}
        for entry in entries
        for file, fault in sorted(entry.verify().items())
    ]
    if asked.json:
        _print_json(folder=str(asked.place), checked=len(entries), faults=faults)
    elif not entries:
        say(f"the cache in {asked.place} is empty.")
    else:
        for each in faults:
            where = f"{each['trajectory_hash'][:SHOWN]} {each['environment']}"
            say(f"{where}  {each['file']} is {each['fault']}")
        say(f"{_count(entries)} checked: {REMEDY if faults else 'all files are intact'}.")
    return 1 if faults else 0


def clear(asked: Asked) -> int:
    """Delete, and say what that freed."""
    before = asked.store.size
    rows = {entry: _plain(entry) for entry in asked.entries}
    gone = asked.store.clear(rows)
    stay = [entry for entry in rows if entry not in gone]
    freed = max(before - asked.store.size, 0)
    if asked.json:
        lists = {"deleted": [rows[e] for e in gone], "stay": [rows[e] for e in stay]}
        _print_json(folder=str(asked.place), freed_bytes=freed, **lists)
        return 0
    if not rows:
        say(f"the cache in {asked.place} is empty.")
        return 0
    say(f"{_count(gone)} deleted, {_size(freed)} freed.")
    for entry in stay:
        say(f"{entry.trajectory_hash[:SHOWN]} not deleted: in use, or not writable.")
    return 0


ACTIONS: dict[str, Callable[[Asked], int]] = {"list": show, "verify": verify, "clear": clear}


def _name(entry: Entry) -> dict[str, str]:
    return {"trajectory_hash": entry.trajectory_hash, "environment": entry.environment}


def _plain(entry: Entry) -> dict[str, Any]:
    """What is known of an entry, ready for JSON."""
    about = entry.about
    return {
        **_name(entry),
        "title": str(about.get("title", "")),
        "data": str(about.get("data", "")),
        "epochs": len(entry.history()),
        "bytes": entry.size,
        "last_used": datetime.fromtimestamp(entry.used, tz=UTC).isoformat(timespec="seconds"),
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    columns = {
        "trajectory": [row["trajectory_hash"][:SHOWN] for row in rows],
        "network": [row["title"] for row in rows],
        "data": [row["data"] for row in rows],
        "epochs": [str(row["epochs"]) for row in rows],
        "size MB": [f"{row['bytes'] / MB:,.1f}" for row in rows],
        "last used (UTC)": [
            f"{datetime.fromisoformat(row['last_used']):%Y-%m-%d %H:%M}" for row in rows
        ],
        "environment": [row["environment"] for row in rows],
    }
    return Table(
        head=tuple(columns),
        rows=tuple(zip(*columns.values(), strict=True)),
        text=frozenset(columns.keys() - {"epochs", "size MB"}),
        first=("trajectory", "size MB", "epochs", "network", "last used (UTC)"),
        every="cnn-sweeps cache --json",
    )


def _size(taken: int) -> str:
    return f"{taken / GB:.2f} GB" if taken >= GB else f"{taken / MB:.1f} MB"


def _count(entries: Sized) -> str:
    return pluralize(len(entries), "trajectory", "trajectories")


def _print_json(**values: Any) -> None:
    say(dumped(values))
