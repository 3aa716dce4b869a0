"""A training that goes on from a checkpoint equals, bit for bit, one that never stopped.

Each case is trained from scratch, in two pieces in two processes, and after `kill -9` in the
middle of an epoch: weights, optimizer, random generators and every metric must be the same.
"""

import random
import signal
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from exactness import Case, first_process, second_process

from cnn_sweeps.config.schema import Augment, FolderData, Schedule, TrainerConfig
from cnn_sweeps.models import NETWORKS
from cnn_sweeps.sweeps.workers.forkserver import CONTEXT, warm_up
from cnn_sweeps.training.optimizers import OPTIMIZERS

pytestmark = pytest.mark.slow

DNN = {"name": "dnn", "dense_units": 6, "dropout": 0.3}
CNN = {"name": "cnn", "filters": 3, "conv_blocks": 1, "dense_units": 6}
RESNET = {"name": "resnet", "depth": 6, "stages": 2, "width": 3, "dropout": 0.3}
PRETRAINED = {
    "name": "pretrained",
    "backbone": {"name": "resnet", "depth": 6, "stages": 2, "width": 3},
    "weights": None,
    "head": {"dropout": 0.3},
}
FULL = {**CNN, "dropout": 0.3, "batch_norm": True}


def custom(function: str, **params: Any) -> dict[str, Any]:
    """A network of the user's."""
    return {"name": "custom", "function": f"exact_nets:{function}", "params": params}


def optimizer(name: str, learning_rate: float = 0.003, **params: Any) -> dict[str, Any]:
    """The trainer's optimizer."""
    return {"optimizer": {"name": name, "learning_rate": learning_rate, "params": params}}


def schedule(name: str, **fields: Any) -> dict[str, Any]:
    """The trainer's schedule, which reaches its end within the training."""
    return {"schedule": {"name": name, "decay_epochs": 3, **fields}}


AUGMENT: dict[str, dict[str, Any]] = {
    "flip": {"flip": "both"},
    "crop": {"crop": 0.25},
    "rotate": {"rotate": 20.0},
    "zoom": {"zoom": 0.3},
    "color": {"color": 0.4},
    "randaugment": {"randaugment": 2},
    "erasing": {"erasing": 0.5},
    "mixup": {"mixup": 0.3},
    "cutmix": {"cutmix": 1.0},
}
"""A value of each switch."""
EVERYTHING = {key: value for given in AUGMENT.values() for key, value in given.items()}
FILES: dict[str, dict[str, Any]] = {
    "stretch": {"name": "image_folder", "resize": "stretch"},
    "crop": {"name": "image_folder", "resize": "crop"},
    "pad": {"name": "table", "resize": "pad"},
}
"""Image files in each way to bring them to size, listed in folders and in a table with groups."""
LOSS = {"label_smoothing": 0.1, "class_weight": {"dark": 2.0, "1": 0.5}}


def dropping(name: str, **fields: Any) -> dict[str, Any]:
    """The trainer's schedule that has no end value."""
    return {"schedule": {"name": name, **fields}}


def phases(*each: dict[str, Any]) -> dict[str, Any]:
    """The trainer's phases."""
    return {"phases": list(each)}


