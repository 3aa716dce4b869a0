"""A training that goes on from a checkpoint equals, bit for bit, one that never stopped.

Each case is trained from scratch, and gone on with by another process from what is stored on the
way, or in pieces by three processes, the second of which ends by `kill -9` in the middle of an
epoch: weights, optimizer, random generators and every metric must be the same.
"""

import random
import signal
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from exactness import Case, first_process, last_process, second_process

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
    "dnn, dropout, batch norm; adam, amsgrad; constant, warm-up; label smoothing": Case(
        model={**DNN, "dropout": 0.4, "batch_norm": True},
        trainer={
            **optimizer("adam", amsgrad=True),
            **{"schedule": {"warmup_epochs": 2}, "label_smoothing": 0.1},
        },
    ),
    "cnn; adamw, decay; cosine, warm-up; image files, stretched; flip": Case(
        model=CNN,
        trainer=optimizer("adamw", weight_decay=0.01) | schedule("cosine", warmup_epochs=1),
        files=FILES["stretch"],
        augment=AUGMENT["flip"],
        split=1,
    ),
    "cnn, dropout, batch norm; nadam; linear, warm-up; class weights; crop": Case(
        model=FULL,
        trainer={
            **optimizer("nadam"),
            **schedule("linear", warmup_epochs=2),
            "class_weight": LOSS["class_weight"],
        },
        augment=AUGMENT["crop"],
        split=3,
        kill=4,
    ),
    "resnet; adamax; exponential, warm-up; two threads; image files, cropped; rotate": Case(
        model=RESNET,
        trainer={
            **optimizer("adamax"),
            **schedule("exponential", end_factor=0.1, warmup_epochs=1),
            "threads": 2,
        },
        files=FILES["crop"],
        augment=AUGMENT["rotate"],
    ),
    "global pooling; rmsprop, centred; square root; image files, padded; zoom": Case(
        model={**CNN, "global_pooling": "average"},
        trainer=optimizer("rmsprop", momentum=0.9, centered=True) | schedule("sqrt"),
        files=FILES["pad"],
        augment=AUGMENT["zoom"],
    ),
    "augmentation; lion; step; no validation": Case(
        model=custom("augmented"),
        trainer={
            **optimizer("lion", learning_rate=0.0003),
            **dropping("step", drop_epochs=2, warmup_epochs=1),
        },
        held_out=0,
        seed=7,
    ),
    "recurrent; adagrad, clipped; whole batches": Case(
        model=custom("recurrent"), trainer=optimizer("adagrad", global_clipnorm=1.0), images=48
    ),
    "bfloat16 weights; steps in one call": Case(
        model=custom("narrow"), trainer={"steps_per_execution": 3}
    ),
    "shared generator; accumulated gradients; clipped by one key": Case(
        model=custom("noisy"),
        trainer={**optimizer("adam", gradient_accumulation_steps=3), "clip_norm": 0.1},
    ),
    "hidden state": Case(model=custom("noisy", foreign=True)),
    "own loss, mixed_float16, averaged": Case(
        model=FULL, trainer={"loss": "exact_nets:focal", "precision": "mixed_float16", "ema": 0.5}
    ),
    "averaged weights, best; color": Case(
        model=FULL, trainer={"ema": 0.9, **BEST}, augment=AUGMENT["color"], kill=3
    ),
    "average of epochs, kept or not": Case(
        model=DNN,
        trainer={"weight_averaging": 2, "ema": 0.5, "precision": "mixed_float16"},
        kill=3,
    ),
    "average of epochs, best": Case(model=FULL, trainer={"weight_averaging": 3, **BEST}, kill=3),
    "average of epochs, phases; erasing": Case(
        model=RESNET,
        trainer={"weight_averaging": 4, **phases({"first": 3, "batch_size": 5}), **NOISY},
        augment=AUGMENT["erasing"],
        kill=3,
        stopped=True,
    ),
    "averaged weights; wsd, warm-up; randaugment": Case(
        model=FULL,
        trainer={
            "ema": 0.9,
            "schedule": {"name": "wsd", "cooldown_epochs": 2, "warmup_epochs": 1},
        },
        augment=AUGMENT["randaugment"],
    ),
    "sgd, nesterov; reduce on plateau, by a measured metric": Case(
        model=FULL,
        trainer={
            **optimizer("sgd", momentum=0.9, nesterov=True),
            **dropping("reduce_on_plateau", patience=1, monitor="val_macro_f1", min_delta=99.0),
        },
        kill=3,
        epoch_mb=0,
    ),
    "phases: broken off where one begins": Case(
        model=FULL,
        trainer=phases({"first": 3, "batch_size": 5, "schedule.name": "linear"}),
    ),
    "phases: broken off after two began": Case(
        model=DNN,
        trainer=phases({"epochs": 1}, {"epochs": 1, "optimizer.name": "lion"}, {"batch_size": 7}),
        split=3,
    ),
    "phases: plateaus, mixed_float16": Case(
        model=FULL,
        trainer={
            **dropping("reduce_on_plateau", patience=1, monitor="loss", min_delta=99.0),
            **phases({"epochs": 2}, {"schedule.patience": 2}),
            "precision": "mixed_float16",
        },
    ),
    "phases: averaged weights, another optimizer": Case(
        model=FULL,
        trainer={
            "ema": 0.9,
            **phases(
                {
                    "first": 2,
                    **{"optimizer.name": "sgd", "optimizer.params.momentum": 0.9},
                    "clip_norm": 1.0,
                }
            ),
        },
        split=1,
    ),
    "phases: other learning rate, augmentation and loss, broken off in the first": Case(
        model=FULL,
        augment={"flip": "horizontal", "mixup": 0.3},
        trainer=phases(
            {
                "first": 4,
                "optimizer.learning_rate": 1e-4,
                **{"augment.mixup": 0.0, "label_smoothing": 0.1},
            }
        ),
    ),
    "pretrained, phases: frozen, then from a share, then from a layer": Case(
        model=PRETRAINED,
        trainer={
            "freeze": "backbone",
            **phases({"epochs": 2}, {"epochs": 1, "freeze": 0.5}, {"freeze": "stem_norm"}),
        },
    ),
    "pretrained, a network of the user's, phases: averaged weights, frozen again": Case(
        model={**PRETRAINED, "backbone": custom("augmented")},
        trainer={"ema": 0.9, "freeze": 0.5, **phases({"first": 3, "freeze": "backbone"})},
    ),
    "large epochs, best weights": Case(model=FULL, trainer=BEST, epoch_mb=0.0, kill=3),
    "a network of the user's with two layers of one path, phases: frozen, averaged weights": Case(
        model={"name": "custom", "function": "own_nets:two_towers"},
        trainer={"ema": 0.9, "freeze": "after_left", **phases({"first": 3, "freeze": "none"})},
    ),
    "large epochs, frozen layers, phases": Case(
        model=FULL,
        trainer={"freeze": "dense_1", **phases({"first": 3, "freeze": "none"})},
        epoch_mb=0.0,
        kill=3,
        stopped=True,
    ),
    "pretrained, phases: on cached features, then from a layer": Case(
        model=PRETRAINED,
        trainer={
            **{"freeze": "backbone", "features": "cached"},
            **phases({"first": 3, "freeze": "stem_norm", "features": "live"}),
        },
    ),
    "cached features, averaged weights, best": Case(
        model=PRETRAINED,
        trainer={"freeze": "backbone", "features": "cached", "ema": 0.9, **BEST},
    ),
    "frozen layers; mixed_bfloat16; mixup": Case(
        model=FULL,
        trainer={"freeze": "dense_1", "precision": "mixed_bfloat16"},
        augment=AUGMENT["mixup"],
    ),
    "as many steps as time allows": Case(
        # After the first of a process, epochs are one call each.
        model=FULL,
        trainer={"steps_per_execution": None, "batch_size": 4},
    ),
    "float64; balanced classes; metrics, the best weights by one": Case(
        model=FULL,
        trainer={
            **{"precision": "float64", "class_weight": "balanced"},
            "metrics": ["roc_auc", "top_2_accuracy"],
            "stop_at": {"val_brier": 0.0},
            "early_stopping": {"patience": 9, "monitor": "val_macro_f1"},
        },
        images=49,
    ),
    "epochs of others; cutmix": Case(model=CNN, augment=AUGMENT["cutmix"], shared=0.0),
    "epochs of others, audited": Case(model=FULL, shared=1.0),
    "everything, mixed_float16, steps in one call": Case(
        model=FULL,
        augment=EVERYTHING,
        trainer={**LOSS, "precision": "mixed_float16", "steps_per_execution": 3},
        kill=3,
        seed=2**32 - 1,
    ),
}
"""Switches that have nothing to do with each other share a case: a training takes seconds."""


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
    given = [each for case in CASES.values() for each in (case.augment, case.files)]
    assert [each for each in (*AUGMENT.values(), *FILES.values()) if each not in given] == []


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
        split=(split := draw.randint(1, epochs - 1)),
        kill=draw.randint(split + 1, epochs),
    )


