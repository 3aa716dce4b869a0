"""Callbacks of a training."""

from cnn_sweeps.training.epoch import Epoch


class Collector:
    """A callback that keeps what it sees."""

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []

    def on_epoch(self, epoch: Epoch) -> None:
        """Keep the epoch."""
        self.epochs.append(epoch)
