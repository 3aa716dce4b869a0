"""What keeping trajectories costs, and how long it takes to read one.

    python -m benchmarks.reuse

Everything runs in this process, on one thread, with full logging to MLflow.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import machine
from benchmarks.table import markdown
from cnn_sweeps.config.schema import Config
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.tracking import Store

NETWORKS = {
    "dense 128": ["model=dnn"],
    "conv 64x2": ["model.filters=64", "model.conv_blocks=2"],
    "conv 64x1": ["model.filters=64", "model.conv_blocks=1"],
}
"""The notebook's networks, and the one with the most parameters."""
READ_EPOCHS = 20
READ_TARGET, COST_TARGET = 0.2, 3.0
"""Seconds to read and log so many epochs; per cent of training that keeping them may cost."""


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What it cost to keep one trajectory.

    Attributes:
        epoch: mean seconds of an epoch.
        checkpoint: mean seconds to keep one.
        megabytes: of everything that is kept, for each epoch.
    """

    epoch: float
    checkpoint: float
    megabytes: float

    @property
    def per_cent(self) -> float:
        """Share of the training."""
        return 100 * self.checkpoint / self.epoch


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="What keeping trajectories costs and saves.")
    parser.add_argument("--epochs", type=int, default=3, help="of each kept training (3)")
    parser.add_argument("--data", default="fashion_mnist", help="what these are trained on")
    parser.add_argument("--times", type=int, default=7, help="readings of each kind (7)")
    asked = parser.parse_args()
    print(f"{machine.describe()}, load {machine.load():.2f}", end="\n\n", flush=True)
    with TemporaryDirectory(prefix="cnn-sweeps-bench-") as scratch:
        folder = Path(scratch)
        kept = {
            name: keeping(folder / name, overrides, data=asked.data, epochs=asked.epochs)
            for name, overrides in NETWORKS.items()
        }
        print(keeping_table(kept), end="\n\n", flush=True)
        print(reading_table(readings(folder / "read", asked.times)))


def keeping(folder: Path, overrides: list[str], *, data: str, epochs: int) -> Keeping:
    """Train a network on all images, and time what is kept of it."""
    from cnn_sweeps.runs.run import run  # noqa: PLC0415 -- TensorFlow, once it is needed
    from cnn_sweeps.trajectories.cache import TrajectoryStore  # noqa: PLC0415

    config = experiment(folder, [*overrides, f"data={data}", f"trainer.epochs={epochs}"])
    with timed_checkpoints() as seconds:
        result = run(config, Store.open(config.tracking))
    (entry,) = TrajectoryStore.under(config.tracking.dir).entries()
    return Keeping(
        epoch=fmean(epoch.seconds for epoch in result.training.epochs),
        checkpoint=sum(seconds) / epochs,
        megabytes=entry.size / 1e6 / epochs,
    )


@contextmanager
def timed_checkpoints() -> Iterator[list[float]]:
    """The seconds of every copy of variables and every writing of files in the block."""
    from cnn_sweeps.training import state  # noqa: PLC0415
    from cnn_sweeps.trajectories.entry import Entry  # noqa: PLC0415

    seconds: list[float] = []
    places: list[tuple[Any, str]] = [(state, "snapshot"), (Entry, "put")]
    before = [(place, name, getattr(place, name)) for place, name in places]
    for place, name, function in before:
        setattr(place, name, _timed(function, seconds))
    try:
        yield seconds
    finally:
        for place, name, function in before:
            setattr(place, name, function)


def _timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        done = function(*arguments, **options)
        seconds.append(time.perf_counter() - began)
        return done

    return timed


def readings(folder: Path, times: int) -> dict[str, list[float]]:
    """Wall seconds of trials whose epochs are known, and of trials whose result is."""
    from cnn_sweeps.runs.run import TrialContext, run  # noqa: PLC0415

    trial = TrialContext(parent_run_id=None)
    most = READ_EPOCHS + times
    config = experiment(folder, ["data=digits", "model.filters=32", f"trainer.epochs={most}"])
    store = Store.open(config.tracking)
    run(config, store, trial=trial)

    def seconds(epochs: int) -> float:
        asked = replace(config, trainer=replace(config.trainer, epochs=epochs))
        began = time.perf_counter()
        done = run(asked, store, trial=trial)
        if done.epochs_trained:
            raise SystemExit(f"{done.epochs_trained} epochs were trained that should be known.")
        return time.perf_counter() - began

    numbers = [READ_EPOCHS + number for number in range(times)]
    return {
        f"{READ_EPOCHS} or more known epochs": [seconds(number) for number in numbers],
        "the same experiment again": [seconds(number) for number in numbers],
    }


def experiment(folder: Path, overrides: list[str]) -> Config:
    """The composed experiment, logged to a folder of its own."""
    typed = [*overrides, "trainer.threads=1", "trainer.progress=none", f"tracking.dir='{folder}'"]
    return validate.make_config(validate.plain_values(validate.compose(typed)))


def keeping_table(kept: dict[str, Keeping]) -> str:
    """What each network cost, and whether that is little enough."""
    head = ("network", "s an epoch", "s to keep it", "% of training", "MB an epoch")
    rows = [
        (name, k.epoch, f"{k.checkpoint:.3f}", k.per_cent, k.megabytes) for name, k in kept.items()
    ]
    worst = max(k.per_cent for k in kept.values())
    met = "met" if worst < COST_TARGET else "missed"
    return f"{markdown(head, rows)}\n\nat most {worst:.2f} %, target {COST_TARGET:g} %: {met}"


def reading_table(seconds: dict[str, list[float]]) -> str:
    """How long each kind of reading took, and whether that is short enough."""
    rows = [(name, len(some), median(some), max(some)) for name, some in seconds.items()]
    worst = max(median(some) for some in seconds.values())
    met = "met" if worst < READ_TARGET else "missed"
    table = markdown(("a trial that reads", "times", "median s", "max s"), rows)
    return f"{table}\n\n{worst:.2f} s, target {READ_TARGET} s: {met}"


if __name__ == "__main__":
    main()
