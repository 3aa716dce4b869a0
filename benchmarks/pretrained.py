"""What a pretrained backbone gives, and what a head on frozen features costs.

Ants and bees, or any folder of images: a small residual network from scratch; the same one with its
backbone pretrained by a run on other images; and 20 heads on the cached features of MobileNetV2,
beside epochs of the whole network. Its weights are random: only the time counts there.

Costs are seconds of the processor, of all threads: what else runs on the machine moves them little.
Start-up is left out: an epoch counts from the end of the one before it. The one pass through the
backbone, which all heads share, is what the first head took longer than the others, with start-up.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.table import markdown
from cnn_sweeps.config.schema import Config
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.text.shell import pasteable_command
from cnn_sweeps.tracking import Store
from cnn_sweeps.training.epoch import Epoch

RESNET = ("model=resnet", "model.depth=8", "model.width=16")
FROZEN = ("trainer.freeze=backbone", "trainer.features=cached")
HEADS = tuple((dropout, rate) for dropout in (0.0, 0.2, 0.4, 0.6) for rate in (3, 10, 30, 100, 300))
"""Dropout, and learning rate in ten-thousandths."""
TARGET = 20
"""How many times less a head costs than the whole network, at least."""
TICK = 0.01
"""Seconds that can be told apart."""


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


def accuracies(images: Images, folder: Path) -> str:
    """Train with and without pretraining; a table as Markdown, the commands and a verdict."""
    epochs = f"trainer.epochs={images.epochs}"
    small = ["data.image_size=[64,64]", epochs]  # no larger: its first layer would be another one
    typed = [*RESNET, *images.many, "data.image_size=[32,32]", epochs]
    before = run(typed, folder / "runs")
    rows, commands = [before.row("pretraining")], [typed]
    weights = f"model.weights={before.result.identity.short}"
    head = ["model=pretrained", weights, *images.few, *small]
    thaw = f"trainer.phases=[{{epochs: {images.epochs // 2}}}, {{freeze: 0.5}}]"
    for name, typed in {
        "from scratch": [*RESNET, *images.few, *small],
        "pretrained, all trained": head,
        "pretrained, head alone": [*head, "trainer.freeze=backbone"],
        "pretrained, head, then half": [*head, "trainer.freeze=backbone", thaw],
    }.items():
        rows.append(run(typed, folder / "runs").row(name))
        commands.append(typed)
    lines = [f"    {pasteable_command(['cnn-sweeps', *each])}" for each in commands]
    head_line = ("training", "val_accuracy", "test_accuracy", "s in all", "CPU s")
    scratch, best = rows[1][2], max(row[2] for row in rows[2:])
    told = _verdict("best test accuracy with a pretrained backbone", best, scratch)
    return "\n".join([markdown(head_line, rows), "", *lines, "", told])


def costs(images: Images, folder: Path) -> str:
    """Train heads on cached features, and the whole network; a table as Markdown and a verdict."""
    folder = folder / "time"
    side = f"data.image_size=[{images.side},{images.side}]"
    shared = ["model=pretrained", "model.weights=null", *images.few, side]
    shared += ["tracking.log_model=false", f"data.cache='{folder / 'cache'}'"]
    whole = run([*shared, "trainer.epochs=3"], folder, trial=True)
    heads = []
    for dropout, rate in HEADS:
        own = [f"model.head.dropout={dropout}", f"trainer.optimizer.learning_rate={rate / 10_000}"]
        typed = [*shared, *FROZEN, *own, f"trainer.epochs={images.epochs}"]
        heads.append(run(typed, folder, trial=True))
    first, *others = (each.cpu_seconds for each in heads)
    features = max(first - median(others), TICK)
    full = images.epochs * whole.epoch
    setting = features / len(heads) + images.epochs * mean(each.epoch for each in heads)
    rows = [
        (f"all of MobileNetV2 at {images.side} px", images.epochs, full, 1.0),
        ("features, once for all heads", 1, features, full / features),
        (f"each of {len(heads)} heads, its share included", images.epochs, setting, full / setting),
    ]
    table = markdown(("what is trained", "epochs", "CPU s", "times less"), rows)
    started = f"start-up of a head: {median(others) - images.epochs * heads[-1].epoch:.1f} CPU s"
    told = _verdict("a head costs so many times less", full / setting, TARGET)
    return "\n\n".join([table, started, told])


def _verdict(what: str, found: float, target: float) -> str:
    met = "met" if found >= target else "missed"
    return f"{what}: {found:.4g}, target {target:.4g}: {met}"


@dataclass(kw_only=True)
class Timed:
    """One training, and what it took.

    Attributes:
        result: the `RunResult`.
        seconds: from beginning to end.
        cpu_seconds: the same, of the processor.
        ends: when each epoch ended, in seconds of the processor.
    """

    result: Any = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    ends: list[float] = field(default_factory=list)

    def on_epoch(self, _epoch: Epoch) -> None:
        """Note when an epoch has ended."""
        self.ends.append(time.process_time())

    @property
    def epoch(self) -> float:
        """CPU seconds of an epoch: the mean of those after the first, which traces its graphs."""
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)

    def row(self, name: str) -> tuple[str, float, float, float, float]:
        """Its line of the table of accuracies."""
        scores = (self.result.metrics[f"{split}_accuracy"] for split in ("val", "test"))
        return (name, *scores, self.seconds, self.cpu_seconds)


def run(typed: Sequence[str], folder: Path, *, trial: bool = False) -> Timed:
    """One experiment, logged to a folder; as a trial its test images are not scored."""
    from cnn_sweeps.runs.run import TrialContext  # noqa: PLC0415 -- TensorFlow, once it is needed
    from cnn_sweeps.runs.run import run as train  # noqa: PLC0415

    timed, config = Timed(), experiment(typed, folder)
    began, cpu_began = time.perf_counter(), time.process_time()
    context = TrialContext(parent_run_id=None) if trial else None
    store = Store.open(config.tracking)
    timed.result = train(config, store, trial=context, callbacks=[timed])
    timed.seconds = time.perf_counter() - began
    timed.cpu_seconds = time.process_time() - cpu_began
    return timed


def experiment(typed: Sequence[str], folder: Path) -> Config:
    """The composed experiment; what is measured is trained, and has no figures."""
    own = [f"tracking.dir='{folder}'", "tracking.figures=false", "trainer.progress=none"]
    composed = validate.compose([*typed, *own, "trajectory.reuse=false"])
    return validate.make_config(validate.plain_values(composed))
