"""Where the epochs of a run come from: reading what is known, training what is missing.

What names a trajectory on disk is what is trained, and where (`trajectories.fingerprint`). Import
this module late: it imports Keras.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, Self

from cnn_sweeps.config.path import segments
from cnn_sweeps.config.schema import Config, own_network
from cnn_sweeps.errors import RunFailedError, StoreError
from cnn_sweeps.models.names import title
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.provenance.identity import Identity, lineage
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.training import loop
from cnn_sweeps.training import state as variables
from cnn_sweeps.training.epoch import Epoch, TrainingCost
from cnn_sweeps.training.loop import EpochSource, FreshTraining, Trainer
from cnn_sweeps.training.state import has_untracked_state
from cnn_sweeps.trajectories.cache import TrajectoryStore
from cnn_sweeps.trajectories.chain import Chain
from cnn_sweeps.trajectories.entry import MODEL, Entry
from cnn_sweeps.trajectories.files import Arrays
from cnn_sweeps.trajectories.fingerprint import fingerprint
from cnn_sweeps.trajectories.history import EpochRecord
from cnn_sweeps.trajectories.lock import Lock
from cnn_sweeps.trajectories.retention import Retention, WantedEpochs
from cnn_sweeps.trajectories.shared import SharedEpoch
from cnn_sweeps.trajectories.sharing import Sharing, summary

PATIENCE = 0.2
"""Seconds between two looks at a trajectory that another process trains."""
NOBODY = WantedEpochs()
"""What others want of a training that nobody else needs."""


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """What a run asks of a trajectory.

    Attributes:
        config: what is trained, and how far.
        identity: its hashes.
        environment: where it is trained.
        folder: `tracking.dir`, below which trajectories are stored.
        wanted: what others want of its epochs, such as trials of the same sweep.
    """

    config: Config
    identity: Identity
    environment: Environment
    folder: Path
    wanted: WantedEpochs = NOBODY

    @property
    def trajectories(self) -> TrajectoryStore:
        """Where all of them are stored."""
        return TrajectoryStore.under(self.folder)

    def chain(self) -> Chain:
        """Where the segments of this one are stored; there may be nothing yet."""
        config, identity, path = self.config, self.identity, segments(self.config)
        where = fingerprint(
            self.environment,
            steps_per_execution=config.trainer.steps_per_execution,
            network=identity.network_sha256,
        )
        hashes = lineage(config, identity.data_digest) if path[1:] else (identity.trajectory_hash,)
        named = zip(hashes, path, strict=True)
        return Chain(
            tuple(self.trajectories.entry(name, where, part.first) for name, part in named)
        )

    def keep_states(self, chain: Chain) -> None:
        """Let the epochs from which somebody wants to go on keep their states."""
        for number in {*self.config.trajectory.keep_epochs, *self.wanted.states}:
            chain.keep_state(number)


@contextmanager
def open_epoch_source(
    trainer: Trainer, asked: TrainingRequest, *, run_id: str
) -> Iterator[EpochSource]:
    """The trajectory of a run, as far as it is known; or nothing but training.

    Args:
        trainer: what is trained, freshly built and compiled.
        asked: what is asked of the trajectory.
        run_id: the MLflow run, which is named with the epochs that it trains.

    Raises:
        StoreError: what is trained cannot be stored.
    """
    config = asked.config
    recent = config.trainer.weight_averaging or 0
    if not config.trajectory.reuse:
        yield FreshTraining(trainer=trainer, recent=recent)
        return
    entry = asked.chain()
    _describe(entry, config, asked.environment)
    asked.keep_states(entry)
    resumed = ResumedTraining(
        trainer=trainer,
        entry=entry,
        run_id=run_id,
        goes_on=not (own_network(config.model) and has_untracked_state(trainer.model)),
        epoch_mb=config.trajectory.epoch_mb,
        wanted=asked.wanted.weights,
        recent=recent,
        shared=Sharing.of(entry, config, asked.environment),
    )
    try:
        with resumed:
            yield resumed
    finally:
        if resumed.trained:
            asked.trajectories.evict_at_times(config.trajectory.max_gb)


def _describe(stored: Chain, config: Config, environment: Environment) -> None:
    """Say with each segment what it is, for people."""
    after: dict[str, Any] = {}
    for entry in stored.entries:
        with suppress(StoreError):  # what cannot be written may still be read
            entry.describe(
                {
                    "title": title(config.model),
                    "data": config.data.name,
                    "trajectory_hash": entry.trajectory_hash,
                    **({**after, "first": entry.first} if after else {}),
                    "environment": environment.numerics,
                }
            )
        after = {"previous": entry.trajectory_hash}


@dataclass(kw_only=True)
class ResumedTraining:
    """The epochs of one training for one run, a `training.loop.EpochSource`.

    An epoch that is known is read. One that is not is trained by whoever has the lock of its
    segment; everybody else waits for it, and takes over when the one that has it dies. Use it as a
    context manager: the locks are given back at its end.

    Attributes:
        trainer: what is trained, freshly built and compiled.
        entry: what is stored of it.
        run_id: the MLflow run that asks, which is named with the epochs it trains.
        goes_on: whether training can go on from what is stored; else it begins at the start.
        epoch_mb: size of a state beyond which only some epochs keep theirs; see `Retention`.
        wanted: epochs that keep their weights all the same.
        recent: how many of the last epochs do.
        shared: what is read from others and given to them; None for nothing.
        trained: numbers of the epochs that were trained here.
        read: what was read, by number.
        seconds: wall time of the epochs that were trained here.
        quarantined: that stored epochs did not fit, if they did not.
    """

    trainer: loop.Trainer
    entry: Entry | Chain
    run_id: str
    goes_on: bool = True
    epoch_mb: float | None = None
    wanted: Collection[int] = ()
    recent: int = 0
    shared: Sharing | None = None
    trained: set[int] = field(default_factory=set)
    read: dict[int, EpochRecord] = field(default_factory=dict)
    seconds: float = 0.0
    quarantined: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._chain = Chain((self.entry,)) if isinstance(self.entry, Entry) else self.entry
        self._locks = {entry: Lock(entry.folder) for entry in self._chain.entries}
        self._uses = ExitStack()
        self._known = self._usable_history()
        self._live: Iterator[Epoch] | None = None
        self._at = 0
        self._best: list[int] = []
        self._given: dict[int, EpochRecord] = {}
        self._otherwise: set[int] = set()
        # Training from the start once more needs the start once more: files may be lost.
        self._start = variables.snapshot(self.trainer.model)
        self._untrained = variables.untrained(self.trainer.model)

    def _usable_history(self) -> list[EpochRecord]:
        """The epochs that are stored; those of another network are quarantined."""
        known = self.entry.history()
        weights = self.entry.weights(known[-1]) if known else None
        if weights is None or variables.fits_model(self.trainer.model, weights):
            return known
        self.entry.quarantine()
        remark = (
            f"{pluralize(len(known), 'stored epoch')} did not fit this network: quarantined in "
            f"{self.entry.folder}, and trained again"
        )
        self.quarantined = (remark,)
        return []

    def __enter__(self) -> Self:
        """Note that the entry is used, and by whom: nobody deletes it meanwhile."""
        for entry in self._chain.entries:
            self._uses.enter_context(entry.in_use())
        self.entry.mark_used()
        return self

    def __exit__(self, *raised: object) -> None:
        """Let others go on."""
        self._uses.close()
        for lock in self._locks.values():
            lock.release()
        if self.shared is not None:
            self.shared.release()

    @property
    def remarks(self) -> tuple[str, ...]:
        """That stored epochs did not fit or came out otherwise, and what was shared."""
        shared = summary([self.shared.counts] if self.shared else [])
        return (*self.quarantined, *map(_otherwise, sorted(self._otherwise)), *shared)

    def epochs(self) -> Iterator[Epoch]:
        """Every epoch from the first, read or trained, for as long as they are asked for."""
        number = 0
        while True:
            number += 1
            yield self._measured(self._epoch(number))

    def checkpoint(self, number: int) -> None:
        """Let that epoch keep its weights, also where most do not."""
        self._best = [number]

    def restore_best(self, number: int) -> Epoch | None:
        """Let the model carry the weights that it had after an epoch.

        Returns:
            The epoch, where it had to be trained again and came out otherwise.
        """
        current = self._at == number and self._live is not None
        if not current and not any(one.weights for one in self._known[number - 1 : number]):
            self.entry.keep_state(number)  # it may be wanted once more
        self._carry(number)
        kept = self._known[number - 1]
        if kept.matches(self._given.get(number, kept)):
            return None
        self._otherwise.add(number)
        return self._measured(kept.epoch)

    def _carry(self, number: int) -> None:
        """Let the model carry the weights after an epoch, read or trained again."""
        if self._at == number and self._live is not None:
            return
        weights = (
            self.entry.weights(self._known[number - 1]) if number <= len(self._known) else None
        )
        if weights is not None:
            variables.restore_model(self.trainer.model, weights)
            self._live, self._at = None, number
            return
        if self._at > number:
            self._live = None
        self._wait_for_lock(number)
        self._train_to(number)

    @property
    def reused(self) -> Mapping[int, str]:
        """Epochs that were read, by number, and the runs that trained them."""
        return {n: kept.run_id for n, kept in self.read.items() if n not in self.trained}

    @property
    def cost(self) -> TrainingCost:
        """What the run that asked has paid, and for what it has to thank others."""
        return TrainingCost(
            trained=len(self.trained),
            reused=len(self.reused),
            seconds=self.seconds,
            trained_by=tuple(dict.fromkeys(self.reused.values())),
            shared=self.shared.counts if self.shared else {},
        )

    def _epoch(self, number: int) -> Epoch:
        while True:
            if number > len(self._known):
                self._known = max(self._known, self.entry.history(), key=len)
            if number <= len(self._known):
                kept = self._given[number] = self._known[number - 1]
                if number not in self.trained:
                    self.read[number] = kept
                    self._give(kept)
                return kept.epoch
            lock = self._lock(number)
            self._release_but(lock)
            if lock.held:
                self._take_or_train(number)
            elif not lock.acquire():
                time.sleep(PATIENCE)

    def _take_or_train(self, number: int) -> None:
        """Take the next epoch from others, train it, or wait a moment for who does."""
        if self._take(number):
            return
        if self.shared is not None and not self.shared.acquire(number, self._known):
            time.sleep(PATIENCE)
        elif not self._take(number):  # somebody may have ended it meanwhile
            self._train_to(number)

    def _take(self, number: int) -> bool:
        """Take an epoch that somebody else has trained; whether it is known now."""
        found = self.shared.find(number, self._known) if self.shared else None
        if self.shared is None or found is None:
            return False
        weights = {key: value for key, value in found.arrays.items() if key.startswith(MODEL)}
        if weights and not variables.fits_model(self.trainer.model, weights):
            return False
        if self.shared.audits(number) and not self._audited(found):
            return True
        entry, own = self._chain.place(number, self._known)
        kept = entry.adopt(found.record, found.contents, known=own, retention=self._retention())
        self._known, self._live = [*self._known, kept], None
        self.shared.read.add(number)
        return True

    def _audited(self, found: SharedEpoch) -> bool:
        """Train an epoch of others again; where it has other bits, the own one is stored.

        One that cannot be trained from the epoch before it is taken as it is.
        """
        number = found.record.number
        if not self.goes_on or not found.arrays or self._go_back(number - 1) != number - 1:
            return True
        self._live = self._trained_from(number)
        epoch, self._at = next(self._live), number
        self.seconds += epoch.seconds
        state = variables.snapshot(self.trainer.model)
        if self.shared is None or self.shared.compare(found, epoch, state):
            return True
        self.trained.add(number)
        self._checkpoint(epoch)
        return False

    def _give(self, kept: EpochRecord) -> None:
        """Let others have an epoch, or what they have lost of it."""
        shared, trained = self.shared, kept.number in self.trained
        if shared is None or not (trained or shared.lacks(kept.number)):
            return
        shared.put(kept, self.entry.contents(kept), self._known)
        if trained:
            shared.note_trained(kept.number)
            shared.follow(self.entry.history())

    def _measured(self, epoch: Epoch) -> Epoch:
        """An epoch with the metrics that are asked for: as they are known, or of its weights."""
        asked = self.trainer.metrics
        if not asked:
            return epoch
        kept = self._known[epoch.number - 1]
        if self._is_measured(kept):
            return self._with_stored(kept)
        self._carry(epoch.number)
        measured = self.trainer.measure(epoch).measured
        self.entry.put_metrics(kept, asked.stored(measured))
        return replace(epoch, measured=measured)

    def _is_measured(self, kept: EpochRecord) -> bool:
        """Whether the metrics that are asked for are stored with an epoch."""
        asked = self.trainer.metrics
        return not asked or set(asked.keys.values()) <= self.entry.metrics(kept).keys()

    def _with_stored(self, kept: EpochRecord) -> Epoch:
        """An epoch with the metrics that are stored with it."""
        asked = self.trainer.metrics
        known = asked.known(self.entry.metrics(kept)) if asked else {}
        return replace(kept.epoch, measured=known)

    def _train_to(self, number: int) -> None:
        """Train on until that epoch is known, from the nearest point that is stored."""
        if self._live is None:
            self._at = self._go_back(number - 1)
            if not self._lock(self._at + 1).held:  # whoever has it may train on meanwhile
                self._wait_for_lock(self._at + 1)
                self._at = self._go_back(number - 1)
            self._live = self._trained_from(self._at + 1)
        while self._at < number:
            self._release_but(self._lock(self._at + 1), self._lock(number))
            self._wait_for_lock(self._at + 1)
            epoch = next(self._live)
            self._at = epoch.number
            self.trained.add(epoch.number)
            self.seconds += epoch.seconds
            self._checkpoint(epoch)
            self._give(self._known[epoch.number - 1])

    def _trained_from(self, number: int) -> Iterator[Epoch]:
        known = self._known[: number - 1]
        if self.trainer.follows_measured:
            return self.trainer.epochs(number, [self._with_stored(kept) for kept in known])
        return self.trainer.epochs(number, [kept.epoch for kept in known])

    def _lock(self, number: int) -> Lock:
        """The lock on the segment of an epoch."""
        return self._locks[self._chain.holding(number)]

    def _release_but(self, *locks: Lock) -> None:
        """Let others have all locks but these: nobody waits for a later segment with an earlier."""
        for lock in self._locks.values():
            if lock.held and lock not in locks:
                lock.release()

    def _checkpoint(self, epoch: Epoch) -> None:
        state = variables.snapshot(self.trainer.model)
        before, self._untrained = self._untrained, variables.untrained(self.trainer.model)
        if not self.goes_on:
            state = {key: value for key, value in state.items() if key.startswith(MODEL)}
        if epoch.measured and self.trainer.metrics:  # first: no epoch is without what it needs
            new = EpochRecord(epoch=epoch, run_id=self.run_id, weights=None, optimizer=None)
            self.entry.put_metrics(new, self.trainer.metrics.stored(epoch.measured))
        entry, own = self._chain.place(epoch.number, self._known)
        kept = entry.put(
            epoch,
            state,
            run_id=self.run_id,
            known=own,
            unchanged={key for key, _ in before.items() & self._untrained.items()},
            retention=self._retention(),
        )
        self._replace(kept)

    def _retention(self) -> Retention:
        """Which epochs keep their weights now."""
        return Retention(
            epoch_mb=self.epoch_mb,
            wanted=[*self.wanted, *self._best],
            metrics=self.trainer.metrics.directions if self.trainer.metrics else {},
            recent=self.recent,
        )

    def _replace(self, kept: EpochRecord) -> None:
        """Know an epoch as it is stored now; what went on from another one is forgotten."""
        at = kept.number - 1
        after = self._known[at + 1 :]
        if at < len(self._known) and not kept.matches(self._known[at]):
            after = []
            for entry in self._chain.entries:
                if entry.first > kept.number:
                    entry.quarantine()
        self._known = [*self._known[:at], kept, *after]

    def _go_back(self, number: int) -> int:
        """Bring the model to the last stored state that is not beyond an epoch; which it is.

        Raises:
            RunFailedError: there is none, and no way back to the start.
        """
        known = self._known[:number]
        if self.trainer.follows_measured:  # the learning rate is not known after a gap
            known = list(takewhile(self._is_measured, known))
        for kept in reversed(known):
            state = self.entry.state(kept)
            if state is None:
                continue
            self._prepare(kept.number)
            if variables.fits(self.trainer.model, state):
                self._restore(state)
                return kept.number
        if self.trained and not self.goes_on:
            raise RunFailedError(
                f"What was stored in {self.entry.folder} was deleted while it was in use, and this "
                "network cannot be reset to its initial state.\nRun it again."
            )
        self._prepare(1)
        self._restore(self._start)
        return 0

    def _restore(self, state: Arrays) -> None:
        variables.restore(self.trainer.model, state)
        self._untrained = variables.untrained(self.trainer.model)

    def _prepare(self, number: int) -> None:
        if len(self._chain.entries) > 1:
            self.trainer.prepare(number)

    def _wait_for_lock(self, number: int) -> None:
        while not self._lock(number).acquire():
            time.sleep(PATIENCE)


def _otherwise(number: int) -> str:
    return (
        f"epoch {number} was trained again, since its weights were not kept, and came out "
        "otherwise (trainer.deterministic=false?): the run ends with its new weights and metrics"
    )
