"""What a pretrained backbone gives, and what a head on frozen features costs.

Ants and bees, or any folder of images: a small residual network from scratch; the same one with its
backbone pretrained by a run on other images; and 20 heads on the cached features of MobileNetV2,
beside one epoch of the whole network. Its weights are random: only the time counts there.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.table import markdown
from cnn_sweeps.config.schema import Config
from cnn_sweeps.runs import validate
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.text.shell import pasteable_command
from cnn_sweeps.tracking import Store

RESNET = ("model=resnet", "model.depth=8", "model.width=16")
FROZEN = ("trainer.freeze=backbone", "trainer.features=cached")
HEADS = tuple((dropout, rate) for dropout in (0.0, 0.2, 0.4, 0.6) for rate in (3, 10, 30, 100, 300))
"""Dropout, and learning rate in ten-thousandths."""
TARGET = 20
"""How much less a head costs than the whole network, at least."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """What is trained on.

    Attributes:
        few: overrides of the images of interest.
        many: overrides of those that the backbone is pretrained on.
        side: pixels for MobileNetV2.
        epochs: of each training on the few; of pretraining and of a head.
    """

    few: Sequence[str]
    many: Sequence[str]
    side: int = 160
    epochs: int = 12


def measure(images: Images, folder: Path) -> str:
    """Train all of it; two tables as Markdown, with the commands."""
    return f"{_accuracies(images, folder)}\n\n{_costs(images, folder)}"


def _accuracies(images: Images, folder: Path) -> str:
    epochs = f"trainer.epochs={images.epochs}"
    small = ["data.image_size=[64,64]", epochs]  # no larger: its first layer would be another one
    typed = [*RESNET, *images.many, "data.image_size=[32,32]", epochs]
    result, seconds = run(typed, folder / "runs")
    rows, commands = [_row("pretraining", result, seconds)], [typed]
    head = ["model=pretrained", f"model.weights={result.identity.short}", *images.few, *small]
    thaw = f"trainer.phases=[{{epochs: {images.epochs // 2}}}, {{freeze: 0.5}}]"
    for name, typed in {
        "from scratch": [*RESNET, *images.few, *small],
        "pretrained, all trained": head,
        "pretrained, head alone": [*head, "trainer.freeze=backbone"],
        "pretrained, head, then half": [*head, "trainer.freeze=backbone", thaw],
    }.items():
        rows.append(_row(name, *run(typed, folder / "runs")))
        commands.append(typed)
    lines = [f"    {pasteable_command(['cnn-sweeps', *each])}" for each in commands]
    table = markdown(("training", "val_accuracy", "test_accuracy", "s in all"), rows)
    return "\n".join([table, "", *lines])


def _row(name: str, result: RunResult, seconds: float) -> tuple[str, float, float, float]:
    return name, result.metrics["val_accuracy"], result.metrics["test_accuracy"], seconds


def _costs(images: Images, folder: Path) -> str:
    side = f"data.image_size=[{images.side},{images.side}]"
    shared = ["model=pretrained", "model.weights=null", *images.few, side]
    whole, _ = run([*shared, "trainer.epochs=2"], folder / "time")
    epoch = whole.training.epochs[-1].seconds
    heads = []
    for dropout, rate in HEADS:
        own = [f"model.head.dropout={dropout}", f"trainer.optimizer.learning_rate={rate / 10_000}"]
        result, _ = run(
            [*shared, *FROZEN, *own, f"trainer.epochs={images.epochs}"], folder / "time", trial=True
        )
        # The first epoch of a process traces its graphs: that is start-up.
        later = [each.seconds for each in result.training.epochs[1:]]
        heads.append(sum(later) / len(later))
    mean = sum(heads) / len(heads)
    rows = [
        ("all of MobileNetV2", 1, epoch, 1.0),
        ("a head on cached features", len(heads), mean, epoch / mean),
    ]
    met = "met" if epoch / mean >= TARGET else "missed"
    table = markdown(("an epoch of", "settings", "s", "times less"), rows)
    return f"{table}\n\n{epoch / mean:.0f} times less, target {TARGET}: {met}"


def run(typed: Sequence[str], folder: Path, *, trial: bool = False) -> tuple[RunResult, float]:
    """One experiment, logged to a folder, and its seconds from beginning to end."""
    from cnn_sweeps.runs.run import TrialContext  # noqa: PLC0415 -- TensorFlow, once it is needed
    from cnn_sweeps.runs.run import run as train  # noqa: PLC0415

    config = experiment(typed, folder)
    began = time.perf_counter()
    context = TrialContext(parent_run_id=None) if trial else None
    result = train(config, Store.open(config.tracking), trial=context)
    return result, time.perf_counter() - began


def experiment(typed: Sequence[str], folder: Path) -> Config:
    """The composed experiment; what is measured is trained, and has no figures."""
    config = validate.make_config(validate.plain_values(validate.compose(list(typed))))
    tracking = replace(config.tracking, dir=folder, figures=False)
    trainer = replace(config.trainer, progress="none")
    trajectory = replace(config.trajectory, reuse=False)
    return replace(config, tracking=tracking, trainer=trainer, trajectory=trajectory)
