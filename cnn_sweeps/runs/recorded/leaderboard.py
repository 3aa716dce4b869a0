"""Which runs are compared, and in what order."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import get_close_matches
from functools import partial
from itertools import chain

from cnn_sweeps.config.metrics import KEY as METRICS
from cnn_sweeps.config.metrics import PREFIX, own_metrics
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.evaluation import named
from cnn_sweeps.runs.recorded import lookup, ties
from cnn_sweeps.runs.recorded.record import FINISHED
from cnn_sweeps.text.untrusted import json_of
from cnn_sweeps.tracking import RunRecord, Store, queries
from cnn_sweeps.tracking.names import CONFIG_HASH
from cnn_sweeps.tracking.selection import Selection

KEY = re.compile(r"\b(metrics?|params?|parameters?)\.[`\"]?([\w./-]+)", re.IGNORECASE)
"""A metric or a param that a filter names."""
FEW = 100
"""Runs that are read at once; a store that has no more is read as a whole."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """What the ids in runs are called.

    Attributes:
        studies: name of the study, by the run id of its sweep.
        experiments: name of the MLflow experiment, by its id.
    """

    studies: Mapping[str, str]
    experiments: Mapping[str, str]

    def study(self, run: RunRecord) -> str:
        """The study that a run is a trial of; empty for a single run."""
        return self.studies.get(run.parent_id or "", "")

    def experiment(self, run: RunRecord) -> str:
        """The experiment that a run belongs to."""
        return self.experiments.get(run.experiment_id, run.experiment_id)


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Runs, the best first.

    Attributes:
        metric: what they are ranked by.
        ascending: whether less of it is better.
        runs: those that have it.
        without: of how many more it was never measured.
        stopped: how many experiments are left out since a callback stopped their runs.
        each: whether every run is a row, and not one for each experiment.
        names: of their studies and MLflow experiments.
        place: the store, for a person.
        matched: how many runs fitted the question at all.
        hints: what in the question no run has.
        warnings: where a study differs from the runs of its trials.
        read: every run of the store or experiment; None where a filter has left some out.
        whole: whether all that fit the question were read, and not the best alone.
    """

    metric: str
    ascending: bool
    runs: tuple[RunRecord, ...]
    without: int
    stopped: int = 0
    each: bool = False
    names: Names = field(default_factory=lambda: Names(studies={}, experiments={}))
    place: str = ""
    matched: int = 0
    hints: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    read: tuple[RunRecord, ...] | None = None
    whole: bool = True

    @classmethod
    def of(
        cls, runs: Iterable[RunRecord], metric: str, *, ascending: bool, each: bool = False
    ) -> "Leaderboard":
        """Rank runs, one for each experiment or each of them.

        Args:
            runs: newest first; those that are no experiment (a sweep's own) are passed over.
            metric: its name in MLflow.
            ascending: whether less of it is better.
            each: whether every run is a row, also one that failed, still runs or was stopped.
                Otherwise each experiment is one, by its newest finished run that has the metric.
        """
        experiments = [run for run in runs if run.config_hash is not None]
        chosen = experiments if each else [run for run in experiments if run.is_whole]
        measured = [run for run in chosen if metric in run.metrics]
        left = {_key(run, each=each) for run in chosen} - {_key(r, each=each) for r in measured}
        rows = measured if each else representative_runs(measured)
        ranked = sorted(rows, key=lambda run: _place(run, metric, ascending=ascending))
        cut = {run.config_hash for run in experiments if run.status == FINISHED}
        return cls(
            metric=metric,
            ascending=ascending,
            runs=tuple(ranked),
            without=len(left),
            stopped=0 if each else len(cut - {run.config_hash for run in chosen}),
            each=each,
        )


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of a store.

    Attributes:
        metric: what ranks the runs.
        where: only runs that fit, in MLflow's search syntax.
        experiment: only runs of this MLflow experiment; of all when None.
        ascending: whether less is better; by the metric's name when None.
        each: whether every run is a row, and not one for each experiment.
        top: how many rows are wanted; of a large store no more is read than they take.
    """

    metric: str = "val_accuracy"
    where: str = ""
    experiment: str | None = None
    ascending: bool | None = None
    each: bool = False
    top: int | None = None

    @property
    def rises(self) -> bool:
        """Whether less is better."""
        higher = named.higher_is_better(self.metric)
        return not higher if self.ascending is None else self.ascending

    @property
    def order(self) -> list[str]:
        """How a server has to order the runs, so that the best come first; see `_place`."""
        direction = "ASC" if self.rises else "DESC"
        cheaper = [f"metrics.`{name}` ASC" for name in (ties.PARAMS, ties.SECONDS)]
        return [f"metrics.`{self.metric}` {direction}", *cheaper, "attributes.start_time ASC"]


def rank(store: Store, prefixes: Sequence[str], question: Question) -> Leaderboard:
    """The leaderboard of a store; without runs where none fits.

    Args:
        store: whose runs.
        prefixes: beginnings of the hashes that are compared, or run ids; all when there are none.
        question: by what, and which of them.

    Raises:
        ConfigError: an unknown metric or experiment, or a filter that MLflow cannot read.
        UnknownHashError: a hash fits none or several experiments.
        RecordError: a run id is that of a sweep.
        StoreError: the store cannot be read.
    """
    if question.ascending is None:
        question = replace(question, ascending=_declared(store, question))
    # Before anything is filtered: a hash that is there and does not fit is no unknown one.
    hashes = {lookup.hash_of(lookup.one_run(store, prefix)) for prefix in prefixes}
    runs, whole = _read(store, prefixes, question)
    chosen = [run for run in runs if not hashes or run.config_hash in hashes]
    board = Leaderboard.of(
        chosen, _known(question.metric, runs), ascending=question.rises, each=question.each
    )
    experiments = {number: name for name, number in store.experiments().items()}
    return replace(
        board,
        runs=board.runs if whole else board.runs[: question.top],
        names=Names(studies=queries.sweeps(store), experiments=experiments),
        place=str(store.address),
        matched=len(chosen),
        hints=() if chosen else _hints(store, question),
        read=None if question.where or not whole else tuple(runs),
        whole=whole,
    )


def _read(
    store: Store, prefixes: Sequence[str], question: Question
) -> tuple[list[RunRecord], bool]:
    """The runs that a board is made of, newest first, and whether these are all that fit."""
    if question.top is None or prefixes or "`" in question.metric:
        return queries.matching_runs(store, question.where, question.experiment), True
    where, experiment, size = question.where, question.experiment, max(FEW, 2 * question.top)
    pages = queries.ordered_runs(store, where, experiment, question.order, size=size)
    first, whole = next(pages)
    if not whole:
        later = (run for page, _ in pages for run in page)
        # Where none has the metric, or none that counts, the first ones tell what there is.
        first = _best(store, chain(first, later), question) or first
    return sorted(first, key=lambda run: (run.start, run.run_id), reverse=True), whole


def _best(store: Store, ordered: Iterable[RunRecord], question: Question) -> list[RunRecord]:
    """The runs of the best experiments, or the best runs, out of all in their order.

    An experiment is ranked by its representative run, which need not be its best one: so all of
    its runs are read, until no experiment that is left can come before these.
    """
    top, found = question.top or 0, dict[str | None, list[RunRecord]]()
    ids = queries.ids_of(store, question.experiment)
    for run in ordered:
        if question.metric not in run.metrics:  # nor has any that comes later
            break
        if run.config_hash is None or not (question.each or run.is_whole):
            continue
        key = _key(run, each=question.each)
        if key in found:
            continue
        known = [each for runs in found.values() for each in runs]
        if len(found) >= top and not _may_enter(run, known, question):
            break
        own = Selection(tags={CONFIG_HASH: run.config_hash})
        found[key] = (
            [run] if question.each else queries.runs_within(store, question.where, ids, own)
        )
    return [run for runs in found.values() for run in runs]


def _may_enter(run: RunRecord, known: Sequence[RunRecord], question: Question) -> bool:
    """Whether a run comes before the last row of a board of as many as are asked for."""
    place = partial(_place, metric=question.metric, ascending=question.rises)
    board = Leaderboard.of(known, question.metric, ascending=question.rises, each=question.each)
    return place(run) < place(board.runs[(question.top or 0) - 1])


def _declared(store: Store, question: Question) -> bool | None:
    """Whether less of a user's own metric is better, by the newest run that says it."""
    name = question.metric.removeprefix(PREFIX)
    if name == question.metric or not name.isidentifier() or named.find_metric(name):
        return None
    asked = f"params.`{METRICS}` LIKE '%:{name}:%'"
    newest = ["attributes.start_time DESC"]
    runs, _ = next(queries.ordered_runs(store, asked, question.experiment, newest, size=1))
    for run in runs:
        with suppress(ValueError):  # cut by MLflow
            for own in own_metrics(json_of(run.params[METRICS])):
                if own.name == name and own.higher_is_better is not None:
                    return not own.higher_is_better
    return None


