"""From what Hydra composes to a checked sweep."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from cnn_sweeps.config.metrics import KEY, own_metrics
from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.runs.composition.validate import (
    CONFIG_NAME,
    HYDRA_VERSION,
    SEARCH,
    config_dir,
    typed_for_hydra,
)
from cnn_sweeps.sweeps.comparison.definition import NODE, ComparisonSpec
from cnn_sweeps.sweeps.hydra_call import HydraCall, plain_value
from cnn_sweeps.sweeps.plan import cells
from cnn_sweeps.sweeps.plan.base_config import BaseConfig
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.effect import refuse_ineffective, remarks_of
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
from cnn_sweeps.sweeps.space.space import Space, parse_space
from cnn_sweeps.sweeps.space.value import text_of
from cnn_sweeps.sweeps.study import duplicates
from cnn_sweeps.sweeps.study.attributes import PLAN
from cnn_sweeps.sweeps.study.opening import refuse_as_option
from cnn_sweeps.sweeps.study.stored_studies import address_of, as_begun, begun_earlier
from cnn_sweeps.sweeps.study.study import SweepStudy, refuse_another
from cnn_sweeps.sweeps.swept import Swept, Typed, what_is_swept
from cnn_sweeps.sweeps.workers.code import digest_here
from cnn_sweeps.sweeps.workers.launcher import place_by_launcher
from cnn_sweeps.text.dotted import dotted
from cnn_sweeps.text.json import from_text
from cnn_sweeps.text.shell import command_for

if TYPE_CHECKING:
    from cnn_sweeps.sweeps.dry_run import DryRun

OF_APPLICATIONS = {
    "direction": "'hydra.sweeper.objectives={val_accuracy: maximize}'",
    "max_failure_rate": "hydra.sweeper.max_failures=NUMBER",
    "custom_search_space": "hydra.sweeper.params, with conditions",
    "patience": "tracking.patience=SECONDS",
}
"""Settings that a sweep of experiments does not have, and what to type instead."""
OF_DEFAULT = (
    "No values to sweep were typed, so search={space} is swept, the default: type some, such as "
    "trainer.batch_size=32,64, or search=NAME."
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
            overrides=typed_for_hydra(overrides),
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
    _refuse_of_applications(call.sweeper)
    typed = Typed.parse(arguments, call.context.config_loader)
    exercise = _exercise(call.config, typed)
    swept = what_is_swept(call, typed, exercise=exercise is not None)
    budget = Budget.parse(call.sweeper)
    try:
        plan = as_begun(_plan(call, typed, exercise, swept), budget)
        config = _checked(plan, budget)
    except ConfigError as error:
        if not swept.by_default or str(error).startswith(tuple(typed.lines)):
            raise
        # Whoever typed no space has not seen the keys that the error speaks of.
        of_default = OF_DEFAULT.format(space=swept.by_default)
        raise ConfigError(f"{error}\n  {of_default}") from error
    place = None
    if not call.is_local:
        _refuse_ray(call, budget)
        place = partial(place_by_launcher, call.launcher(), code=digest_here(plan))
    if place is not None and budget.elsewhere:
        raise ConfigError(
            "hydra.sweeper.n_jobs=none starts no worker, and hydra/launcher places some: "
            "leave one of them out."
        )
    earlier = begun_earlier(plan, budget, config.tracking)
    notes = (*swept.notes, *remarks_of(plan), *([earlier] if earlier else []))
    return SweepRequest(plan=plan, budget=budget, config=config, place=place, notes=notes)


def _refuse_ray(call: HydraCall, budget: Budget) -> None:
    """Refuse the launcher that starts a cluster in a thread, with which the cluster ends.

    Raises:
        ConfigError: it was chosen.
    """
    if call.ends_its_cluster:
        worker = command_for("worker", budget.study_name or "STUDY")
        raise ConfigError(
            "hydra/launcher=ray ends the cluster that it starts with trials in hand.\n"
            "  Type hydra.sweeper.n_jobs=none instead, and start workers on the cluster: "
            f"ray job submit -- {worker} (docs/scale.md)."
        )


def _refuse_of_applications(settings: Mapping[str, Any]) -> None:
    """Refuse what only a sweep of somebody's own application carries out."""
    for key, instead in OF_APPLICATIONS.items():
        if settings.get(key) is not None:
            raise ConfigError(
                f"hydra.sweeper.{key}={settings[key]} is for a Hydra application of your own: "
                f"here, type {instead}."
            )


