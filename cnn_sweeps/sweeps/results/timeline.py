"""When each trial ran and beside which others: the bars of a timeline."""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.study.attributes import OWNER
from cnn_sweeps.sweeps.study.durations import interval

PAUSE = 60.0
"""Seconds without any trial after which a sweep counts as interrupted; its pauses are left out."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """When a trial ran.

    Attributes:
        begin: seconds of the sweep's own time, from 0.
        end: likewise.
        lane: which of the workers that ran at once, from 0.
    """

    begin: float
    end: float
    lane: int


def spans(trials: Sequence[FrozenTrial]) -> dict[int, Span]:
    """When the trials ran, by number; those that never did are left out.

    Workers are replaced now and then, so a lane is not a process but a place for one. A process
    stays in its lane.
    """
    ran = [(*told, trial) for trial in trials if (told := interval(trial)) is not None]
    ran.sort(key=lambda each: (each[0], each[2].number))
    found: dict[int, Span] = {}
    free_at: list[float] = []
    owners: list[Owner | None] = []
    now, skipped = (ran[0][0], ran[0][0]) if ran else (0.0, 0.0)
    for begin, end, trial in ran:
        if begin - now > PAUSE:
            skipped += begin - now
        now = max(now, end)
        stored = trial.user_attrs.get(OWNER)  # with the time of the claim
        owner = None if stored is None else Owner.from_json(stored)
        lane = _lane(begin, owner, free_at, owners)
        free_at[lane], owners[lane] = end, owner
        found[trial.number] = Span(begin=begin - skipped, end=end - skipped, lane=lane)
    return found


def _lane(
    begin: float, owner: Owner | None, free_at: list[float], owners: list[Owner | None]
) -> int:
    """A lane that is free: the owner's, or else the first; a new one where none is."""
    free = [lane for lane, until in enumerate(free_at) if until <= begin]
    own = [lane for lane in free if owner is not None and owners[lane] == owner]
    if own or free:
        return (own or free)[0]
    free_at.append(begin)
    owners.append(owner)
    return len(free_at) - 1
