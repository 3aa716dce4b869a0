"""A sweep that was asked for, checked and ready to be carried out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cnn_sweeps.config import Config
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.study.storage import StudyAddress

Place = Callable[[StudyAddress, int, int], None]
"""Another way to run so many workers, with so many CPU slots: Hydra's launchers."""


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """What is swept, and how.

    Attributes:
        plan: what is swept.
        budget: how much of it, by how many workers.
        config: one of its experiments, for where to log.
        place: runs the workers elsewhere; None for processes of this machine.
        typed: the command line behind the name of the program, for the report; empty where
            nothing was typed.
        notes: what of the space was left out or added, for a person.
    """

    plan: Plan
    budget: Budget
    config: Config
    place: Place | None = None
    typed: Sequence[str] = ()
    notes: Sequence[str] = ()