NOISY = optimizer("sgd", learning_rate=1.0)
"""Steps so large that the mean of some epochs is better than any."""
BEST = {"early_stopping": {"patience": 2, "min_delta": 99.0}}
CASES = {
    "dnn, dropout, batch norm": Case(model={**DNN, "dropout": 0.4, "batch_norm": True}),
    "cnn": Case(model=CNN, split=1, kill=2),
    "cnn, dropout, batch norm": Case(model=FULL, split=3, kill=4),
    "resnet": Case(model=RESNET),
    "global pooling": Case(model={**CNN, "global_pooling": "average"}),
    "augmentation": Case(model=custom("augmented"), seed=7),
    "recurrent": Case(model=custom("recurrent")),
    "bfloat16 weights": Case(model=custom("narrow")),
    "shared generator": Case(model=custom("noisy")),
    "hidden state": Case(model=custom("noisy", foreign=True)),
    "adam, amsgrad": Case(model=DNN, trainer=optimizer("adam", amsgrad=True)),
    "adamw, decay": Case(model=DNN, trainer=optimizer("adamw", weight_decay=0.01)),
    "nadam": Case(model=DNN, trainer=optimizer("nadam")),
    "adamax": Case(model=DNN, trainer=optimizer("adamax")),
    "rmsprop, centred": Case(model=DNN, trainer=optimizer("rmsprop", momentum=0.9, centered=True)),
    "sgd, nesterov": Case(model=FULL, trainer=optimizer("sgd", momentum=0.9, nesterov=True)),
    "adagrad, clipped": Case(model=DNN, trainer=optimizer("adagrad", global_clipnorm=1.0)),
    "own loss": Case(model=FULL, trainer={"loss": "exact_nets:focal"}),
    "own loss, mixed_float16, averaged": Case(
        model=DNN, trainer={"loss": "exact_nets:focal", "precision": "mixed_float16", "ema": 0.9}
    ),
    "clipped by one key": Case(model=DNN, trainer={"clip_norm": 0.1}),
    "averaged weights": Case(model=FULL, trainer={"ema": 0.9}),
    "averaged weights, best": Case(model=FULL, trainer={"ema": 0.9, **BEST}),
    "averaged weights, mixed_float16": Case(
        model=FULL, trainer={"ema": 0.5, "precision": "mixed_float16"}
    ),
    "average of epochs": Case(model=FULL, trainer={"weight_averaging": 3, **NOISY}),
    "average of epochs, kept or not": Case(
        model=DNN, trainer={"weight_averaging": 2, "ema": 0.5, "precision": "mixed_float16"}
    ),
    "average of epochs, best": Case(model=FULL, trainer={"weight_averaging": 3, **BEST}),
    "average of epochs, phases": Case(
        model=RESNET,
        trainer={"weight_averaging": 4, **phases({"first": 3, "batch_size": 5}), **NOISY},
        stopped=True,
    ),
    "lion": Case(model=DNN, trainer=optimizer("lion", learning_rate=0.0003)),
    "accumulated gradients": Case(
        model=DNN, trainer=optimizer("adam", gradient_accumulation_steps=3)
    ),
    "constant, warm-up": Case(model=DNN, trainer={"schedule": {"warmup_epochs": 2}}),
    "cosine, warm-up": Case(model=DNN, trainer=schedule("cosine", warmup_epochs=1)),
    "linear, warm-up": Case(model=DNN, trainer=schedule("linear", warmup_epochs=2)),
    "exponential, warm-up": Case(
        model=DNN, trainer=schedule("exponential", end_factor=0.1, warmup_epochs=1)
    ),
    "square root": Case(model=DNN, trainer=schedule("sqrt")),
    "step": Case(model=DNN, trainer=dropping("step", drop_epochs=2, warmup_epochs=1)),
    "wsd, warm-up": Case(
        model=FULL,
        trainer={"schedule": {"name": "wsd", "cooldown_epochs": 2, "warmup_epochs": 1}},
        stopped=True,
    ),
    "reduce on plateau": Case(
        model=DNN, trainer=dropping("reduce_on_plateau", patience=1, min_delta=99.0)
    ),
    "reduce on plateau, by a measured metric": Case(
        model=DNN,
        trainer=dropping("reduce_on_plateau", patience=1, monitor="val_macro_f1", min_delta=99.0),
        epoch_mb=0,
    ),
    "phases: learning rate, broken off in the first": Case(
        model=FULL, trainer=phases({"first": 4, "optimizer.learning_rate": 1e-4}), stopped=True
    ),
    "phases: broken off where one begins": Case(
        model=FULL,
        trainer=phases({"first": 3, "batch_size": 5, "schedule.name": "linear"}),
        stopped=True,
    ),
    "phases: broken off after two began": Case(
        model=DNN,
        trainer=phases({"epochs": 1}, {"epochs": 1, "optimizer.name": "lion"}, {"batch_size": 7}),
        split=3,
        kill=4,
    ),
    "phases: another optimizer": Case(
        model=DNN,
        trainer=phases({"first": 2, "optimizer.name": "sgd", "optimizer.params.momentum": 0.9}),
        kill=2,
    ),
    "phases: plateaus, mixed_float16": Case(
        model=FULL,
        trainer={
            **dropping("reduce_on_plateau", patience=1, monitor="loss", min_delta=99.0),
            **phases({"epochs": 2}, {"schedule.patience": 2}),
            "precision": "mixed_float16",
        },
        stopped=True,
    ),
    "phases: averaged weights, another optimizer": Case(
        model=FULL,
        trainer={"ema": 0.9, **phases({"first": 3, "optimizer.name": "sgd", "clip_norm": 1.0})},
        stopped=True,
    ),
    "phases: other augmentation and loss": Case(
        model=FULL,
        augment={"flip": "horizontal", "mixup": 0.3},
        trainer=phases({"first": 3, "augment.mixup": 0.0, "label_smoothing": 0.1}),
        stopped=True,
    ),
    "pretrained, phases: frozen, then from a share, then from a layer": Case(
        model=PRETRAINED,
        trainer={
            "freeze": "backbone",
            **phases({"epochs": 2}, {"epochs": 1, "freeze": 0.5}, {"freeze": "stem"}),
        },
        split=3,
        kill=3,
        stopped=True,
    ),
    "pretrained, phases: averaged weights, frozen again": Case(
        model=PRETRAINED,
        trainer={"ema": 0.9, "freeze": 0.5, **phases({"first": 3, "freeze": "backbone"})},
        stopped=True,
    ),
    "pretrained, a network of the user's, phases: frozen, then not": Case(
        model={**PRETRAINED, "backbone": custom("augmented")},
        trainer={"freeze": "backbone", **phases({"first": 3, "freeze": 0.5})},
        stopped=True,
    ),
    "large epochs, best weights": Case(model=FULL, trainer=BEST, epoch_mb=0.0),
    "large epochs, frozen layers, phases": Case(
        model=FULL,
        trainer={"freeze": "dense_1", **phases({"first": 3, "freeze": "none"})},
        epoch_mb=0.0,
        stopped=True,
    ),
    "pretrained, phases: on cached features, then from a layer": Case(
        model=PRETRAINED,
        trainer={
            **{"freeze": "backbone", "features": "cached"},
            **phases({"first": 3, "freeze": "stem", "features": "live"}),
        },
        stopped=True,
    ),
    "cached features, averaged weights, best": Case(
        model=PRETRAINED,
        trainer={"freeze": "backbone", "features": "cached", "ema": 0.9, **BEST},
    ),
    "frozen layers": Case(model=FULL, trainer={"freeze": "dense_1"}),
    "mixed_bfloat16": Case(model=FULL, trainer={"precision": "mixed_bfloat16"}),
    "mixed_float16": Case(model=FULL, trainer={"precision": "mixed_float16"}),
    "float64": Case(model=FULL, trainer={"precision": "float64"}),
    "steps in one call": Case(model=FULL, trainer={"steps_per_execution": 3}),
    "as many steps as time allows": Case(
        # Later epochs are one call each, too quick to be killed in the middle.
        model=FULL,
        trainer={"steps_per_execution": None, "batch_size": 4},
        kill=1,
    ),
    "no validation": Case(model=DNN, held_out=0),
    "whole batches": Case(model=DNN, images=48),
    "two threads": Case(model=FULL, trainer={"threads": 2}),
    "best weights": Case(model=FULL, trainer=BEST),
    "metrics, the best weights by one": Case(
        model=FULL,
        trainer={
            "metrics": ["roc_auc", "top_2_accuracy"],
            "stop_at": {"val_brier": 0.0},
            "early_stopping": {"patience": 9, "monitor": "val_macro_f1"},
        },
    ),
    **{f"augment, {name}": Case(model=CNN, augment=given) for name, given in AUGMENT.items()},
    "augment, everything": Case(model=FULL, augment=EVERYTHING, seed=2**32 - 1),
    "epochs of others": Case(model=CNN, shared=0.0),
    "epochs of others, audited": Case(model=FULL, shared=1.0),
    "label smoothing": Case(model=DNN, trainer={"label_smoothing": 0.1}),
    "class weights": Case(model=DNN, trainer={"class_weight": LOSS["class_weight"]}),
    "balanced classes": Case(model=DNN, trainer={"class_weight": "balanced"}, images=49),
    **{
        f"image files, {name}": Case(model=CNN, augment=AUGMENT["crop"], files=given)
        for name, given in FILES.items()
    },
    "everything, mixed_float16, steps in one call": Case(
        model=FULL,
        augment=EVERYTHING,
        trainer={**LOSS, "precision": "mixed_float16", "steps_per_execution": 3},
    ),
}


