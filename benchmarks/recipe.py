"""Our training beside plain Keras on a folder of photographs: accuracy, seconds, cost of `light`.

`image_dataset_from_directory`, layers of Keras that augment, `fit` and `evaluate` on the one side;
`data=image_folder augment=light` with all its logging on the other. Network, optimizer, schedule,
batch size, epochs and images are the same. Each training is a process of its own, the two ways in
turns; the clock runs from the end of the imports to the end of the run: plain Keras ends with the
test score, ours with figures, model and record.

Plain Keras decodes the files in each epoch, as its guides begin. Its epoch with `.cache()` is timed
as well, and ours without augmentation: both for the seconds of an epoch only. They begin, and tell
for how many epochs there is time. Both ways start from the same weights for each seed, so that
their difference is that of the training. Each uses the kernels that it uses by itself: plain Keras
those that TensorFlow chooses, unless the shell says which.
"""

import json
import math
import os
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from benchmarks.grid import timed
from benchmarks.table import markdown
from cnn_sweeps.errors import DataError, RunFailedError
from cnn_sweeps.sweeps.comparison.statistics import paired_difference

SIDE = 32
"""Of the images, in pixels."""
ARCHIVE = Path("cifar10_images", "cifar10_images.tar.gz")
KERAS, CACHED, LIGHT, NONE = "keras", "cached", "light", "none"
TITLES = {
    KERAS: "plain Keras: image_dataset_from_directory, layers, fit",
    CACHED: "the same with .cache()",
    LIGHT: "cnn_sweeps, augment=light",
    NONE: "cnn_sweeps, augment=none",
}
TWO_SIDED = 0.9
"""Confidence of the interval whose lower end is the one-sided 95 % bound."""
TIMED = (CACHED, NONE)
"""Ways that are there for the seconds of an epoch only."""
TIMED_SEEDS, TIMED_EPOCHS = 2, 2
"""Trainings of these, and their epochs: the first is not counted."""
SLOWER = 1.2
"""How much longer an epoch may take than one that is timed: plain Keras decodes in each."""
POINTS, TIMES, COST = -0.5, 0.9, 1.1
"""Least lower bound of the difference in points, most time of Keras' and of an epoch without."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every way is given.

    Attributes:
        folder: scratch folder; images and stores go there.
        images: training images.
        test: test images.
        epochs: of each training, at most.
        seeds: how many trainings of each way.
        minutes: what all of it may take.
    """

    folder: Path
    images: int
    test: int
    epochs: int
    seeds: int
    minutes: float = math.inf

    @property
    def photographs(self) -> Path:
        """The images that are trained on, as both read them."""
        return self.folder / f"photographs-{self.images}-{self.test}"


@dataclass(frozen=True, kw_only=True)
class Training:
    """What one training came to.

    Attributes:
        accuracy: on the test images.
        seconds: on the clock, from the end of the imports to that score.
        cpu: seconds that the process had of all cores together.
        epoch: median seconds of an epoch but for the first.
        epochs: how many there were.
        onednn: whether TensorFlow used oneDNN's kernels.
        process: seconds on the clock of its process, imports included.
    """

    accuracy: float
    seconds: float
    cpu: float
    epoch: float
    epochs: int
    onednn: bool
    process: float = 0.0


def compare(task: Task) -> Iterator[tuple[str, Training]]:
    """Train each way with each seed, the ways in turns; what each training came to.

    Raises:
        DataError: there is no copy of CIFAR-10 as JPEG files.
        RunFailedError: a training failed.
    """
    began = time.perf_counter()
    photographs(task)
    timed_epochs = min(task.epochs, TIMED_EPOCHS)
    first = [(way, _in_process(way, 0, task, timed_epochs)) for way in TIMED]
    yield from first
    left = 60 * task.minutes - (time.perf_counter() - began)
    epochs = epochs_within(left, task, [training for _, training in first])
    for seed in range(task.seeds):
        ways = [KERAS, LIGHT, *(TIMED if 0 < seed < TIMED_SEEDS else ())]
        for way in ways if seed % 2 == 0 else reversed(ways):
            yield way, _in_process(way, seed, task, timed_epochs if way in TIMED else epochs)


def epochs_within(seconds: float, task: Task, timed: Sequence[Training]) -> int:
    """As many epochs as trainings of all seeds have time for; the first is no measure of the next.

    Args:
        seconds: that are left.
        task: with the most epochs, and the seeds.
        timed: a first training of each way that is there for its seconds only.
    """
    epoch = SLOWER * max(each.epoch for each in timed)
    beside = max(each.process - each.epochs * each.epoch for each in timed)
    again = (TIMED_SEEDS - 1) * sum(each.process for each in timed)
    trainings = len((KERAS, LIGHT)) * task.seeds
    most = ((seconds - again) / trainings - beside) / epoch
    return task.epochs if most >= task.epochs else max(int(most), TIMED_EPOCHS)


def _told(training: Training) -> str:
    """A training in a line, for whoever waits, or ends it before the table."""
    return f"{100 * training.accuracy:.2f} % in {training.seconds:.1f} s"


