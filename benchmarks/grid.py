"""The 27-point grid, trained by one way after another on the same machine.

The clock runs from the start of the command to its end: imports, databases and tables
included. Every way gets the same images, network, batch size and optimizer.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import machine, official_sweeper, studies
from benchmarks.points import GRIDS, LIMIT, VALIDATION_FRACTION
from benchmarks.table import markdown
from cnn_sweeps.errors import RunFailedError
from cnn_sweeps.provenance.environment import cores

BARE, OURS, AGAIN, SCRATCH, OFFICIAL = "bare", "ours", "again", "scratch", "official"
TITLES = {
    BARE: "a bare `for` loop, no logging",
    OURS: "cnn_sweeps, full MLflow logging",
    AGAIN: "the same command again",
    SCRATCH: "cnn_sweeps, trajectory.reuse=false",
    OFFICIAL: "hydra-optuna-sweeper 1.4.0rc3, autolog without models",
}
TARGETS: Mapping[int, Mapping[tuple[str, str], float]] = {
    27: {
        (OURS, BARE): 0.33,
        (OURS, OFFICIAL): 0.33,
        (SCRATCH, BARE): 0.60,
        (SCRATCH, OFFICIAL): 0.50,
    },
    90: {(OURS, BARE): 0.15},
}
"""By points of the grid: what a way's wall time may be at most, as a share of another's."""
MOST_WASTED = 1.25
"""Wall time of our sweep with reuse, as a multiple of what its epochs take on all cores."""
RATIOS = ("of bare", "of official", "of training")
PROGRAM = (sys.executable, "-m", "cnn_sweeps", "-m")
QUIET = 0.5
"""Load average for each core from which on other work disturbs the clock."""
NAMES = {"filters": "model.filters", "conv_blocks": "model.conv_blocks", "epochs": "trainer.epochs"}
RESULT = re.compile(r"^val_accuracy (\S+)$", re.MULTILINE)
SHOWN_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every way is given.

    Attributes:
        points: name of the grid.
        folder: scratch folder, empty or from an earlier call.
        images: the .npz file of the images, for those that are not cnn_sweeps.
        overrides: further overrides for cnn_sweeps.
    """

    points: str
    folder: Path
    images: Path
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What one way needed.

    Attributes:
        way: a key of `TITLES`.
        seconds: wall time from the start of the command to its end.
        accuracies: validation accuracy of every point.
        load: load average of the machine just before.
        busy: seconds that all cores of the machine have worked meanwhile.
        trained: seconds of one thread that went into epochs, of cnn_sweeps; None where that is
            not known.
    """

    way: str
    seconds: float
    accuracies: tuple[float, ...]
    load: float
    busy: float | None = None
    trained: float | None = None

    @property
    def of_training(self) -> float | None:
        """Wall time as a multiple of what the training alone takes on all cores."""
        return self.seconds / (self.trained / cores()) if self.trained else None


def compare(ways: Sequence[str], task: Task) -> list[Timing]:
    """Time each way in turn.

    Raises:
        DataError: Fashion-MNIST cannot be read.
        RunFailedError: a command failed, or did not train every point.
    """
    write_images(task.images)
    timings = []
    for way in ways:
        print(f"{TITLES[way]} ...", file=sys.stderr, flush=True)
        before = machine.busy_seconds()
        timing = WAYS[way](task)
        timings.append(replace(timing, busy=machine.busy_seconds() - before))
    return timings


def to_markdown(timings: Sequence[Timing]) -> str:
    """The table, and how our time compares with what was aimed at."""
    seconds = {timing.way: timing.seconds for timing in timings}
    rows = [
        [
            TITLES[timing.way],
            f"{timing.seconds:.0f}",
            None if timing.busy is None else f"{timing.busy:.0f}",
            _ratio(timing.seconds, seconds.get(BARE)),
            _ratio(timing.seconds, seconds.get(OFFICIAL)),
            timing.of_training,
            len(timing.accuracies),
            max(timing.accuracies),
            timing.load,
        ]
        for timing in timings
    ]
    head = ("way", "wall s", "CPU s", *RATIOS, "points", "best val acc", "load before")
    targets = TARGETS.get(min(len(timing.accuracies) for timing in timings), {})
    wasted = _wasted(timings) if targets else ()
    remarks = [*_verdicts(seconds, targets), *wasted, *_doubts(timings)]
    return "\n".join([markdown(head, rows), *([""] if remarks else []), *remarks])


def write_images(path: Path) -> None:
    """Store the images as cnn_sweeps divides them; reading them costs the others no time.

    Raises:
        DataError: Fashion-MNIST is nowhere, or broken.
    """
    import numpy as np  # noqa: PLC0415 -- only where images are needed

    from cnn_sweeps import data  # noqa: PLC0415
    from cnn_sweeps.config.schema import ArchiveData  # noqa: PLC0415

    split = ArchiveData(limit=LIMIT, validation_fraction=VALIDATION_FRACTION)
    dataset = data.load(split)
    parts = ("x_train", "y_train", "x_val", "y_val")
    np.savez(path, **{part: getattr(dataset, part) for part in parts})


def run_ours(folder: Path, arguments: Sequence[str]) -> tuple[float, str]:
    """Sweep with cnn_sweeps in an empty folder; wall seconds and what it printed.

    Raises:
        RunFailedError: it failed, or the folder holds a sweep already.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise RunFailedError(f"{folder} exists: a finished sweep would cost nothing.") from None
    return timed([*PROGRAM, *arguments], folder)


