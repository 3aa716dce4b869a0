"""From what Hydra composes to a checked sweep."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.validate import CONFIG_NAME, HYDRA_VERSION, config_dir
from cnn_sweeps.sweeps.comparison.definition import NODE, ComparisonSpec
from cnn_sweeps.sweeps.plan import cells
from cnn_sweeps.sweeps.plan.base_config import BaseConfig
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.effect import refuse_ineffective
from cnn_sweeps.sweeps.plan.feasibility import (
    refuse_endless,
    refuse_impossible,
    refuse_lacking,
    refuse_surplus,
)
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.plan.pruners import PrunerSpec, build_pruner, validate_pruner
from cnn_sweeps.sweeps.plan.samplers import SamplerSpec, validate_sampler
from cnn_sweeps.sweeps.request import SweepRequest
from cnn_sweeps.sweeps.space.enqueue import parse_points
from cnn_sweeps.sweeps.space.overrides import read_override, value_of
from cnn_sweeps.sweeps.space.space import Space, parse_space
from cnn_sweeps.sweeps.space.value import text_of
from cnn_sweeps.sweeps.study import duplicates
from cnn_sweeps.sweeps.study.catalog import address_of
from cnn_sweeps.sweeps.study.study import SweepStudy, refuse_another
from cnn_sweeps.sweeps.workers.hydra_jobs import sweep_jobs
from cnn_sweeps.sweeps.workers.launcher import place_by_launcher
from cnn_sweeps.text.dotted import dotted
from cnn_sweeps.text.json import from_text

if TYPE_CHECKING:
    from cnn_sweeps.sweeps.dry_run import DryRun

SEARCH = "search"
"""The config group of ready-made spaces."""
OBJECTIVES = "hydra.sweeper.objectives"
NUMBERS = ("n_trials", "timeout", "n_jobs", "retries", "max_failures", "sampler", "pruner")
"""Settings that are numbers or hold some."""


@dataclass(frozen=True, kw_only=True)
class HydraCall:
    """What Hydra hands to a sweeper.

    Attributes:
        settings: the values of `hydra.sweeper`.
        config: the composed config without the sweep, Hydra's own part included.
        context: Hydra's config loader.
        task_function: what Hydra would run for each job.
    """

    settings: Mapping[str, Any]
    config: DictConfig
    context: HydraContext
    task_function: TaskFunction


@dataclass(frozen=True, kw_only=True)
class Typed:
    """The overrides of the command line, sorted.

    Attributes:
        sweeps: key to sweep expression.
        fixed: key to the override that sets one value.
    """

    sweeps: Mapping[str, str]
    fixed: Mapping[str, str]

    @classmethod
    def parse(cls, arguments: Sequence[str], config_loader: ConfigLoader) -> "Typed":
        """Divide what was typed into sweeps and fixed values."""
        overrides = [read_override(text, config_loader) for text in arguments]
        return cls(
            sweeps={
                o.get_key_element(): _expression(o) for o in overrides if o.is_sweep_override()
            },
            fixed={
                o.get_key_element(): o.input_line or ""
                for o in overrides
                if not o.is_sweep_override()
            },
        )


@contextmanager
def composed_call(overrides: Sequence[str]) -> Iterator[tuple[HydraCall, list[str]]]:
    """What Hydra would hand to a sweeper for a command line, outside of a Hydra run.

    Hydra's global state is as before at its end.

    Args:
        overrides: what would be typed behind `cnn-sweeps -m`.
    """
    with initialize_config_dir(config_dir(), version_base=HYDRA_VERSION):
        app = GlobalHydra.instance().hydra
        if app is None:
            raise RuntimeError("Hydra was initialised and is not there")
        config = app.compose_config(
            config_name=CONFIG_NAME,
            overrides=list(overrides),
            run_mode=RunMode.MULTIRUN,
            with_log_configuration=False,
        )
        settings = {k: v for k, v in config.hydra.sweeper.items() if k != "_target_"}
        context = HydraContext(config_loader=app.config_loader, callbacks=Callbacks(config))
        call = HydraCall(settings=settings, config=config, context=context, task_function=_no_task)
        yield call, list(config.hydra.overrides.task)


def _no_task(config: DictConfig) -> None:  # noqa: ARG001 -- what Hydra calls it with
    """What a launcher would run for each job of a sweep that has no program."""
    raise ConfigError("a launcher needs the program: sweep with other launchers by cnn-sweeps -m.")


def request_of(call: HydraCall, arguments: Sequence[str]) -> SweepRequest:
    """What Hydra composed and what was typed after `-m`, as a sweep of our own experiments.

    Raises:
        ConfigError: it cannot be carried out; nothing was started and TensorFlow not imported.
    """
    budget = Budget.parse(_settings(call))
    plan = _plan(call, list(arguments))
    if plan.exercise is not None:
        cells.check(plan, budget)
    refuse_lacking(plan)
    # A cell of an exercise that does not fit the images is part of its answer.
    config = plan.config(cells.base_of(plan)) if plan.exercise else refuse_impossible(plan)
    refuse_ineffective(plan)
    plan.objectives.check(config.data.validation_fraction)
    validate_sampler(plan.sampler, plan.space, plan.objectives)
    validate_pruner(plan.pruner, plan.objectives)
    build_pruner(plan.pruner, max_epochs=plan.max_epochs)  # refuses what its signature allows
    refuse_surplus(parse_points(budget.enqueue, plan.space), plan, budget)
    refuse_endless(plan, budget)
    refuse_another(address_of(plan, budget, config.tracking), plan)
    place = None if _is_local(call) else partial(place_by_launcher, _launcher(call))
    return SweepRequest(plan=plan, budget=budget, config=config, place=place)


def sweep_application(call: HydraCall, arguments: Sequence[str]) -> Sequence[Any]:
    """Sweep somebody's own Hydra application: each trial is one job of its launcher.

    Raises:
        ConfigError: it cannot be carried out.
    """
    settings = _settings(call)
    space = parse_space(
        [settings["params"], *arguments], call.context.config_loader, typed=list(arguments)
    )
    _save_multirun(call.config)
    return sweep_jobs(
        _launcher(call), space, _sampler(call), _objectives(call), Budget.parse(settings).n_trials
    )


def dry_run_of(request: SweepRequest) -> "DryRun":
    """What the sweep would do; nothing is trained and TensorFlow not imported."""
    from cnn_sweeps.sweeps.dry_run import describe  # noqa: PLC0415 -- not needed to sweep

    address = address_of(request.plan, request.budget, request.config.tracking)
    return describe(request.plan, request.budget, SweepStudy.existing(address))


def _settings(call: HydraCall) -> dict[str, Any]:
    """The values of `hydra.sweeper`; numbers may come out of environment variables, as texts."""
    plain = {key: _plain(value) for key, value in call.settings.items()}
    return {key: from_text(value) if key in NUMBERS else value for key, value in plain.items()}


def _objectives(call: HydraCall) -> Objectives:
    typed = _replaced(OBJECTIVES, call.config.hydra.overrides.hydra)
    return Objectives.parse(typed or _settings(call)["objectives"] or {})


def _sampler(call: HydraCall) -> SamplerSpec:
    name = _settings(call)["sampler"] or "auto"
    return SamplerSpec.parse(name, seed=from_text(call.config.get("seed", 0)))


def _plan(call: HydraCall, arguments: list[str]) -> Plan:
    """Space, base configs and all that chooses and ends trials."""
    settings, loader = _settings(call), call.context.config_loader
    objectives, sampler = _objectives(call), _sampler(call)
    typed = Typed.parse(arguments, loader)
    exercise = _exercise(call.config, typed)
    lines = call.config.hydra.overrides.hydra
    expressions = _expressions(settings["params"], typed, lines, whole=exercise is not None)
    space = parse_space(expressions, loader, typed=arguments)
    typed_values = {key: line for key, line in typed.fixed.items() if not _is_apart(key)}
    fixed = [*space.fixed, *typed_values.values()]
    if exercise is not None:
        _refuse_astray(exercise, loader, call.config, list(typed_values.values()))
        exercise, space, own = cells.laid_out(exercise, space, typed_values)
        fixed = [*own, *fixed]
    return Plan(
        space=space,
        base_config=_base_config(loader, call.config, space, fixed),
        objectives=objectives,
        sampler=sampler,
        pruner=PrunerSpec.parse(settings["pruner"] or "none"),
        duplicates=duplicates.parse(settings["duplicates"]),
        fixed=tuple(fixed),
        exercise=exercise,
    )


def _replaced(key: str, lines: Sequence[str]) -> Any:
    """What was typed for a key, if it was; Hydra adds a mapping to the one that is there."""
    typed = [line for line in lines if line.lstrip("+").startswith(f"{key}=")]
    return value_of(read_override(typed[-1])) if typed else None


def _save_multirun(config: DictConfig) -> None:
    """Leave the sweep's config in its folder, as Hydra's own sweepers do."""
    folder = Path(config.hydra.sweep.dir)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "multirun.yaml")


def _launcher(call: HydraCall) -> Launcher:
    return Plugins.instance().instantiate_launcher(
        hydra_context=call.context, task_function=call.task_function, config=call.config
    )


def _is_local(call: HydraCall) -> bool:
    """Whether Hydra's own, sequential launcher is chosen: then the workers are local processes."""
    return str(call.config.hydra.launcher._target_).endswith(".BasicLauncher")


