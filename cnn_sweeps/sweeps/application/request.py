"""From what Hydra composes to a checked sweep of an application."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.utils import get_method
from omegaconf import OmegaConf

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.data.cores import cores
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.application.objectives import parse_objectives
from cnn_sweeps.sweeps.application.plan import ApplicationPlan
from cnn_sweeps.sweeps.application.samplers import parse_sampler
from cnn_sweeps.sweeps.application.study import PLAN
from cnn_sweeps.sweeps.hydra_call import HydraCall
from cnn_sweeps.sweeps.plan.budget import Budget, study_name
from cnn_sweeps.sweeps.plan.samplers import validate_sampler
from cnn_sweeps.sweeps.space.enqueue import parse_points
from cnn_sweeps.sweeps.space.space import parse_space
from cnn_sweeps.sweeps.study import duplicates
from cnn_sweeps.sweeps.study.journal import SUFFIX
from cnn_sweeps.sweeps.study.opening import refuse_as_option
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.text.json import sha256

OURS = {
    "pruner": "its jobs report no epochs",
    "max_failures": "type hydra.sweeper.max_failure_rate",
    "log_level": "type hydra.verbose=true, or choose hydra/hydra_logging",
    "log_file": "choose hydra/hydra_logging",
    "worker": "leave it out",
    "workers_per_gpu": "its launcher places the jobs",
}
"""Settings that only a sweep of our own experiments carries out, and what to do instead."""


@dataclass(frozen=True, kw_only=True)
class ApplicationRequest:
    """A sweep of an application, checked and ready to be carried out.

    Attributes:
        plan: what is swept.
        budget: how much of it.
        address: where its study is, or will be.
        folder: of the sweep: `hydra.sweep.dir`.
        batch: how many jobs the launcher gets at a time; one where it runs one after the other,
            so that what is done is recorded when another one ends the program.
        judged: of how many jobs `max_failure_rate` is a share.
        max_failure_rate: the share of them that may fail; above it the sweep ends.
        patience: seconds to wait for the study's database where it goes away.
        asked: whether somebody said what is optimized: then every job must return it.
    """

    plan: ApplicationPlan
    budget: Budget
    address: StudyAddress
    folder: Path
    batch: int
    judged: int
    max_failure_rate: float
    patience: float
    asked: bool


def request_of(call: HydraCall, arguments: Sequence[str]) -> ApplicationRequest:
    """What Hydra composed and what was typed, as a sweep of the application.

    Raises:
        ConfigError: it cannot be carried out; nothing was started.
        HydraException: the application's config cannot be composed with the swept values.
    """
    settings = call.sweeper
    if call.ends_its_cluster:
        raise ConfigError(
            "hydra/launcher=ray ends the cluster that it starts with jobs in hand.\n"
            "  Type hydra/launcher=joblib for this machine, or hydra/launcher=submitit_slurm."
        )
    _refuse_ours(settings)
    plan = _plan(call, arguments)
    budget = Budget.parse({**settings, "n_jobs": 1})
    validate_sampler(plan.sampler, plan.space, plan.objectives)
    parse_points(budget.enqueue, plan.space)
    folder = Path(call.config.hydra.sweep.dir).absolute()
    name = budget.study_name or study_name(call.config.hydra.job.name, plan.digest())
    address = _address(budget.storage, name, folder)
    refuse_as_option(budget.study_name, address, plan=PLAN)
    jobs = _jobs(settings["n_jobs"], local=call.is_local)
    request = ApplicationRequest(
        plan=plan,
        budget=budget,
        address=address,
        folder=folder,
        batch=1 if call.is_local else jobs,
        judged=jobs,
        max_failure_rate=_rate(settings["max_failure_rate"]),
        patience=_patience(settings["patience"]),
        asked=bool(call.objectives or settings["direction"]) or not budget.enumerates(plan),
    )
    # What the config has no place for is refused before anything is started.
    call.context.config_loader.load_sweep_config(call.config, plan.overrides(plan.space.first()))
    return request


def _plan(call: HydraCall, arguments: Sequence[str]) -> ApplicationPlan:
    settings = call.sweeper
    space = parse_space(
        [settings["params"] or {}, *arguments],
        call.context.config_loader,
        typed=list(arguments),
        as_hydra=True,
    )
    custom = settings["custom_search_space"]
    if custom is not None:
        _check_function(custom)
    own = OmegaConf.to_container(OmegaConf.masked_copy(call.config, _own_keys(call)))
    return ApplicationPlan(
        space=space,
        objectives=parse_objectives(call.objectives, settings["direction"]),
        sampler=parse_sampler(settings["sampler"], call.config.get("seed")),
        duplicates=duplicates.parse(settings["duplicates"]),
        custom_search_space=custom,
        config=sha256(repr(own)),
    )


def _own_keys(call: HydraCall) -> list[Any]:
    return [key for key in call.config if key != "hydra"]


def _check_function(path: Any) -> None:
    try:
        get_method(str(path))
    except Exception as error:  # whatever the user's module raises
        raise ConfigError(
            f"hydra.sweeper.custom_search_space={path} is not a function that can be imported "
            f"(module.function): {error}"
        ) from error


def _refuse_ours(settings: dict[str, Any]) -> None:
    neutral = {"max_failures": Budget.max_failures, "log_level": Budget.log_level}
    neutral |= {"workers_per_gpu": "auto"}
    for key, instead in OURS.items():
        given = settings[key]
        name = given.get("name") if isinstance(given, dict) else given
        if name not in (None, "none", neutral.get(key)):
            raise ConfigError(
                f"hydra.sweeper.{key}={name} is for cnn_sweeps' own experiments, not for an "
                f"application: {instead}."
            )


def _address(storage: str | None, name: str, folder: Path) -> StudyAddress:
    """Where the study is; in the folder of the sweep, unless somewhere else was named.

    An application may change the working directory, so no path is left relative.
    """
    address = StudyAddress(storage=storage or str(folder / f"{name}{SUFFIX}"), name=name)
    return StudyAddress(storage=address.absolute, name=name) if address.file else address


def _jobs(given: Any, *, local: bool) -> int:
    if given in (None, "auto"):
        return 1 if local else cores()
    if type(given) is int and given > 0:
        return given
    raise ConfigError(
        f"hydra.sweeper.n_jobs={given} is invalid: it takes the number of jobs that the launcher "
        f"gets at a time, 1 or more, or auto."
    )


def _rate(given: Any) -> float:
    if given is None:
        return 0.0
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= 1:
        return float(given)
    raise ConfigError(
        f"hydra.sweeper.max_failure_rate={given} is invalid: it takes a number from 0 to 1, the "
        f"share of a batch of jobs that may fail."
    )


def _patience(given: Any) -> float:
    if given is None:
        return Tracking.patience
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < math.inf:
        return float(given)
    raise ConfigError(
        f"hydra.sweeper.patience={given} is invalid: it takes seconds to wait for a database that "
        f"goes away, a number from 0, or null for {Tracking.patience:g}."
    )
