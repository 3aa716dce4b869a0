"""What a queue of trials needs to know of a plan, whatever its trials are."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.plan.samplers import SamplerSpec
from cnn_sweeps.sweeps.space.space import Space

Duplicates = Literal["skip", "reuse", "replicate"]
"""What becomes of an experiment that the study has tried before."""


class SearchPlan(Protocol):
    """What is searched, and how: a `Plan` of experiments, or an `ApplicationPlan`."""

    @property
    def space(self) -> Space:
        """The dimensions."""

    @property
    def objectives(self) -> Objectives:
        """Names and directions."""

    @property
    def sampler(self) -> SamplerSpec:
        """Who chooses the values."""

    @property
    def duplicates(self) -> Duplicates:
        """What becomes of an experiment that was tried before."""

    @property
    def size(self) -> int | None:
        """How many cells there are; None where they cannot be enumerated."""

    def experiment_key_of(self, cell: Mapping[str, Any]) -> str:
        """Which experiment a cell is."""
