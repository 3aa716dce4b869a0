"""One training of `recipe`, in a process of its own: plain Keras, or cnn_sweeps.

Run by it as `python -m benchmarks.recipe_training keras|cached|light|none SEED EPOCHS PHOTOGRAPHS`.
"""

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.recipe import SIDE
from cnn_sweeps.config.schema import Config
from cnn_sweeps.models import network_of
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.tracking import Store
from cnn_sweeps.training.backend import quiet_stderr

with quiet_stderr():
    import keras
    from tensorflow.python.util._pywrap_util_port import IsMklEnabled

    import cnn_sweeps.sweeps.workers.preload  # noqa: F401  what every worker imports once
    from cnn_sweeps.runs.run import run

BATCH = 64
SHIFT = 0.125
"""Share of the side by which `augment=light` shifts."""
SETTINGS = (
    *("model=resnet", "model.depth=8", "model.width=8", f"data.image_size=[{SIDE},{SIDE}]"),
    *("data=image_folder", "data.validation_fraction=0", f"trainer.batch_size={BATCH}"),
    *("trainer.schedule.name=cosine", "trainer.progress=none", "trajectory.reuse=false"),
)
"""What all ways share."""
Result = tuple[float, list[float]]
"""Accuracy on the test images, and the seconds of each epoch."""


def experiment(augment: str, seed: int, epochs: int, photographs: Path) -> Config:
    """The experiment that is trained; of it plain Keras gets network, optimizer and schedule."""
    typed = [
        *(*SETTINGS, f"augment={augment}", f"seed={seed}", f"trainer.epochs={epochs}"),
        *(f"data.path='{photographs}'", f"data.cache='{photographs.parent / 'cache'}'"),
        f"tracking.dir='{photographs.parent / 'store'}'",
    ]
    return validate.make_config(validate.plain_values(validate.compose(typed)))


def train_ours(config: Config) -> Result:
    """A run as the command makes it, with its record, figures and model."""
    done = run(config, Store.open(config.tracking))
    return done.metrics["test_accuracy"], [epoch.seconds for epoch in done.training.epochs]


def train_keras(config: Config, photographs: Path, *, cached: bool) -> Result:
    """What the guides of Keras do: a pipeline of files, layers that augment, `fit`.

    Args:
        config: of which network, optimizer and schedule are taken.
        photographs: folder of the images.
        cached: whether the decoded images are kept in memory, as TensorFlow's guide does it.
    """
    keras.utils.set_random_seed(config.seed)
    train, test = (
        keras.utils.image_dataset_from_directory(
            photographs / split,
            image_size=(SIDE, SIDE),
            batch_size=BATCH,
            shuffle=split == "train",
            seed=config.seed,
            verbose=False,
        )
        for split in ("train", "test")
    )
    scaled = keras.Input((SIDE, SIDE, 3))  # first: its weights are those that ours begins with
    scores = network_of(config.model).build(config.model, scaled, len(train.class_names))
    image = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.RandomFlip("horizontal")(image)
    x = keras.layers.RandomTranslation(SHIFT, SHIFT, "reflect", "nearest")(x)
    x = keras.layers.Rescaling(1 / 255)(x)
    model = keras.Model(image, keras.Model(scaled, scores)(x))
    steps = len(train) * config.trainer.epochs
    rate = config.trainer.optimizer.learning_rate
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    clock = EpochSeconds()
    images = train.cache().shuffle(1_000) if cached else train
    model.fit(images.prefetch(-1), epochs=config.trainer.epochs, verbose=0, callbacks=[clock])
    return model.evaluate(test, verbose=0, return_dict=True)["accuracy"], clock.seconds


class EpochSeconds(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is untyped
    """Takes the time of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, *_: Any) -> None:
        """Begin."""
        self._began = time.perf_counter()

    def on_epoch_end(self, *_: Any) -> None:
        """End."""
        self.seconds.append(time.perf_counter() - self._began)


def main(way: str, seed: str, epochs: str, folder: str) -> None:
    """Train, and print what it came to as the last line."""
    began, cpu, photographs = time.perf_counter(), time.process_time(), Path(folder)
    plain = way in ("keras", "cached")
    config = experiment("light" if plain else way, int(seed), int(epochs), photographs)
    accuracy, seconds = (
        train_keras(config, photographs, cached=way == "cached") if plain else train_ours(config)
    )
    made = {
        "accuracy": accuracy,
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "epoch": median(seconds[1:] or seconds),
        "epochs": len(seconds),
        "onednn": IsMklEnabled(),
    }
    print(json.dumps(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