def _hints(store: Store, question: Question) -> tuple[str, ...]:
    """Which names of a filter no run has, and what they may have been meant to be."""
    newest = ["attributes.start_time DESC"]
    every, _ = next(queries.ordered_runs(store, "", question.experiment, newest, size=FEW))
    known = {name for run in every for name in (*run.metrics, *run.params)}
    named = dict.fromkeys(name for _, name in KEY.findall(question.where))
    near = {name: get_close_matches(name, known, n=3) for name in named if name not in known}
    return tuple(
        f"no run has {name}" + (f"; similar: {', '.join(similar)}" if similar else "")
        for name, similar in near.items()
    )


def _known(metric: str, runs: Sequence[RunRecord]) -> str:
    """The metric, if any run has it.

    Raises:
        ConfigError: none has; those that exist are named, the nearest first.
    """
    known = {name for run in runs if run.config_hash is not None for name in run.metrics}
    if metric in known or not known:
        return metric
    near = get_close_matches(metric, known, n=3)
    others = sorted(known.difference(near))
    raise ConfigError(f"no run has the metric {metric}.\nThere are: {', '.join([*near, *others])}")


def representative_runs(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """One run for each experiment, as `lookup.newest_run` chooses it."""
    by_hash: dict[str | None, list[RunRecord]] = defaultdict(list)
    for run in runs:
        by_hash[run.config_hash].append(run)
    return [lookup.newest_run(same) for same in by_hash.values()]


def _key(run: RunRecord, *, each: bool) -> str | None:
    return run.run_id if each else run.config_hash


Place = tuple[tuple[bool, float], tuple[float, float], datetime, str]


def _place(run: RunRecord, metric: str, *, ascending: bool) -> Place:
    """Where a run that has the metric stands: what is smaller comes first.

    Of runs that are equally good the cheaper comes first, then the one that was made first; a value
    that is no number comes last.
    """
    value = run.metrics[metric]
    cost = (True, 0.0) if math.isnan(value) else (False, value if ascending else -value)
    return cost, ties.cost(run.metrics), run.start, run.run_id
