"""What is typed is refused where it does nothing; what is stored goes on."""

from typing import Any

import pytest
from configs import values

import cnn_sweeps as cs
from cnn_sweeps.config.loading import load
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.composition.validate import (
    compose,
    make_config,
    plain_values,
    remarks_of,
    text_behind,
)

STOPPING = "trainer.early_stopping"


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        pytest.param(
            {"data": {"validation_fraction": 0, "split_seed": 5}},
            "data.split_seed=5 has no effect: data.validation_fraction=0 holds nothing out",
            id="split of nothing",
        ),
        pytest.param({"trainer": {"stop_at": {}}}, "stop_at={} has no effect", id="no metric"),
        pytest.param(
            {"trainer": {"optimizer": {"weight_decay": -1}}}, "let the weights grow", id="decay"
        ),
        pytest.param(
            {"trainer": {"epochs": 2, "phases": [{"first": 2, "optimizer.weight_decay": -0.1}]}},
            "weight_decay=-0.1 would let the weights grow",
            id="decay of a phase",
        ),
    ],
)
def test_what_does_nothing_is_refused_when_it_is_typed(groups: dict[str, Any], said: str) -> None:
    """A run or a study that has it keeps its hash, and goes on."""
    with pytest.raises(ConfigError) as refused:
        make_config(values(**groups))
    assert said in str(refused.value)
    assert make_config(values(**groups), typed=False) == load(values(**groups))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        pytest.param(
            ("trainer.early_stopping.min_delta=0.1",),
            [f"{STOPPING}.min_delta has no effect with {STOPPING}.patience=null."],
            id="no patience",
        ),
        pytest.param(
            ("augment.magnitude=0.9", "model=dnn", "model.dense_units=[]", "model.activation=elu"),
            ["augment.magnitude has no effect with augment.randaugment=0.",
             "model.activation has no effect with model.dense_units=0."],
            id="in two groups",
        ),
        pytest.param(
            ("trainer.schedule.end_factor=0.1", "trainer.schedule.drop_factor=0.5"),
            [f"trainer.schedule.{name} has no effect with trainer.schedule.name=constant."
             for name in ("end_factor", "drop_factor")],
            id="constant",
        ),
        pytest.param(
            ("model.pooling=none", "model.pool_size=3", "model.conv_blocks=1"),
            ["model.pool_size has no effect with model.pooling=none."],
            id="no pooling",
        ),
        pytest.param(
            ("model.conv_blocks=0", "model.batch_norm=true", "model.kernel_size=5"),
            ["model.batch_norm has no effect with model.conv_blocks=0.",
             "model.kernel_size has no effect with model.conv_blocks=0."],
            id="no convolution",
        ),
        pytest.param(
            ("model=pretrained", "model.weights=null", "model.head.batch_norm=true"),
            ["model.head.batch_norm has no effect with model.head.dense_units=0."],
            id="head",
        ),
        pytest.param(
            ("trainer.optimizer.name=sgd", "+trainer.optimizer.params.nesterov=true"),
            [("trainer.optimizer.params.nesterov has no effect with "
             "trainer.optimizer.params.momentum=0.")],
            id="no momentum",
        ),
        pytest.param(
            ("trainer.schedule.end_factor=0.1", "augment.magnitude=0.9",
             "trainer.phases=[{epochs: 3}, {schedule.name: cosine, augment.randaugment: 2}]",
             "trainer.schedule.drop_factor=0.5"),
            ["trainer.schedule.drop_factor has no effect with trainer.schedule.name=constant."],
            id="in a later phase",
        ),
        pytest.param(
            ("trainer.schedule.name=wsd", "trainer.schedule.cooldown_epochs=2",
             "trainer.schedule.end_factor=0.1"),
            [],
            id="wsd",
        ),
        pytest.param(
            ("trainer.schedule.name=cosine", "trainer.schedule.end_factor=0.1",
             "model.dropout=0.3", "trainer.early_stopping.patience=2",
             "trainer.early_stopping.min_delta=0.1", "augment=randaugment"),
            [],
            id="all have one",
        ),
        pytest.param(
            ("model.dense_units=0", "model.dropout=0", "trainer.schedule.end_factor=0"),
            [],
            id="at their defaults",
        ),
    ],
)  # fmt: skip
def test_what_was_typed_without_effect_is_told(typed: tuple[str, ...], said: list[str]) -> None:
    """And not what a file of a config group brings along."""
    assert remarks_of(plain_values(compose([*typed])), typed) == said
    assert remarks_of(plain_values(compose([*typed])), ()) == []


def test_a_notebook_is_warned() -> None:
    """As the terminal is."""
    with pytest.warns(
        UserWarning, match=r"^model\.dropout has no effect with model\.dense_units=0"
    ):
        cs.compose("data=digits", model__dense_units=0, model__dropout=0.3)


def test_what_has_an_effect_is_taken() -> None:
    """A seed of what is held out, a metric to stop at, and no decay."""
    stop = {"stop_at": {"val_loss": 0.5}, "optimizer": {"weight_decay": 0}}
    assert make_config(values(data={"split_seed": 5}, trainer=stop)).data.split_seed == 5
    assert make_config(values(data={"validation_fraction": 0})).data.validation_fraction == 0


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("a=x", "x"),
        ("a=", ""),
        ("a=b=c", "b=c"),
        ('a="postgresql://me@db/s?sslmode=require"', "postgresql://me@db/s?sslmode=require"),
        (r"a='it\'s here'", "it's here"),
        ("a='C:\\pictures'", "C:\\pictures"),
        ('a="', '"'),
        ("a='x','y'", "'x','y'"),
        ("a='x' or 'y'", "'x' or 'y'"),
    ],
)
def test_a_text_is_read_out_of_its_quotes(typed: str, text: str) -> None:
    """As a run reads it; what only looks like quotes is part of the text."""
    assert text_behind(typed) == text
