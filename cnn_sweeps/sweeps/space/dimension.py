"""One thing that a sweep varies: what it may be, in order, and when it counts."""

from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.sweeps.space.condition import Condition
from cnn_sweeps.sweeps.space.value import Label, is_number, label_of, text_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One swept key.

    Attributes:
        key: the key element of the override, with its prefix and package: `model.filters`,
            `model`, `+model.x`, `db@source`.
        kind: whether the values are numbers (and Optuna may interpolate) or just choices.
        choices: every label in the order of enumeration; empty for an interval.
        texts: for `categorical`, the override text of each choice.
        low: for numbers, the least value, included.
        high: for numbers, the greatest value, included.
        step: for numbers, the distance between neighbours; None for any value between.
        log: for numbers, whether they are searched on a logarithmic scale.
        when: what must hold of other keys for this one to count; all of it.
    """

    key: str
    kind: Literal["categorical", "int", "float"]
    choices: tuple[Label, ...] = ()
    texts: tuple[str, ...] = ()
    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False
    when: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        """The dimension as an expression, shortened when it is long, with its condition."""
        if not self.when:
            return self.expression
        return f"{self.expression} (when {' and '.join(map(str, self.when))})"

    @property
    def expression(self) -> str:
        """The dimension as it would be typed, shortened when it is long."""
        if self.log:
            return f"{self.key}=tag(log, interval({self.low},{self.high}))"
        if not self.choices:
            return f"{self.key}=interval({self.low},{self.high})"
        texts = [self.text(value) for value in self.choices]
        if len(texts) > SHOWN:
            texts = [*texts[:3], "...", texts[-1]]
        return f"{self.key}={','.join(texts)}"

    @property
    def values(self) -> Sequence[Label] | None:
        """Every label in the order of enumeration; None when infinitely many."""
        if self.choices:
            return self.choices
        if self.low == self.high:
            return (int(self.low) if self.kind == "int" else self.low,)
        return range(int(self.low), int(self.high) + 1) if self.kind == "int" else None

    def active(self, values: Mapping[str, Label]) -> bool:
        """Whether this key counts beside these values of the keys before it."""
        return all(condition.holds(values) for condition in self.when)

    def label(self, value: Any) -> Label:
        """The label of a plain value, as YAML or Hydra's parser gives it, or of its text.

        Raises:
            ConfigError: it is no value of this dimension.
        """
        written = text_of(value)
        for text in (written, value):
            if isinstance(text, str) and text in self._labels:
                return self._labels[text]
        if is_number(value):
            if (member := self._member(value)) in self._numbers and member == value:
                return member
            if not self.choices and self.low <= value <= self.high:
                number = float(value) if self.kind == "float" else int(value)
                if number == value:
                    return number
        raise ConfigError(f"`{self.key}={written}` is not one of `{self.expression}`.")

    def text(self, value: Label) -> str:
        """What stands behind `key=` for one label.

        Raises:
            ConfigError: the label is no choice of this dimension.
        """
        if self.kind != "categorical" and is_number(value):
            return str(self._member(value))
        if (text := self._texts.get((type(value), value))) is not None:
            return text
        raise ConfigError(f"`{value}` is not a value of `{self}`.")

    def distribution(self) -> "BaseDistribution":
        """The same dimension in Optuna's terms."""
        from optuna.distributions import (  # noqa: PLC0415 - only a study needs Optuna
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        if self.kind == "categorical":
            return CategoricalDistribution(self.choices)
        if self.kind == "int":
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            return IntDistribution(low, high, log=self.log, step=step)
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def suggest(self, trial: "Trial") -> Label:
        """The label for a trial: the one it carries, or the sampler's choice."""
        if self.kind == "categorical":
            return trial.suggest_categorical(self.key, self.choices)
        if self.kind == "int":
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            return trial.suggest_int(self.key, low, high, step=step, log=self.log)
        value = trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log)
        return self._member(value)

    def draw(self, chance: Random) -> Label:
        """Any value, without a sampler."""
        if self.values is not None:
            return chance.choice(self.values)
        return chance.uniform(self.low, self.high)

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be stored with the study."""
        # By hand: pydantic would store `low: 1` as 1.0, and a sweep would get another name.
        plain = asdict(self)
        del plain["when"]
        # Without conditions the plan reads, and names the study, as it did before there were any.
        conditions = {"when": [condition.to_json() for condition in self.when]} if self.when else {}
        return {**plain, "choices": list(self.choices), "texts": list(self.texts), **conditions}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Dimension":
        """The dimension that was stored."""
        sequences = {name: tuple(plain[name]) for name in ("choices", "texts")}
        when = tuple(Condition.from_json(stored) for stored in plain.get("when", ()))
        return cls(**{**plain, **sequences, "when": when})

    def _member(self, number: float) -> float:
        """The nearest member of a stepped range; anything between is itself.

        Optuna computes `low + k * step` in floating point, and 0.30000000000000004 would be
        another experiment than 0.3.
        """
        place = bisect(self._numbers, number)
        near = self._numbers[max(place - 1, 0) : place + 1]
        return min(near, key=lambda member: abs(member - number), default=number)

    # Looked up for every cell: a search among the members would make a sweep quadratic in them.

    @cached_property
    def _numbers(self) -> list[float]:
        """The members that are numbers, ascending."""
        return sorted(filter(is_number, self.choices))

    @cached_property
    def _labels(self) -> Mapping[str, Label]:
        return dict(zip(self.texts or map(str, self.choices), self.choices, strict=True))

    @cached_property
    def _texts(self) -> Mapping[tuple[type, Label], str]:
        pairs = zip(reversed(self.choices), reversed(self.texts), strict=False)
        return {(type(choice), choice): text for choice, text in pairs}


def categorical(key: str, values: Iterable[Any]) -> Dimension:
    """A dimension over plain values, each kept once; `1`, `1.0`, `true` and `'1'` are four.

    Optuna compares with `==`, so that `1` and `true` would be one choice. Where two labels
    are equal in that sense, all of them become texts.
    """
    unique = {text_of(value): value for value in values}
    labels = tuple(label_of(value, text) for text, value in unique.items())
    texts = tuple(unique)
    if len(set(labels)) < len(labels):
        labels = texts
    return Dimension(key=key, kind="categorical", choices=labels, texts=texts)