def choices(section: type, name: str) -> set[str]:
    """The values that a field of the config takes."""
    return set(get_args(get_type_hints(section)[name]))


def test_no_network_optimizer_schedule_or_precision_is_left_out() -> None:
    """What is added to the program has to be added to the cases."""
    configs = [case.config(case.epochs, reuse=False) for case in CASES.values()]
    trainers = [config.trainer for config in configs]
    assert {config.model.name for config in configs} == NETWORKS.keys()
    assert {trainer.optimizer.name for trainer in trainers} == OPTIMIZERS.keys()
    assert {trainer.schedule.name for trainer in trainers} == choices(Schedule, "name")
    assert {field.name for field in fields(Augment)} - {"magnitude", "rules"} == AUGMENT.keys()
    assert choices(FolderData, "resize") == FILES.keys()
    assert {each["name"] for each in FILES.values()} == {"image_folder", "table"}
    assert {trainer.precision for trainer in trainers} == choices(TrainerConfig, "precision")


def drawn(seed: int) -> Case:
    """A training at random."""
    draw = random.Random(seed)  # noqa: S311 -- nothing is kept secret
    epochs = draw.randint(3, 5)
    kind = draw.choice(["dnn", "cnn"])
    shared = {"name": kind, "dense_units": draw.choice([0, 5, [6, 4]])}
    shared |= {"activation": draw.choice(["relu", "gelu", "tanh"])}
    shared |= {"dropout": draw.choice([0.0, 0.5]), "batch_norm": draw.random() < 0.5}
    if kind == "cnn":
        shared |= {"filters": draw.randint(1, 4), "conv_blocks": draw.randint(0, 2)}
        shared |= {"padding": "same", "pooling": draw.choice(["max", "average", "none"])}
    trainer = optimizer(
        draw.choice(["adam", "adamw", "nadam", "adamax", "rmsprop", "sgd", "adagrad", "lion"]),
        learning_rate=draw.choice([0.0003, 0.003]),
    )
    trainer |= {
        "batch_size": draw.randint(4, 10),
        "steps_per_execution": draw.randint(1, 2),
        "precision": draw.choice(["float32", "mixed_bfloat16", "float64"]),
        "schedule": {
            "name": draw.choice(["constant", "cosine", "linear", "exponential"]),
            "end_factor": 0.1,
            "decay_epochs": draw.randint(2, epochs),
            "warmup_epochs": draw.randint(0, 1),
        },
    }
    switches = draw.sample(sorted(AUGMENT), draw.randint(0, 4))
    return Case(
        model=shared,
        trainer=trainer,
        augment={key: value for name in switches for key, value in AUGMENT[name].items()},
        images=draw.randint(30, 60),
        held_out=draw.choice([0, 9]),
        seed=draw.randrange(2**32),
        epochs=epochs,
        split=draw.randint(1, epochs - 1),
        kill=draw.randint(2, epochs),
    )


