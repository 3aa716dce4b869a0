"""Metrics of a study's trials, computed after the sweep."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.config.metrics import PREFIX, OwnMetric, metric_names
from cnn_sweeps.errors import ConfigError, InputError, RecordError
from cnn_sweeps.evaluation.named import higher_is_better
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.epochs.measured import MeasuredRun, Which, check_metrics, measure
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.sweeps.study.attributes import RUN_ID
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text.argument_names import option
from cnn_sweeps.text.format import first_line, rounded, setting
from cnn_sweeps.text.results import Results
from cnn_sweeps.text.table import Table
from cnn_sweeps.tracking import Store


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One epoch of one trial.

    Attributes:
        trial: its number.
        config_hash: of its experiment.
        params: the swept values.
        epoch: from 1.
        is_best: whether the trial ended with the weights of that epoch.
        values: by metric, as `val_macro_f1`; without those that cannot be known any more.
    """

    trial: int
    config_hash: str
    params: Mapping[str, Any]
    epoch: int
    is_best: bool
    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class MeasuredStudy(Results):
    """The trials of a study by metrics of the validation images.

    Attributes:
        study: its name.
        metrics: what was asked for; the first one ranks.
        candidates: the best first; those of which something is not known last.
        notes: what a person should know: trials that could not be measured, and why.
    """

    study: str
    metrics: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()

    def records(self) -> list[dict[str, Any]]:
        """A flat mapping for each candidate, for a spreadsheet; None for what is not known."""
        keys = list(dict.fromkeys(key for each in self.candidates for key in each.params))
        return [
            {
                "rank": rank if self.metrics[0] in each.values else None,
                **{name: each.values.get(name) for name in self.metrics},
                **{key: each.params.get(key) for key in keys},
                "trial": each.trial,
                "epoch": each.epoch,
                "config_hash": each.config_hash,
            }
            for rank, each in enumerate(self.candidates, 1)
        ]

    def table(self) -> Table:
        """A row for each candidate."""
        records = self.records()
        rows = [tuple(_shown(name, value) for name, value in record.items()) for record in records]
        head = tuple(records[0]) if records else ("rank", *self.metrics)
        return Table(
            head=tuple("config hash" if name == "config_hash" else name for name in head),
            rows=tuple(rows),
            text=frozenset({"config hash"}),
            notes=self.notes,
        )


def measure_study(
    study: SweepStudy,
    store: Store,
    metrics: Sequence[str],
    *,
    which: Which = "best",
    places: Sequence[str] = (),
    trust: bool = False,
) -> MeasuredStudy:
    """Metrics of the validation split for every trial that is complete, ranked by the first.

    Raises:
        ConfigError: an unknown metric, one of the user's own without a direction in front, or no
            trial is complete.
        DataError: the images are missing.
        StoreError: the store refuses.
    """
    check_metrics(metrics)
    higher = _higher_is_better(metrics[0])
    candidates: list[Candidate] = []
    notes: list[str] = []
    for trial, record in finished_records(study, store, notes):
        try:
            found = measure(store, record, metrics, which=which, places=places, trust=trust)
        except RecordError as error:
            notes.append(f"Trial {trial.number}: {first_line(error)}")
            continue
        candidates += _candidates(trial, study.carried_values(trial), found)
        notes += [f"Trial {trial.number}, {note}" for note in found.notes()]
    names = tuple(f"{PREFIX}{name}" for name in metric_names(metrics))
    return MeasuredStudy(
        study=study.address.name,
        metrics=names,
        candidates=tuple(sorted(candidates, key=lambda each: _cost(each, names[0], higher))),
        notes=tuple(notes),
    )


def finished_records(
    study: SweepStudy, store: Store, notes: list[str]
) -> Iterator[tuple[FrozenTrial, Record]]:
    """Each complete trial with the record of its run; why one has none goes to the notes.

    Raises:
        ConfigError: no trial is complete.
    """
    trials = study.trials(TrialState.COMPLETE)
    if not trials:
        raise ConfigError(f"no trial of {study.address.name} is complete: there is nothing to ask.")
    for trial in trials:
        try:
            run = lookup.run_of_id(store, trial.user_attrs.get(RUN_ID, ""))
            yield trial, lookup.record_of(store, run)
        except InputError as error:
            notes.append(f"Trial {trial.number}: {first_line(error)}")


def _higher_is_better(metric: str) -> bool:
    """Which end of the first metric is the top; one's own has to say it."""
    if ":" not in metric:
        return higher_is_better(metric)
    own = OwnMetric.parse(metric)
    if own.higher_is_better is None:
        raise ConfigError(
            f"{option('metrics', (metric,))} ranks the trials, but does not say whether less or "
            f"more of it is better.\nType {metric}:min, or {metric}:max."
        )
    return own.higher_is_better


def _candidates(
    trial: FrozenTrial, params: Mapping[str, Any], found: MeasuredRun
) -> Iterator[Candidate]:
    for each in found.epochs:
        yield Candidate(
            trial=trial.number,
            config_hash=found.config_hash,
            params=params,
            epoch=each.number,
            is_best=each.number == found.best,
            values=each.values,
        )


def _cost(each: Candidate, metric: str, higher: bool) -> tuple[float, int, int]:
    value = each.values.get(metric)
    cost = math.inf if value is None else -value if higher else value
    return cost, each.trial, each.epoch


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "config_hash":
        return str(value)[:SHOWN]
    return rounded(value) if name.startswith(PREFIX) else setting(value)
