"""Going along a trajectory: reading what is known, training what is missing.

Import this module late: it imports Keras.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from cnn_sweeps import training, variables
from cnn_sweeps.errors import RunFailedError
from cnn_sweeps.history import Epoch, Paid
from cnn_sweeps.trajectory.entry import MODEL, Entry
from cnn_sweeps.trajectory.kept import Kept
from cnn_sweeps.trajectory.lock import Lock

PATIENCE = 0.2
"""Seconds between two looks at a trajectory that another process trains."""


@dataclass(kw_only=True)
class Walk:
    """The epochs of one trajectory for one run, a `training.Course`.

    An epoch that is known is read. One that is not is trained by whoever has the lock;
    everybody else waits for it, and takes over when the one that has it dies. Use it as a
    context manager: the lock is given back at its end.

    Attributes:
        subject: what is trained, freshly built and compiled.
        entry: what is stored of it.
        run_id: the MLflow run that asks, which is named with the epochs it trains.
        goes_on: whether training can go on from what is stored; else it begins at the start.
        trained: numbers of the epochs that were trained here.
        read: what was read, by number.
        seconds: wall time of the epochs that were trained here.
    """

    subject: training.Subject
    entry: Entry
    run_id: str
    goes_on: bool = True
    trained: set[int] = field(default_factory=set)
    read: dict[int, Kept] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._lock = Lock(self.entry.folder)
        self._known = self.entry.history()
        self._live: Iterator[Epoch] | None = None
        self._at = 0
        # Training from the start once more needs the start once more: files may be lost.
        self._start = variables.snapshot(self.subject.model)

    def __enter__(self) -> Self:
        """Note that the entry is used."""
        self.entry.touch()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let others go on."""
        self._lock.give_back()

    def epochs(self) -> Iterator[Epoch]:
        """Every epoch from the first, read or trained, for as long as they are asked for."""
        number = 0
        while True:
            number += 1
            yield self._epoch(number)

    def keep(self, number: int) -> None:
        """Nothing to do: the weights of every epoch are kept."""

    def settle(self, number: int) -> None:
        """Let the model carry the weights that it had after an epoch."""
        if self._at == number and self._live is not None:
            return
        weights = self.entry.weights(self._known[number - 1])
        self._live = None
        if weights is None:
            self._wait_for_lock()
            self._train_to(number)
        else:
            variables.restore_model(self.subject.model, weights)
            self._at = number

    @property
    def reused(self) -> Mapping[int, str]:
        """Epochs that were read, by number, and the runs that trained them."""
        return {n: kept.run_id for n, kept in self.read.items() if n not in self.trained}

    @property
    def paid(self) -> Paid:
        """What the run that asked has paid, and for what it has to thank others."""
        return Paid(
            trained=len(self.trained),
            reused=len(self.reused),
            seconds=self.seconds,
            trained_by=tuple(dict.fromkeys(self.reused.values())),
        )

    def _epoch(self, number: int) -> Epoch:
        while True:
            if number > len(self._known):
                self._known = max(self._known, self.entry.history(), key=len)
            if number <= len(self._known):
                kept = self._known[number - 1]
                if number not in self.trained:
                    self.read[number] = kept
                return kept.epoch
            if self._lock.held:
                self._train_to(number)
            elif not self._lock.take():
                time.sleep(PATIENCE)

    def _train_to(self, number: int) -> None:
        """Train on until that epoch is known, from the nearest point that is stored."""
        if self._live is None:
            self._at = self._go_back(number - 1)
            self._live = self.subject.epochs(start=self._at + 1)
        while self._at < number:
            epoch = next(self._live)
            self._at = epoch.number
            self.trained.add(epoch.number)
            self.seconds += epoch.seconds
            self._keep(epoch)

    def _keep(self, epoch: Epoch) -> None:
        state = variables.snapshot(self.subject.model)
        if not self.goes_on:
            state = {key: value for key, value in state.items() if key.startswith(MODEL)}
        kept = self.entry.put(epoch, state, run_id=self.run_id, known=self._known)
        self._known = [*self._known[: epoch.number - 1], kept, *self._known[epoch.number :]]

    def _go_back(self, number: int) -> int:
        """Bring the model to the last stored state that is not beyond an epoch; which it is.

        Raises:
            RunFailedError: there is none, and no way back to the start.
        """
        for kept in reversed(self._known[:number]):
            state = self.entry.state(kept)
            if state is not None:
                variables.restore(self.subject.model, state)
                return kept.number
        if self.trained and not self.goes_on:
            raise RunFailedError(
                f"What was stored in {self.entry.folder} got lost while it was in use, and this "
                "network cannot be brought back to its start.\nRun it again."
            )
        variables.restore(self.subject.model, self._start)
        return 0

    def _wait_for_lock(self) -> None:
        while not self._lock.take():
            time.sleep(PATIENCE)
