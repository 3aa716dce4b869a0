"""`cnn-sweeps cache`: list, verify and clear cached epochs, images and features."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cnn_sweeps.cli import output, shared_cache
from cnn_sweeps.cli.arguments import Arguments
from cnn_sweeps.cli.shared_cache import SharedAsked
from cnn_sweeps.cli.trajectory_rows import (
    count,
    found_faults,
    refuse_several,
    say_checked,
    table,
    told_of,
)
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.data.decoded import Entry as DecodedEntry
from cnn_sweeps.data.folder_cache import (
    DECODED,
    FEATURES,
    CachedFolder,
    FolderCache,
    cache_folder,
)
from cnn_sweeps.data.manifest import changed_files
from cnn_sweeps.errors import ConfigError, StoreError, UnknownHashError, denial
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.composition.validate import compose_trajectories, text_behind
from cnn_sweeps.text.format import MB, pluralize
from cnn_sweeps.text.json import dump_json
from cnn_sweeps.text.table import Table
from cnn_sweeps.text.terminal import say, warn
from cnn_sweeps.tracking import checked_prefix
from cnn_sweeps.tracking.address import resolve
from cnn_sweeps.tracking.local_runs import LocalRuns
from cnn_sweeps.training.feature_cache import is_intact
from cnn_sweeps.trajectories.cache import GB, TrajectoryStore
from cnn_sweeps.trajectories.entry import Entry
from cnn_sweeps.trajectories.shared import SharedStore

CACHE = "data.cache="
OTHERS = "clear a shared store of what other users wrote, too"
REMEDY = "damaged files are quarantined, and their epochs trained again when needed"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a command is about.

    Attributes:
        store: where to look.
        cache: where decoded images and features of frozen backbones are.
        max_gb: how much may be kept there.
        runs: those that have trained the epochs; None where they cannot be read at once.
        prefix: the beginning of one trajectory hash; None for all.
        json: whether a program reads the answer.
    """

    store: TrajectoryStore
    cache: FolderCache
    max_gb: float
    runs: LocalRuns | None
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
        if not meant:
            raise UnknownHashError(
                f"no trajectory hash begins with {self.prefix}, in {self.place}.\n"
                "  cnn-sweeps cache lists all; look elsewhere with tracking.dir=FOLDER."
            )
        refuse_several(self.prefix, (entry.trajectory_hash for entry in meant))
        return meant

    @property
    def images(self) -> list[DecodedEntry]:
        """The decoded images, the least recently used first; none beside one trajectory."""
        found = self.cache.folders(DECODED) if self.prefix is None else []
        return [DecodedEntry(each.folder) for each in found]

    @property
    def feature_sets(self) -> list[CachedFolder]:
        """The sets of features, the least recently used first; none beside one trajectory."""
        return self.cache.folders(FEATURES) if self.prefix is None else []

    @property
    def left(self) -> int:
        """Bytes that killed processes have left of both; none beside one trajectory."""
        return self.cache.left() if self.prefix is None else 0

    @property
    def place(self) -> Path:
        """Where it looks, for a person."""
        return self.store.folder.absolute()


def main(typed: list[str]) -> int:
    """List, check or delete what is kept; 0 when it is done, 1 where something is damaged.

    Raises:
        ConfigError: this is none of the things that can be done.
        UnknownHashError: no trajectory, or several, have that prefix.
        StoreError: the folder is somebody else's, and cannot be read.
    """
    parser = Arguments(
        "cache",
        f"[{' | '.join(ACTIONS)}] [HASH] [--json] [--others]",
        "List cached epochs, decoded images and features of pretrained networks (the default), "
        "verify every file by its checksum, or delete them. Trajectories in use are not deleted.",
        names=(0, 2),
        epilog="HASH: a unique prefix of a trajectory hash, at least 4 hex digits; default: all, "
        "with the decoded images (elsewhere: data.cache=FOLDER). With "
        "trajectory.store=FOLDER it is about the epochs shared there, and clear deletes your own. "
        "clear also deletes the models that trials have left to their epochs (tag model_from).",
    )
    parser.add_argument("--others", action="store_true", help=OTHERS)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    asked = parser.read(typed)
    action, *hashes = asked.names or ["list"]
    if action not in ACTIONS:
        parser.refuse(asked.names)
    prefix = checked_prefix(hashes[0], "trajectory") if hashes else None
    cache = [text_behind(each) for each in asked.overrides if each.startswith(CACHE)]
    others = [each for each in asked.overrides if not each.startswith(CACHE)]
    tracking, trajectory = compose_trajectories(others)
    if trajectory.store is not None:
        shared = SharedStore(trajectory.store)
        _check_readable(shared.folder, "trajectory.store=FOLDER", action=action)
        return shared_cache.ACTIONS[action](
            SharedAsked(store=shared, prefix=prefix, others=asked.others, json=asked.json)
        )
    if asked.others:
        raise ConfigError("--others is about a shared store: add trajectory.store=FOLDER.")
    folder = cache_folder(Path(cache[-1]) if cache and cache[-1] else None)
    store = TrajectoryStore.under(tracking.dir)
    beside = [folder / DECODED, folder / FEATURES] if prefix is None else []
    _check_readable(store.folder, "tracking.dir=FOLDER", *beside, action=action)
    return ACTIONS[action](
        Asked(
            store=store,
            cache=FolderCache(folder),
            max_gb=trajectory.max_gb,
            runs=_local_runs(tracking),
            prefix=prefix,
            json=asked.json,
        )
    )


