"""A training of which everything is stored: it is read, and neither trained nor compiled.

Import this module late: it imports Keras.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import keras

from cnn_sweeps.config.metrics import measured_names
from cnn_sweeps.config.schema import TrainerConfig
from cnn_sweeps.training import state, stopping
from cnn_sweeps.training.epoch import Epoch, TrainingCost
from cnn_sweeps.trajectories.files import Arrays
from cnn_sweeps.trajectories.history import EpochRecord
from cnn_sweeps.trajectories.resume import TrainingRequest


@dataclass(kw_only=True)
class StoredTraining:
    """The epochs of a finished training, a `training.loop.EpochSource` that has an end.

    It is for trials: whoever ends one of these earlier fails it, and wants no weights.

    Attributes:
        model: gets the weights of the epoch with which the training ends; it need not be compiled.
        history: all epochs up to the one after which the config says stop.
        weights: the variables of the model after the epoch with whose weights it ends.
        read: how many were asked for.
    """

    model: keras.Model
    history: Sequence[EpochRecord]
    weights: Arrays
    read: int = field(default=0, init=False)
    remarks: tuple[str, ...] = ()

    @classmethod
    def find(cls, model: keras.Model, asked: TrainingRequest) -> Self | None:
        """What is asked for, as it is stored; None where something has to be computed.

        Args:
            model: as it is built for the config.
            asked: what is asked of its trajectory.
        """
        trainer, cached = asked.config.trainer, asked.config.trajectory
        if not cached.reuse or cached.store is not None:  # what is shared is compared with it
            return None
        if trainer.weight_averaging or measured_names(trainer):
            return None
        chain = asked.chain()
        history = _asked_for(trainer, chain.history())
        if not history:
            return None
        final = stopping.final_epoch(trainer, [one.epoch for one in history])
        weights = chain.weights(history[final - 1])
        if weights is None or not state.fits_model(model, weights):
            return None
        asked.keep_states(chain)
        chain.mark_used()
        return cls(model=model, history=history, weights=weights)

    def epochs(self) -> Iterator[Epoch]:
        """Each epoch as it was trained."""
        for one in self.history:
            self.read += 1
            yield one.epoch

    def checkpoint(self, number: int) -> None:
        """All that may be wanted again is stored."""

    def restore_best(self, number: int) -> None:  # noqa: ARG002 -- it is the one that was found
        """Let the model carry the weights with which the training ends."""
        state.restore_model(self.model, self.weights)

    @property
    def reused(self) -> Mapping[int, str]:
        """Epochs by number, and the runs that trained them."""
        return {one.number: one.run_id for one in self.history[: self.read]}

    @property
    def cost(self) -> TrainingCost:
        """Nothing was paid; whom the run has to thank."""
        trained_by = tuple(dict.fromkeys(self.reused.values()))
        return TrainingCost(trained=0, reused=self.read, seconds=0.0, trained_by=trained_by)


def _asked_for(trainer: TrainerConfig, known: Sequence[EpochRecord]) -> list[EpochRecord]:
    """The epochs up to the one after which training ends; none where that is not known."""
    epochs: list[Epoch] = []
    for one in known:
        epochs.append(one.epoch)
        if not stopping.is_finite(one.epoch):
            return []
        if stopping.end_of(trainer, epochs):
            return [*known[: len(epochs)]]
    return []
