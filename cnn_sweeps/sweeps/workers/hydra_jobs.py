"""Sweeping any Hydra application: each trial is one job of Hydra's launcher.

A cnn_sweeps experiment does not come this way: its workers pull trials from the study. This
is what `hydra/sweeper=cnn_sweeps` does in somebody's own application, whose task function
returns the objective: a number, or a mapping from metric name to number.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import optuna
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.plan.samplers import SamplerSpec, build_sampler
from cnn_sweeps.sweeps.space.space import Space

Batch = Sequence[JobReturn]
Cell = Mapping[str, Any]


def sweep_jobs(
    launcher: Launcher,
    space: Space,
    sampler: SamplerSpec,
    objectives: Objectives,
    n_trials: int | None,
) -> list[Batch]:
    """Run every cell of a discrete space in one batch, or ask the sampler `n_trials` times.

    Returns:
        The launcher's results, batch by batch. The first job that failed raises its exception.
    """
    if space.size is not None and (n_trials is None or n_trials >= space.size):
        return [_launch(launcher, space, list(space.cells()), 0)]
    if n_trials is None:
        raise ConfigError(
            "a space with infinitely many values needs hydra.sweeper.n_trials=NUMBER."
        )
    study = optuna.create_study(
        directions=list(objectives.directions), sampler=build_sampler(sampler)
    )
    return list(islice(_asked(study, launcher, space, objectives), n_trials))


def _asked(
    study: optuna.Study, launcher: Launcher, space: Space, objectives: Objectives
) -> Iterator[Batch]:
    while True:
        trial = study.ask()
        batch = _launch(launcher, space, [space.suggest(trial)], trial.number)
        study.tell(trial, _values(batch[0].return_value, objectives))
        yield batch


def _launch(launcher: Launcher, space: Space, cells: list[Cell], first: int) -> Batch:
    overrides = [[*space.overrides(cell), *space.fixed] for cell in cells]
    results = launcher.launch(overrides, initial_job_idx=first)
    for result in results:
        _ = result.return_value  # raises what the job raised
    return results


def _values(returned: Any, objectives: Objectives) -> list[float]:
    if isinstance(returned, Mapping):
        return objectives.values(returned)
    if isinstance(returned, int | float) and len(objectives.names) == 1:
        return [float(returned)]
    raise ConfigError(
        f"the application returned {returned!r}: a sweep needs a number, or a mapping that "
        f"has {', '.join(objectives.names)}."
    )
