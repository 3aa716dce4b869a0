"""What many image files cost: how soon the next sweep on them starts, and memory of its workers.

A sweep of a tiny network is started twice on many files and once on few. The start is the time
from the command to the first image that is trained on. Memory is the proportional set size (PSS)
of all processes of the sweep together, in which what several of them share counts once. Pages of
files, such as libraries, are told apart: the system drops them when it needs room.
"""

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from benchmarks import studies
from benchmarks.grid import PROGRAM, timed
from benchmarks.table import markdown
from cnn_sweeps.sweeps.study.attributes import metrics_of

FEW = 1_000
SIDE = 32
CLASSES = 10
FIRST, SECOND, SMALL = "first start", "second start", "second start, few files"
START_TARGET, MEMORY_TARGET = 10.0, 0.3
"""Seconds until the second sweep trains; GB of all workers beyond what few files take."""
KB = 1024
EVERY = 0.25
"""Seconds between two looks at the memory."""
READ = """
import sys, time
from cnn_sweeps.data import load
from cnn_sweeps.runs.composition import validate
config = validate.compose_data(sys.argv[1:]).data
began, cpu = time.perf_counter(), time.process_time()
load(config)
print(time.perf_counter() - began, time.process_time() - cpu)
"""


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a sweep began, and what its processes took.

    Attributes:
        images: files.
        start: seconds from the command to the first step of training.
        pss: most memory of all its processes together, in GB.
        files: of it, pages of files, in GB.
        read: seconds to read the data set in a process by itself, on the clock.
        cpu: seconds of a core of it.
    """

    images: int
    start: float
    pss: float
    files: float
    read: float
    cpu: float


def compare(folder: Path, *, images: int, workers: int) -> dict[str, Start]:
    """Sweep twice over many files, and twice over few.

    Raises:
        RunFailedError: a sweep failed.
    """
    found = {}
    for name, count, number in (
        *((FIRST, images, 0), (SECOND, images, 1)),
        *(("", FEW, 2), (SMALL, FEW, 3)),
    ):
        photographs = write_images(folder / f"photographs-{count}", count)
        print(f"{name or 'few files'} ...", file=sys.stderr, flush=True)
        found[name] = _start(folder, photographs, count, workers, number)
    del found[""]
    return found


def write_images(folder: Path, count: int) -> Path:
    """So many different small JPEG files in ten classes."""
    import numpy as np  # noqa: PLC0415 -- only where images are made
    from PIL import Image  # noqa: PLC0415

    random = np.random.default_rng(0)
    for number in range(count):
        file = folder / f"class {number % CLASSES}" / f"{number:07}.jpg"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            small = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(small).resize((SIDE, SIDE)).save(file)
    return folder


def report(found: Mapping[str, Start]) -> str:
    """A table, and what was aimed at."""
    rows = [
        (name, f"{each.images:,}", each.start, each.read, each.cpu, each.pss, each.files)
        for name, each in found.items()
    ]
    head = ("sweep", "files", "s to train", "s to read", "of a core", "GB PSS", "of files")
    start, more = found[SECOND].start, found[SECOND].pss - found[SMALL].pss
    return "\n".join(
        [
            markdown(head, rows),
            "",
            f"second start {start:.1f} s, target {START_TARGET:.0f}: {_met(start, START_TARGET)}",
            f"memory {more:+.2f} GB, target {MEMORY_TARGET}: {_met(more, MEMORY_TARGET)}",
        ]
    )


def _met(value: float, most: float) -> str:
    return "met" if value <= most else "missed"


def _start(folder: Path, photographs: Path, images: int, workers: int, number: int) -> Start:
    data = [
        *("data=image_folder", f"data.path='{photographs}'", f"data.image_size=[{SIDE},{SIDE}]"),
        f"data.cache='{folder / 'cache'}'",
    ]
    read, cpu = (
        map(float, timed([sys.executable, "-c", READ, *data], folder)[1].split())
        if (number)
        else (0.0, 0.0)
    )
    seeds = ",".join(str(workers * number + seed) for seed in range(workers))
    typed = [*data, "model=dnn", "model.dense_units=8", "trainer.epochs=2", "trainer.threads=1"]
    place, began = folder / f"sweep-{number}", datetime.now()  # noqa: DTZ005 -- as Optuna's
    with watched_memory() as most:
        timed([*PROGRAM, *typed, f"seed={seeds}", f"hydra.sweeper.n_jobs={workers}"], place)
    starts = [
        (studies.span(trial)[0] - began).total_seconds()
        + metrics_of(trial.user_attrs).get("data_seconds", 0.0)
        for trial in studies.completed(place, workers)
    ]
    pss, mapped = max(most, default=(0.0, 0.0))
    return Start(images=images, start=min(starts), pss=pss, files=mapped, read=read, cpu=cpu)


@contextmanager
def watched_memory() -> Iterator[Sequence[tuple[float, float]]]:
    """The PSS of all processes that are started inside the block every now and then, in GB.

    Each time all of it, and the part that is pages of files.
    """
    seen, over = list[tuple[float, float]](), threading.Event()

    def look() -> None:
        while not over.wait(EVERY):
            seen.append(_pss())

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()


def _pss() -> tuple[float, float]:
    total, mapped = 0, 0
    for process in psutil.Process().children(recursive=True):
        with suppress(OSError):  # it has ended; a system without it
            for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
                name, *value = line.split()
                total += int(value[0]) if name == "Pss:" else 0
                mapped += int(value[0]) if name == "Pss_File:" else 0
    return total * KB / 1e9, mapped * KB / 1e9
