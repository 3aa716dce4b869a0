"""Several workers on one GPU: `python -m benchmarks.gpu`, eight minutes at most.

The same trials, one after another in one process and then by 1, 2, 4, 8 and 16 workers that share
the card. Each has the same images, network and threads, so the weights of a trial must be the same
whoever trains it; in the last sweep a worker is killed, and they must be the same once more. What
does not fit into the time is left out, and said.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from threading import Event, Thread

import numpy as np
from optuna.trial import TrialState

from benchmarks import machine
from benchmarks.grid import PROGRAM
from benchmarks.table import Cell, markdown
from cnn_sweeps.errors import RunFailedError, StoreError
from cnn_sweeps.provenance import devices
from cnn_sweeps.sweeps.study.attributes import OWNER, RUN_ID
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.names import WEIGHTS

MINUTES = 8.0
STUDY = "gpu"
HEAD = ("way", "trials a minute", "images/s", "GPU MiB", "GPU %", "same weights")
QUERY = ("nvidia-smi", "--query-gpu=memory.used,utilization.gpu", "--format=csv,noheader,nounits")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every way is given.

    Attributes:
        folder: scratch folder.
        trials: how many, a seed each.
        images: of training.
        epochs: of each trial.
        workers: how many share the card, for each way after the first.
        ends: when the time is up, by a clock that is never set.
    """

    folder: Path
    trials: int
    images: int
    epochs: int
    workers: tuple[int, ...]
    ends: float

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.ends - time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Way:
    """What one way came to.

    Attributes:
        seconds: wall time of the command.
        weights: digest of the final weights by seed.
        memory_mb: the most memory of the card in use; None without one.
        busy: share of the time in which the card computed, in percent; None without one.
    """

    seconds: float
    weights: Mapping[int, str]
    memory_mb: float | None
    busy: float | None


