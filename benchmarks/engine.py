"""A study of many trials that do nothing, carried out by the engine's own workers."""

import uuid
from pathlib import Path
from typing import Self

from optuna.trial import FrozenTrial

from benchmarks import studies
from cnn_sweeps.config.loading import to_json
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.sweeps.plan.base_config import BaseConfig
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.plan.pruners import PrunerSpec
from cnn_sweeps.sweeps.plan.samplers import SamplerSpec
from cnn_sweeps.sweeps.space.space import parse_space
from cnn_sweeps.sweeps.study.events import Event
from cnn_sweeps.sweeps.study.journal import SUFFIX
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.supervisor import Interrupts, Supervisor
from cnn_sweeps.sweeps.workers import forkserver
from cnn_sweeps.sweeps.workers.pool import Pool
from cnn_sweeps.sweeps.workers.worker import Worker, execute_of

EXECUTE = "benchmarks.trivial:execute"
"""What the workers call in place of a training."""
NAME = "trivial"


def measure(
    folder: Path, *, trials: int, workers: int, sampler: str, storage: str | None = None
) -> list[FrozenTrial]:
    """Carry out so many trials, and return them in the order in which they ended.

    Args:
        folder: where the study's journal is written; no study may be there yet.
        trials: how many.
        workers: processes; 0 for this one.
        sampler: `grid` enumerates them, another one is asked for each.
        storage: the URL of a database in the place of that journal.

    Raises:
        RunFailedError: not every trial is complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = NAME if storage is None else f"{NAME}-{uuid.uuid4().hex[:8]}"
    address = StudyAddress(storage=storage or str(folder / f"{NAME}{SUFFIX}"), name=name)
    budget = Budget(n_trials=trials, n_jobs=workers)
    if workers:
        forkserver.warm_up(EXECUTE)
    study = SweepStudy.create(address, plan(trials, sampler))
    fill_queue(study, budget)
    if workers:
        group = Pool(study.address, workers=workers, threads=1, execute=EXECUTE)
        Supervisor(study=study, store=None, budget=budget, view=Blind()).run(group, Interrupts())
    else:
        Worker(study=study, execute=execute_of(study, EXECUTE)).work()
    return studies.ended(study.optuna_study, expected=trials)


def plan(trials: int, sampler: str) -> Plan:
    """A sweep over the seed where cells are enumerated, over the learning rate where not."""
    params = (
        {"seed": f"range(0,{trials})"}
        if sampler == "grid"
        else {"trainer.optimizer.learning_rate": "tag(log, interval(0.0001,0.1))"}
    )
    config = validate.make_config(validate.plain_values(validate.compose(["data=digits"])))
    return Plan(
        space=parse_space(params),
        base_config=BaseConfig(groups=(), bases={"[]": to_json(config)}),
        objectives=Objectives.parse({}),
        sampler=SamplerSpec.parse(sampler, seed=0),
        pruner=PrunerSpec.parse("none"),
    )


class Blind:
    """A view that shows nothing."""

    def __enter__(self) -> Self:
        """Begin to show nothing."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Show nothing more."""

    def show(self, event: Event) -> None:
        """Take no notice."""

    def tick(self) -> None:
        """Let time pass."""
