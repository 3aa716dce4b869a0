"""One experiment has one form and one hash, however it was typed."""

from typing import Any

import pytest
from configs import config, values

from cnn_sweeps.config.loading import load, to_json
from cnn_sweeps.config.path import segments
from cnn_sweeps.config.schema import Config
from cnn_sweeps.config.spelling import PARAMS, with_images
from cnn_sweeps.config.stored import load_stored
from cnn_sweeps.provenance.identity import identify

DIGEST = "0" * 64
PRETRAINED = {"name": "pretrained", "weights": None}
COSINE = {"schedule.name": "cosine", "schedule.end_factor": 0.1}
ONE_FORM: dict[str, list[dict[str, Any]]] = {
    "norm": [
        {"trainer": {"clip_norm": 1}},
        {"trainer": {"clip_norm": 1.0}},
        {"trainer": {"optimizer": {"params": {"global_clipnorm": 1}}}},
        {"trainer": {"clip_norm": "1"}},
    ],
    "one-layer": [{"model": {"dense_units": each}} for each in (8, [8], "[8]")],
    "no-layer": [
        {"model": {"dense_units": 0}},
        {"model": {"dense_units": []}},
        {"model": {"dense_units": 0, "dropout": 0.3}},
    ],
    "dense-network-without-a-hidden-layer": [
        {"model": {"name": "dnn", "dense_units": 0}},
        {"model": {"name": "dnn", "dense_units": [], "activation": "tanh", "batch_norm": True}},
    ],
    "no-layer-at-all": [
        {"model": {"name": "cnn", "conv_blocks": 0, "dense_units": 0}},
        {"model": {"name": "cnn", "conv_blocks": 0, "dense_units": 0, "activation": "elu"}},
        {"model": {"name": "cnn", "conv_blocks": 0, "dense_units": 0, "batch_norm": True}},
    ],
    "no-pooling": [
        {"model": {"pooling": "none"}},
        {"model": {"pooling": "none", "pool_size": 3}},
    ],
    "backbone": [
        {"model": {**PRETRAINED, "backbone": {"name": "cnn", "dense_units": each}}}
        for each in (16, [16])
    ],
    "filters-of-a-backbone": [
        {"model": {**PRETRAINED, "backbone": {"name": "cnn", "filters": each}}}
        for each in (8, [8, 8])
    ],
    "backbone-without-a-convolution": [
        {"model": {**PRETRAINED, "backbone": {"name": "cnn", "conv_blocks": 0, **each}}}
        for each in (
            *({}, {"filters": 8}, {"filters": []}, {"kernel_size": 5, "padding": "same"}),
            {"pooling": "average", "pool_size": 3, "global_pooling": "max"},
        )
    ],
    "application": [
        {"model": {**PRETRAINED, "backbone": "MobileNetV2", "params": each}}
        for each in ({"alpha": 1}, {"alpha": 1.0}, {})
    ],
    "head": [
        {"model": {**PRETRAINED, "head": each}}
        for each in ({}, {"dense_units": []}, {"batch_norm": True, "activation": "gelu"})
    ],
    "sgd": [
        {"trainer": {"optimizer": {"name": "sgd", **each}}}
        for each in (
            *({}, {"weight_decay": 0}, {"weight_decay": 0.0}, {"params": {"weight_decay": None}}),
            *({"params": {"momentum": each}} for each in (0, 0.0)),
            *({"params": {"nesterov": each}} for each in (True, False)),
            {"params": {"clipnorm": None}},
        )
    ],
    "momentum": [
        {"trainer": {"optimizer": {"name": "sgd", "params": {"momentum": each}}}}
        for each in (1, 1.0)
    ],
    "adam": [
        {"trainer": {"optimizer": {"name": "adam", "params": each}}}
        for each in ({}, {"beta_1": 0.9}, {"amsgrad": False, "epsilon": 1e-7})
    ],
    "adamw": [
        {"trainer": {"optimizer": {"name": "adamw", **each}}}
        for each in ({}, {"weight_decay": 0.004})
    ],
    "count": [
        {"trainer": {"optimizer": {"params": {"gradient_accumulation_steps": each}}}}
        for each in (2, 2.0)
    ],
    "stop": [
        {"trainer": each}
        for each in (
            {"stop_at_loss": 0.5, "stop_at_accuracy": 0.9},
            {"stop_at": {"accuracy": 0.9, "loss": 0.5}},
            {"stop_at": {"loss": 0.5}, "stop_at_loss": 0.5, "stop_at_accuracy": 0.9},
        )
    ],
    "no-decay": [
        {"trainer": {"schedule": each}}
        for each in ({}, {"end_factor": 0.1}, {"decay_epochs": 3}, {"name": "constant"})
    ],
    "phase": [
        {"trainer": {"epochs": 4, "phases": [{"first": 3, **each}]}}
        for each in (
            *({"clip_norm": 1}, {"clip_norm": 1.0}, {"clip_norm": "1"}),
            {"optimizer.params": {"global_clipnorm": 1}},
        )
    ],
    "no-phase": [
        {"trainer": {"epochs": 4, "phases": each}}
        for each in (
            *([], [{"first": 3, "schedule.end_factor": 0.5}]),
            *([{"first": 2, "optimizer.weight_decay": 0}], [{"first": 2, "optimizer.params": {}}]),
        )
    ],
    "no-phase-of-a-decay": [
        {"trainer": {"epochs": 5, "schedule": {"name": "cosine"}, "phases": each}}
        for each in (
            *([], [{"first": 3, "schedule.drop_factor": 0.5}]),
            [{"first": 2, "augment.magnitude": 0.5}, {"first": 4, "augment.rules": 1}],
        )
    ],
    "magnitude-in-a-phase": [
        {
            "augment": augment,
            "trainer": {"epochs": 4, "phases": [{"first": 3, "augment.randaugment": 2, **later}]},
        }
        for augment, later in (
            ({"magnitude": 0.5}, {}),
            ({}, {"augment.magnitude": 0.5}),
        )
    ],
    "decay-in-a-phase": [
        {"trainer": {"epochs": 4, "phases": [{"first": 3, **COSINE}]}},
        {
            "trainer": {
                "epochs": 4,
                "schedule": {"end_factor": 0.1},
                "phases": [{"first": 3, "schedule.name": "cosine"}],
            }
        },
    ],
    "decay-again": [
        {
            "trainer": {
                "epochs": 6,
                "schedule": {"name": "cosine", "end_factor": 0.1},
                "phases": [
                    {"first": 3, "schedule.name": "constant", **idle},
                    {"first": 5, "schedule.name": "cosine", **again},
                ],
            }
        }
        for idle, again in (
            *(({}, {}), ({}, {"schedule.end_factor": 0.1})),
            ({"schedule.end_factor": 0.3}, {"schedule.end_factor": 0.1}),
        )
    ],
    "nesterov-in-a-phase": [
        {
            "trainer": {
                "epochs": 4,
                "optimizer": {"name": "sgd", "params": params},
                "phases": [{"first": 3, **later}],
            }
        }
        for params, later in (
            ({"nesterov": True}, {"optimizer.params.momentum": 0.9}),
            ({}, {"optimizer.params": {"momentum": 0.9, "nesterov": True}}),
        )
    ],
}
"""What is one experiment, by what it is an example of."""
TWO: dict[str, list[dict[str, Any]]] = {
    "two-stops": [
        {"trainer": {"stop_at_loss": 0.5, **each}} for each in ({}, {"stop_at": {"loss": 0.4}})
    ],
    "adamw-without-decay": [
        {"trainer": {"optimizer": {"name": "adamw", **each}}} for each in ({}, {"weight_decay": 0})
    ],
    "dropout": [{"model": {"dropout": each}} for each in (0, 0.3)],
    "dropout-of-features": [
        {"model": {**PRETRAINED, "head": {"dropout": each}}} for each in (0, 0.3)
    ],
    "activation-of-convolutions": [
        {"model": {"dense_units": 0, "activation": each}} for each in ("relu", "elu")
    ],
    "layers": [{"model": {"dense_units": each}} for each in (8, [8, 8])],
    "nesterov": [
        {"trainer": {"optimizer": {"name": "sgd", "params": {"momentum": 0.9, **each}}}}
        for each in ({}, {"nesterov": True})
    ],
    "filters-of-a-backbone": [
        {"model": {**PRETRAINED, "backbone": {"name": "cnn", "filters": each}}}
        for each in ([8, 16], [16, 8], [8])
    ],
    "end": [{"trainer": {"schedule": {"name": "cosine", "end_factor": each}}} for each in (0, 0.1)],
    "end-of-wsd": [
        {"trainer": {"epochs": 5, "schedule": {"name": "wsd", "end_factor": each}}}
        for each in (0, 0.1)
    ],
}
"""What looks like the above and is two experiments."""
AS_TYPED = [
    pytest.param({"trainer": {"clip_norm": 1}}, "06a925fe12a486ba", id="norm"),
    pytest.param(
        {"model": {"dense_units": [128], "dropout": 0.3}}, "29bc6a56febf5702", id="one-layer"
    ),
    pytest.param({"model": {"dense_units": 0, "dropout": 0.3}}, "759122a10a90d0f3", id="no-layer"),
    pytest.param(
        {"trainer": {"optimizer": {"name": "sgd", "params": {"momentum": 0}}}},
        *("11ef016fc73883ef",),
        id="momentum",
    ),
    pytest.param({"trainer": {"schedule": {"end_factor": 0.1}}}, "46aa2f7d6d72a144", id="no-decay"),
    pytest.param(
        {"trainer": {"epochs": 4, "phases": [{"first": 3, "clip_norm": 1}]}},
        *("c3d391c1c3b8783d",),
        id="phase",
    ),
]
"""Experiments as they were typed before there was one form, with the hashes that they have."""


