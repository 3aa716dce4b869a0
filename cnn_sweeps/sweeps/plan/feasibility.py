"""Refusing, before anything starts, what no trial could carry out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from random import Random
from typing import Any

from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import ConfigError, InputError
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.space.conditions import condition_cases
from cnn_sweeps.sweeps.space.space import FEW, Space
from cnn_sweeps.sweeps.space.value import Label
from cnn_sweeps.text.format import pluralize

MOST_POINTS = 2_000
"""Points that are checked one by one, a millisecond each; of more, the first so many."""
DRAWS = 200
"""Points by chance in which a value must have been refused before it counts as impossible."""
MOST_CELLS = 10_000
"""Cells that are put into a queue one by one, 3 ms each."""


Build = Callable[[Mapping[str, Label]], Config]
"""From a point of a space to a config that can be carried out; else raises `InputError`."""


def refuse_impossible(plan: Plan, build: Build | None = None) -> Config:
    """Check the values of a space, and return the first config that can be carried out.

    A value that is refused in whatever company is refused here, with its own message. A
    combination that cannot be built while others can is left to fail as a trial.

    Args:
        plan: what is swept.
        build: makes and checks a config; `plan.config` when None.

    Raises:
        ConfigError: a key does not exist, or some value is never possible.
    """
    build = build or plan.config
    possible: Config | None = None
    refused: dict[tuple[str, str], tuple[Any, InputError]] = {}
    accepted: set[tuple[str, str]] = set()
    for point in islice(plan.space.sample_points(), MOST_POINTS):
        marks = {(key, repr(value)): value for key, value in point.items()}
        try:
            config = build(point)
        except InputError as error:
            refused |= {m: refused.get(m, (value, error)) for m, value in marks.items()}
            continue
        accepted |= marks.keys()
        possible = possible or config
    for mark, (value, refusal) in refused.items():
        if mark not in accepted and not _possible(plan, build, mark[0], value):
            raise refusal
    return possible or plan.first


def refuse_lacking(plan: Plan) -> None:
    """Refuse to sweep a key beside an option of a config group that does not have it.

    Raises:
        ConfigError: naming the option, and the condition under which the key counts.
    """
    for dimension in plan.space.dimensions:
        key, group = dimension.key, dimension.key.partition(".")[0]
        having, lacking = plan.base_config.divided(group, key)
        met = [option for option in lacking if _counts_beside(plan.space, key, group, option)]
        if having and met:
            when = having[0] if len(having) == 1 else f"[{','.join(map(str, having))}]"
            sweep = dimension.expression.partition("=")[2]
            sweep = f"choice({sweep})" if dimension.choices else sweep
            raise ConfigError(
                f"{dimension.expression} cannot be swept with {group}={met[0]}, which has no "
                f"{key}.\n  Under params of a search space (docs/sweeps.md), write\n"
                f"  {key}: {{sweep: '{sweep}', when: {{{group}: {when}}}}}"
            )


def refuse_endless(plan: Plan, budget: Budget) -> None:
    """Refuse to try every cell of a space that is too large for it.

    Raises:
        ConfigError: it is.
    """
    size = plan.space.size
    if budget.enumerates(plan) and size is not None and size > MOST_CELLS:
        raise ConfigError(
            f"this space has {size:,} cells, too many to try each; type "
            f"hydra.sweeper.n_trials=NUMBER for a sampler to choose among them"
            f"{', and hydra/sweeper/sampler=tpe' if plan.sampler.enumerates else ''}."
        )


def refuse_surplus(points: Sequence[Mapping[str, Label]], plan: Plan, budget: Budget) -> None:
    """Refuse to enqueue more points than there are trials; the last ones would be passed over.

    Raises:
        ConfigError: there are more.
    """
    if len(points) > (most := budget.slots(plan)):
        raise ConfigError(
            f"hydra.sweeper.enqueue has {pluralize(len(points), 'point')}, and the sweep has "
            f"{pluralize(most, 'trial')}.\n"
            f"  Type hydra.sweeper.n_trials={len(points)}, or fewer points."
        )


def _counts_beside(space: Space, key: str, group: str, option: Label) -> bool:
    """Whether a key counts in some point that has an option."""
    narrowed = [
        replace(d, choices=(option,), texts=(str(option),)) if d.key == group else d
        for d in space.dimensions
    ]
    return any(key in point for point, _ in condition_cases(narrowed))


def _possible(plan: Plan, build: Build, key: str, value: Any) -> bool:
    """Whether a value that the probes refused is possible in other company."""
    if plan.space.size is not None and plan.space.size <= FEW:
        return False  # every cell was looked at
    for point in islice(plan.space.drawn(Random(0), {key: value}), DRAWS):  # noqa: S311 -- no secret
        with suppress(InputError):
            if key in point and build(point):
                return True
    return False
