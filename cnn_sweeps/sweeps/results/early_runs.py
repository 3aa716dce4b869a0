"""The runs of trials that have ended, read from a server while others still train.

A server takes three milliseconds for a run with all its params, metrics and tags, so that a sweep
of 5,000 trials would wait for it at its end. A few at a time meanwhile, they hold nobody up. What
somebody changes of such a run while the sweep goes on is seen by the next command; what was deleted
and what is shown first is looked up at the end.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Final

from cnn_sweeps.errors import StoreError
from cnn_sweeps.sweeps.results import test_scores
from cnn_sweeps.sweeps.study.attributes import RUN_ID
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.tracking import RunRecord, Store, children
from cnn_sweeps.tracking.patience import Attempts

PAGE: Final = 100
"""Trials that end between two looks, runs that are read in one, and rows that are shown first."""


class EarlyRuns:
    """The runs of a sweep, as far as they were read before its end; none of a local store."""

    def __init__(self, study: SweepStudy, store: Store) -> None:
        """Nothing is read yet."""
        self._study, self._store = study, store
        self._read: dict[str, RunRecord] = {}
        self._asked: set[str] = set()
        self._attempts = Attempts()
        self._looked, self._useless = 0, store.local is not None

    def look(self, ended: int) -> None:
        """Read some of them, where so many trials have ended; it can wait if the server is away."""
        if self._useless or ended - self._looked < PAGE:
            return
        unread = [run_id for run_id in self._ended() if run_id not in self._asked]
        try:
            done = self._attempts.make(partial(self._take, unread[:PAGE]))
        except StoreError:  # it is only early: whoever reads them at the end tells that
            self._useless = True
            return
        if done and len(unread) <= PAGE:
            self._looked = ended

    def all(self) -> list[RunRecord] | None:
        """The runs of all trials, most of them as they were read; None where all are to be read."""
        study = self._study
        shown = [*test_scores.best_trials(study), *test_scores.ranked_trials(study)[:PAGE]]
        again = {trial.user_attrs.get(RUN_ID) for trial in shown}
        wanted = (run_id for run_id in self._ended() if run_id not in again)
        known = [self._read[run_id] for run_id in wanted if run_id in self._read]
        if known and self._study.parent_run_id:
            with suppress(StoreError):
                return children.children_beside(self._store, self._study.parent_run_id, known)
        return None

    def _take(self, run_ids: list[str]) -> None:
        experiment = self._store.experiment_id
        found = children.runs_of_ids(self._store, run_ids, experiment)
        self._asked.update(run_ids)
        self._read |= {run.run_id: run for run in found if run.status != "RUNNING"}

    def _ended(self) -> Iterator[str]:
        """The runs of the trials that have ended."""
        ended = (trial for trial in self._study.trials() if trial.state.is_finished())
        return (trial.user_attrs[RUN_ID] for trial in ended if RUN_ID in trial.user_attrs)
