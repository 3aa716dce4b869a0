"""A swept key that changes nothing is refused; a range of one value is one cell."""

from pathlib import Path
from typing import Any

import pytest
from fakes import instant
from plans import plan, study

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.controller import fill_queue
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.effect import keys_without_effect, refuse_ineffective
from cnn_sweeps.sweeps.study.events import Event, TrialDropped
from cnn_sweeps.sweeps.workers.worker import Worker

DELTA = "trainer.early_stopping.min_delta"
PATIENCE = "trainer.early_stopping.patience"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        pytest.param(
            {"tracking.experiment": "a,b"},
            r"experiment=a,b cannot be swept: tracking\.experiment is no part of an experiment",
            id="tracking",
        ),
        pytest.param({"trainer.threads": "1,2"}, r"threads is no part", id="threads"),
        pytest.param({"trajectory.reuse": "true,false"}, r"reuse is no part", id="trajectory"),
        pytest.param({"data.rules": "1,2"}, r"data\.rules makes no difference beside", id="rules"),
        pytest.param(
            {DELTA: "interval(0.0,0.1)"},
            rf"has no effect while {PATIENCE} is null.*\n  Type {PATIENCE}=VALUE",
            id="without-patience",
        ),
        pytest.param(
            {"model.kernel_size": "3,5", "model.conv_blocks": "0"},
            r"kernel_size has no effect while model\.conv_blocks is 0",
            id="beside-a-fixed-key",
        ),
        pytest.param(
            {"seed": "interval(0,9)", "trainer.deterministic": "true,false"},
            "deterministic is no part",
            id="beside-another-key",
        ),
    ],
)
def test_a_key_without_effect_is_refused(params: dict[str, Any], message: str) -> None:
    """All its values would be one experiment; the reason and what to type are told."""
    fixed = {"conv_blocks": 0} if params.get("model.conv_blocks") == "0" else {}
    params = {key: value for key, value in params.items() if value != "0"}
    with pytest.raises(ConfigError, match=message):
        refuse_ineffective(plan(params, model=fixed))


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({"model.filters": "4,8", "model.conv_blocks": "0,1"}, id="sometimes"),
        pytest.param({DELTA: "interval(0.0,0.1)", PATIENCE: "null,2"}, id="a-switch-beside"),
        pytest.param({"seed": "interval(0,4000000000)"}, id="many-values"),
        pytest.param({"model.dropout": "interval(0.1,0.1)"}, id="a-single-value"),
        pytest.param({"model.filters": "0,-1"}, id="nothing-can-be-built"),
    ],
)
def test_a_key_with_an_effect_somewhere_is_swept(params: dict[str, Any]) -> None:
    """It need not change the experiment at every point."""
    assert not list(keys_without_effect(plan(params)))


def test_slots_whose_proposals_repeat_are_given_up(tmp_path: Path) -> None:
    """In a continuous space as well, with a sentence that names the key without effect."""
    made = study(tmp_path, plan({DELTA: "interval(0.0,0.1)"}))
    told: list[Event] = []
    fill_queue(made, Budget(n_trials=3))
    Worker(study=made, execute=instant, emit=told.append).work(most=40)
    counts = made.counts()
    assert (counts.total, counts.finished, counts.waiting) == (1, 1, 0)
    reasons = [event.reason for event in told if isinstance(event, TrialDropped)]
    assert len(reasons) == 2
    assert reasons[0].endswith(f"{DELTA} has no effect")


@pytest.mark.parametrize("text", ["interval(0.1,0.1)", "tag(float, interval(0,0))"])
def test_a_range_of_one_value_is_one_cell(tmp_path: Path, text: str) -> None:
    """It is tried once, however many trials were asked for."""
    made = study(tmp_path, plan({"model.dropout": text}))
    assert made.plan.space.size == 1
    fill_queue(made, Budget(n_trials=3))
    Worker(study=made, execute=instant).work(most=10)
    assert made.counts().finished == made.counts().total == 1
