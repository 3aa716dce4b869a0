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
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, official_sweeper, studies
from benchmarks.points import GRIDS, LIMIT, VALIDATION_FRACTION
from benchmarks.table import markdown
from cnn_sweeps.errors import RunFailedError

BARE, OURS, OFFICIAL = "bare", "ours", "official"
TITLES = {
    BARE: "a bare `for` loop, no logging",
    OURS: "cnn_sweeps, full MLflow logging",
    OFFICIAL: "hydra-optuna-sweeper 1.4.0rc3, autolog without models",
}
TARGETS = {BARE: 0.60, OFFICIAL: 0.50}
"""What our wall time may be at most, as a share of that way's."""
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
    """

    way: str
    seconds: float
    accuracies: tuple[float, ...]
    load: float


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
        timings.append(WAYS[way](task))
    return timings


def to_markdown(timings: Sequence[Timing]) -> str:
    """The table, and how our time compares with what was aimed at."""
    seconds = {timing.way: timing.seconds for timing in timings}
    rows = [
        [
            TITLES[timing.way],
            f"{timing.seconds:.0f}",
            _ratio(timing.seconds, seconds.get(BARE)),
            _ratio(timing.seconds, seconds.get(OFFICIAL)),
            len(timing.accuracies),
            max(timing.accuracies),
            timing.load,
        ]
        for timing in timings
    ]
    head = ("way", "wall s", "of bare", "of official", "points", "best val acc", "load before")
    complete = all(len(timing.accuracies) == len(GRIDS["all"]) for timing in timings)
    remarks = [*(_verdicts(seconds) if complete else []), *_doubts(timings)]
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
    return timed([sys.executable, "-m", "cnn_sweeps", "-m", *arguments], folder)


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
    grid, folder = GRIDS[task.points], task.folder / OURS
    split = [f"data.limit={LIMIT}", f"data.validation_fraction={VALIDATION_FRACTION}"]
    before = machine.load()
    seconds, _ = run_ours(folder, [*split, *grid.overrides(NAMES), *task.overrides])
    trials = studies.completed(folder, expected=len(grid))
    accuracies = tuple(trial.values[0] for trial in trials)
    return Timing(way=OURS, seconds=seconds, accuracies=accuracies, load=before)


def _ratio(seconds: float, reference: float | None) -> float | None:
    return seconds / reference if reference else None


def _verdicts(seconds: Mapping[str, float]) -> Iterator[str]:
    """What our time is of each other one's, beside what was aimed at."""
    for way, target in TARGETS.items():
        if way in seconds and OURS in seconds:
            ratio = seconds[OURS] / seconds[way]
            met = "met" if ratio <= target else "missed"
            yield f"ours / {way}: {ratio:.2f}, target {target:.2f}: {met}"


def _doubts(timings: Sequence[Timing]) -> Iterator[str]:
    """A warning where the machine was not free."""
    if timings[0].load > QUIET * (os.cpu_count() or 1):
        yield f"Other work was running (load {timings[0].load:.2f}): do not trust these seconds."


WAYS: Mapping[str, Callable[[Task], Timing]] = {BARE: _bare, OURS: _ours, OFFICIAL: _official}