def _exercise(config: DictConfig, typed: Typed) -> ComparisonSpec | None:
    """The exercise in the composed config, taken for what it is: no part of an experiment."""
    if swept := [key for key in typed.sweeps if _is_apart(key) and key != SEARCH]:
        raise ConfigError(f"{swept[0].lstrip('+')} cannot be swept: type one value.")
    if NODE not in config:
        return None
    if SEARCH in typed.fixed:
        raise ConfigError(
            f"+{NODE} and {typed.fixed[SEARCH]} both set what is swept: type one of them."
        )
    return ComparisonSpec.parse(_plain(config[NODE]))


def _refuse_astray(
    exercise: ComparisonSpec, loader: ConfigLoader, master: DictConfig, typed: list[str]
) -> None:
    """Refuse what the file of an exercise sets beside its question: no cell would have it.

    Raises:
        ConfigError: there is something.
    """
    sides = (master, loader.load_sweep_config(master, typed))
    for values in (_groups, _experiment):  # a group first: its keys follow from it
        here, without = (values(side) for side in sides)
        absent = object()
        for key in {**here, **without}:
            if here.get(key, absent) != without.get(key, absent):
                raise ConfigError(
                    f"the file of the {NODE} {exercise.name} sets {key} outside of `{NODE}`, "
                    f"where no cell has it.\n"
                    f"  Set it below `{NODE}.settings` there: `{key}: {text_of(here.get(key))}`."
                )


