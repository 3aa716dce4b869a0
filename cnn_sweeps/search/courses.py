"""Trials that share a trajectory: in which order they cost least.

A trial is a prefix of its trajectory (its *course*). When the longest has been trained the
others need only be read, so the longest goes first, and nobody trains what somebody else is
training at that moment.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.errors import InputError
from cnn_sweeps.search.attributes import COURSE
from cnn_sweeps.search.plan import Plan

Cells = Sequence[tuple[str, dict[str, Any]]]
"""Cells, each behind its meaning."""


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """A cell on its way into the queue: a prefix of its course.

    Attributes:
        cell: values of the dimensions.
        meaning: which experiment it is.
        course: which trajectory it is a prefix of; None where it cannot be carried out.
        epochs: how far along it.
    """

    cell: Mapping[str, Any]
    meaning: str
    course: str | None
    epochs: int

    @classmethod
    def of(cls, plan: Plan, meaning: str, cell: Mapping[str, Any]) -> "Prefix":
        """Look up the course of a cell."""
        try:
            config = plan.config(cell)
        except InputError:
            return cls(cell=cell, meaning=meaning, course=None, epochs=0)
        epochs = config.trainer.epochs
        return cls(cell=cell, meaning=meaning, course=plan.course(config), epochs=epochs)


def queued(plan: Plan, cells: Cells) -> Iterator[Prefix]:
    """The cells with those of a course together, the longest first."""
    courses: dict[str, list[Prefix]] = {}
    for prefix in (Prefix.of(plan, meaning, cell) for meaning, cell in cells):
        courses.setdefault(prefix.course or prefix.meaning, []).append(prefix)
    for prefixes in courses.values():
        yield from sorted(prefixes, key=lambda prefix: -prefix.epochs)


def claimable(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The waiting trials in order; those whose course somebody trains at the moment come last."""
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    busy = {trial.user_attrs[COURSE] for trial in running if COURSE in trial.user_attrs}
    waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
    return sorted(waiting, key=lambda trial: trial.user_attrs.get(COURSE) in busy)
