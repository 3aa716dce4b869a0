"""The MLflow runs of a study, and the study held against them.

Params and values of a trial are stored twice: in the study, for Optuna, and in its run. Where
they are not the same, one of the two was changed or deleted after it was stored.
"""

import copy
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from optuna.trial import FrozenTrial

from cnn_sweeps.config.loading import to_json
from cnn_sweeps.errors import ConfigError, InputError, StoreError
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.sweeps.plan.pruners import epoch_metric
from cnn_sweeps.sweeps.results import test_scores
from cnn_sweeps.sweeps.space.conditions import bare
from cnn_sweeps.sweeps.study.attributes import (
    CELL,
    CONFIG_HASH,
    RUN_ID,
    metric_attributes,
    metrics_of,
)
from cnn_sweeps.sweeps.study.catalog import STUDIES
from cnn_sweeps.sweeps.study.storage import SUFFIX, Address
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text.format import first_line
from cnn_sweeps.tracking import RunRecord, Store, flatten
from cnn_sweeps.tracking.finished_runs import FIELDS
from cnn_sweeps.tracking.names import DATA_DIGEST, IMAGES_FILE
from cnn_sweeps.tracking.params import PARAM_LENGTH, TAG_LENGTH, cut

TEST = "test_"
DATA_PARAMS = "data."
HASH = "config hash"
MOST = 10
"""Trials that are named one by one."""
CLOSE = 1e-12
"""Relative difference of one number in two databases."""

