"""What a sweep of an application is: stored with its study."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.plan.samplers import SamplerSpec
from cnn_sweeps.sweeps.plan.search_plan import Duplicates
from cnn_sweeps.sweeps.space.space import Space
from cnn_sweeps.text.json import sha256

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ApplicationPlan:
    """All that decides which jobs a study holds; a `SearchPlan`.

    Attributes:
        space: the dimensions, and the overrides that all jobs have.
        objectives: names and directions.
        sampler: who chooses the values.
        duplicates: what becomes of overrides that were tried before.
        custom_search_space: the function that chooses more values for each trial; None for none.
        config: digest of the application's own config.
    """

    space: Space
    objectives: Objectives
    sampler: SamplerSpec
    duplicates: Duplicates = "skip"
    custom_search_space: str | None = None
    config: str = ""

    @property
    def size(self) -> int | None:
        """How many cells there are; None where a function may add to them."""
        return None if self.custom_search_space else self.space.size

    def overrides(self, cell: Mapping[str, Any], more: Sequence[str] = ()) -> list[str]:
        """The overrides of one job, with those that a function has added."""
        return [*self.space.overrides(cell), *more, *self.space.fixed]

    def experiment_key(self, overrides: Sequence[str]) -> str:
        """Which job some overrides are."""
        return sha256(sorted(overrides))

    def experiment_key_of(self, cell: Mapping[str, Any]) -> str:
        """Which job a cell is."""
        if self.custom_search_space:
            known = {d.key: cell[d.key] for d in self.space.dimensions if d.key in cell}
            return json.dumps(known, sort_keys=True)  # what the function adds is not known yet
        return self.experiment_key(self.overrides(cell))

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be stored with the study."""
        return {
            "version": VERSION,
            "space": self.space.to_json(),
            "objectives": self.objectives.to_json(),
            "sampler": self.sampler.to_json(),
            "duplicates": self.duplicates,
            "custom_search_space": self.custom_search_space,
            "config": self.config,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "ApplicationPlan":
        """The plan that was stored."""
        return cls(
            space=Space.from_json(plain["space"]),
            objectives=Objectives.from_json(plain["objectives"]),
            sampler=SamplerSpec.from_json(plain["sampler"]),
            duplicates=plain["duplicates"],
            custom_search_space=plain["custom_search_space"],
            config=plain["config"],
        )

    def digest(self) -> str:
        """Names the sweep by what it asks."""
        return sha256(self.to_json())

    def difference(self, other: "ApplicationPlan") -> str | None:
        """What makes another plan another sweep, in words; None when nothing does.

        The application's own config is not compared: whoever names a study may go on with it.
        """
        if self.space != other.space:
            return self.space.difference(other.space)
        for part in ("objectives", "sampler", "duplicates", "custom_search_space"):
            there, here = getattr(self, part), getattr(other, part)
            if there != here:
                return f"{part} was {there} and is now {here}"
        return None
