"""What is frozen stays as it is, to the bit, and is trained again when it is let go."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from configs import config
from networks import dataset, network

from cnn_sweeps.config.schema import CnnModel, CustomModel, PretrainedModel, TrainerConfig
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.runs.composition.validate import check

BACKBONE = {"name": "resnet", "depth": 6, "stages": 2, "width": 2}
MODEL = PretrainedModel(backbone=BACKBONE, weights=None)
PLAIN = {"name": "pretrained", "backbone": BACKBONE, "weights": None}


@pytest.fixture(scope="module")
def whole() -> Any:
    """A network that is frozen in one way after another."""
    return network(MODEL)


def trained_layers(built: Any, freeze: Any) -> list[str]:
    """The names of the layers with weights that are trained under it."""
    from cnn_sweeps.training import freezing

    freezing.check_layer(built, freeze)
    freezing.apply_freeze(built, freeze)
    return [x.name for x in leaves(built.layers) if x.trainable and x.weights]


def leaves(layers: Any) -> Iterator[Any]:
    """All layers, those of nested models one by one."""
    for layer in layers:
        if getattr(layer, "layers", ()):
            yield from leaves(layer.layers)
        else:
            yield layer


EVERY = [
    *("stem", "stem_norm", "stage_1_block_1_conv_1", "stage_1_block_1_conv_1_norm"),
    *("stage_1_block_1_conv_2", "stage_1_block_1_conv_2_norm", "stage_2_block_1_conv_1"),
    *("stage_2_block_1_conv_1_norm", "stage_2_block_1_conv_2", "stage_2_block_1_shortcut"),
    *("stage_2_block_1_conv_2_norm", "stage_2_block_1_shortcut_norm"),
]


@pytest.mark.parametrize(
    ("freeze", "first"),
    [
        pytest.param("none", 0, id="nothing"),
        pytest.param("backbone", 12, id="all of it"),
        pytest.param(0.5, 6, id="the first half"),
        pytest.param(0.99, 12, id="nearly all"),
        pytest.param("stage_1_block_1_conv_2", 4, id="from a layer on"),
        pytest.param("backbone/stem_norm", 1, id="by the path that a run logs"),
        pytest.param("stage_2_block_1_add", 12, id="from one without weights on"),
    ],
)
def test_the_layers_before_are_frozen_and_the_head_never_is(
    whole: Any, freeze: Any, first: int
) -> None:
    """By share or name, from the image on."""
    assert trained_layers(whole, freeze) == [*EVERY[first:], "scores"]


def test_a_network_without_a_backbone_is_frozen_but_for_its_scores() -> None:
    """Any network can be."""
    built = network(CnnModel(filters=2, conv_blocks=2, padding="same", dense_units=4))
    assert trained_layers(built, 0.5) == ["dense_1", "scores"]
    assert trained_layers(built, "conv_2") == ["conv_2", "dense_1", "scores"]


def test_a_layer_that_there_is_not_is_refused_with_those_that_are_near(whole: Any) -> None:
    """Before anything is trained."""
    with pytest.raises(ConfigError, match="=stem_nrm: the network has no such layer.\n.*stem_norm"):
        trained_layers(whole, "stem_nrm")


def test_what_its_maker_has_frozen_stays_so() -> None:
    """A user's own network may come with a frozen layer."""
    from cnn_sweeps.training import freezing

    built = network(MODEL)
    inner = built.get_layer("backbone")
    inner.get_layer("stem").trainable = False
    for freeze in ("backbone", "none"):
        freezing.apply_freeze(built, freeze)
    assert not inner.get_layer("stem").trainable
    assert inner.get_layer("stem_norm").trainable


@pytest.mark.parametrize("ema", [None, pytest.param(0.9, marks=pytest.mark.slow)])
def test_frozen_layers_keep_all_their_bits_until_they_are_let_go(ema: float | None) -> None:
    """Their moving averages too: a frozen batch normalisation works as when predicting."""
    from cnn_sweeps.training import loop

    asked = config(
        model=PLAIN,
        trainer={
            "epochs": 3,
            "batch_size": 16,
            "ema": ema,
            "freeze": "backbone",
            "phases": [{"first": 3, "freeze": "stage_2_block_1_conv_2"}],
        },
    )
    built = network(MODEL)
    trainer = loop.Trainer.compile(built, dataset(), asked)
    inner = built.get_layer("backbone")

    def values(layer: str) -> list[Any]:
        return [np.array(weight.numpy()) for weight in inner.get_layer(layer).weights]

    before = {name: values(name) for name in EVERY}
    epochs = trainer.epochs()
    next(epochs), next(epochs)
    assert all(
        np.array_equal(a, b) for n in EVERY for a, b in zip(before[n], values(n), strict=True)
    )
    next(epochs)
    same = {n for n in EVERY if all(map(np.array_equal, before[n], values(n)))}
    assert same == set(EVERY[:8])


def test_freezing_keeps_the_state_of_what_was_trained_before_and_after() -> None:
    """The optimizer goes on for the head; what is new begins with zeros."""
    from cnn_sweeps.training import freezing, loop, optimizers

    built = network(MODEL)
    trainer = TrainerConfig(freeze="backbone", batch_size=16)
    loop.compile_model(built, trainer, 50)
    before = built.optimizer
    for variable in before.variables:
        if "learning_rate" not in variable.path:
            variable.assign(np.ones(variable.shape) * 3)
    loop.compile_model(built, TrainerConfig(freeze=0.5, batch_size=16), 50)
    optimizers.carry(before, built.optimizer)
    after = {v.path.partition("/")[2]: v.numpy() for v in built.optimizer.variables}
    heads = [value for path, value in after.items() if path.startswith("scores")]
    others = [value for path, value in after.items() if path.startswith("stage_2")]
    assert [(value == 3).all() for value in heads] == [True] * 4
    assert {(value == 0).all() for value in others} == {True}
    assert freezing.frozen_params(built) > 0


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        pytest.param(0, "none", id="nothing"),
        pytest.param(1, "backbone", id="all"),
        pytest.param("0.5", 0.5, id="as text"),
    ],
)
def test_one_freezing_has_one_hash(typed: Any, same: Any) -> None:
    """However it is typed; and nothing frozen is the experiment of before."""
    one, other = (config(model=PLAIN, trainer={"freeze": each}) for each in (typed, same))
    assert identify(one, "d" * 64) == identify(other, "d" * 64)