def photographs(task: Task) -> None:
    """Lay out the first images of each class of both splits, unpacked where that has to be.

    Raises:
        DataError: there is no archive, or it has fewer images.
    """
    if task.photographs.exists():
        return
    unpacked = task.folder / "unpacked"
    if not unpacked.exists():
        archive = Path(os.environ.get("CNN_SWEEPS_DATA", "."), ARCHIVE)
        if not archive.is_file():
            raise DataError(f"{archive} does not exist; set CNN_SWEEPS_DATA to the folder above.")
        with tarfile.open(archive) as packed:
            packed.extractall(unpacked, filter="data")
    for split, count in (("train", task.images), ("test", task.test)):
        classes = sorted(path for path in (unpacked / split).iterdir() if path.is_dir())
        for number, source in enumerate(classes):
            share = (count + number) // len(classes)
            files = sorted(source.iterdir())[:share]
            if len(files) < share:
                raise DataError(f"{source} has {len(files)} images, not {share}; ask for fewer.")
            target = task.photographs / split / source.name
            target.mkdir(parents=True)
            for file in files:
                os.link(file, target / file.name)


def report(found: Mapping[str, Sequence[Training]], task: Task) -> str:
    """A table of the ways, and what was aimed at, as far as there are trainings."""
    rows = [_row(way, trainings) for way, trainings in found.items() if trainings]
    head = ("way", "test accuracy, %", "s a training", "of a core", "s an epoch", "oneDNN")
    seeds = len(found[LIGHT])
    epochs = max((each.epochs for each in found[LIGHT]), default=0)
    about = f"{task.images:,} images, {epochs} epochs, {seeds} seeds, {task.test:,} tested"
    return "\n".join([markdown(head, rows), "", about, *_verdicts(found)])


def _row(way: str, trainings: Sequence[Training]) -> tuple[str | float | None, ...]:
    """Means of a way; of the trainings that are there for one number, that number."""
    epoch = median(each.epoch for each in trainings)
    onednn = "on" if all(each.onednn for each in trainings) else "off"
    if way in TIMED:
        return TITLES[way], None, None, None, epoch, onednn
    return (
        TITLES[way],
        100 * fmean(each.accuracy for each in trainings),
        fmean(each.seconds for each in trainings),
        fmean(each.cpu for each in trainings),
        epoch,
        onednn,
    )


def _verdicts(found: Mapping[str, Sequence[Training]]) -> Iterator[str]:
    """Ours held against plain Keras by pairs of seeds, and `light` against no augmentation."""
    pairs = list(zip(found[LIGHT], found[KERAS], strict=False))
    if pairs:
        differences = [100 * (ours.accuracy - base.accuracy) for ours, base in pairs]
        each = ", ".join(f"{difference:+.2f}" for difference in differences)
        lowest = lower_bound(differences)
        times, cores = (
            sum(getattr(ours, name) for ours, _ in pairs)
            / sum(getattr(base, name) for _, base in pairs)
            for name in ("seconds", "cpu")
        )
        yield f"accuracy, ours less Keras: {fmean(differences):+.2f} points ({each})"
        yield f"lower 95 % bound: {lowest:+.2f}, target {POINTS:+.1f}: {_met(lowest > POINTS)}"
        yield f"time, ours / Keras: {times:.2f}, target {TIMES:.2f}: {_met(times <= TIMES)}"
        yield f"seconds of a core, ours / Keras: {cores:.2f}"
    if found[LIGHT] and found[CACHED]:
        yield f"an epoch, ours / Keras with .cache(): {_epochs(found, LIGHT, CACHED):.2f}"
    if found[LIGHT] and found[NONE]:
        cost = _epochs(found, LIGHT, NONE)
        yield f"an epoch, light / none: {cost:.2f}, target {COST:.2f}: {_met(cost <= COST)}"


def _epochs(found: Mapping[str, Sequence[Training]], one: str, other: str) -> float:
    """The seconds of an epoch as a multiple of another way's, by seed: the median."""
    pairs = zip(found[one], found[other], strict=False)
    return median(a.epoch / b.epoch for a, b in pairs)


def lower_bound(differences: Sequence[float]) -> float:
    """The one-sided 95 % bound of the mean of paired differences (Student's t)."""
    of_seeds = dict(enumerate(differences))
    found = paired_difference(of_seeds, dict.fromkeys(of_seeds, 0.0), confidence=TWO_SIDED)
    return -math.inf if found is None or found.half is None else found.mean - found.half


def _met(reached: bool) -> str:
    return "met" if reached else "missed"


def _in_process(way: str, seed: int, task: Task, epochs: int) -> Training:
    command = [sys.executable, "-m", "benchmarks.recipe_training"]
    command += [way, str(seed), str(epochs)]
    process, printed = timed([*command, str(task.photographs)], task.folder / "trainings")
    try:
        done = Training(**json.loads(printed.splitlines()[-1]), process=process)
    except (ValueError, IndexError, TypeError):
        raise RunFailedError(f"{' '.join(command)} printed no result:\n  {printed}") from None
    print(f"seed {seed}, {TITLES[way]}: {_told(done)}", file=sys.stderr, flush=True)
    return done
