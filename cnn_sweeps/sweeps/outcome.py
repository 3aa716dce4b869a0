"""What a sweep returns, and the display that it reports to while it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cnn_sweeps.sweeps.comparison.answer import Answer
from cnn_sweeps.sweeps.live_view import View
from cnn_sweeps.sweeps.plan.objectives import Objectives
from cnn_sweeps.sweeps.results.ranking import Ranking
from cnn_sweeps.sweeps.results.runs import Reading
from cnn_sweeps.sweeps.study.durations import Epochs
from cnn_sweeps.sweeps.study.events import TrialEnded
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.tracking import RunRecord, Store, artifacts


@dataclass(frozen=True, kw_only=True)
class SweepOutcome:
    """A sweep that has ended.

    Attributes:
        study: its trials, with the plan that they carry out.
        store: where its runs are logged.
        ranking: its trials, the best first, with test scores of the winners.
        answer: the comparison with the baseline; None for a search.
        epochs: how many epochs its trials have, and how many of these were trained.
        rerun_best: the command that trains the best again; empty where no trial completed.
        read: its study and the runs of its trials, as they were read at its end.
        report: where the HTML report is.
    """

    study: SweepStudy
    store: Store
    ranking: Ranking
    answer: Answer | None
    epochs: Epochs
    rerun_best: str
    read: Reading
    report: str = ""

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.study.optuna_study.study_name

    @property
    def sweep(self) -> RunRecord | None:
        """The MLflow run of the sweep; None where somebody has deleted it meanwhile."""
        return artifacts.run_by_id(self.store, self.study.parent_run_id or "")


class Display:
    """Shows a sweep to a person; the engine itself prints nothing, and nor does this one."""

    def started(self, study: SweepStudy) -> None:
        """The study is there, with its queue."""

    def view(
        self,
        total: int,  # noqa: ARG002 -- for those that show something
        done_before: int,  # noqa: ARG002
        workers: int | None,  # noqa: ARG002
        objectives: Objectives,  # noqa: ARG002
        earlier: Sequence[TrialEnded],  # noqa: ARG002
    ) -> View:
        """Whoever shows the trials while they run; see `sweeps.live_view.view_of`."""
        return View()

    def notice(self, text: str) -> None:
        """Something takes a while, or a signal was heard."""

    def warning(self, text: str) -> None:
        """Something to look out for; the sweep goes on."""

    def interrupted(self, study: SweepStudy, store: Store) -> None:
        """It was stopped; the same command continues it."""

    def ended(self, outcome: SweepOutcome) -> None:
        """Every trial has ended, and the winners are scored."""

    def reported(self, place: str) -> None:
        """The report was written."""


class Publisher(Protocol):
    """Writes the report of a sweep to where its run is: `report.publish`."""

    def warm_up(self) -> None:
        """Import beside whatever else goes on what a report needs."""

    def publish(self, study: SweepStudy, store: Store, read: Reading | None = None) -> str:
        """Write it, of what was read already where that was; where it is."""

    def published(self, study: SweepStudy, store: Store, read: Reading) -> str | None:
        """Where the one is that was made of what was read; None where there is none."""