def main(typed: Sequence[str] | None = None) -> int:
    """Run the ways and print the table; 0 where all weights are the same, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="time limit (8)")
    parser.add_argument("--dry-run", action="store_true", help="a few tiny trials, also on a CPU")
    asked = parser.parse_args(typed)
    cards = devices.usable()
    if not cards and not asked.dry_run:
        parser.error("there is no GPU here that nvidia-smi lists; --dry-run needs none")
    with TemporaryDirectory() as folder:
        task = Task(
            folder=Path(folder),
            trials=16,
            images=20_000,
            epochs=3,
            workers=(1, 2, 4, 8, 16),
            ends=time.monotonic() + 60 * asked.minutes,
        )
        if asked.dry_run:
            task = replace(task, trials=2, images=200, epochs=1, workers=())
        ways = dict(measure(task))
    print(f"{cards[0].title if cards else 'no GPU'}; {machine.describe()}\n")
    print(report(task, ways))
    return 0 if all(_same(way, ways) for way in ways.values()) else 1


def measure(task: Task) -> Iterator[tuple[str, Way]]:
    """Run one way after another, for as long as there is time."""
    write_images(task.folder / "images.npz", task.images)
    yield "one after another", run(task, "alone", 0)
    try:
        for workers in task.workers:
            yield f"{workers} on the card", run(task, f"with-{workers}", workers)
        yield "2, one killed", run(task, "killed", 2, kill=True)
    except subprocess.TimeoutExpired:
        return


def run(task: Task, name: str, workers: int, *, kill: bool = False) -> Way:
    """One sweep by so many workers, as it is typed.

    Raises:
        RunFailedError: it failed.
        TimeoutExpired: there was no time for it.
    """
    folder = task.folder / name
    folder.mkdir()
    log = folder / "output"
    began = time.monotonic()
    with log.open("wb") as output, watched() as seen:
        process = subprocess.Popen(  # noqa: S603 -- our own program
            [*PROGRAM, *_typed(task, workers)], cwd=folder, stdout=output, stderr=output
        )
        try:
            if kill:
                _kill_one(folder, process)
            process.wait(timeout=max(task.left, 0))
        finally:
            process.kill()
    seconds = time.monotonic() - began
    if process.returncode:
        raise RunFailedError(f"the sweep by {workers} workers failed:\n{log.read_text()[-2000:]}")
    memory, busy = zip(*seen, strict=True) if seen else ((), ())
    return Way(
        seconds=seconds,
        weights=weights_of(folder),
        memory_mb=max(memory, default=None),
        busy=fmean(busy) if busy else None,
    )


def _typed(task: Task, workers: int) -> list[str]:
    seeds = ",".join(map(str, range(task.trials)))
    return [
        *("data=npz", f"data.path={task.folder / 'images.npz'}", f"seed={seeds}", "search=null"),
        *(f"trainer.epochs={task.epochs}", "trainer.threads=1", "trajectory.reuse=false"),
        *("tracking.figures=false", "tracking.log_model=false"),
        *(f"hydra.sweeper.n_jobs={workers}", f"hydra.sweeper.study_name={STUDY}"),
    ]


def weights_of(folder: Path) -> dict[int, str]:
    """The digest of the final weights of each trial, by its seed."""
    study = SweepStudy.load(_address(folder), checked=False)
    store = Store.open(replace(study.plan.unchecked().first.tracking, dir=folder / "mlruns"))
    trials = study.trials(TrialState.COMPLETE)
    return {
        int(study.carried_values(trial)["seed"]): store.get(trial.user_attrs[RUN_ID]).tags[WEIGHTS]
        for trial in trials
    }


def _address(folder: Path) -> StudyAddress:
    journal = folder / "mlruns" / "studies" / f"{STUDY}.journal"
    return StudyAddress(storage=str(journal), name=STUDY)


def _kill_one(folder: Path, sweep: "subprocess.Popen[bytes]") -> None:
    """Kill the first worker that has a trial."""
    while sweep.poll() is None:
        time.sleep(0.2)
        try:
            study = SweepStudy.existing(_address(folder), checked=False)
        except StoreError:  # it is being made
            continue
        running = study.trials(TrialState.RUNNING) if study else []
        owners = [t.user_attrs[OWNER]["pid"] for t in running if OWNER in t.user_attrs]
        if owners:
            os.kill(owners[0], signal.SIGKILL)
            return


@contextmanager
def watched() -> Iterator[list[tuple[float, float]]]:
    """Memory in MiB and percent of use of the first card inside the block, once a second."""
    seen: list[tuple[float, float]] = []
    over = Event()

    def look() -> None:
        while not over.wait(1.0):
            listed = subprocess.run(QUERY, capture_output=True, text=True, check=False)  # noqa: S603
            memory, _, busy = listed.stdout.partition("\n")[0].partition(",")
            seen.append((float(memory), float(busy)))

    thread = Thread(target=look, daemon=True)
    if devices.usable():
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        if thread.is_alive():
            thread.join()


def write_images(file: Path, images: int) -> None:
    """Gray images of ten classes, as many as are asked for and a fifth of them for testing."""
    random = np.random.default_rng(0)
    kinds = random.integers(0, 256, (10, 28, 28))
    arrays = {}
    for split, count in (("train", images), ("test", max(images // 5, 10))):
        labels = np.arange(count) % 10
        noise = random.integers(-60, 60, (count, 28, 28))
        arrays[f"x_{split}"] = np.clip(kinds[labels] + noise, 0, 255).astype(np.uint8)
        arrays[f"y_{split}"] = labels
    np.savez(file, **arrays)


def report(task: Task, ways: Mapping[str, Way]) -> str:
    """The table, and what of it was left out."""
    planned = 2 + len(task.workers)
    missing = "" if len(ways) == planned else f"\n\n{planned - len(ways)} ways left out: no time"
    return markdown(HEAD, [_row(name, task, ways) for name in ways]) + missing


def _row(name: str, task: Task, ways: Mapping[str, Way]) -> list[Cell]:
    way = ways[name]
    a_second = task.trials * task.epochs * task.images / way.seconds
    return [
        name,
        60 * task.trials / way.seconds,
        f"{a_second:,.0f}",
        None if way.memory_mb is None else f"{way.memory_mb:,.0f}",
        None if way.busy is None else f"{way.busy:.0f}",
        "yes" if _same(way, ways) else "NO",
    ]


def _same(way: Way, ways: Mapping[str, Way]) -> bool:
    """Whether its trials have the weights of those that were trained one after another."""
    return way.weights == next(iter(ways.values())).weights


if __name__ == "__main__":
    sys.exit(main())
