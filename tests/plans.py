"""Small sweeps for tests: plans without Hydra's files, and runs without training."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from configs import config

from cnn_sweeps.config import Config
from cnn_sweeps.config.loading import to_json
from cnn_sweeps.provenance.identity import Identity, identify
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.sweeps.outcome import Display, SweepOutcome
from cnn_sweeps.sweeps.plan.base_config import BaseConfig
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.plan.pruners import PrunerSpec
from cnn_sweeps.sweeps.plan.samplers import SamplerSpec
from cnn_sweeps.sweeps.request import SweepRequest
from cnn_sweeps.sweeps.space.space import parse_space
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.training.epoch import Epoch, TrainingResult

FILTERS_AND_BLOCKS = {"model.filters": "choice(4,8)", "model.conv_blocks": "range(0,3)"}


def plan(
    params: dict[str, Any] | None = None,
    *,
    sampler: str = "auto",
    objectives: dict[str, str] | None = None,
    pruner: str = "none",
    duplicates: Any = "skip",
    **groups: Any,
) -> Plan:
    """A plan over a small experiment."""
    return Plan(
        space=parse_space(params or FILTERS_AND_BLOCKS),
        base_config=BaseConfig(groups=(), bases={"[]": to_json(config(**groups))}),
        objectives=Objectives.parse(objectives or {}),
        sampler=SamplerSpec.parse(sampler, seed=0),
        pruner=PrunerSpec.parse(pruner),
        duplicates=duplicates,
    )


def sweep_of(
    made: Plan, budget: Budget, asked: Config, display: Display | None = None
) -> SweepOutcome:
    """What a whole sweep returns, with its report written."""
    from cnn_sweeps.api import carry_out

    request = SweepRequest(plan=made, budget=budget, config=asked)
    return carry_out(request, display or Display())


def study(folder: Path, made: Plan | None = None, name: str = "study") -> SweepStudy:
    """A study in a journal of its own."""
    return SweepStudy.create(
        StudyAddress(storage=str(folder / f"{name}.journal"), name=name), made or plan()
    )


def epoch(number: int = 1, loss: float = 0.5, accuracy: float = 0.8) -> Epoch:
    """An epoch with given scores."""
    return Epoch(
        number=number,
        loss=loss,
        accuracy=accuracy,
        val_loss=loss,
        val_accuracy=accuracy,
        seconds=0.1,
        images_per_second=100.0,
    )


class FakeRun:
    """Stands for `run`: scores a config by a formula instead of training it."""

    def __init__(self, score: Callable[[Config], float] = lambda config: 0.5) -> None:
        self.score = score
        self.seen: list[Config] = []

    def __call__(
        self,
        config: Config,
        *,
        trial: int = 0,
        started: Callable[[str, Identity], None],
        callbacks: Sequence[Any] = (),
    ) -> RunResult:
        """Remember the config and return its score, as a run would."""
        self.seen.append(config)
        identity = identify(config, "d" * 64)
        started(f"run{len(self.seen)}", identity)
        metrics = {
            "val_accuracy": self.score(config),
            "train_seconds": 1.0 + len(self.seen),
            "trainable_params": 1000.0,
        }
        return RunResult(
            name=f"fake {identity.short}",
            run_id=f"run{len(self.seen)}",
            identity=identity,
            metrics=metrics,
            training=TrainingResult(epochs=(epoch(),), best=1, stopped="all 1 epoch"),
            weights_sha256="w" * 64,
            epochs_trained=1,
        )
