"""Heartbeats of running trials: how a process on another host is told from a dead one.

In a database a heartbeat is an attribute of the trial. A journal would grow by them, so beside it
they are the times of files: `STUDY.beats/TRIAL`.
"""

import os
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from threading import Thread

from optuna.exceptions import OptunaError
from optuna.trial import FrozenTrial, Trial

from cnn_sweeps.errors import CnnSweepsError
from cnn_sweeps.provenance.process import BEAT, GRACE, LEASE_SECONDS, Owner
from cnn_sweeps.sweeps.study import attributes
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.tracking.patience import last_outage_end


@contextmanager
def heartbeat(address: StudyAddress, trial: Trial) -> Iterator[None]:
    """Say every few seconds that this process lives, as long as the block lasts.

    The first heartbeat is the claim itself, which says whose the trial is.
    """
    file = beat_file(address, trial.number)
    over = Flag()

    def beat() -> None:
        while not over.wait(BEAT):
            # A storage that is out of reach for a moment: the training itself will tell. So will it
            # heed that it is to stop, which ends the wait for a storage here as well.
            with suppress(OptunaError, OSError, CnnSweepsError, KeyboardInterrupt):
                if file is None:
                    trial.set_user_attr(attributes.BEAT, time.time())
                else:
                    file.parent.mkdir(exist_ok=True)
                    file.touch()
                    os.utime(file, times=(now := time.time(), now))  # by one clock, as the claim

    thread = Thread(target=beat, name=f"heartbeat of {os.getpid()}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        forget_beat(address, trial.number)


def beat_file(address: StudyAddress, trial: int) -> Path | None:
    """The file whose time is the heartbeat of a trial; None where the storage holds it."""
    if address.shared or address.file is None:
        return None
    return address.file.with_name(f"{address.name}.beats") / str(trial)


def forget_beat(address: StudyAddress, trial: int) -> None:
    """Remove the file of a trial that has ended, and with the last one their folder."""
    if (file := beat_file(address, trial)) is not None:
        with suppress(OSError):
            file.unlink(missing_ok=True)
            file.parent.rmdir()


def last_beat(address: StudyAddress, trial: FrozenTrial) -> float | None:
    """When a trial last had a heartbeat, by whatever clock; seconds since 1970, None for never."""
    return max(_beats(address, trial), default=None)


def _beats(address: StudyAddress, trial: FrozenTrial) -> tuple[float, ...]:
    """The times of the claim and of the last heartbeat; the clocks of two hosts may tell them."""
    claimed = (trial.user_attrs.get(attributes.OWNER) or {}).get(attributes.BEAT)
    beats = [claimed, trial.user_attrs.get(attributes.BEAT)]
    if (file := beat_file(address, trial.number)) is not None:
        with suppress(OSError):
            beats.append(file.stat().st_mtime)
    return tuple(beat for beat in beats if beat is not None)


@dataclass(kw_only=True)
class Watch:
    """Judges whether somebody still has a trial, by how its heartbeat changes while we look.

    A process of this host is looked at itself. Of any other a heartbeat must change within the
    lease, and the time is taken by a clock of our own that nobody sets: clocks of hosts differ by
    any amount. So a trial of another host is believed to live for one lease at least, and for
    another one after an outage, in which no heartbeat could be told or seen.

    Attributes:
        clock: seconds, from anywhere.
        seen: the last heartbeat of each trial, and when it was first seen.
    """

    clock: Callable[[], float] = time.monotonic
    seen: dict[int, tuple[Hashable, float]] = field(default_factory=dict)

    def is_owned(self, address: StudyAddress, trial: FrozenTrial) -> bool:
        """Whether a living process has a running trial, as far as can be told from here."""
        stored = trial.user_attrs.get(attributes.OWNER)
        owner = None if stored is None else Owner.from_json(stored)
        if owner is not None and owner.is_here:
            return owner.lives(None)
        now, sign = self.clock(), (str(owner), _beats(address, trial))
        known, since = self.seen.setdefault(trial.number, (sign, now))
        if known != sign:
            self.seen[trial.number] = (sign, now)
            return True
        since = max(since, last_outage_end())
        return now - since < (GRACE if owner is None else LEASE_SECONDS)
