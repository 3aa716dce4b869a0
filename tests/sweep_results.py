"""Results of sweeps made by hand, for what shows them; nothing is trained."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from evaluations import of_classes

from cnn_sweeps.figures.examples import Example, Examples
from cnn_sweeps.sweeps.results.results import (
    Command,
    Curve,
    Importance,
    Objective,
    SweepResults,
    SweptParam,
    Timing,
    Trial,
)
from cnn_sweeps.text.table import Table
from cnn_sweeps.training.epoch import Epoch

FILTERS = SweptParam(key="model.filters", values=(16, 32), told="model.filters=16,32")
RATE = SweptParam(key="rate", numeric=True, log=True, low=1e-4, high=1e-1, told="rate=log")
HASH = "config hash"


def trial(number: int = 0, score: float = 0.9, **changes: Any) -> Trial:
    """A finished trial with a score."""
    made = Trial(
        number=number,
        state="complete",
        rank=number + 1,
        best=number == 0,
        params={"model.filters": 16 if number % 2 else 32, "rate": 10 ** -(1 + number % 3)},
        values={"val_accuracy": score},
        metrics={"train_seconds": 2.0 + number, "trainable_params": 1000, "epochs": 2},
        config_hash=f"{number:064x}",
        run_id=f"{number:032x}",
        begin=2.0 * number,
        end=2.0 * number + 2,
        worker=number % 2,
        epochs=2,
        epochs_trained=2,
        epochs_asked=2,
        seconds_paid=1.5,
    )
    return replace(made, **changes)


def ended(number: int = 7, state: str = "fail", **changes: Any) -> Trial:
    """A trial that failed or was pruned."""
    without = {"rank": None, "best": False, "values": {}, "metrics": {}, "reason": "no luck"}
    return trial(number, state=state, **{**without, **changes})


def epoch(number: int, value: float = 0.5) -> Epoch:
    """An epoch with the same number for everything."""
    return Epoch(
        number=number,
        loss=value,
        accuracy=value,
        val_loss=value,
        val_accuracy=value,
        seconds=1.0,
        images_per_second=10.0,
    )


def results(*trials: Trial, **changes: Any) -> SweepResults:
    """A finished search over filters and a learning rate; three trials unless others are given."""
    shown = trials or tuple(trial(n, 0.9 - n / 100) for n in range(3))
    made = SweepResults(
        study="digits",
        question="Which values of model.filters and rate give the highest val_accuracy?",
        answer=None,
        fixed=("data=digits",),
        objectives=(Objective(name="val_accuracy", direction="maximize"),),
        axes=(FILTERS, RATE),
        sampler="tpe",
        pruner="median",
        begun=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        ended=datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC),
        unfinished=0,
        trials=shown,
        ranking=ranking(shown),
        importances=(
            Importance(objective="val_accuracy", shares={"model.filters": 0.7, "rate": 0.3}),
        ),
        curves=(Curve(trial=0, rank=1, epochs=(epoch(1), epoch(2, 0.7))),),
        timing=Timing(
            wall=60.0,
            workers=2,
            busy=90.0,
            phases={"data": 1.0, "build": 9.0, "train": 70.0, "other": 10.0},
            train_original=80.0,
        ),
        images={
            "class_names": ["ants", "bees"],
            "images_per_class": {"train": [99, 98], "validation": [11, 12], "test": [25, 24]},
            "notices": ["3 of 49 test images are exact copies of training images."],
        },
        environment={"python": "3.11.7", "packages": {"keras": "3.15.1"}, "git_commit": None},
        commands=(Command(purpose="the sweep again", line="cnn-sweeps -m data=digits"),),
    )
    return replace(made, **changes)


def ranking(trials: tuple[Trial, ...]) -> Table:
    """The table of these trials."""
    return Table(
        head=("rank", "val_accuracy", HASH),
        rows=tuple(
            (
                str(each.rank or each.state),
                f"{each.values.get('val_accuracy', math.nan):.4f}",
                (each.config_hash or each.reason or "")[:12],
            )
            for each in trials
        ),
        text=frozenset({HASH}),
        strong=frozenset(number for number, each in enumerate(trials) if each.best),
    )


def example(label: str, predicted: str, probability: float = 0.9) -> Example:
    """An image with what was said of it, and a picture of one pixel."""
    pixel = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQ"
        "AAAABJRU5ErkJggg=="
    )
    return Example(
        number=3,
        label=label,
        predicted=predicted,
        probability=probability,
        picture=pixel,
        heat=pixel,
    )


def evaluated(classes: int = 2, *images: Example, **changes: Any) -> SweepResults:
    """A search whose best was evaluated; two mistakes of nine and a right image are shown."""
    shown = images or (
        example("class 0", "class 1", 0.6),
        example("class 1", "class 0"),
        example("class 1", "class 1"),
    )
    found = Examples(split="test", images=shown, mistakes=9, layer="conv_2")
    return results(evaluation=of_classes(classes), examples=found, **changes)


def many(number: int) -> SweepResults:
    """A search of so many trials."""
    return results(*(trial(n, 0.5 + (n * 7919 % number) / number / 2) for n in range(number)))
