"""Which work item each slot of a budget is for, whether or not it is in the queue yet.

Only a few items wait at a time, however many a sweep has: every look at a study costs what its
unfinished trials cost. Whoever claims an item adds the one that comes so many places after it. It
takes no lock, for a claim is unique, and no plan: what there is to add stands here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, Self

from cnn_sweeps.sweeps.space.enqueue import is_complete
from cnn_sweeps.sweeps.space.space import Space
from cnn_sweeps.sweeps.study.attributes import SCHEDULE

SHORT = 8
"""Digits of a trajectory's key that are kept; two that begin alike would only wait in vain."""


def trajectory_of(key: str | None) -> str | None:
    """How a trajectory is written in a schedule."""
    return key and key[:SHORT]


@dataclass(frozen=True, kw_only=True)
class Item:
    """The work of a slot.

    Attributes:
        cell: the values of all swept keys, or of some; none where the sampler proposes them.
        trajectory: the trajectory that it belongs to, see `trajectory_of`; None for its own.
    """

    cell: Mapping[str, Any] = field(default_factory=dict)
    trajectory: str | None = None


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The items by slot, in the order of the slots.

    Attributes:
        items: by slot. Of a study of an earlier version it lacks those that are in the queue.
        ahead: how many items wait at most: two for each worker.
    """

    items: Mapping[int, Item] = field(default_factory=dict)
    ahead: int = 2

    @cached_property
    def order(self) -> Sequence[int]:
        """The slots as they go."""
        return list(self.items)

    @cached_property
    def _places(self) -> Mapping[int, int]:
        return {slot: place for place, slot in enumerate(self.order)}

    def after(self, slot: int) -> int | None:
        """The slot that a claim of this one brings into the queue; None for none."""
        place = self._places.get(slot, len(self.order)) + self.ahead
        return self.order[place] if place < len(self.order) else None

    def without(self, slots: Iterable[int]) -> dict[int, Item]:
        """The items but those of some slots."""
        gone = set(slots)
        return {slot: item for slot, item in self.items.items() if slot not in gone}

    def to_json(self, space: Space) -> dict[str, Any]:
        """Plain values, to be stored with the study: a whole cell is a list of its labels."""
        return {
            "ahead": self.ahead,
            "items": [[slot, *_plain(item, space)] for slot, item in self.items.items()],
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], space: Space) -> Self:
        """The schedule that was stored."""
        items = {slot: _item(rest, space) for slot, *rest in plain["items"]}
        return cls(items=items, ahead=plain["ahead"])


def in_parts(plain: Mapping[str, Any], most: int | None) -> dict[str, Any]:
    """A stored schedule as attributes by name, each of so many bytes at most; in one when None."""
    items = plain["items"]
    longest = max(len(json.dumps(item)) for item in items) + len(", ") if items else 1
    each = len(items) if most is None else max(most // longest, 1)
    rest = [items[begin : begin + each] for begin in range(each, len(items), each or 1)]
    first = {**plain, "items": items[:each], **({"parts": len(rest)} if rest else {})}
    return {SCHEDULE: first, **{_part(number): part for number, part in enumerate(rest)}}


def of_parts(attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schedule that these attributes hold; None where they hold none."""
    if (first := attributes.get(SCHEDULE)) is None:
        return None
    rest = (attributes[_part(number)] for number in range(first.get("parts", 0)))
    return {**first, "items": [*first["items"], *chain.from_iterable(rest)]}


def _part(number: int) -> str:
    return f"{SCHEDULE}:{number}"


def _plain(item: Item, space: Space) -> list[Any]:
    if not item.cell:
        return []
    labels = [item.cell[d.key] for d in space.dimensions if d.key in item.cell]
    cell = labels if is_complete(item.cell, space) else dict(item.cell)
    return [cell, *filter(None, [item.trajectory])]


def _item(stored: Sequence[Any], space: Space) -> Item:
    if not stored:
        return Item()
    cell, *trajectory = stored
    return Item(
        cell=cell if isinstance(cell, dict) else space.cell(cell),
        trajectory=trajectory[0] if trajectory else None,
    )
