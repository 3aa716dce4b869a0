"""What a study stores of its plan stays as it is, to the byte: sweeps are named by it."""

import json
from dataclasses import replace

import pytest
from exercises import exercise
from plans import plan

from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.plan.samplers import SamplerSpec

PARAMS = {
    "model": "dnn,cnn",
    "model.filters": {"sweep": "range(1,3)", "when": {"model": "cnn"}},
    "trainer.optimizer.learning_rate": "tag(log,interval(0.001,1))",
    "seed": "1,2.5,null",
}
STORED = {
    "version": "1",
    "space": '{"dimensions": ['
    '{"key": "model", "kind": "categorical", "choices": ["dnn", "cnn"], "texts": ["dnn", "cnn"], '
    '"low": 0, "high": 0, "step": null, "log": false}, '
    '{"key": "model.filters", "kind": "int", "choices": [1, 2], "texts": [], '
    '"low": 1, "high": 2, "step": 1, "log": false, '
    '"when": [{"key": "model", "sign": "=", "labels": ["cnn"]}]}, '
    '{"key": "trainer.optimizer.learning_rate", "kind": "float", "choices": [], "texts": [], '
    '"low": 0.001, "high": 1.0, "step": null, "log": true}, '
    '{"key": "seed", "kind": "categorical", "choices": [1, 2.5, null], '
    '"texts": ["1", "2.5", "null"], "low": 0, "high": 0, "step": null, "log": false}'
    '], "fixed": []}',
    "objectives": '{"val_loss": "minimize", "val_accuracy": "maximize"}',
    "sampler": '{"name": "tpe", "seed": 3, '
    '"params": {"n_startup_trials": 4, "multivariate": true}}',
    "pruner": '{"name": "median", "params": {"n_warmup_steps": 2}}',
    "duplicates": '"skip"',
    "fixed": '["trainer.epochs=2"]',
    "exercise": '{"name": "filters", "question": "What do fewer filters change?", "seeds": 3, '
    '"base": {"model.filters": 64}, "settings": {}, '
    '"says": {"model.filters=16": "Leaving 16 filters"}}',
}
"""The parts of a plan but its base config, as JSON, in their order."""


@pytest.fixture(scope="module")
def made() -> Plan:
    """A plan with something in each of its parts."""
    drawn = plan(PARAMS, objectives={"val_loss": "minimize", "val_accuracy": "maximize"})
    sampler = SamplerSpec.parse(
        {"name": "tpe", "n_startup_trials": 4, "multivariate": True}, seed=3
    )
    return replace(
        drawn,
        sampler=sampler,
        pruner=type(drawn.pruner).parse({"name": "median", "n_warmup_steps": 2}),
        fixed=("trainer.epochs=2",),
        exercise=exercise(),
    )


@pytest.mark.parametrize("part", STORED)
def test_a_part_is_stored_as_ever(made: Plan, part: str) -> None:
    """A number that is whole stays whole, and what is absent stays absent."""
    assert json.dumps(made.to_json()[part]) == STORED[part]


def test_the_parts_stand_in_their_order(made: Plan) -> None:
    """The base config stands behind the space."""
    names = list(made.to_json())
    names.remove("template")
    assert names == list(STORED)
    assert list(made.to_json()["template"]) == ["groups", "bases"]


def test_what_is_stored_is_read_back(made: Plan) -> None:
    """To the same plan, which is stored as the same text again."""
    text = json.dumps(made.to_json())
    assert json.dumps(Plan.from_json(json.loads(text)).to_json()) == text


def test_an_owner_is_stored_as_ever() -> None:
    """Workers of several versions may share a study."""
    owner = Owner(host="lab-1:0a1b2c3d", pid=17, started="4711")
    text = '{"host": "lab-1:0a1b2c3d", "pid": 17, "started": "4711"}'
    assert json.dumps(owner.to_json()) == text
    assert Owner.from_json(json.loads(text)) == owner