def hashes(made: Config) -> tuple[str, str]:
    """What names an experiment and its epochs."""
    identity = identify(made, DIGEST)
    return identity.config_hash, identity.trajectory_hash


@pytest.mark.parametrize("typed", ONE_FORM.values(), ids=ONE_FORM)
def test_one_experiment_has_one_form(typed: list[dict[str, Any]]) -> None:
    """All ways to type it give the same config, which reads back as it is."""
    first, *others = (load(values(**each), typed=True) for each in typed)
    for each in (first, *others):
        assert each == first
        assert to_json(each) == to_json(first)  # where 1 is not 1.0
        assert hashes(each) == hashes(first)
        assert segments(each) == segments(first)
    assert load_stored(to_json(first)) == first


@pytest.mark.parametrize("typed", TWO.values(), ids=TWO)
def test_two_experiments_have_two_hashes(typed: list[dict[str, Any]]) -> None:
    """What has an effect is left as it is."""
    assert len({hashes(config(**each)) for each in typed}) == len(typed)


@pytest.mark.parametrize(("typed", "known"), AS_TYPED)
def test_what_was_stored_before_keeps_its_hash(typed: dict[str, Any], known: str) -> None:
    """An earlier version stored it without these rules, and with the hash that it has."""
    stored = to_json(config(**typed, rules=1))
    del stored["rules"]
    read = load_stored(stored)
    assert hashes(read)[0].startswith(known)
    assert to_json(read) == {**stored, "rules": 1}
    assert hashes(config(**typed)) != hashes(read)


