"""A training without TensorFlow's: a network of a few numbers, whose epochs are a formula.

What an epoch gives depends on the numbers of network and optimizer and on nothing else, so a
training that goes on from anywhere but the right place gives other numbers.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnn_sweeps.training.epoch import Epoch, TrainingResult
from cnn_sweeps.trajectories.entry import Entry

FOREVER = 3600.0


class Variable:
    """As much of a Keras variable as is looked at."""

    def __init__(self, *values: float) -> None:
        self._values = np.array(values)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self._values.shape

    def numpy(self) -> Any:
        """The values."""
        return self._values

    def assign(self, values: Any) -> None:
        """Take other values."""
        self._values = np.array(values)


class Optimizer:
    """Something with a state of its own."""

    def __init__(self) -> None:
        self.variables = [Variable(0.0, 0.0)]


class Network:
    """A compiled network."""

    def __init__(self) -> None:
        self.variables = [Variable(1.0, 2.0)]
        self.frozen: list[Variable] = []
        self.optimizer = Optimizer()

    @property
    def trainable_variables(self) -> list[Variable]:
        """Those that are trained."""
        return [each for each in self.variables if each not in self.frozen]


class Formula:
    """A `training.loop.Trainer` whose epochs cost nothing; each is a second on paper.

    Attributes:
        metrics: nothing is measured beside loss and accuracy.
        follows_measured: so no learning rate follows it.
        model: what is trained.
        done: numbers of the epochs that were trained, in order.
    """

    metrics = None
    follows_measured = False

    def __init__(
        self,
        during: Callable[[int], None] = lambda _: None,
        *,
        nan_at: int | None = None,
    ) -> None:
        """Train; `during` is called in the middle of each epoch."""
        self.model = Network()
        self.done: list[int] = []
        self._during, self._nan_at = during, nan_at

    def measure(self, epoch: Epoch) -> Epoch:
        """Nothing is asked for."""
        return epoch

    def epochs(self, start: int = 1, _history: Sequence[Epoch] = ()) -> Iterator[Epoch]:
        """Go on from what the numbers are now."""
        (weights,), (momentum,) = self.model.variables, self.model.optimizer.variables
        number = start
        while True:
            momentum.assign(momentum.numpy() / 3 + np.sin(weights.numpy() * number))
            self._during(number)
            weights.assign(weights.numpy() + momentum.numpy() / 7)
            self.done.append(number)
            loss = float("nan") if number == self._nan_at else float(np.abs(weights.numpy()).sum())
            yield Epoch(
                number=number,
                loss=loss,
                accuracy=0.5,
                val_loss=loss,
                val_accuracy=None,
                seconds=1.0,
                images_per_second=1.0,
            )
            number += 1

    def prepare(self, number: int) -> None:
        """Whichever segment an epoch belongs to, the formula is the same."""

    @property
    def weights(self) -> list[float]:
        """What the network has learnt."""
        values: list[float] = self.model.variables[0].numpy().tolist()
        return values


class Whole:
    """A formula whose network can copy its weights, as `FreshTraining` has it do."""

    def __init__(self, trainer: Formula) -> None:
        self._subject, self.model, self.epochs = trainer, self, trainer.epochs
        self.measure = trainer.measure

    def get_weights(self) -> list[Any]:
        """Copies of them."""
        return [variable.numpy().copy() for variable in self._subject.model.variables]

    def set_weights(self, values: list[Any]) -> None:
        """Put them back."""
        for variable, value in zip(self._subject.model.variables, values, strict=True):
            variable.assign(value)


def expected(epochs: int) -> tuple[list[float], list[float]]:
    """The losses of so many epochs from scratch, and the weights after them."""
    trainer = Formula()
    path = trainer.epochs()
    return [next(path).loss for _ in range(epochs)], trainer.weights


def known(entry: Entry, epochs: int, run_id: str = "first") -> None:
    """Train so many epochs and keep them."""
    from cnn_sweeps.trajectories.resume import ResumedTraining

    with ResumedTraining(trainer=Formula(), entry=entry, run_id=run_id) as walk:
        path = walk.epochs()
        for _ in range(epochs):
            next(path)


def losses(done: TrainingResult) -> list[float]:
    """The loss of each epoch."""
    return [epoch.loss for epoch in done.epochs]


def hang_at(number: int) -> Callable[[int], None]:
    """Something to do during an epoch: in that one, nothing for ever."""
    return lambda epoch: time.sleep(FOREVER) if epoch == number else None


def train_until_killed(folder: str, hang: int) -> None:
    """What a process does that will be killed in the middle of an epoch."""
    from cnn_sweeps.trajectories.resume import ResumedTraining

    trainer = Formula(hang_at(hang))
    with ResumedTraining(trainer=trainer, entry=Entry(Path(folder)), run_id="killed") as walk:
        for _ in walk.epochs():
            pass