RunStore = Store | StoreError | None
"""The store of a sweep's runs, or the error that opening it gave; None where there is none."""
Change = tuple[str, Any, Any]
"""What differs: its name, what the study says, and what the run says."""


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The MLflow runs of a study, as far as there are any.

    Attributes:
        store: where they are; None where that cannot be read.
        by_id: the runs of the trials.
        missing: what could not be found, a sentence for each.
    """

    store: Store | None
    by_id: Mapping[str, RunRecord]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, study: SweepStudy, store: RunStore) -> "Runs":
        """Look the runs up in one search; a store that refuses has none."""
        if store is None:
            return cls._none("The MLflow store of its runs does not exist.")
        if isinstance(store, StoreError):
            return cls._none(f"Its runs cannot be read: {first_line(store)}")
        try:
            children = store.children(study.parent_run_id) if study.parent_run_id else []
        except StoreError as error:
            return cls.of(study, error)
        return cls(store=store, by_id={run.run_id: run for run in children}, missing=())

    @classmethod
    def _none(cls, said: str) -> "Runs":
        return cls(store=None, by_id={}, missing=(said,))

    def scores(self, study: SweepStudy) -> dict[int, dict[str, float]]:
        """Test metrics by trial number, of the trials that were scored."""
        found = {}
        for trial in test_scores.to_be_scored(study):
            run = self.by_id.get(trial.user_attrs.get(RUN_ID, ""))
            metrics = run.metrics if run else {}
            found[trial.number] = {k: v for k, v in metrics.items() if k.startswith(TEST)}
        return found

    def notices(self) -> list[str]:
        """What a person should know of images and texts of the trials, each sentence once."""
        if self.store is None:
            return []
        kinds = {}
        for run in self.by_id.values():
            data = {key: value for key, value in run.params.items() if key.startswith(DATA_PARAMS)}
            kinds[run.tags.get(DATA_DIGEST), *sorted(data.items())] = run
        found: list[str] = []
        for run in kinds.values():
            with suppress(StoreError, ValueError, KeyError, TypeError):  # its report says so
                found += json.loads(self.store.read_text(run.run_id, IMAGES_FILE))["notices"]
        for run in self.by_id.values():
            own = {key: text for key, text in run.tags.items() if not key.startswith("mlflow.")}
            for values, most in ((run.params, PARAM_LENGTH), (own, TAG_LENGTH)):
                found += [
                    f"{key} has more than the {most:,} characters that MLflow keeps; config.yaml "
                    "of each run has all."
                    for key in cut(values, most)
                ]
        return [*dict.fromkeys(map(str, found))]

    def reconciled(self, study: SweepStudy) -> tuple[SweepStudy, tuple[str, ...]]:
        """The study as its runs have it, and a sentence for each trial that differs.

        A trial whose run is not there stays as it is in the study, and is named as well.
        """
        if self.store is None:
            return study, ()
        gone: list[int] = []
        said: list[str] = []
        corrected = {}
        for trial in study.trials():
            run_id = trial.user_attrs.get(RUN_ID)
            if run_id is None or not trial.state.is_finished():
                continue
            run = self.by_id.get(run_id)
            if run is None:
                gone.append(trial.number)
                continue
            run = replace(run, metrics=self._measured(run))
            if changes := [*dict.fromkeys(self._changes(study, trial, run))]:
                made = _corrected(study, trial, {name: there for name, _, there in changes})
                corrected[trial.number] = made
                kept = [key for key, *_ in _different_params(study, made, run)]
                said.append(_sentence(trial, run, changes, kept))
        shown = [*said[:MOST], *([f"{len(said) - MOST} more trials differ."] * (len(said) > MOST))]
        return replace(study, corrected=corrected), (*shown, *_without_runs(gone))

    def _changes(self, study: SweepStudy, trial: FrozenTrial, run: RunRecord) -> Iterator[Change]:
        known = metrics_of(trial.user_attrs)
        pairs = zip(study.plan.objectives.names, trial.values or (), strict=False)
        told = dict(pairs) if trial.values else {}
        yield from _different({**known, **told}, run.metrics)
        yield from _different({n: known[n] for n in told if n in known}, run.metrics)
        yield from _different_params(study, trial, run)
        hashes = trial.user_attrs.get(CONFIG_HASH), run.config_hash
        if None not in hashes and hashes[0] != hashes[1]:
            yield (HASH, *hashes)
        metric = epoch_metric(study.plan.objectives)
        if metric is not None and trial.intermediate_values:
            by_epoch = {f"{metric} of epoch {n}": v for n, v in trial.intermediate_values.items()}
            logged = {f"{metric} of epoch {n}": v for n, v in self._history(run, metric).items()}
            yield from _different(by_epoch, logged)

    def _measured(self, run: RunRecord) -> Mapping[str, float]:
        """The metrics of a run; where it went back to its best epoch, those of that epoch."""
        best = run.metrics.get("best_epoch")
        if best is None or best >= run.metrics.get("epochs", best):
            return run.metrics
        curves = {name: self._history(run, name) for name in FIELDS if name in run.metrics}
        return {**run.metrics, **{n: c[int(best)] for n, c in curves.items() if int(best) in c}}

    def _history(self, run: RunRecord, metric: str) -> Mapping[int, float]:
        """A metric by epoch; empty where it cannot be read."""
        with suppress(StoreError):
            return self.store.history(run, metric) if self.store else {}
        return {}


def differences(name: str, store: Store) -> tuple[str, ...]:
    """Where a study in the folder of a store differs from its runs, a sentence for each trial.

    None where its journal is elsewhere, or cannot be read.
    """
    address = Address(storage=str(store.dir / STUDIES / f"{name}{SUFFIX}"), name=name)
    with suppress(StoreError):
        study = SweepStudy.existing(address, checked=False)
        return Runs.of(study, store).reconciled(study)[1] if study else ()
    return ()


def _different(study: Mapping[str, float], run: Mapping[str, float]) -> Iterator[Change]:
    for name, value in study.items():
        if (
            name in run
            and math.isfinite(value)
            and not math.isclose(value, run[name], rel_tol=CLOSE)
        ):
            yield name, value, run[name]


def _different_params(study: SweepStudy, trial: FrozenTrial, run: RunRecord) -> Iterator[Change]:
    """The swept keys, and what a swept group is made of, where the run was given another value."""
    values = study.carried_values(trial)
    keys = [bare(key).partition("@")[0].replace("/", ".") for key in values]
    try:
        asked = flatten(to_json(study.plan.config(values)))
    except InputError:
        return
    replicated = study.plan.duplicates == "replicate"  # then each repetition has its own seed
    for key, text in asked.items():
        swept = any(key == outer or key.startswith(f"{outer}.") for outer in keys)
        if swept and not (key == "seed" and replicated) and run.params.get(key, text) != text:
            yield key, text, run.params[key]


def _corrected(study: SweepStudy, trial: FrozenTrial, changes: Mapping[str, Any]) -> FrozenTrial:
    """The trial with what its run has in the place of what differs, by name."""
    made = copy.deepcopy(trial)
    if made.values:
        pairs = zip(study.plan.objectives.names, made.values, strict=True)
        made.values = [changes.get(name, value) for name, value in pairs]
    metrics = metrics_of(made.user_attrs)
    own = {name: changes.get(name, value) for name, value in metrics.items()}
    params = {}
    for dimension in study.plan.space.dimensions:
        if (key := bare(dimension.key)) in changes:
            with suppress(ConfigError):  # no value of the space: the study's own stays
                params[dimension.key] = dimension.label(_parsed(changes[key]))
    made.params = {key: params.get(key, value) for key, value in made.params.items()}
    cell = {key: params.get(key, value) for key, value in made.user_attrs.get(CELL, {}).items()}
    known = {
        **metric_attributes(own),
        CELL: cell or None,
        CONFIG_HASH: changes.get(HASH, trial.user_attrs.get(CONFIG_HASH)),
    }
    made.user_attrs = {**made.user_attrs, **{k: v for k, v in known.items() if v is not None}}
    return made


def _parsed(text: str) -> Any:
    """A param of a run as the value that it was."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _sentence(trial: FrozenTrial, run: RunRecord, changes: list[Change], kept: list[str]) -> str:
    told = [
        f"{name} is {_text(here)}, and {_text(there)} in the run" for name, here, there in changes
    ]
    but = f", but the study's {' and '.join(kept)}" if kept else ""
    return (
        f"Trial {trial.number} in the study differs from its run {run.run_id[:SHOWN]} in MLflow: "
        f"{'; '.join(told)}. What the run has is shown{but}."
    )


def _text(value: Any) -> str:
    return value[:SHOWN] if isinstance(value, str) else repr(value)


def _without_runs(numbers: list[int]) -> Iterator[str]:
    if numbers:
        named = ", ".join(map(str, numbers[:MOST]))
        more = f" and {len(numbers) - MOST} more" if len(numbers) > MOST else ""
        one = len(numbers) == 1
        which = f"run of trial {named} is" if one else f"runs of trials {named}{more} are"
        yield f"The {which} not in MLflow any more; reports show what the study has."