@pytest.mark.parametrize(
    "params",
    [
        *({"momentum": False}, {"amsgrad": 0}, {"beta_1": None}, {"epsilon": "small"}),
        *({"momentum": None}, {"nesterov": True}, {"beta1": None}, {"use_ema": None}),
        {"gradient_accumulation_steps": 2.5},
    ],
)
def test_what_is_no_value_stays_to_be_refused(params: dict[str, Any]) -> None:
    """Nothing is taken for the value that it is like."""
    made = config(trainer={"optimizer": {"name": "adam", "params": params}})
    assert made.trainer.optimizer.params == params


def test_values_that_only_one_of_two_keys_takes_stay_there() -> None:
    """They are refused, or never reached, by what they were typed for."""
    stop = {"loss": -1.0, "accuracy": 1.5}
    assert config(trainer={"stop_at": stop}).trainer.stop_at == stop
    model = {**PRETRAINED, "backbone": "ResNet50", "params": {"alpha": 1}}
    assert to_json(config(model=model))["model"]["params"] == {"alpha": 1}


def test_images_tell_whether_a_limit_leaves_any_out() -> None:
    """One that does not is none; so it is with the size that the images have."""
    model = {**PRETRAINED, "input_size": [96, 96]}
    made = config(data={"limit": 200}, model=model)
    known = with_images(made, limited=False, size=(96, 96))
    assert (known.data.limit, getattr(known.model, "input_size", ...)) == (None, None)
    assert with_images(made, limited=True, size=(28, 28)) == made
    stored = config(data={"limit": 200}, model=model, rules=1)
    assert with_images(stored, limited=False, size=(96, 96)) == stored


def test_the_defaults_of_parameters_are_those_of_keras() -> None:
    """Weight decay of none and of 0 are one."""
    import inspect

    import keras

    from cnn_sweeps.training.optimizers import OPTIMIZERS, accepted_params

    assert PARAMS.keys() == OPTIMIZERS.keys()
    for name, defaults in PARAMS.items():
        signature = inspect.signature(getattr(keras.optimizers, OPTIMIZERS[name])).parameters
        assert defaults.keys() == {*accepted_params(name)}
        for key, default in defaults.items():
            assert default == (signature[key].default or type(default)())
