"""Refusing, before anything starts, what no trial could carry out."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import ConfigError, InputError
from cnn_sweeps.search.plan import Plan

MOST_CELLS = 2_000
"""Cells that are checked one by one; of a larger space, the first so many."""


def refuse_impossible(plan: Plan) -> Config:
    """Check the cells of a space, and return the first config that can be carried out.

    A value that is refused in every cell it stands in is refused here, with its own message.
    A combination that cannot be built while others can is left to fail as a trial.

    Raises:
        ConfigError: a key does not exist, or some value is never possible.
    """
    possible: Config | None = None
    refused: dict[tuple[str, str], InputError] = {}
    accepted: set[tuple[str, str]] = set()
    for cell in islice(_points(plan), MOST_CELLS):
        marks = {(key, repr(value)) for key, value in cell.items()}
        try:
            config = plan.config(cell)
        except InputError as error:
            refused |= {mark: refused.get(mark, error) for mark in marks}
            continue
        accepted |= marks
        possible = possible or config
    never = [refusal for mark, refusal in refused.items() if mark not in accepted]
    if never:
        raise never[0]
    if possible is None:
        raise ConfigError("no point of this space can be carried out.")
    return possible


def _points(plan: Plan) -> Iterator[dict[str, Any]]:
    """Every cell; of a continuous space, each end of each dimension beside the first point."""
    if plan.space.size is not None:
        yield from plan.space.cells()
        return
    first = plan.space.first()
    for dimension in plan.space.dimensions:
        ends = dimension.choices or (dimension.low, dimension.high)
        for value in ends:
            yield plan.space.point({**first, dimension.key: value})
