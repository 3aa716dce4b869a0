"""What is written in one form is one training, to the bit, however it was typed."""

from typing import Any

import numpy as np
import pytest
from configs import config
from networks import SHAPE, dataset
from numpy.typing import NDArray

IMAGES = dataset()
TYPED: dict[str, tuple[dict[str, Any], ...]] = {
    "sgd": tuple(
        {"trainer": {"optimizer": {"name": "sgd", "params": each}}}
        for each in ({}, {"momentum": 0.0}, {"nesterov": True}, {"weight_decay": 0})
    ),
    "adam": tuple(
        {"trainer": {"optimizer": {"params": each}}}
        for each in ({}, {"beta_1": 0.9, "epsilon": 1e-7}, {"weight_decay": 0})
    ),
    "adamw": tuple(
        {"trainer": {"optimizer": {"name": "adamw", "params": each}}}
        for each in ({}, {"weight_decay": 0.004})
    ),
    "norm": tuple({"trainer": {"clip_norm": each}} for each in (1, 1.0)),
    "no-decay": tuple(
        {"trainer": {"schedule": {"warmup_epochs": 1, **each}}}
        for each in ({}, {"end_factor": 0.5, "decay_epochs": 3})
    ),
    "no-hidden-layer": tuple(
        {"model": {"name": "dnn", **each}}
        for each in (
            {"dense_units": 0},
            {"dense_units": [], "dropout": 0.3, "batch_norm": True, "activation": "elu"},
        )
    ),
    "backbone": tuple(
        {"model": {"name": "pretrained", "weights": None, "backbone": {"name": "cnn", **each}}}
        for each in (
            {"padding": "same", "filters": 4},
            {"padding": "same", "filters": [4, 4]},
        )
    ),
    "backbone-without-a-convolution": tuple(
        {
            "model": {
                **{"name": "pretrained", "weights": None},
                "backbone": {"name": "cnn", "conv_blocks": 0, **each},
            }
        }
        for each in ({}, {"kernel_size": 5, "pooling": "average", "global_pooling": "max"})
    ),
    "no-pooling": tuple({"model": {"pooling": "none", "pool_size": each}} for each in (2, 3)),
}
"""Typed as before there was one form."""


def weights(typed: dict[str, Any]) -> list[NDArray[Any]]:
    """The weights after two epochs."""
    from cnn_sweeps.models.build import build_model
    from cnn_sweeps.training import backend
    from cnn_sweeps.training.loop import FreshTraining, Trainer, train

    trainer = {"epochs": 2, "batch_size": 16, **typed.get("trainer", {})}
    made = config(**{**typed, "trainer": trainer}, seed=7, rules=1)
    backend.configure_backend(made.trainer, made.seed)
    network = build_model(made.model, SHAPE, 3)
    train(FreshTraining(trainer=Trainer.compile(network, IMAGES, made)), made.trainer)
    return list(network.get_weights())


@pytest.mark.parametrize("typed", TYPED.values(), ids=TYPED)
def test_one_form_is_one_training(typed: tuple[dict[str, Any], ...]) -> None:
    """All ways to type it give the same weights."""
    first, *others = map(weights, typed)
    for each in others:
        assert all(map(np.array_equal, first, each))
