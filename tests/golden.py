"""What commit 2427821 called each of some experiments and sweeps; it holds for ever.

`promises/golden.json` was written by that commit and is never written again. Run as a program,
this prints what no longer holds: a copy of the package that has grown is checked by that.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from composition import remember_what_was_read

from cnn_sweeps.config import Config
from cnn_sweeps.config.loading import load
from cnn_sweeps.config.stored import with_defaults
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.runs.composition.validate import compose, plain_values
from cnn_sweeps.sweeps.plan.base_config import BaseConfig
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.plan.pruners import PrunerSpec
from cnn_sweeps.sweeps.plan.samplers import SamplerSpec
from cnn_sweeps.sweeps.space.space import parse_space

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "promises" / "golden.json").read_text("utf-8")
)
DATA_DIGEST = "d" * 64
FIRST_RULES = "data.rules=1"
"""What every command of that commit meant without saying so."""


def names(values: dict[str, Any]) -> dict[str, str]:
    """The names of an experiment, and of a sweep over its epochs."""
    config = load(values)
    identity = identify(config, DATA_DIGEST)
    sweep = plan(with_defaults(values))
    return {
        "config_hash": identity.config_hash,
        "trajectory_hash": identity.trajectory_hash,
        "experiment_key": sweep.experiment_key(config),
        "trajectory_key": sweep.trajectory_key(config),
        "sweep": sweep.digest(),
    }


def plan(base: dict[str, Any]) -> Plan:
    """A sweep of two numbers of epochs over an experiment."""
    return Plan(
        space=parse_space({"trainer.epochs": "choice(1,2)"}),
        base_config=BaseConfig(groups=(), bases={"[]": base}, checked=False),
        objectives=Objectives.parse({}),
        sampler=SamplerSpec.parse("auto", seed=0),
        pruner=PrunerSpec.parse("none"),
    )


def composed(command: list[str]) -> dict[str, Any]:
    """The plain values that a command composes."""
    return plain_values(compose(command))


def config_of(*command: str) -> Config:
    """The config that a command composes; what it names need not be there."""
    return load(composed(list(command)))


def broken() -> Iterator[str]:
    """What has another name than it had, a line each."""
    for case in CASES:
        now = names(composed(case["command"]))
        for kind, name in now.items():
            if name != case[kind]:
                yield f"{' '.join(case['command'])}: {kind} was {case[kind]} and is {name}"


if __name__ == "__main__":
    remember_what_was_read()
    raise SystemExit("\n".join(broken()))