def _check_readable(place: Path, key: str, *beside: Path, action: str) -> None:
    """Refuse a folder that cannot be read, which would look empty; warn of others in or beside it.

    Raises:
        StoreError: nothing can be said of it; to verify, of any of them.
    """
    place, errors = place.absolute(), list[OSError]()
    for folder in (place, *beside):
        for _ in os.walk(folder, onerror=errors.append):
            pass
    denied = [e for e in errors if not isinstance(e, FileNotFoundError | NotADirectoryError)]
    if not denied:
        return
    first = denied[0]
    if first.filename == str(place) or action == "verify":
        told = denial(first.errno, f"look elsewhere with {key}")
        raise StoreError(f"{first.filename} {told or f'cannot be read: {first.strerror}.'}")
    many = pluralize(len(denied), "folder")
    warn(f"left out, since it cannot be read: {first.filename} ({many} in all).")


def show(asked: Asked) -> int:
    """Print a row for each trajectory, the one that would be deleted first at the top."""
    rows, taken = [_plain(entry, asked.runs) for entry in asked.entries], asked.store.size
    images = [_images(entry) for entry in asked.images]
    frozen = asked.store.frozen.sizes
    sets, left = [_features(entry) for entry in asked.feature_sets], asked.left
    if asked.json:
        place = str(asked.place)
        shared = [{"sha256": digest, "bytes": size} for digest, size in sorted(frozen.items())]
        more = _some(frozen=shared, images=images, features=sets, leftover_bytes=left)
        _print_json(folder=place, max_gb=asked.max_gb, bytes=taken, entries=rows, **more)
        return 0
    if not rows:
        say(_empty(asked))
    else:
        out = output.console()
        used = [f"{datetime.fromisoformat(row['last_used']):%Y-%m-%d %H:%M}" for row in rows]
        table(rows, "last used (UTC)", used, every="cnn-sweeps cache --json").show(out)
        epochs = sum(row["epochs"] for row in rows)
        of = f"{_size(taken)} of {asked.max_gb:g} GB (trajectory.max_gb)"
        out.print(f"{count(rows)}, {pluralize(epochs, 'epoch')}; {of}")
        if frozen:
            once = f"stored once for all that share them: {_size(sum(frozen.values()))}"
            out.print(f"frozen weights, {once}")
    _show_images(asked.cache.root, images, sets, left)
    return 0


def verify(asked: Asked) -> int:
    """Check every file; what does not fit its checksum is set aside."""
    entries, images = asked.entries, asked.images
    faults = found_faults([(entry, entry.verify()) for entry in entries])
    damaged = _verified(images)
    broken = [entry for entry in asked.feature_sets if not is_intact(entry)]
    for entry in broken:
        entry.remove()
    changed = changed_files(asked.cache.root) if asked.prefix is None else []
    if asked.json:
        _print_json(
            folder=str(asked.place),
            checked=len(entries),
            faults=faults,
            **_some(images_checked=len(images), images_damaged=damaged, files_changed=changed),
            **_some(features_damaged=[entry.folder.name for entry in broken]),
        )
        return 1 if faults or damaged or changed or broken else 0
    if entries or not (images or asked.feature_sets or broken or changed):
        say_checked(entries, faults, REMEDY) if entries else say(_empty(asked))
    if images:
        what = f"{len(damaged)} damaged and deleted; decoded again when needed"
        say(f"{pluralize(len(images), 'set')} of decoded images checked: {what}.")
    for path in changed:
        say(f"{path} has changed, while its size and time have not: it is read again.")
    if broken:
        say(f"{pluralize(len(broken), 'damaged set')} of backbone features deleted.")
    return 1 if faults or damaged or changed or broken else 0


def _verified(images: list[DecodedEntry]) -> list[str]:
    """Read all decoded images again, and delete those that are not as they were written."""
    damaged = [entry for entry in images if entry.verify()]
    for entry in damaged:
        entry.remove()
    return [entry.folder.name for entry in damaged]


