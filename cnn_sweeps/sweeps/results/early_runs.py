"""The runs of trials that have ended, read from a server while others still train.

A server takes three milliseconds for a run with all its params, metrics and tags, so that a sweep
of 5,000 trials would wait for it at its end. A few at a time meanwhile, they hold nobody up. What
somebody changes of such a run while the sweep goes on is seen by the next command; what was deleted
and what is shown first is looked up at the end.
"""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from optuna.trial import FrozenTrial

from cnn_sweeps.errors import StoreError
from cnn_sweeps.sweeps.results import test_scores
from cnn_sweeps.sweeps.results.runs import Reading, Runs
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
        self._epochs: dict[str, dict[str, Mapping[int, float]]] = {}
        self._asked: set[str] = set()
        self._attempts = Attempts()
        self._looked, self._useless = 0, store.local is not None

    def look(self, ended: int) -> None:
        """Read some of them, where so many trials have ended; it can wait if the server is away."""
        if self._useless or ended - self._looked < PAGE:
            return
        ids = self._ended()
        unread = [run_id for run_id in ids if run_id not in self._asked]
        some = {run_id: ids[run_id] for run_id in unread[:PAGE]}
        try:
            done = self._attempts.make(partial(self._take, some))
        except StoreError:  # it is only early: whoever reads them at the end tells that
            self._useless = True
            return
        if done and len(unread) <= PAGE:
            self._looked = ended

    def reading(self) -> Reading:
        """The study as its runs have it, most of them as they were read."""
        known = self._all()
        early = {} if known is None else self._read
        epochs = {
            name: {run_id: curve for run_id, curve in curves.items() if run_id in early}
            for name, curves in self._epochs.items()
        }
        return Reading.of(self._study, self._store, known, epochs)

    def _all(self) -> list[RunRecord] | None:
        """The runs of all trials; None where they are to be read."""
        study = self._study
        shown = [*test_scores.best_trials(study), *test_scores.ranked_trials(study)[:PAGE]]
        wanted = self._ended().keys() - {trial.user_attrs.get(RUN_ID) for trial in shown}
        self._read = {run_id: run for run_id, run in self._read.items() if run_id in wanted}
        if self._read and study.parent_run_id:
            with suppress(StoreError):
                known = [*self._read.values()]
                return children.children_beside(self._store, study.parent_run_id, known)
        return None

    def _take(self, trials: Mapping[str, FrozenTrial]) -> None:
        """Read the runs of some trials, and of their epochs what is compared."""
        experiment = self._store.experiment_id
        found = children.runs_of_ids(self._store, [*trials], experiment)
        ended = {run.run_id: run for run in found if run.status != "RUNNING"}
        runs = Runs(store=self._store, by_id=ended, missing=())
        pairs = [(trials[run_id], run) for run_id, run in ended.items()]
        for name, curves in runs.curves(self._study, pairs).items():
            self._epochs.setdefault(name, {}).update(curves)
        self._asked.update(trials)
        self._read |= ended

    def _ended(self) -> dict[str, FrozenTrial]:
        """The trials that have ended, by their runs."""
        ended = (trial for trial in self._study.trials() if trial.state.is_finished())
        return {t.user_attrs[RUN_ID]: t for t in ended if RUN_ID in t.user_attrs}
