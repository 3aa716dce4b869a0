"""`cnn-sweeps cache trajectory.store=FOLDER`: the epochs that a lab or a class has together."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cnn_sweeps.cli import output
from cnn_sweeps.cli.trajectory_rows import (
    count,
    found_faults,
    refuse_several,
    say_checked,
    table,
    told_of,
)
from cnn_sweeps.errors import UnknownHashError
from cnn_sweeps.text.format import MB, pluralize
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.text.terminal import say
from cnn_sweeps.trajectories.shared import SharedEntry, SharedStore

COMMAND = "cnn-sweeps cache trajectory.store=FOLDER"
REMEDY = "damaged files are quarantined, and given again by who has or trains them"


@dataclass(frozen=True, kw_only=True)
class SharedAsked:
    """What a command is about.

    Attributes:
        store: where to look.
        prefix: the beginning of trajectory hashes; None for all.
        others: whether what other users wrote may be deleted.
        json: whether a program reads the answer.
    """

    store: SharedStore
    prefix: str | None
    others: bool
    json: bool

    @property
    def entries(self) -> list[SharedEntry]:
        """The entries that are meant.

        Raises:
            UnknownHashError: no trajectory, or several, have that prefix.
        """
        every = self.store.entries()
        meant = [each for each in every if each.trajectory_hash.startswith(self.prefix or "")]
        if self.prefix is not None and not meant:
            raise UnknownHashError(
                f"no trajectory hash begins with {self.prefix}, in {self.store.folder}.\n"
                f"  cnn-sweeps cache trajectory.store={self.store.folder} lists all."
            )
        if self.prefix is not None:
            refuse_several(self.prefix, (entry.trajectory_hash for entry in meant))
        return meant

    @property
    def place(self) -> str:
        """Where it looks, for a person."""
        return str(self.store.folder.absolute())


def show(asked: SharedAsked) -> int:
    """Print a row for each trajectory in each environment."""
    rows, taken = [_plain(entry) for entry in asked.entries], asked.store.size
    if asked.json:
        say(dump_json({"folder": asked.place, "bytes": taken, "entries": rows}))
    elif not rows:
        say(_empty(asked))
    else:
        out = output.console()
        writers, every = [", ".join(row["writers"]) for row in rows], f"{COMMAND} --json"
        table(rows, "written by", writers, every=every).show(out)
        epochs = pluralize(sum(row["epochs"] for row in rows), "epoch")
        out.print(f"{count(rows)}, {epochs}; {taken / MB:,.1f} MB in {asked.place}", soft_wrap=True)
    return 0


def verify(asked: SharedAsked) -> int:
    """Check every file; what does not fit its digest is set aside. 1 where something did not."""
    entries = asked.entries
    faults = found_faults([(entry, entry.damaged()) for entry in entries])
    if asked.json:
        say(dump_json({"folder": asked.place, "checked": len(entries), "faults": faults}))
        return 1 if faults else 0
    if not entries:
        say(_empty(asked))
        return 0
    say_checked(entries, faults, REMEDY)
    return 1 if faults else 0


def clear(asked: SharedAsked) -> int:
    """Delete what this user wrote, of all users with `--others`; and say what stays."""
    entries, before = asked.entries, asked.store.size
    deleted = asked.store.clear(entries, others=asked.others)
    freed = max(before - asked.store.size, 0)
    stay = sum(len(entry.paths) for entry in entries)
    if asked.json:
        told = {"deleted_epochs": deleted, "kept_epochs": stay, "freed_bytes": freed}
        say(dump_json({"folder": asked.place, **told}))
        return 0
    if not entries:
        say(_empty(asked))
        return 0
    say(f"{pluralize(deleted, 'epoch')} deleted, {freed / MB:,.1f} MB freed.")
    if stay:
        why = "could not be deleted" if asked.others else "of other users not deleted (--others)"
        say(f"{pluralize(stay, 'epoch')} {why}.")
    return 0


ACTIONS: dict[str, Callable[[SharedAsked], int]] = {"list": show, "verify": verify, "clear": clear}


def _plain(entry: SharedEntry) -> dict[str, Any]:
    """What is known of an entry, ready for JSON."""
    epochs = list(entry.epochs())
    written = max((path.stat().st_mtime for path in entry.paths), default=0.0)
    return {
        **told_of(entry),
        "epochs": len(epochs),
        "bytes": entry.size,
        "writers": sorted({each.writer for each in epochs}),
        "last_written": datetime.fromtimestamp(written, tz=UTC).isoformat(timespec="seconds"),
    }


def _empty(asked: SharedAsked) -> str:
    return f"the shared store in {asked.place} is empty."