def clear(asked: Asked) -> int:
    """Delete, and say what that freed."""
    before = asked.store.size
    rows = {entry: _plain(entry) for entry in asked.entries}
    gone = asked.store.clear(rows)
    stay = [entry for entry in rows if entry not in gone]
    freed = max(before - asked.store.size, 0)
    images = [_images(entry) for entry in asked.images]
    sets, left = [_features(entry) for entry in asked.feature_sets], asked.left
    if asked.prefix is None:
        asked.cache.evict(0)
    if asked.json:
        lists = {"deleted": [rows[e] for e in gone], "stay": [rows[e] for e in stay]}
        _print_json(
            folder=str(asked.place),
            freed_bytes=freed,
            **_some(images=images, features=sets, leftover_bytes=left),
            **lists,
        )
        return 0
    told = [f"{count(gone)} deleted, {_size(freed)} freed."] if rows else []
    for what, found in (("decoded images", images), ("backbone features", sets)):
        if found:
            size = _size(sum(row["bytes"] for row in found))
            told.append(f"{pluralize(len(found), 'set')} of {what} deleted, {size} freed.")
    if left:
        told.append(f"What killed processes had left deleted, {_size(left)} freed.")
    say("\n".join(told or [_empty(asked)]))
    for entry in stay:
        say(f"{entry.trajectory_hash[:SHOWN]} not deleted: in use, or not writable.")
    return 0


ACTIONS: dict[str, Callable[[Asked], int]] = {"list": show, "verify": verify, "clear": clear}


def _empty(asked: Asked) -> str:
    return f"the cache in {asked.place} is empty."


def _plain(entry: Entry, runs: LocalRuns | None = None) -> dict[str, Any]:
    """What is known of an entry, ready for JSON."""
    known = entry.history()
    return {
        **told_of(entry),
        "epochs": len(known),
        "bytes": entry.size,
        "last_used": datetime.fromtimestamp(entry.used, tz=UTC).isoformat(timespec="seconds"),
        **(_path_of(runs, known[-1].run_id) if runs and known else {}),
    }


def _local_runs(tracking: Tracking) -> LocalRuns | None:
    """The runs of a local database, where there is one."""
    try:
        database = resolve(tracking).database
    except StoreError:  # epochs are listed without it
        return None
    return LocalRuns.of(database) if database is not None and database.is_file() else None


def _path_of(runs: LocalRuns, run_id: str) -> dict[str, str]:
    """Where the user's own images were that a run was trained on, ready for JSON, if it says so."""
    with suppress(sqlite3.Error):
        run = runs.run(run_id)
        if run is not None and (path := run.params.get("data.path")):
            return {"data_path": path}
    return {}


def _images(entry: DecodedEntry) -> dict[str, Any]:
    """What is known of decoded images, ready for JSON."""
    about = entry.about
    return {
        "key": entry.folder.name,
        "source": str(about.get("source", "")),
        "shape": list(about.get("shape", ())),
        "resize": str(about.get("resize", "")),
        "bytes": entry.size,
        "last_used": datetime.fromtimestamp(entry.used, tz=UTC).isoformat(timespec="seconds"),
    }


def _features(entry: CachedFolder) -> dict[str, Any]:
    """What is known of a set of features, ready for JSON."""
    title = str(entry.about.get("title", ""))
    return {"key": entry.folder.name, "title": title, "bytes": entry.size}


def _show_images(
    root: Path, images: list[dict[str, Any]], sets: list[dict[str, Any]], left: int
) -> None:
    """Print what is kept of images, beside trajectories."""
    out, lines = output.console(), []
    if images:
        out.print()
        _images_table(images).show(out)
        size = _size(sum(row["bytes"] for row in images))
        lines.append(f"decoded images in {root / DECODED}; {size} (data.cache_gb)")
    if sets:
        size, many = _size(sum(row["bytes"] for row in sets)), pluralize(len(sets), "set")
        lines.append(f"{many} of backbone features in {root / FEATURES}; {size} (data.cache_gb)")
    if left:
        lines.append(f"left in {root} by killed processes: {_size(left)}")
    for line in lines:
        out.print(line, soft_wrap=True)


def _images_table(rows: list[dict[str, Any]]) -> Table:
    columns = {
        "images of": [row["source"] for row in rows],
        "images": [f"{row['shape'][0]:,}" if row["shape"] else "" for row in rows],
        "shape": ["x".join(map(str, row["shape"][1:])) for row in rows],
        "resize": [row["resize"] for row in rows],
        "size MB": [f"{row['bytes'] / MB:,.1f}" for row in rows],
        "last used (UTC)": [
            f"{datetime.fromisoformat(row['last_used']):%Y-%m-%d %H:%M}" for row in rows
        ],
    }
    return Table(
        head=tuple(columns),
        rows=tuple(zip(*columns.values(), strict=True)),
        text=frozenset(columns.keys() - {"images", "size MB"}),
        first=("images of", "size MB", "images", "shape"),
        every="cnn-sweeps cache --json",
    )


def _size(taken: int) -> str:
    return f"{taken / GB:.2f} GB" if taken >= GB else f"{taken / MB:.1f} MB"


def _some(**values: Any) -> dict[str, Any]:
    """What is not empty: most users have no decoded images."""
    return {name: value for name, value in values.items() if value}


def _print_json(**values: Any) -> None:
    say(dump_json(values))