@pytest.mark.parametrize("share", [1.5, -0.1, "2"])
def test_what_is_no_share_is_refused(share: Any) -> None:
    """With what is possible."""
    with pytest.raises(ConfigError, match="trainer.freeze"):
        config(model=PLAIN, trainer={"freeze": share})


def test_a_backbone_that_there_is_not_cannot_be_frozen() -> None:
    """Nor in a later phase."""
    phases = [{"first": 2, "freeze": "backbone"}]
    with pytest.raises(ConfigError, match="needs a network with one, and model=cnn has none"):
        check(config(trainer={"epochs": 2, "phases": phases}))


@cache
def own(function: str, *, logits: bool = False) -> Any:
    """A network of the user's own, which is frozen in one way after another."""
    params = {"softmax": False} if logits else {}
    return network(CustomModel(function=f"own_nets:{function}", params=params, from_logits=logits))


CHAIN = ["low", "norm", "high", "hidden", "classes"]


@pytest.mark.parametrize("logits", [False, True], ids=["softmax", "logits"])
@pytest.mark.parametrize(
    ("freeze", "first"),
    [
        pytest.param("none", 0, id="nothing"),
        pytest.param(0.5, 2, id="half of them"),
        pytest.param(0.99, 4, id="all but the scores"),
        pytest.param("high", 2, id="from a layer on"),
        pytest.param("backbone/hidden", 3, id="by its path"),
        pytest.param("classes", 4, id="all before the scores"),
    ],
)
def test_a_network_of_the_users_is_frozen_but_for_its_scores(
    freeze: Any, first: int, logits: bool
) -> None:
    """Layers inside it, wherever the softmax stands and whatever it is called."""
    assert trained_layers(own("chain", logits=logits), freeze) == CHAIN[first:]


def test_layers_of_nested_models_are_named_by_their_paths() -> None:
    """The name of a nested model is that of its first layer."""
    towers = own("two_towers")
    after = ["fc", "after_right", "classes"]
    assert trained_layers(towers, "right/fc") == after
    assert trained_layers(towers, "right") == after
    with pytest.raises(ConfigError, match="2 layers of that name.\n.*left/fc or .*right/fc"):
        trained_layers(towers, "fc")


@pytest.mark.parametrize(
    ("function", "freeze", "least"),
    [
        pytest.param("chain", 0.01, "0.13", id="share"),
        pytest.param("chain", "low", "0.13", id="first layer"),
        pytest.param("on_a_frozen_base", 0.5, "0.84", id="share that its maker has frozen"),
        pytest.param(
            "on_a_frozen_base", "mid", "0.84", id="layer behind what its maker has frozen"
        ),
    ],
)
def test_what_would_freeze_nothing_is_refused(function: str, freeze: Any, least: str) -> None:
    """It would be another experiment with the bits of this one."""
    with pytest.raises(ConfigError, match=f"freezes nothing .*\n.*={least} or more, or .*=none"):
        trained_layers(own(function), freeze)
    trained_layers(own(function), float(least))


def test_a_refusal_lists_what_can_be_typed(whole: Any) -> None:
    """Each of the names freezes something; `backbone` stands there where there is one."""
    with pytest.raises(ConfigError, match="a share such as 0.5, backbone or none"):
        trained_layers(whole, "zzz")
    named = (
        r"=norm or high or hidden or classes \(all before it are frozen\), a share such as 0.5 or"
    )
    with pytest.raises(ConfigError, match=named):
        trained_layers(own("chain"), "zzz")


def test_a_part_that_its_maker_has_frozen_stays_so_within_a_layer() -> None:
    """Freezing the layer and letting it go changes nothing of that."""
    from cnn_sweeps.training import freezing

    built = own("blocks")
    block = built.layers[-1].get_layer("block")
    before = [len(block.trainable_weights)]
    for freeze in (0.99, "none"):
        freezing.apply_freeze(built, freeze)
        before.append(len(block.trainable_weights))
    assert before == [2, 0, 2]


@pytest.mark.slow
def test_a_phase_lets_layers_of_the_users_network_go() -> None:
    """What was frozen keeps its bits until then, and the head is trained all the time."""
    from cnn_sweeps.training import freezing, loop

    asked = config(
        model={"name": "custom", "function": "own_nets:chain"},
        trainer={
            "epochs": 2,
            "batch_size": 32,
            "freeze": "classes",
            "phases": [{"first": 2, "freeze": "hidden"}],
        },
    )
    built = network(asked.model)
    epochs, seen = loop.Trainer.compile(built, dataset(), asked).epochs(), []
    inner = built.get_layer("backbone")
    for _ in range(2):
        before = {name: np.array(inner.get_layer(name).weights[0].numpy()) for name in CHAIN}
        next(epochs)
        moved = {n for n in CHAIN if (before[n] != inner.get_layer(n).weights[0].numpy()).any()}
        seen.append((moved, freezing.frozen_params(built) > 0))
    assert seen == [({"classes"}, True), ({"hidden", "classes"}, True)]
