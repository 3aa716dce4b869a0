"""A condition on another swept key: filters mean nothing without a convolution."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cnn_sweeps.sweeps.space.value import Label

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
"""Comparisons of numbers; beside them stand `=`, one of some labels, and `!=`, none of them."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What the value of one swept key must be.

    Attributes:
        key: the other dimension's key.
        sign: `=`, `!=` or a key of `ORDER`.
        labels: what its value is compared with; a comparison of numbers has one.
    """

    key: str
    sign: str
    labels: tuple[Label, ...]

    def __str__(self) -> str:
        """The condition as a reader would write it."""
        shown = ",".join("null" if label is None else str(label) for label in self.labels)
        return (
            f"{self.key}{self.sign}{shown}" if len(self.labels) == 1 else f"{self.key} in {shown}"
        )

    def holds(self, values: Mapping[str, Label]) -> bool:
        """Whether it holds; of a key that has no value it never does."""
        return self.key in values and self.allows(values[self.key])

    def allows(self, label: Label) -> bool:
        """Whether it holds for one value of its key."""
        if self.sign in ORDER:
            return ORDER[self.sign](label, self.labels[0])
        return (label in self.labels) == (self.sign == "=")

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be stored with the study."""
        return {"key": self.key, "sign": self.sign, "labels": list(self.labels)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Condition":
        """The condition that was stored."""
        return cls(key=plain["key"], sign=plain["sign"], labels=tuple(plain["labels"]))