def timed(command: Sequence[str], folder: Path) -> tuple[float, str]:
    """Run a command in a folder; wall seconds and what it printed.

    Raises:
        RunFailedError: it failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603 our own commands
        command, cwd=folder, env=environment(os.environ), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    if done.returncode:
        last = "\n  ".join((done.stderr or done.stdout).splitlines()[-SHOWN_LINES:])
        raise RunFailedError(f"{' '.join(command)}\n  ended with {done.returncode}:\n  {last}")
    return seconds, done.stdout


def environment(shell: Mapping[str, str]) -> dict[str, str]:
    """The shell's variables, without its MLflow and with a data folder that holds anywhere."""
    kept = {name: value for name, value in shell.items() if not name.startswith("MLFLOW_")}
    if kept.get("CNN_SWEEPS_DATA"):
        kept["CNN_SWEEPS_DATA"] = str(Path(kept["CNN_SWEEPS_DATA"]).expanduser().absolute())
    return {**kept, "MLFLOW_DISABLE_TELEMETRY": "true", "TF_CPP_MIN_LOG_LEVEL": "3"}


def _bare(task: Task) -> Timing:
    command = [sys.executable, "-m", "benchmarks.bare_loop", str(task.images), task.points]
    return _contender(BARE, command, task)


def _official(task: Task) -> Timing:
    python = official_sweeper.prepare(task.folder / "official-venv")
    command = official_sweeper.command(python, task.images, GRIDS[task.points])
    return _contender(OFFICIAL, command, task)


def _contender(way: str, command: Sequence[str], task: Task) -> Timing:
    before = machine.load()
    seconds, printed = timed(command, task.folder / way)
    accuracies = tuple(map(float, RESULT.findall(printed)))
    if len(accuracies) != len(GRIDS[task.points]):
        raise RunFailedError(
            f"{TITLES[way]} trained {len(accuracies)} of {len(GRIDS[task.points])} points."
        )
    return Timing(way=way, seconds=seconds, accuracies=accuracies, load=before)


def _ours(task: Task) -> Timing:
    before = machine.load()
    seconds, _ = run_ours(task.folder / OURS, _typed(task))
    return _read(OURS, task, seconds, before)


def _again(task: Task) -> Timing:
    before = machine.load()
    seconds, _ = timed([*PROGRAM, *_typed(task)], task.folder / OURS)
    return _read(OURS, task, seconds, before, way=AGAIN)


def _scratch(task: Task) -> Timing:
    before = machine.load()
    seconds, _ = run_ours(task.folder / SCRATCH, [*_typed(task), "trajectory.reuse=false"])
    return _read(SCRATCH, task, seconds, before)


def _typed(task: Task) -> list[str]:
    """The overrides of our sweep."""
    split = [f"data.limit={LIMIT}", f"data.validation_fraction={VALIDATION_FRACTION}"]
    return [*split, *GRIDS[task.points].overrides(NAMES), *task.overrides]


def _read(
    folder: str, task: Task, seconds: float, before: float, *, way: str | None = None
) -> Timing:
    """What our sweep in a folder has left behind."""
    trials = studies.completed(task.folder / folder, expected=len(GRIDS[task.points]))
    return Timing(
        way=way or folder,
        seconds=seconds,
        accuracies=tuple(trial.values[0] for trial in trials),
        load=before,
        trained=studies.train_seconds(task.folder / folder) if way is None else None,
    )


def _ratio(seconds: float, reference: float | None) -> float | None:
    return seconds / reference if reference else None


def _verdicts(
    seconds: Mapping[str, float], targets: Mapping[tuple[str, str], float]
) -> Iterator[str]:
    """What one way's time is of another one's, beside what was aimed at."""
    for (way, other), target in targets.items():
        if way in seconds and other in seconds:
            ratio = seconds[way] / seconds[other]
            met = "met" if ratio <= target else "missed"
            yield f"{way} / {other}: {ratio:.2f}, target {target:.2f}: {met}"


def _wasted(timings: Sequence[Timing]) -> Iterator[str]:
    """What our sweep took beside its epochs, and what was aimed at."""
    for timing in timings:
        if timing.way == OURS and (ratio := timing.of_training):
            met = "met" if ratio <= MOST_WASTED else "missed"
            yield (
                f"ours / (thread seconds of its epochs / {cores()} cores): {ratio:.2f}, "
                f"target {MOST_WASTED:.2f}: {met}"
            )


def _doubts(timings: Sequence[Timing]) -> Iterator[str]:
    """A warning where the machine was not free."""
    if timings[0].load > QUIET * (os.cpu_count() or 1):
        yield f"Other work was running (load {timings[0].load:.2f}): do not trust these seconds."


WAYS: Mapping[str, Callable[[Task], Timing]] = {
    **{BARE: _bare, OURS: _ours, AGAIN: _again, SCRATCH: _scratch},
    OFFICIAL: _official,
}