def _checked(plan: Plan, budget: Budget) -> Config:
    """One of the experiments of a plan that can be carried out.

    Raises:
        ConfigError: it cannot be.
    """
    if plan.exercise is not None:
        cells.check(plan, budget)
    duplicates.refuse_swept_seed(plan)
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
    address = address_of(plan, budget, config.tracking)
    refuse_as_option(budget.study_name, address, plan=PLAN)
    refuse_another(address, plan)
    return config


def dry_run_of(request: SweepRequest) -> "DryRun":
    """What the sweep would do; nothing is trained and TensorFlow not imported."""
    from cnn_sweeps.sweeps.dry_run import describe  # noqa: PLC0415 -- not needed to sweep

    address = address_of(request.plan, request.budget, request.config.tracking)
    described = describe(request.plan, request.budget, SweepStudy.existing(address))
    facts, dimensions = list(described.facts), len(request.plan.space.dimensions)
    facts[dimensions:dimensions] = [("", note) for note in request.notes]
    return replace(described, facts=facts)


def _sampler(call: HydraCall) -> SamplerSpec:
    name = call.sweeper["sampler"] or "auto"
    return SamplerSpec.parse(name, seed=from_text(call.config.get("seed", 0)))


def _own_metrics(call: HydraCall) -> list[str]:
    """Names of the user's own metrics; the check of a config says what is wrong with them."""
    listed = OmegaConf.select(call.config, KEY, default=None) or ()
    texts = [listed] if isinstance(listed, str) else map(str, listed)
    return [each.name for each in own_metrics(list(texts))]


def _plan(call: HydraCall, typed: Typed, exercise: ComparisonSpec | None, swept: Swept) -> Plan:
    """Space, base configs and all that chooses and ends trials."""
    settings, loader = call.sweeper, call.context.config_loader
    objectives, sampler = Objectives.parse(call.objectives, _own_metrics(call)), _sampler(call)
    space = parse_space(swept.expressions, loader, typed=typed.lines)
    typed_values = {key: line for key, line in typed.fixed.items() if not _is_apart(key)}
    fixed = [*space.fixed, *typed_values.values()]
    if exercise is not None:
        _refuse_astray(exercise, loader, call.config, list(typed_values.values()))
        exercise, space, own = cells.laid_out(exercise, space, typed_values)
        fixed = [*own, *fixed]
    return Plan(
        space=space,
        base_config=_base_config(loader, call.config, space, fixed).measuring(objectives.measured),
        objectives=objectives,
        sampler=sampler,
        pruner=PrunerSpec.parse(settings["pruner"] or "none"),
        duplicates=duplicates.parse(settings["duplicates"]),
        fixed=tuple(fixed),
        exercise=exercise,
    )


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
    return ComparisonSpec.parse(plain_value(config[NODE]))


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
    return dict(dotted({k: v for k, v in values.items() if k not in ("hydra", NODE)}))


def _is_apart(key: str) -> bool:
    """Whether an override says what is swept, and nothing of the experiment."""
    return key.lstrip("+~").partition(".")[0] in (SEARCH, NODE)


def _refuse_own_settings(composed: DictConfig, without: DictConfig, options: list[str]) -> None:
    """Refuse options that are swept, and whose files say how the sweep is done.

    Args:
        composed: with these options.
        without: the same without them.
        options: as they are typed.

    Raises:
        ConfigError: naming the first setting.
    """
    before, now = (
        dict(dotted(OmegaConf.to_container(each.hydra.sweeper, resolve=False)))  # type: ignore[arg-type]
        for each in (without, composed)
    )
    for key, value in now.items():
        if before.get(key, ...) != value:
            raise ConfigError(
                f"hydra.sweeper.{key} is set by the file of {' '.join(options)}, which is swept "
                "itself, and would have no effect.\n"
                f"Type hydra.sweeper.{key}=... for all options, or sweep each option by itself."
            )


def _base_config(
    loader: ConfigLoader, master: DictConfig, space: Space, fixed: list[str]
) -> BaseConfig:
    typed = [line for line in master.hydra.overrides.task if line in fixed]

    @cache
    def without_options() -> DictConfig:
        return loader.load_sweep_config(master, fixed)

    def compose(overrides: list[str]) -> DictConfig:
        # Hydra composed the master with what was typed; only more than that needs another pass.
        more = overrides != typed
        composed = loader.load_sweep_config(master, overrides) if more else master.copy()
        if options := [line for line in overrides if line not in fixed]:
            _refuse_own_settings(composed, without_options(), options)
        with open_dict(composed):
            del composed["hydra"]
            composed.pop(NODE, None)
        return composed

    groups = {d.key for d in space.dimensions if loader.get_group_options(d.key.lstrip("+"))}
    return BaseConfig.compose(compose, fixed, space, groups)
