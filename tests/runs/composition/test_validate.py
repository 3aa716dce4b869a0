"""What is typed is refused where it does nothing; what is stored goes on."""

from typing import Any

import pytest
from configs import values

from cnn_sweeps.config.loading import load
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.composition.validate import make_config, text_behind


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
