"""One training at once, and one that is broken off and goes on; for child processes."""

import dataclasses
import hashlib
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs import config

from cnn_sweeps.config import Config
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.provenance.identity import identify

if TYPE_CHECKING:
    from cnn_sweeps.data import Dataset

SHAPE, CLASSES = (8, 8, 1), 3
TIMINGS = ("seconds", "images_per_second")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A training, and where it is broken off.

    Attributes:
        model: the network, as plain values.
        trainer: how it is trained, but for the epochs; one step in a call where it does not say.
        augment: what is done to the images at random.
        images: training images; with batches of 16, 50 leave a smaller last one.
        held_out: validation images.
        seed: where its random choices begin.
        epochs: of the whole training.
        split: epochs of the first piece; the rest is trained in another process.
        kill: the epoch in the middle of which the process of a second piece is killed; None where
            there are two pieces, and the first is what is stored when so much of the whole is done.
        stopped: with `kill`, whether the first piece is all of the training, stopped on its way,
            because one with fewer epochs would be another.
        files: settings of `data` where the images are files, which each process reads.
        epoch_mb: size of an epoch beyond which it keeps its metrics alone.
        shared: where the pieces are of two users with a shared store, the share of epochs that the
            second one audits; nobody is killed then.
    """

    model: dict[str, Any]
    trainer: dict[str, Any] = field(default_factory=dict)
    augment: dict[str, Any] = field(default_factory=dict)
    images: int = 50
    held_out: int = 12
    seed: int = 0
    epochs: int = 4
    split: int = 2
    kill: int | None = None
    stopped: bool = False
    files: dict[str, Any] = field(default_factory=dict)
    epoch_mb: float | None = None
    shared: float | None = None

    def config(self, epochs: int, *, reuse: bool, store: Path | None = None) -> Config:
        """The experiment with so many epochs."""
        trainer = {"batch_size": 16, "threads": 1, "steps_per_execution": 1}
        trainer |= {**self.trainer, "epochs": epochs}
        trajectory = {"reuse": reuse, "epoch_mb": self.epoch_mb}
        if store is not None:
            trajectory |= {"store": str(store), "audit": self.shared or 0.0}
        return config(
            model=self.model,
            trainer=trainer,
            augment=self.augment,
            trajectory=trajectory,
            seed=self.seed,
        )


@dataclass(frozen=True)
class SeedResult:
    """What a training came to, to the last bit.

    Attributes:
        weights: digest of the final weights.
        state: digest of everything that training goes on from; empty where the network has
            been brought back to its best weights.
        epochs: every metric of every epoch but the timings.
        stopped: why it ended.
        chosen: which weights it ended with.
    """

    weights: str
    state: str
    epochs: tuple[dict[str, Any], ...]
    stopped: str
    chosen: str


def train(
    case: Case,
    folder: str,
    *,
    epochs: int,
    reuse: bool = True,
    kill: int | None = None,
    callbacks: Sequence[Any] = (),
) -> tuple[SeedResult, list[int]]:
    """Train in this process as a run does; the outcome, and the epochs that were trained here."""
    from networks import dataset

    from cnn_sweeps.models import build
    from cnn_sweeps.training import averaging, backend, loop
    from cnn_sweeps.training import state as variables
    from cnn_sweeps.trajectories.resume import TrainingRequest, open_epoch_source

    store = Path(folder).parent / "shared" if reuse and case.shared is not None else None
    asked = case.config(epochs, reuse=reuse, store=store)
    backend.configure_backend(asked.trainer, asked.seed)
    images = photographs(case, Path(folder).parent) if case.files else None
    data = images or dataset(case.images, case.held_out)
    model = build.build_model(asked.model, SHAPE, CLASSES)
    trainer = loop.Trainer.compile(model, data, asked, on_step=killer(kill) if kill else None)
    environment = Environment.capture(threads=asked.trainer.threads, deterministic=True)
    request = TrainingRequest(
        config=asked,
        identity=identify(asked, data.digest),
        environment=environment,
        folder=Path(folder),
    )
    with open_epoch_source(trainer, request, run_id="run") as source:
        done = loop.train(source, asked.trainer, callbacks=callbacks)
        done = averaging.consider(done, trainer, source)
    here = [epoch.number for epoch in done.epochs if epoch.number not in source.reused]
    as_trained = done.chosen == f"epoch {len(done.epochs)}"
    state = digest(variables.snapshot(model)) if as_trained else ""
    epochs_seen = tuple(exact(dataclasses.asdict(epoch)) for epoch in done.epochs)
    weights = variables.weights_sha256(model)
    return SeedResult(weights, state, epochs_seen, done.stopped, done.chosen), here


def photographs(case: Case, folder: Path) -> "Dataset":
    """Gray image files of three classes, wider than high, as a process reads them.

    The first process decodes them into a cache, and the others map what is there.
    """
    import numpy as np
    from PIL import Image

    from cnn_sweeps.config.schema import FolderData, TableData
    from cnn_sweeps.data import load

    files = [f"{number % CLASSES}/{number:02}.png" for number in range(case.images)]
    rows = [f"{file},{file[0]},{number // 2}" for number, file in enumerate(files)]
    random, place = np.random.default_rng(0), folder / "photographs"
    for file in files if not place.exists() else ():
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 65536, (8, 12), dtype=np.uint16)).save(place / file)
    table = place.with_name("photographs.csv")
    table.write_text("\n".join(["path,label,group", *(f"photographs/{row}" for row in rows)]))
    listed = case.files["name"] == "table"
    settings = {
        **{"path": table if listed else place, "cache": folder / "cache"},
        **{"image_size": SHAPE[:2], "color": "grayscale", "validation_fraction": 0.2},
        **case.files,
    }
    return load(TableData(**settings) if listed else FolderData(**settings))


class Stopper:
    """Stops a training after an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_epoch(self, epoch: Any) -> None:
        """Stop there."""
        from cnn_sweeps.training.stopping import StopTraining

        if epoch.number == self.epoch:
            raise StopTraining("stopped")


