"""The space that a study searches.

`parse_space` reads what stands on the command line or under `hydra.sweeper.params` with
Hydra's own parser, so that `choice`, `range`, `interval`, `tag`, `sort`, `shuffle`, `glob`,
casts, comma lists and config groups mean what they mean in any Hydra application.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.space.conditions import Settled, bare_key, condition_cases, connect
from cnn_sweeps.sweeps.space.dimension import Dimension, categorical
from cnn_sweeps.sweeps.space.nesting import refuse_overlaps
from cnn_sweeps.sweeps.space.overrides import (
    dimension_of,
    expression_of,
    fixed_override,
    read_override,
    value_of,
)
from cnn_sweeps.sweeps.space.params import When, expression, split_condition
from cnn_sweeps.sweeps.space.value import BARE, Label
from cnn_sweeps.text.format import first_line

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.override_parser.types import Override
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

FEW = 2_000
"""Cells that are gone through one by one."""

KINDS = {
    "categorical": "a list of choices",
    "int": "a range of integers",
    "float": "a range of numbers",
}

__all__ = ["Dimension", "Space", "params_to_overrides", "parse_space"]


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a sweep searches.

    A point has a value for each key that counts in it, and none for the others: a dimension
    with a condition counts where that holds.

    Attributes:
        dimensions: the swept keys, each after those that its conditions name, and otherwise
            in the order they were given.
        fixed: overrides that are the same in every trial.
    """

    dimensions: tuple[Dimension, ...]
    fixed: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The swept keys as they would be typed."""
        return " ".join(map(str, self.dimensions))

    @property
    def conditional(self) -> bool:
        """Whether some key does not count in every point."""
        return any(dimension.when for dimension in self.dimensions)

    @cached_property
    def size(self) -> int | None:
        """How many cells there are; None when a dimension is continuous."""
        if any(dimension.values is None for dimension in self.dimensions):
            return None
        return sum(count for _, count in condition_cases(self.dimensions))

    def cells(self) -> Iterator[dict[str, Label]]:
        """Every combination, the first key changing slowest, as Hydra's basic sweeper does.

        Raises:
            ConfigError: a dimension is continuous.
        """
        for dimension in self.dimensions:
            if dimension.values is None:
                raise ConfigError(
                    f"`{dimension}` has infinitely many values, so they cannot be enumerated; type "
                    "hydra/sweeper/sampler=tpe, or a range with a step: range(0.0,0.5,0.1)."
                )
        return _cells(self.dimensions, {})

    def cell(self, labels: Iterable[Label]) -> dict[str, Label]:
        """The cell with these labels, one for each key that counts, in the order of the keys."""
        left, cell = iter(labels), dict[str, Label]()
        for dimension in self.dimensions:
            if dimension.active(cell):
                cell[dimension.key] = next(left)
        return cell

    def first(self) -> dict[str, Label]:
        """One point of the space: the first value of each dimension."""
        return self.point({})

    def point(self, values: Mapping[str, Label]) -> dict[str, Label]:
        """The first point with these values, as far as their keys count in it."""
        point: dict[str, Label] = {}
        for dimension in self.dimensions:
            if dimension.active(point):
                first = dimension.low if dimension.values is None else dimension.values[0]
                point[dimension.key] = values.get(dimension.key, first)
        return point

    def sample_points(self) -> Iterator[dict[str, Label]]:
        """Points in which each key stands at each of its values, or at the ends of its interval.

        Every cell where there are few. Keys that do not count at the first point are probed
        where they do.
        """
        if self.size is not None and self.size <= FEW:
            yield from self.cells()
            return
        for outline, _ in condition_cases(self.dimensions):
            for dimension in self.dimensions:
                if dimension.key in outline:
                    for value in dimension.choices or (dimension.low, dimension.high):
                        yield self.point({**outline, dimension.key: value})

    def drawn(
        self, chance: Random, values: Mapping[str, Label] = MappingProxyType({})
    ) -> Iterator[dict[str, Label]]:
        """Points by chance, with these values as far as their keys count, without end."""
        while True:
            point: dict[str, Label] = {}
            for dimension in self.dimensions:
                if dimension.active(point):
                    key = dimension.key
                    point[key] = values[key] if key in values else dimension.draw(chance)
            yield point

    def suggest(self, trial: "Trial") -> dict[str, Label]:
        """The point of a trial: the values that it carries, or else the sampler's choice.

        Keys are asked for in the order of dependency, and those that do not count not at all.
        """
        point: dict[str, Label] = {}
        for dimension in self.dimensions:
            if dimension.active(point):
                point[dimension.key] = dimension.suggest(trial)
        return point

    def distributions(self) -> "dict[str, BaseDistribution]":
        """The swept keys in Optuna's terms."""
        return {dimension.key: dimension.distribution() for dimension in self.dimensions}

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """The overrides for the labels of some of the swept keys; `fixed` is not among them.

        Raises:
            ConfigError: a label is no value of its dimension.
        """
        return [
            f"{dimension.key}={dimension.text(values[dimension.key])}"
            for dimension in self.dimensions
            if dimension.key in values
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be stored with the study."""
        return {"dimensions": [d.to_json() for d in self.dimensions], "fixed": list(self.fixed)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Space":
        """The space that was stored."""
        dimensions = tuple(Dimension.from_json(stored) for stored in plain["dimensions"])
        return cls(dimensions=dimensions, fixed=tuple(plain["fixed"]))

    def difference(self, other: "Space") -> str:
        """What is different in an `other` space, in words; empty when they agree."""
        mine = {dimension.key: dimension for dimension in self.dimensions}
        theirs = {dimension.key: dimension for dimension in other.dimensions}
        changes = [f"`{theirs[key]}` was added" for key in theirs if key not in mine]
        changes += [f"`{mine[key]}` was removed" for key in mine if key not in theirs]
        changes += [
            _told_apart(mine[key], theirs[key])
            for key in mine
            if key in theirs and mine[key] != theirs[key]
        ]
        if not changes and list(mine) != list(theirs):
            changes = [f"the order was {', '.join(mine)} and is now {', '.join(theirs)}"]
        if self.fixed != other.fixed:
            before, now = (" ".join(space.fixed) or "nothing" for space in (self, other))
            changes.append(f"fixed was {before} and is now {now}")
        return "; ".join(changes)


def parse_space(
    expressions: Mapping[str, Any] | Iterable[str | Mapping[str, Any]],
    config_loader: "ConfigLoader | None" = None,
    *,
    typed: Iterable[str] = (),
    as_hydra: bool = False,
) -> Space:
    """The space that some sweep expressions span.

    Args:
        expressions: `hydra.sweeper.params`, or override strings as on the command line and
            such mappings among them. Of two with one key the later counts, in the place of
            the earlier; a string leaves the earlier one's condition standing.
        config_loader: where the options of a config group are looked up. Without it there is no
            `glob`, and a key whose values are words is taken for a group.
        typed: the overrides of the command line, whether or not they are among the
            expressions. A condition on one of their keys that can only hold, or never can, is
            settled by them; any other of that kind is refused.
        as_hydra: whether Hydra's own meaning holds, for applications that are not ours:
            `interval(1,5)` is any number between, and `choice(5)` a choice.

    Raises:
        ConfigError: one of them cannot be read or searched, or a key was typed with two sweeps.
    """
    latest: dict[str, Override] = {}
    whens: dict[str, When] = {}
    for text, when in _entries(expressions):
        override = read_override(text, config_loader, as_hydra=as_hydra)
        key = override.get_key_element()
        latest[key] = override
        if when is not None:
            whens[key] = when
        elif not override.is_sweep_override():
            whens.pop(key, None)
    varied = [o for key, o in latest.items() if o.is_sweep_override() or key in whens]
    fixed = [o for key, o in latest.items() if not o.is_sweep_override() and key not in whens]
    given = [read_override(text, config_loader) for text in typed]
    _refuse_twice(given)
    dimensions = connect(
        [_dimension(o, as_hydra=as_hydra) for o in varied], whens, _settled(fixed, given)
    )
    single = [o for o in (*fixed, *given) if not o.is_sweep_override()]
    refuse_overlaps(
        dimensions,
        {o.get_key_element(): fixed_override(o) for o in single if o.value_type is not None},
        partial(_is_group, config_loader),
    )
    return Space(dimensions=dimensions, fixed=tuple(map(fixed_override, fixed)))


def params_to_overrides(params: Mapping[str, Any]) -> list[str]:
    """`hydra.sweeper.params` as override strings: a list there means a choice.

    Conditions are left out; `parse_space` reads them.

    Raises:
        ConfigError: a key holds a mapping, an empty list or a value that cannot be resolved.
    """
    return [text for text, _ in _entries(params)]


def _entries(
    expressions: Mapping[str, Any] | Iterable[str | Mapping[str, Any]],
) -> Iterator[tuple[str, When | None]]:
    """Override strings one by one, each with its condition."""
    for entry in [expressions] if isinstance(expressions, Mapping) else expressions:
        if isinstance(entry, str):
            yield entry, None
        else:
            for key, value in _resolved(entry).items():
                sweep, when = split_condition(str(key), value)
                yield f"{key}={expression(str(key), sweep)}", when


def _resolved(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """`params` as plain values."""
    try:
        plain: Any = (
            OmegaConf.to_container(params, resolve=True)
            if isinstance(params, DictConfig)
            else params
        )
    except OmegaConfBaseException as error:
        reason = first_line(error)
        raise ConfigError(f"hydra.sweeper.params cannot be resolved: {reason}.") from None
    return dict(plain)


def _dimension(override: "Override", *, as_hydra: bool) -> Dimension:
    """A sweep, or the one value that a key has where its condition holds."""
    if override.is_sweep_override():
        return dimension_of(override, as_hydra=as_hydra)
    return categorical(override.get_key_element(), [value_of(override)])


def _is_group(config_loader: "ConfigLoader | None", dimension: Dimension) -> bool:
    """Whether a key chooses among the options of a config group."""
    if config_loader is not None:
        return bool(config_loader.get_group_options(bare_key(dimension.key).partition("@")[0]))
    return dimension.kind == "categorical" and all(map(BARE.fullmatch, dimension.texts))


def _told_apart(before: Dimension, now: Dimension) -> str:
    """What has changed of a dimension, also where both are typed or shortened to one text."""
    if str(before) != str(now):
        return f"`{before}` is now `{now}`"
    if before.kind != now.kind:
        return f"`{before}` was {KINDS[before.kind]} and is now {KINDS[now.kind]}"
    return f"the values of `{before}` are others now"


def _refuse_twice(typed: Iterable["Override"]) -> None:
    """Refuse two sweeps of one key, of which the first would be left out unsaid."""
    swept: dict[str, str] = {}
    for override in filter(lambda each: each.is_sweep_override(), typed):
        key, text = bare_key(override.get_key_element()), expression_of(override)
        if key in swept:
            raise ConfigError(f"{key} is swept twice ({swept[key]} and {text}): type one.")
        swept[key] = text


def _settled(fixed: Iterable["Override"], typed: Iterable["Override"]) -> Settled:
    """The keys that have one value, and those whose sweep was typed."""
    values, narrowed = {}, set()
    for override in fixed:
        if override.value_type is not None:
            values[bare_key(override.get_key_element())] = value_of(override)
    for override in typed:
        key = bare_key(override.get_key_element())
        if override.is_sweep_override():
            narrowed.add(key)
        elif override.value_type is not None:
            values[key] = value_of(override)
    return Settled(values=values, narrowed=frozenset(narrowed))


def _cells(
    dimensions: Sequence[Dimension], cell: Mapping[str, Label]
) -> Iterator[dict[str, Label]]:
    """The cells one by one: `itertools.product` would first hold every value of each."""
    if not dimensions:
        yield dict(cell)
        return
    first, *rest = dimensions
    if not first.active(cell):
        yield from _cells(rest, cell)
        return
    for value in first.values or ():
        yield from _cells(rest, {**cell, first.key: value})
