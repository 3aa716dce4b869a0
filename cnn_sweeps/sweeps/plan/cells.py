"""The cells of an exercise: its sweep once for each seed, and the cell of the base model."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.comparison.definition import NODE, ComparisonSpec
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.space.conditions import bare_key
from cnn_sweeps.sweeps.space.dimension import Dimension
from cnn_sweeps.sweeps.space.space import Space
from cnn_sweeps.sweeps.space.value import Label, text_of

SEED = "seed"


def laid_out(
    exercise: ComparisonSpec, space: Space, fixed: Mapping[str, str]
) -> tuple[ComparisonSpec, Space, list[str]]:
    """An exercise over what is swept: with its base as a cell, each cell once for every seed.

    Args:
        exercise: as its file has it.
        space: what is swept.
        fixed: key to what was typed for it, where that is one value.

    Returns:
        The exercise, the space with its seeds, and what is set in every cell, as overrides.

    Raises:
        ConfigError: the seed was typed, nothing is varied, or no cell is the base model.
    """
    if SEED in (*fixed, *exercise.settings) or any(
        bare_key(dimension.key) == SEED for dimension in space.dimensions
    ):
        raise ConfigError(
            f"+{NODE}={exercise.name} sets its seeds itself, from 0.\n"
            f"  Type {NODE}.seeds=5 for five."
        )
    settings = [
        f"{key}={text_of(value)}" for key, value in exercise.settings.items() if key not in fixed
    ]
    settled = with_base(exercise, space, fixed)
    return settled, with_seeds(space, settled), settings


def with_seeds(space: Space, exercise: ComparisonSpec) -> Space:
    """The space with a dimension of seeds behind the others.

    Raises:
        ConfigError: nothing is varied.
    """
    if not space.dimensions:
        raise ConfigError(
            f"+{NODE}={exercise.name} has a single cell, so there is nothing to compare; give "
            f"several values of what it varies."
        )
    last = exercise.seeds - 1
    seeds = Dimension(
        key=SEED, kind="int", choices=tuple(range(exercise.seeds)), low=0, high=last, step=1
    )
    return replace(space, dimensions=(*space.dimensions, seeds))


def with_base(exercise: ComparisonSpec, space: Space, fixed: Mapping[str, str]) -> ComparisonSpec:
    """The exercise with its base model as a cell of the space.

    Args:
        exercise: with what its file says of the base model.
        space: what is swept.
        fixed: key to what was typed for it, where that is one value.

    Raises:
        ConfigError: no cell is the base model, or several are.
    """
    asked: dict[str, Label] = {}
    for key, value in exercise.base.items():
        found = next((d for d in space.dimensions if bare_key(d.key) == bare_key(key)), None)
        if found is not None:
            asked[found.key] = _label(exercise, found, value)
        elif fixed.get(key) != f"{key}={text_of(value)}":
            told = f"{fixed[key]} was typed" if key in fixed else "that is not swept"
            raise ConfigError(
                f"the base model of +{NODE}={exercise.name} has {key}={text_of(value)}, but {told}."
                f"\n  Give several values of {key}, with {text_of(value)} among them."
            )
    point = space.point(asked)
    for key in point.keys() - asked.keys():
        (override,) = space.overrides({key: point[key]})
        raise ConfigError(
            f"{key} is swept, but the base model of +{NODE}={exercise.name} has no value for it.\n"
            f"  Type +{NODE}.base.{bare_key(override)}"
        )
    for key in asked.keys() - point.keys():
        raise ConfigError(
            f"{key} is inactive in the base model of +{NODE}={exercise.name}, for the condition "
            f"of `{next(d for d in space.dimensions if d.key == key)}`.\n"
            f"  Type ~{NODE}.base.{bare_key(key)}"
        )
    return replace(exercise, base=point)


def check(plan: Plan, budget: Budget) -> None:
    """Refuse what would leave cells out of an exercise, or end them early.

    Raises:
        ConfigError: a sampler would choose among the cells, or a pruner end some.
    """
    size = plan.space.size
    if size is None:
        raise ConfigError(
            "an exercise tries every cell, and there are infinitely many here; type a list of "
            "values, or a range with a step: range(0.0,0.5,0.1)."
        )
    if budget.n_trials is not None and budget.n_trials < size:
        raise ConfigError(
            f"hydra.sweeper.n_trials={budget.n_trials} would leave out some of the {size} "
            f"trainings that the exercise compares.\n  Leave it out; {NODE}.seeds=1 asks for fewer."
        )
    if plan.duplicates == "replicate":
        raise ConfigError(
            f"hydra.sweeper.duplicates=replicate would repeat some trainings and leave others out; "
            f"an exercise sets its seeds itself.\n  Type {NODE}.seeds=5 for five of each."
        )
    if plan.pruner.name != "none":
        raise ConfigError(
            f"hydra/sweeper/pruner={plan.pruner.name} would stop trainings early that the exercise "
            f"compares; leave it out."
        )


def base_of(plan: Plan) -> dict[str, Label]:
    """The point of the base model with the first seed."""
    return {**(plan.exercise.base if plan.exercise else {}), SEED: 0}


def cell_texts(plan: Plan, values: Mapping[str, Any]) -> dict[str, str]:
    """A cell without its seed, by key as it would be typed.

    A key that does not count in it stands there with what the exercise sets elsewhere: a fourth
    block keeps the border, whether or not that was swept beside it.
    """
    settings = plan.exercise.settings if plan.exercise else {}
    texts: dict[str, str] = {}
    for dimension in plan.space.dimensions:
        key = dimension.key
        if key in values:
            texts[key] = str(dimension.text(values[key]))
        elif bare_key(key) in settings:
            texts[key] = text_of(settings[bare_key(key)])
    texts.pop(SEED, None)
    return texts


def _label(exercise: ComparisonSpec, dimension: Dimension, value: Any) -> Label:
    try:
        return dimension.label(value)
    except ConfigError:
        text = text_of(value)
        raise ConfigError(
            f"the base model of +{NODE}={exercise.name} has {dimension.key}={text}, which is not "
            f"among {dimension.expression}.\n  Add {text} to the values, or type "
            f"{NODE}.base.{bare_key(dimension.key)}=VALUE for another base model."
        ) from None