def told_by(target: Any, case: Case, folder: Path) -> tuple[Any, int]:
    """Run a process of its own; what it sends, if anything, and its exit code."""
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=target, args=(case, str(folder), theirs))
    process.start()
    theirs.close()
    try:
        told = ours.recv()
    except EOFError:
        told = None
    finally:
        process.join()
        ours.close()
    return told, process.exitcode


def check(case: Case, folder: Path) -> None:
    """Train a case in every way; all of them are one training."""
    warm_up()
    whole, ended = told_by(first_process, case, folder)
    assert ended == 0
    if case.kill is not None:
        _, ended = told_by(second_process, case, folder)
        assert ended == -signal.SIGKILL
    (last, trained), ended = told_by(last_process, case, folder)
    assert ended == 0
    assert last == whole
    hidden = case.model.get("params", {}).get("foreign", False)
    first = 1 if hidden else case.kill or case.split + 1
    assert trained == list(range(first, len(whole.epochs) + 1))


@pytest.mark.parametrize("name", CASES)
def test_a_training_goes_on_as_if_it_had_never_stopped(name: str, tmp_path: Path) -> None:
    """Every kind of network, optimizer, schedule and precision, each to the last bit."""
    check(CASES[name], tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_so_does_one_that_nobody_thought_of(seed: int, tmp_path: Path) -> None:
    """Drawn at random, and broken off at random."""
    check(drawn(seed), tmp_path)