def told_by(target: Any, case: Case, folder: Path, messages: int) -> tuple[list[Any], int]:
    """Run a process of its own; what it sends, and its exit code."""
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=target, args=(case, str(folder), theirs))
    process.start()
    theirs.close()
    try:
        told = [ours.recv() for _ in range(messages)]
    finally:
        process.join()
        ours.close()
    return told, process.exitcode


def check(case: Case, folder: Path) -> None:
    """Train a case in every way; all of them are one training."""
    warm_up()
    (whole,), ended = told_by(first_process, case, folder, messages=1)
    assert ended == -signal.SIGKILL
    ((pieces, in_second_piece), (killed, after_kill)), ended = told_by(
        second_process, case, folder, messages=2
    )
    assert ended == 0
    assert pieces == whole
    assert killed == whole
    hidden = case.model.get("params", {}).get("foreign", False)
    last = len(whole.epochs)
    assert in_second_piece == list(range(1 if hidden else case.split + 1, last + 1))
    assert after_kill == list(range(1 if hidden else case.kill, last + 1))


@pytest.mark.parametrize("name", CASES)
def test_a_training_goes_on_as_if_it_had_never_stopped(name: str, tmp_path: Path) -> None:
    """Every kind of network, optimizer, schedule and precision, each to the last bit."""
    check(CASES[name], tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_so_does_one_that_nobody_thought_of(seed: int, tmp_path: Path) -> None:
    """Drawn at random, and broken off at random."""
    check(drawn(seed), tmp_path)
