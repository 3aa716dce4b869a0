"""What one training reads from a shared store of epochs, and gives to it.

Nothing that goes wrong with the store ends a training: what cannot be read is trained, what cannot
be written is kept here alone, and that is said once. A lock that does not hold costs work and
nothing else.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import ConfigError, StoreError
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.training.epoch import Epoch
from cnn_sweeps.trajectories.chain import Chain
from cnn_sweeps.trajectories.files import Arrays
from cnn_sweeps.trajectories.history import EpochRecord
from cnn_sweeps.trajectories.lock import Lock
from cnn_sweeps.trajectories.shared import (
    SharedEntry,
    SharedEpoch,
    SharedStore,
    differing,
    who,
)

KEY = "trajectory.store"
LONGEST_WAIT = 600.0
"""Seconds without a new epoch after which one is trained that somebody else may be training."""
MOST_SURPLUS = 8
"""Large epochs that are kept whole for longer than they need be."""


@dataclass(kw_only=True)
class Sharing:
    """The epochs of one training in a shared store, and what became of them.

    Attributes:
        entries: where each segment is stored, by its first epoch, in order.
        about: what each segment is, and where it is trained, for people.
        audit: share of the epochs that are read, to be trained again and compared.
        reader: who reads and writes.
        read: epochs that were read.
        given: epochs that were added to the store.
        audited: epochs that were read and trained again.
        differing: epochs that came out with other bits, and who had given them.
        unmatched: epochs that were trained here though the store has them of other environments,
            and what differs there.
        trouble: why the store cannot be used, if it cannot.
    """

    entries: Mapping[int, SharedEntry]
    about: Sequence[Mapping[str, Any]] = ()
    audit: float = 0.0
    reader: str = field(default_factory=who)
    read: set[int] = field(default_factory=set)
    given: set[int] = field(default_factory=set)
    audited: set[int] = field(default_factory=set)
    differing: dict[int, str] = field(default_factory=dict)
    unmatched: dict[int, tuple[str, ...]] = field(default_factory=dict)
    trouble: str = ""

    @classmethod
    def of(cls, stored: Chain, config: Config, environment: Environment) -> Self | None:
        """What is shared of a training with others; None where no store is named for that.

        Args:
            stored: the training, as it is stored here.
            config: what is asked for.
            environment: where it is trained; what is stored of that counts.

        Raises:
            ConfigError: the store is the own cache, which deletes what it does not know.
        """
        if config.trajectory.store is None:
            return None
        store = SharedStore(config.trajectory.store.expanduser())
        own = stored.folder.parents[1].resolve()
        if own in (store.folder.resolve(), *store.folder.resolve().parents):
            raise ConfigError(
                f"trajectory.store={store.folder} is in the cache of {own.parent} itself.\n"
                "  Type a folder of its own, on a file system that all can reach."
            )
        steps = config.trainer.steps_per_execution
        beside = {"code": environment.code, "steps_per_execution": steps}
        entries, abouts = {}, []
        for entry in stored.entries:
            entries[entry.first] = store.entry(entry.trajectory_hash, entry.environment)
            about = {"environment": environment.numerics} | entry.about
            abouts.append(about | {"environment": {**about["environment"], **beside}})
        return cls(entries=entries, about=abouts, audit=config.trajectory.audit)

    def __post_init__(self) -> None:
        self._lock: Lock | None = None
        self._locked: SharedEntry | None = None
        self._since, self._waited_for = 0.0, 0
        self._own: list[EpochRecord] = []
        self._surplus: dict[Path, EpochRecord] = {}

    def find(self, number: int, known: Sequence[EpochRecord]) -> SharedEpoch | None:
        """An epoch with its files, if it goes on from what is known here; None where it does not.

        Args:
            number: which one.
            known: the epochs before it.
        """
        if self.differing:  # what follows was trained from it
            return None
        entry = self._entry(number)
        found = entry.epoch(number)
        if found is None or found.previous != _before(number, known):
            return None
        found = replace(found, contents=entry.contents(found.record))
        try:
            found.arrays  # noqa: B018 -- decoded: what is no array is not read
        except ValueError:
            return None
        return found

    def put(
        self, one: EpochRecord, contents: Mapping[str, bytes], known: Sequence[EpochRecord]
    ) -> None:
        """Give an epoch that is stored here, unless it is there.

        Args:
            one: the epoch.
            contents: those of its files that are stored here.
            known: the epochs before it.
        """
        if self.differing or self.trouble:
            return
        entry, previous = self._entry(one.number), _before(one.number, known)
        given = SharedEpoch(record=one, writer=self.reader, previous=previous, contents=contents)
        about = self.about[[*self.entries.values()].index(entry)] if self.about else {}
        try:
            if entry.put(given, about):
                self.given.add(one.number)
                self._own.append(one)
        except OSError as error:
            place = entry.store.folder
            self.trouble = f"{KEY}={place} cannot be written: {error.strerror or error}"

    def put_all(self, stored: Chain, epochs: int) -> None:
        """Give so many of the epochs that are stored here, as far as they are not there."""
        known = stored.history()
        for one in known[:epochs]:
            if self.lacks(one.number):
                self.put(one, stored.contents(one), known)

    def lacks(self, number: int) -> bool:
        """Whether the store has not yet an epoch, and can be given it."""
        usable = not (self.differing or self.trouble)
        return usable and not self._entry(number).has(number)

    def follow(self, history: Sequence[EpochRecord]) -> None:
        """Let large epochs that were given here keep no more than they do in the own cache."""
        for one in [*self._own]:
            if one.number <= len(history) and history[one.number - 1].weights is None:
                self._surplus[self._entry(one.number).file(one.number)] = one
                self._own.remove(one)
        if len(self._surplus) >= MOST_SURPLUS:
            self._drop_surplus()

    def _drop_surplus(self) -> None:
        """Delete what is kept of large epochs no longer; it takes a look at the whole store."""
        if self._surplus:
            with suppress(OSError):
                next(iter(self.entries.values())).store.drop(self._surplus)
            self._surplus = {}

    def note_trained(self, number: int) -> None:
        """Look whether others have trained an epoch where bits may differ."""
        entry = self._entry(number)
        other = entry.elsewhere(number) if number not in self.read else None
        if other is not None and self.about:
            here = self.about[[*self.entries.values()].index(entry)]
            parts = differing(here.get("environment", {}), other.about.get("environment", {}))
            self.unmatched[number] = parts or ("code",)

    def acquire(self, number: int, known: Sequence[EpochRecord]) -> bool:
        """Whether to train an epoch now: nobody else is at it, as far as locks tell.

        Who waits for another one does so for as long as that one goes on.

        Args:
            number: which one.
            known: the epochs before it.
        """
        entry = self._entry(number)
        if self._locked != entry:
            self.release()
            self._lock, self._locked = entry.lock, entry
        try:
            entry.make_lock()
            if self._lock is None or self._lock.acquire():
                return True
        except (StoreError, OSError):  # nobody can be kept out here
            return True
        if self._waited_for != number:
            self._waited_for, self._since = number, time.monotonic()
        longest = max([LONGEST_WAIT, *(3 * one.epoch.seconds for one in known)])
        return time.monotonic() - self._since > longest

    def release(self) -> None:
        """Let others train."""
        self._drop_surplus()
        if self._lock is not None:
            self._lock.release()
        self._lock = self._locked = None

    def audits(self, number: int) -> bool:
        """Whether an epoch that is read is trained again; one reader always gets one answer."""
        name = f"{self._entry(number).trajectory_hash}/{number}/{self.reader}"
        drawn = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        return drawn < self.audit * 2**64

    def compare(self, found: SharedEpoch, epoch: Epoch, state: Arrays) -> bool:
        """Whether an epoch came out as it was given: its results, and all variables that are there.

        Args:
            found: as it was given.
            epoch: as it was trained here.
            state: all variables after it.
        """
        number = epoch.number
        self.audited.add(number)
        same = found.record.matches(replace(found.record, epoch=epoch)) and all(
            key in state and _bits(value) == _bits(state[key])
            for key, value in found.arrays.items()
        )
        if not same:
            self.differing[number] = found.writer
        return same

    @property
    def counts(self) -> dict[str, Any]:
        """What became of the epochs, as plain values."""
        parts = dict.fromkeys(part for each in self.unmatched.values() for part in each)
        return {
            "read": len(self.read),
            "given": len(self.given),
            "audited": len(self.audited),
            "unmatched": len(self.unmatched),
            "parts": list(parts),
            "warnings": list(self._warnings()),
        }

    def _warnings(self) -> Iterator[str]:
        for number, writer in self.differing.items():
            trajectory = self._entry(number).trajectory_hash[:12]
            yield (
                f"{KEY}: epoch {number} of {trajectory}, given by {writer}, has other bits than "
                f"the same epoch trained here; it is not used, nor what follows it."
            )
        if self.trouble:
            yield f"{self.trouble}; epochs trained here are not shared."

    def _entry(self, number: int) -> SharedEntry:
        return [entry for first, entry in self.entries.items() if first <= number][-1]


def summary(counts: Sequence[Mapping[str, Any]]) -> list[str]:
    """What became of the epochs of one or more trainings, a sentence each, warnings last."""
    if not counts:
        return []
    total = {name: sum(each[name] for each in counts) for name in ("read", "given", "audited")}
    read = pluralize(total["read"], "epoch")
    told = [f"{KEY}: {read} read ({total['audited']} audited), {total['given']} given"]
    if unmatched := sum(each["unmatched"] for each in counts):
        parts = dict.fromkeys(part for each in counts for part in each["parts"])
        told.append(
            f"{KEY}: {pluralize(unmatched, 'epoch')} not shared, because processor or versions "
            f"differ: {', '.join(parts)}"
        )
    return [*told, *dict.fromkeys(text for each in counts for text in each["warnings"])]


def _before(number: int, known: Sequence[EpochRecord]) -> dict[str, Any]:
    """What the epoch before one came to; empty for the first."""
    return known[number - 2].epoch.result if number > 1 else {}


def _bits(value: Any) -> tuple[str, tuple[int, ...], bytes]:
    return str(value.dtype), value.shape, value.tobytes()
