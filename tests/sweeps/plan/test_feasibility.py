"""What no trial could carry out is refused before anything starts."""

from dataclasses import replace
from typing import Any

import pytest
from configs import config
from plans import plan

from cnn_sweeps.config.loading import to_json
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.plan.base_config import BaseConfig
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.feasibility import refuse_lacking, refuse_surplus
from cnn_sweeps.sweeps.plan.plan import Plan

DNN = {"name": "dnn", "dense_units": 8}


def grouped(params: dict[str, Any]) -> Plan:
    """A sweep over two options of `model`, one of which has no convolutions."""
    bases = {'["dnn"]': to_json(config(model=DNN)), '["cnn"]': to_json(config())}
    both = BaseConfig(groups=("model",), bases=bases)
    return replace(plan({"model": "dnn,cnn", **params}), base_config=both)


@pytest.mark.parametrize(
    ("key", "text", "sweep"),
    [
        ("model.filters", "16,32", r"choice\(16,32\)"),
        ("model.kernel_size", "interval(2,4)", r"interval\(2,4\)"),
        ("model.padding", "valid,same", r"choice\(valid,same\)"),
    ],
)
def test_an_option_that_lacks_a_key_is_named(key: str, text: str, sweep: str) -> None:
    """With the condition to type."""
    message = rf"with model=dnn, which has no {key}\.\n.*\n  {key}: {{sweep: '{sweep}', when: "
    with pytest.raises(ConfigError, match=message + r"\{model: cnn\}\}"):
        refuse_lacking(grouped({key: text}))


def test_a_condition_keeps_a_key_from_an_option_that_lacks_it() -> None:
    """Directly, or by another key."""
    when = {"sweep": "choice(0,1)", "when": {"model": "cnn"}}
    filters = {"sweep": "choice(4,8)", "when": {"model.conv_blocks": ">0"}}
    refuse_lacking(grouped({"model.conv_blocks": when, "model.filters": filters}))
    refuse_lacking(grouped({"model.dropout": "0.1,0.2"}))


def test_more_points_than_trials_are_refused() -> None:
    """The last ones would be passed over."""
    points = [{"model.filters": 4}, {"model.filters": 8}]
    with pytest.raises(ConfigError, match=r"has 2 points, and the sweep has 1 trial\.\n.*trials=2"):
        refuse_surplus(points, plan(), Budget(n_trials=1))
    refuse_surplus(points, plan(), Budget(n_trials=2))
