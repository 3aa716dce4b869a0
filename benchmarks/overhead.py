"""What the program costs beyond training: for each trial, and for a study of many.

A trial's overhead is the time between its start and its end in the study, less
`train_seconds`: composing, reading the images, building, logging, telling. The engine's own
cost shows where a trial does nothing at all (`benchmarks.trivial`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

from optuna.trial import FrozenTrial

from benchmarks import studies
from benchmarks.grid import run_ours
from benchmarks.studies import span
from benchmarks.table import markdown
from cnn_sweeps.sweeps.study.attributes import metrics_of

TINY: Mapping[str, tuple[str, ...]] = {
    "all": ("model.filters=4,6,8,12", "model.conv_blocks=1,2,3"),
    "small": ("model.filters=4,8", "model.conv_blocks=1"),
}
"""What `--points` can be: 12 trials or 2."""
TINY_TRIALS = {"all": 12, "small": 2}
TRIAL_TARGET = 0.6
"""Seconds that a trial may cost beyond its training, on average."""
ENGINE_TARGETS = {"journal": 10.0, "database": 40.0}
"""Milliseconds that a trial which does nothing may cost, by where the study is stored."""
GROWTH_TARGET = 1.5
"""Times the cost of the first trials that those around `GROWN` may cost."""
GROWN = 5_000
"""The trial around which it is measured what a trial costs where there are many."""
PIECE = 100
"""Trials in the first row of the curve; each other row has a tenth of all, or as many."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Where the seconds of one trial went.

    Attributes:
        wall: from its start to its end in the study.
        train: training, the compilation of the graph included.
        data: reading the images.
        build: building the network.
    """

    wall: float
    train: float
    data: float
    build: float

    @classmethod
    def of(cls, trial: FrozenTrial) -> "Cost":
        """Read it from a completed trial."""
        metrics: Mapping[str, float] = metrics_of(trial.user_attrs)
        started, ended = span(trial)
        return cls(
            wall=(ended - started).total_seconds(),
            train=metrics["train_seconds"],
            data=metrics.get("data_seconds", 0.0),
            build=metrics.get("build_seconds", 0.0),
        )

    @property
    def overhead(self) -> float:
        """Everything but training."""
        return self.wall - self.train

    @property
    def rest(self) -> float:
        """The part of the overhead that is neither data nor building."""
        return self.overhead - self.data - self.build


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stretch of a study.

    Attributes:
        last: how many trials had ended when it was over.
        ms: wall milliseconds for each of its trials, all workers together.
        cpu_ms: milliseconds of processor time of the workers for each of its trials.
        resident_mb: memory of a worker, in MiB: the mean over its trials.
        processes: how many processes carried them out.
    """

    last: int
    ms: float
    cpu_ms: float
    resident_mb: float
    processes: int


def measure_trials(folder: Path, points: str, overrides: Sequence[str] = ()) -> list[Cost]:
    """Sweep tiny networks over the digits, one epoch each, and read what each trial cost.

    Raises:
        RunFailedError: the sweep failed, or trials of it did.
    """
    run_ours(folder, ["data=digits", "trainer.epochs=1", *TINY[points], *overrides])
    return [Cost.of(trial) for trial in studies.completed(folder, TINY_TRIALS[points])]


def costs_table(costs: Sequence[Cost]) -> str:
    """Mean, median and maximum of each part."""
    parts = {
        "trial, start to end": [cost.wall for cost in costs],
        "training": [cost.train for cost in costs],
        "**overhead**": [cost.overhead for cost in costs],
        "– reading the images": [cost.data for cost in costs],
        "– building the network": [cost.build for cost in costs],
        "– composing, logging, telling": [cost.rest for cost in costs],
    }
    head = (f"seconds, {len(costs)} trials", "mean", "median", "max")
    rows = [(name, fmean(part), median(part), max(part)) for name, part in parts.items()]
    mean = fmean(parts["**overhead**"])
    met = "met" if mean <= TRIAL_TARGET else "missed"
    verdict = f"overhead {mean:.2f} s on average, target {TRIAL_TARGET:.2f}: {met}"
    return f"{markdown(head, rows)}\n\n{verdict}"


def pieces(trials: Sequence[FrozenTrial], size: int = PIECE) -> Iterator[Piece]:
    """Cut a study into stretches of trials, in the order in which they ended.

    Args:
        trials: of `benchmarks.trivial`.
        size: trials of the first stretch.
    """
    since = min(span(trial)[0] for trial in trials)
    spent: dict[float, float] = {}
    rows = [0, *range(size, len(trials), max(size, len(trials) // 10)), len(trials)]
    for first, last in pairwise(rows):
        part = trials[first:last]
        until = span(part[-1])[1]
        metrics: list[Any] = [metrics_of(trial.user_attrs) for trial in part]
        cpu = sum(spent.values())
        spent |= {m["pid"]: m["cpu_seconds"] for m in metrics}
        yield Piece(
            last=last,
            ms=(until - since).total_seconds() * 1000 / len(part),
            cpu_ms=(sum(spent.values()) - cpu) * 1000 / len(part),
            resident_mb=fmean(m["resident_mb"] for m in metrics),
            processes=len({m["pid"] for m in metrics}),
        )
        since = until


def curve(measured: Sequence[Piece], storage: str = "journal") -> str:
    """The stretches as a table, and whether cost and memory stayed flat.

    The first stretch has the start of the workers in it: growth is counted from the second on.

    Args:
        measured: the stretches.
        storage: a key of `ENGINE_TARGETS`.
    """
    head = ("trials", "ms a trial", "CPU ms a trial", "MiB a worker", "processes")
    rows = [(f"to {p.last}", p.ms, p.cpu_ms, f"{p.resident_mb:.0f}", p.processes) for p in measured]
    begun, target = measured[:2][-1], ENGINE_TARGETS[storage]
    grown = next((p for p in measured if p.last >= GROWN), measured[-1])
    trials = [until - before for before, until in pairwise([0, *(p.last for p in measured)])]
    mean = fmean((p.ms for p in measured), weights=trials)
    met = "met" if mean <= target else "missed"
    times, more = grown.cpu_ms / begun.cpu_ms, grown.resident_mb - begun.resident_mb
    flat = "met" if times <= GROWTH_TARGET else "missed"
    verdict = f"{mean:.1f} ms a trial, target {target:.0f}: {met}"
    change = (
        f"from the second row to that with trial {min(GROWN, grown.last):,}: {times:.2f} times the "
        f"processor time, target {GROWTH_TARGET}: {flat}; {more:+.0f} MiB"
    )
    return f"{markdown(head, rows)}\n\n{verdict}\n{change}"
