"""Which dimension depends on which: `when:` of YAML, read against the keys that it names.

The order is one in which every key comes after those that its conditions name, and otherwise
the order of writing. A conditional space in outline is enough of its points to know all answers
to its conditions.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.space.condition import ORDER, Condition
from cnn_sweeps.sweeps.space.dimension import Dimension, categorical
from cnn_sweeps.sweeps.space.overrides import read_override, value_of
from cnn_sweeps.sweeps.space.params import When
from cnn_sweeps.sweeps.space.value import Label, is_number
from cnn_sweeps.text.dotted import dotted

COMPARISON = re.compile(r"\s*(>=|<=|!=|==|>|<|=)\s*(.*?)\s*", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What the command line, or a plain value beside the sweeps, has settled.

    A ready-made space is narrowed by what is typed. A condition that then has one answer is
    answered; in a space that nobody narrowed it would be a mistake.

    Attributes:
        values: keys that have one value, without the `+` of their overrides.
        narrowed: keys whose sweep was typed.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    narrowed: frozenset[str] = frozenset()

    def __contains__(self, key: str) -> bool:
        return key in self.values or key in self.narrowed


def connect(
    dimensions: Sequence[Dimension], whens: Mapping[str, When], settled: Settled
) -> tuple[Dimension, ...]:
    """The dimensions with their conditions, those first that others depend on.

    Args:
        dimensions: the swept keys as they were written.
        whens: what stands behind `when:`, by the key of the dimension.
        settled: what leaves a condition only one answer.

    Raises:
        ConfigError: a condition names no swept key or no value of it, goes round in a circle,
            always holds or never does.
    """
    swept = {bare_key(dimension.key): dimension for dimension in dimensions}
    wanted = {
        key: {bare_key(name): asked for name, asked in dotted(whens.get(d.key, {}))}
        for key, d in swept.items()
    }
    order = _order(wanted, settled)
    known = {k: categorical(k, [v]) for k, v in settled.values.items() if k not in swept}
    for key in order:
        answers = [
            _answer(key, known.get(name), asked, strict=name not in settled)
            for name, asked in wanted[key].items()
        ]
        if False not in answers:
            when = tuple(answer for answer in answers if isinstance(answer, Condition))
            known[key] = replace(swept[key], when=when)
    connected = tuple(known[key] for key in order if key in known)
    _check_reachable(connected)
    return connected


def bare_key(key: str) -> str:
    """A key without the `+` that adds it to the config."""
    return key.lstrip("+")


def _order(wanted: Mapping[str, When], settled: Settled) -> list[str]:
    """Every swept key after those it depends on."""
    placed: list[str] = []

    def place(key: str, path: tuple[str, ...]) -> None:
        if key in path:
            circle = " -> ".join((*path[path.index(key) :], key))
            raise ConfigError(f"The conditions are circular: {circle}; remove one `when`.")
        for name in wanted[key]:
            if name in wanted:
                place(name, (*path, key))
            elif name not in settled:
                others = ", ".join(other for other in wanted if other != key) or "another swept key"
                raise ConfigError(
                    f"`{key}` has a condition on `{name}`, which is not swept; "
                    f"a condition names one of {others}."
                )
        if key not in placed:
            placed.append(key)

    for key in wanted:
        place(key, ())
    return placed


def _answer(key: str, other: Dimension | None, asked: Any, *, strict: bool) -> Condition | bool:
    """One entry of `when:`: what it always is, or a condition that each point decides.

    Args:
        key: whose condition it is.
        other: the key that it names; None where that never counts itself.
        asked: the value, the list or the comparison.
        strict: refuse a condition with one answer.

    Raises:
        ConfigError: it cannot be read, or has one answer and must not.
    """
    if other is None:
        return False
    condition = _condition(key, other, asked, strict=strict)
    answers = {condition.allows(value) for value in sample_values(other, [condition])}
    if len(answers) > 1 or (True in answers and other.when):
        return condition
    if strict:
        always = True in answers
        raise ConfigError(
            f"`{key}` has the condition `{condition}`, which {'always' if always else 'never'} "
            f"holds in `{other.expression}`; "
            f"{'leave it out' if always else 'name a value that occurs'}."
        )
    return answers.pop()


def _condition(key: str, other: Dimension, asked: Any, *, strict: bool) -> Condition:
    """One entry of `when:`, read against the key that it names."""
    sign, values = _read(key, other.key, asked)
    if sign in ORDER:
        _check_numbers(key, other, asked, values)
        return Condition(key=other.key, sign=sign, labels=tuple(values))
    labels = []
    for value in values:
        try:
            labels.append(other.label(value))
        except ConfigError as error:
            if strict:
                raise ConfigError(f"`{key}` has a condition that never holds: {error}") from None
    return Condition(key=other.key, sign=sign, labels=tuple(labels))


def _read(key: str, name: str, asked: Any) -> tuple[str, list[Any]]:
    """The sign and the plain values of one entry of `when:`."""
    found = COMPARISON.fullmatch(asked) if isinstance(asked, str) else None
    if found is not None:
        override = read_override(f"{name}={found[2]}")
        if override.is_sweep_override() or not found[2]:
            raise ConfigError(
                f"`{key}` has the condition `{name}: {asked}`, and a comparison is with one value; "
                f'write `{name}: ">0"`, or a list for one of several.'
            )
        return found[1].replace("==", "="), [value_of(override)]
    if isinstance(asked, list | tuple):
        if not asked:
            raise ConfigError(
                f"`{key}` has the condition `{name}: []`, which never holds; "
                "list values, such as [cnn,dnn]."
            )
        return "=", list(asked)
    return "=", [asked]


def _check_numbers(key: str, other: Dimension, asked: str, values: Sequence[Any]) -> None:
    """Refuse to ask which is more of what are not numbers."""
    if not all(map(is_number, [*values, *other.choices])):
        raise ConfigError(
            f"`{key}` has the condition `{other.key}: {asked}`, which compares numbers, and not "
            f"all are numbers in `{other.expression}`; list the values: `{other.key}: [...]`."
        )


def _check_reachable(dimensions: Sequence[Dimension]) -> None:
    """Refuse a key whose conditions exclude each other."""
    if not any(dimension.when for dimension in dimensions):
        return
    reached = {key for outline, _ in condition_cases(dimensions) for key in outline}
    for dimension in dimensions:
        if dimension.key not in reached:
            raise ConfigError(
                f"The conditions of `{dimension}` never hold together; remove one of them."
            )


def condition_cases(
    dimensions: Sequence[Dimension], point: Mapping[str, Label] = MappingProxyType({})
) -> Iterator[tuple[Mapping[str, Label], int]]:
    """A point for each combination of the answers to all conditions, and how many are like it.

    Of a continuous dimension the count is one of points that stand for all others.
    """
    if not dimensions:
        yield point, 1
        return
    first, *rest = dimensions
    if not first.active(point):
        yield from condition_cases(rest, point)
        return
    conditions = [c for dimension in rest for c in dimension.when if c.key == first.key]
    for value, alike in _representatives(first, conditions):
        for outline, count in condition_cases(rest, {**point, first.key: value}):
            yield outline, count * alike


def _representatives(
    dimension: Dimension, conditions: Sequence[Condition]
) -> Iterable[tuple[Label, int]]:
    """One value for each set of answers to some conditions, and how many give the same."""
    values = sample_values(dimension, conditions)
    if not conditions:
        return [(values[0], len(values))]
    answers = [tuple(condition.allows(value) for condition in conditions) for value in values]
    first = dict(zip(reversed(answers), reversed(values), strict=True))
    return [(first[answer], count) for answer, count in Counter(answers).items()]


def sample_values(dimension: Dimension, conditions: Sequence[Condition]) -> Sequence[Label]:
    """Values of a dimension among which each possible answer of some conditions is found.

    Of a continuous one: its ends, what the conditions hold it against, and points between.
    """
    if dimension.values is not None:
        return dimension.values
    low, high = dimension.low, dimension.high
    labels = (label for condition in conditions for label in condition.labels)
    marks = sorted({low, high, *(x for x in labels if is_number(x) and low <= x <= high)})
    between = [(one + other) / 2 for one, other in pairwise(marks)]
    return [*marks, *between]
