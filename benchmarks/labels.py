"""How many of the images that `cnn-sweeps data HASH` suspects have a wrong label.

A share of the training labels is replaced by others, a small network is trained, and the images
with the smallest margin over its stored epochs are held against those that were changed.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import recipe
from benchmarks.table import markdown
from cnn_sweeps import data
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.tracking import Store
from cnn_sweeps.training.backend import quiet_stderr

FLIPPED = 0.05
"""Share of the labels that are replaced."""
LISTED = 50
"""Images at the beginning of the list that are looked at."""
PRECISION = 0.9
"""Aim on the sets of `AIMED`."""
DIGITS, FASHION, CIFAR = "digits", "Fashion-MNIST", "CIFAR-10"
AIMED = (DIGITS, FASHION)
LIMITS = {FASHION: 6_000, CIFAR: 5_000}
NETWORK = ("model.filters=32", "trainer.epochs=8", "data.validation_fraction=0")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What became of one data set.

    Attributes:
        name: the data set.
        images: training images.
        flipped: of which so many have another label.
        right: how many of the first `LISTED` of the list are among them.
        accuracy: on the test images, whose labels are as they were.
    """

    name: str
    images: int
    flipped: int
    right: int
    accuracy: float

    @property
    def precision(self) -> float:
        """Share of the first of the list that were flipped."""
        return self.right / LISTED


def measure(folder: Path, names: Sequence[str]) -> Iterator[Found]:
    """Flip labels of each data set, train, and look at the list.

    Raises:
        DataError: the images are not there.
        RunFailedError: a training failed.
    """
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        flipped = write_flipped(folder / f"{name}.npz", _typed(name, folder))
        yield _listed(name, folder, flipped)


def write_flipped(file: Path, typed: Sequence[str], *, seed: int = 0) -> set[int]:
    """Store a data set with some training labels replaced by others; which images these have."""
    found = data.load(validate.compose_data(list(typed)).data)
    random = np.random.RandomState(seed)
    count = len(found.y_train)
    flipped = random.choice(count, round(FLIPPED * count), replace=False)
    labels = found.y_train.copy()
    labels[flipped] += random.randint(1, found.num_classes, len(flipped))
    np.savez(
        file,
        x_train=np.asarray(found.x_train),
        y_train=labels % found.num_classes,
        x_test=np.asarray(found.x_test),
        y_test=found.y_test,
    )
    return set(flipped.tolist())


def report(found: Sequence[Found]) -> str:
    """A table, and what was aimed at."""
    head = ("data", "images", "flipped", f"of the first {LISTED}", "precision", "test accuracy, %")
    rows = [
        (e.name, f"{e.images:,}", e.flipped, e.right, e.precision, 100 * e.accuracy) for e in found
    ]
    return "\n".join([markdown(head, rows), "", *filter(None, map(_verdict, found))])


def _verdict(found: Found) -> str:
    if found.name not in AIMED:
        return ""
    met = "met" if found.precision >= PRECISION else "missed"
    return f"{found.name}: {found.precision:.2f}, target {PRECISION}: {met}"


def _typed(name: str, folder: Path) -> list[str]:
    """The overrides of the clean data set."""
    fraction = "data.validation_fraction=0"
    if name == CIFAR:
        task = recipe.Task(folder=folder, images=LIMITS[CIFAR], test=1_000, epochs=1, seeds=1)
        recipe.photographs(task)
        size = f"data.image_size=[{recipe.SIDE},{recipe.SIDE}]"
        place = (f"data.path='{task.photographs}'", f"data.cache='{folder / 'cache'}'")
        return ["data=image_folder", *place, size, fraction]
    limit = [f"data.limit={LIMITS[name]}"] if name in LIMITS else []
    return [f"data={'digits' if name == DIGITS else 'fashion_mnist'}", *limit, fraction]


def _listed(name: str, folder: Path, flipped: set[int]) -> Found:
    with quiet_stderr():
        from cnn_sweeps.runs.epochs import label_errors  # noqa: PLC0415 -- TensorFlow
        from cnn_sweeps.runs.run import run  # noqa: PLC0415

    place = (
        "data=npz",
        f"data.path='{folder / f'{name}.npz'}'",
        f"tracking.dir='{folder / 'store'}'",
    )
    quiet = ("trainer.progress=none", "tracking.figures=false", "trajectory.epoch_mb=null")
    typed = [*place, *NETWORK, *quiet]
    config = validate.make_config(validate.plain_values(validate.compose(typed)))
    store = Store.open(config.tracking)
    done = run(config, store)
    record = lookup.record_of(store, store.get(done.run_id))
    suspects, _ = label_errors.find_suspects(record, config, store.address.dir)
    right = sum(each.number in flipped for each in suspects[:LISTED])
    return Found(
        name=name,
        images=len(suspects),
        flipped=len(flipped),
        right=right,
        accuracy=done.metrics["test_accuracy"],
    )
