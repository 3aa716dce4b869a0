"""Parameters of a sampler or a pruner."""

from types import NoneType
from typing import Any

import pytest

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.plan.parameters import check_parameters

KNOWN = {"share": (float,), "count": (int, NoneType), "on": (bool,)}


@pytest.mark.parametrize("kind", ["sampler", "pruner"])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        pytest.param(
            {"cuont": 1},
            r"has no parameter `cuont` \(did you mean `count`\?\); it has share, count, on",
            id="misspelt",
        ),
        pytest.param({"count": 1.5}, r"\.count=1.5 is invalid; .* takes int \| null", id="type"),
        pytest.param({"count": True}, r"\.count=True is invalid; .* takes int", id="true"),
        pytest.param({"on": 1}, r"\.on=1 is invalid; .* takes bool", id="one"),
        pytest.param({"count": 1}, r"\.count=1 is invalid; type 2 or more", id="too small"),
    ],
)
def test_what_optuna_would_refuse_is_refused(
    kind: str, params: dict[str, Any], message: str
) -> None:
    """In one way for both kinds."""
    with pytest.raises(ConfigError, match=message) as caught:
        check_parameters(kind, "mine", params, KNOWN, {"count": 2})
    assert kind in str(caught.value)


@pytest.mark.parametrize("params", [{"share": 1, "count": None, "on": True}, {"count": 2}, {}])
def test_what_fits_passes(params: dict[str, Any]) -> None:
    """An integer is a float too."""
    check_parameters("sampler", "mine", params, KNOWN, {"count": 2})