class Copier:
    """Copies what is stored after an epoch: a process that ends there leaves it."""

    def __init__(self, epoch: int, stored: str, copy: str) -> None:
        self.epoch, self.stored, self.copy = epoch, stored, copy

    def on_epoch(self, epoch: Any) -> None:
        """Copy it there."""
        if epoch.number == self.epoch:
            shutil.copytree(self.stored, self.copy)


def digest(snapshot: dict[str, Any]) -> str:
    """One digest of all variables."""
    made = hashlib.sha256()
    for key, value in snapshot.items():
        made.update(f"{key}{value.dtype}{value.shape}".encode() + value.tobytes())
    return made.hexdigest()


def exact(epoch: dict[str, Any]) -> dict[str, Any]:
    """The metrics of an epoch, so that two that differ in a bit differ, and NaN equals NaN."""
    metrics = {name: value for name, value in epoch.items() if name not in TIMINGS}
    return {k: v.hex() if isinstance(v, float) else v for k, v in metrics.items()}


def killer(count: int) -> Callable[[int], None]:
    """Kills this process, as `kill -9` does, when it has made a step of so many epochs."""
    begun = 0

    def on_step(step: int) -> None:
        nonlocal begun
        begun += step == 0
        if begun == count and step > 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step


def first_process(case: Case, folder: str, pipe: Connection) -> None:
    """The whole training, and what is stored of it where it is broken off.

    Where a later process is killed, or epochs are shared, that is what a shorter training stores.
    """
    pieces = f"{folder}/pieces"
    if case.kill is None and case.shared is None:
        stored = f"{folder}/whole"
        copier = Copier(case.split, stored, pieces)
        whole, _ = train(case, stored, epochs=case.epochs, callbacks=[copier])
    else:
        whole, _ = train(case, f"{folder}/none", epochs=case.epochs, reuse=False)
        if case.stopped:
            train(case, pieces, epochs=case.epochs, callbacks=[Stopper(case.split)])
        else:
            train(case, pieces, epochs=case.split)
    pipe.send(whole)


def second_process(case: Case, folder: str, pipe: Connection) -> None:
    """The second piece, which is killed."""
    assert case.kill is not None
    train(case, f"{folder}/pieces", epochs=case.epochs, kill=case.kill - case.split)


def last_process(case: Case, folder: str, pipe: Connection) -> None:
    """What the others did not come to; of another user where there are two."""
    pieces = "pieces" if case.shared is None else "another"
    pipe.send(train(case, f"{folder}/{pieces}", epochs=case.epochs))