def _groups(master: DictConfig) -> dict[str, Any]:
    """The chosen option of each config group that an experiment is composed of."""
    chosen = {str(group): option for group, option in master.hydra.runtime.choices.items()}
    return {g: o for g, o in chosen.items() if not g.startswith("hydra/") and not _is_apart(g)}


def _experiment(master: DictConfig) -> dict[str, Any]:
    """The values of the experiment in a composed config, by dotted key."""
    container = OmegaConf.to_container(master, resolve=False)
    values = cast("dict[str, Any]", container)
    return dict(_flat({k: v for k, v in values.items() if k not in ("hydra", NODE)}))


def _is_apart(key: str) -> bool:
    """Whether an override says what is swept, and nothing of the experiment."""
    return key.lstrip("+~").partition(".")[0] in (SEARCH, NODE)


def _expressions(
    params: Mapping[str, Any],
    typed: Typed,
    hydra_overrides: Sequence[str],
    *,
    whole: bool,
) -> list[str | dict[str, Any]]:
    """The dimensions: what was typed; from `params`, what the command line leaves open.

    A sweep that is typed replaces the space of the default `search`, unless a space was
    asked for, by name, by `hydra.sweeper.params` or as an exercise (`whole`); a fixed value
    takes its dimension out.
    """
    if SEARCH in typed.sweeps:
        raise ConfigError("search cannot be swept: type one search=NAME.")
    for key in typed.sweeps.keys() & typed.fixed.keys():
        raise ConfigError(
            f"{key} is both swept ({typed.sweeps[key]}) and set ({typed.fixed[key]}): type one."
        )
    given = any(line.lstrip("+~").startswith("hydra.sweeper.params") for line in hydra_overrides)
    keep = whole or given or SEARCH in typed.fixed or not typed.sweeps
    base = {key: value for key, value in _flat(params) if keep and key not in typed.fixed}
    if not base and not typed.sweeps and not whole:
        raise ConfigError(
            "there is nothing to sweep.\n  Type values, for example cnn-sweeps -m "
            "model.filters=16,32,64, or name a space with search=NAME; without -m one run is made."
        )
    return [base, *(f"{key}={text}" for key, text in typed.sweeps.items())]


def _base_config(
    loader: ConfigLoader, master: DictConfig, space: Space, fixed: list[str]
) -> BaseConfig:
    typed = [line for line in master.hydra.overrides.task if line in fixed]

    def compose(overrides: list[str]) -> DictConfig:
        # Hydra composed the master with what was typed; only more than that needs another pass.
        more = overrides != typed
        composed = loader.load_sweep_config(master, overrides) if more else master.copy()
        with open_dict(composed):
            del composed["hydra"]
            composed.pop(NODE, None)
        return composed

    groups = {d.key for d in space.dimensions if loader.get_group_options(d.key.lstrip("+"))}
    return BaseConfig.compose(compose, fixed, space, groups)


def _flat(params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted keys; what says `sweep` or `when` is the expression of one key."""
    return dotted(params, is_value=lambda _, value: not {"sweep", "when"}.isdisjoint(value))


def _expression(override: Override) -> str:
    line = override.input_line or ""
    return line.partition("=")[2]


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
