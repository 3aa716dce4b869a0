"""The MLflow runs of a study, and the study compared with them.

Params and values of a trial are stored twice: in the study, for Optuna, and in its run. Where
they are not the same, one of the two was changed or deleted after it was stored.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps.config.metrics import PREFIX
from cnn_sweeps.errors import StoreError
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.recorded.record import FINISHED
from cnn_sweeps.sweeps.plan.pruners import epoch_metric
from cnn_sweeps.sweeps.results import discrepancies, test_scores
from cnn_sweeps.sweeps.study.attributes import CONFIG_HASH, PLAN, RUN_ID
from cnn_sweeps.sweeps.study.journal import SUFFIX
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.stored_studies import STUDIES
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text.format import first_line
from cnn_sweeps.text.json import dump_json, plain_values, sha256
from cnn_sweeps.text.redact import without_passwords
from cnn_sweeps.tracking import RunRecord, Store, artifacts, children
from cnn_sweeps.tracking.finished_runs import FIELDS
from cnn_sweeps.tracking.names import DATA_DIGEST, IMAGES_FILE, PLAN_FILE, REMARKS
from cnn_sweeps.tracking.params import PARAM_LENGTH, TAG_LENGTH, cut_names
from cnn_sweeps.training.epoch import WeightAverage
from cnn_sweeps.trajectories.files import digest_of

TEST = "test_"
DATA_PARAMS = "data."
MOST = 10
"""Trials that are named one by one."""

Epochs = Mapping[str, Mapping[str, Mapping[int, float]]]
"""Values by metric, run id and epoch."""
NOTHING: Epochs = {}

RunStore = Store | StoreError | None
"""The store of a sweep's runs, or the error that opening it gave; None where there is none."""


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The MLflow runs of a study, as far as there are any.

    Attributes:
        store: where they are; None where that cannot be read.
        by_id: the runs of the trials.
        missing: what could not be found, a sentence for each.
        epochs: what was read of their epochs.
    """

    store: Store | None
    by_id: Mapping[str, RunRecord]
    missing: tuple[str, ...]
    epochs: Epochs = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        study: SweepStudy,
        store: RunStore,
        known: Sequence[RunRecord] | None = None,
        epochs: Epochs = NOTHING,
    ) -> "Runs":
        """Look the runs up in one search; a store that refuses has none.

        Args:
            study: whose runs.
            store: where they are.
            known: what was read of the store, if all runs of the study are among it.
            epochs: see the attribute.
        """
        if store is None:
            return cls._none("The MLflow store of its runs does not exist.")
        if isinstance(store, StoreError):
            return cls._none(f"Its runs cannot be read: {first_line(store).rstrip('.')}.")
        parent = study.parent_run_id or ""
        try:
            if known is None:
                ids = [*filter(None, _run_ids(study.trials()))]
                known = children.children_of(store, parent, ids) if parent else ()
        except StoreError as error:
            return cls.of(study, error)
        own = {run.run_id: run for run in known if run.parent_id == parent}
        return cls(store=store, by_id=own, missing=(), epochs=epochs)

    @classmethod
    def _none(cls, said: str) -> "Runs":
        return cls(store=None, by_id={}, missing=(f"{said} This is made from the study alone.",))

    def scores(self, study: SweepStudy) -> dict[int, dict[str, float]]:
        """Test metrics by trial number, of the trials that were scored."""
        found = {}
        for trial in test_scores.to_be_scored(study):
            run = self.by_id.get(trial.user_attrs.get(RUN_ID, ""))
            metrics = run.metrics if run else {}
            found[trial.number] = {k: v for k, v in metrics.items() if k.startswith(TEST)}
        return found

    def notices(self) -> list[str]:
        """What a person should know of the trials, their images and texts, each sentence once."""
        if self.store is None:
            return []
        kinds = {}
        for run in self.by_id.values():
            data = {key: value for key, value in run.params.items() if key.startswith(DATA_PARAMS)}
            kinds[run.tags.get(DATA_DIGEST), *sorted(data.items())] = run
        found: list[str] = []
        for run in kinds.values():
            with suppress(StoreError, ValueError, KeyError, TypeError):  # its report says so
                found += artifacts.read_json(self.store, run, IMAGES_FILE)["notices"]
        for run in self.by_id.values():
            found += run.tags.get(REMARKS, "").splitlines()
            own = {key: text for key, text in run.tags.items() if not key.startswith("mlflow.")}
            for values, most in ((run.params, PARAM_LENGTH), (own, TAG_LENGTH)):
                found += [
                    f"{key} has more than the {most:,} characters that MLflow keeps; config.yaml "
                    "of each run has all."
                    for key in cut_names(values, most)
                ]
        return [*dict.fromkeys(map(str, found))]

    def reconciled(self, study: SweepStudy) -> tuple[SweepStudy, tuple[str, ...]]:
        """The study as its runs have it, and a sentence for each trial that differs.

        A trial whose run is not there stays as it is in the study, and is named as well; so is a
        finished run that no trial has, and a plan that is not the one the sweep began with.
        """
        if self.store is None:
            return study, ()
        ended = {t.number: t for t in study.trials() if t.state.is_finished()}
        runs = {n: self.by_id.get(t.user_attrs.get(RUN_ID, "")) for n, t in ended.items()}
        pairs = [(ended[n], run) for n, run in runs.items() if run is not None]
        curves = self.curves(study, pairs)
        said: list[str] = []
        corrected = {}
        for trial, run in pairs:
            logged = {name: runs[run.run_id] for name, runs in curves.items() if run.run_id in runs}
            measured = replace(run, metrics=_measured(run, logged))
            if changes := discrepancies.changes(study, trial, measured, logged):
                corrected[trial.number] = discrepancies.correct_trial(
                    study, trial, measured, changes
                )
                said.append(
                    discrepancies.sentence(study, trial, corrected[trial.number], measured, changes)
                )
        shown = [*said[:MOST], *([f"{len(said) - MOST} more trials differ."] * (len(said) > MOST))]
        gone = [n for n, run in runs.items() if run is None and _had_run(ended[n])]
        beside = (*_without_runs(gone), *self._without_trials(study), *self._another_plan(study))
        return replace(study, corrected=corrected), (*shown, *beside)

    def curves(self, study: SweepStudy, pairs: Sequence[tuple[FrozenTrial, RunRecord]]) -> Epochs:
        """The epochs of the runs whose last values do not tell enough.

        These are the reported metric of what was reported to a pruner, and of a run that went back
        to its best epoch the metrics that it did not measure there once more.
        """
        reported = epoch_metric(study.plan.objectives)
        measured = (n for _, run in pairs for n in run.metrics if n.startswith(PREFIX))
        wanted = {name: dict[str, RunRecord]() for name in (*FIELDS, *measured, reported) if name}
        for trial, run in pairs:
            if _went_back(run):
                for name in wanted.keys() - discrepancies.confirmed_metrics(study, trial, run):
                    wanted[name][run.run_id] = run
            if reported is not None and trial.intermediate_values:
                wanted[reported][run.run_id] = run
        found: dict[str, Mapping[str, Mapping[int, float]]] = {}
        for name, runs in wanted.items():
            known = {
                n: self.epochs[name][n] for n in runs.keys() & self.epochs.get(name, {}).keys()
            }
            asked = [run for run in runs.values() if run.run_id not in known]
            with suppress(StoreError):
                more = self.store.histories(asked, name) if self.store and asked else {}
                found[name] = {**known, **more}
        return found

    def _without_trials(self, study: SweepStudy) -> Iterator[str]:
        """A sentence on the finished runs of experiments that no trial has; of a whole study."""
        trials = study.trials()
        if not all(trial.state.is_finished() for trial in trials):
            return  # what still waits may be one of them
        known = {trial.user_attrs.get(CONFIG_HASH) for trial in trials}
        known |= {run.config_hash for run in map(self.by_id.get, _run_ids(trials)) if run}
        left = [run for run in self.by_id.values() if run.status == FINISHED]
        names = [r.run_id[:SHOWN] for r in left if r.config_hash and r.config_hash not in known]
        if names:
            which = (
                f"run {_listed(names)} has" if len(names) == 1 else f"runs {_listed(names)} have"
            )
            yield (
                f"The finished {which} no trial in the study any more, and "
                f"{'is' if len(names) == 1 else 'are'} not shown."
            )

    def _another_plan(self, study: SweepStudy) -> Iterator[str]:
        """A sentence where the study's plan is not the one that was logged when it began."""
        if self.store is None or (there := _logged_plan(self.store, study)) is None:
            return
        here = json.loads(dump_json(without_passwords(study.optuna_study.user_attrs.get(PLAN))))
        parts = [key for key in here if here[key] != there.get(key)]
        if parts:
            yield (
                f"The study's {' and '.join(parts)} is not what its sweep began with in MLflow "
                f"({PLAN_FILE} of run {(study.parent_run_id or '')[:SHOWN]}); reports show "
                "the study's."
            )


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A study as its runs have it, read once for all that is made of it.

    Attributes:
        study: with what its runs have where the two differ.
        runs: of its trials.
        differences: a sentence for each trial that differs.
    """

    study: SweepStudy
    runs: Runs
    differences: tuple[str, ...]

    @classmethod
    def of(
        cls,
        study: SweepStudy,
        store: RunStore,
        known: Sequence[RunRecord] | None = None,
        epochs: Epochs = NOTHING,
    ) -> "Reading":
        """Read the runs of a study, and hold it against them; see `Runs.of`."""
        runs = Runs.of(study, store, known, epochs)
        study, differences = runs.reconciled(study)
        return cls(study=study, runs=runs, differences=differences)

    def digest(self, *files: str) -> str:
        """SHA-256 of all that was read, and of some files of the best trials."""
        store, study = self.runs.store, self.study
        best = [trial.user_attrs.get(RUN_ID, "") for trial in test_scores.best_trials(study)]
        stored = (
            artifacts.read_file(store, self.runs.by_id[run_id], file)
            for run_id in best
            for file in files
            if store is not None and run_id in self.runs.by_id
        )
        return sha256(
            {
                "trials": [repr(trial) for trial in study.trials()],
                "runs": {run_id: plain_values(run) for run_id, run in self.runs.by_id.items()},
                "plan": study.plan.to_json(),
                "said": [*self.runs.missing, *self.differences],
                "where": store.whereabouts if store is not None else [],
                "files": [digest_of(content) if content else None for content in stored],
            }
        )

    def again(self, run_ids: Iterable[str]) -> "Reading":
        """The same with some runs read anew, to which something was logged."""
        store = self.runs.store
        new = {run_id: store.get(run_id) for run_id in run_ids} if store else {}
        return replace(self, runs=replace(self.runs, by_id={**self.runs.by_id, **new}))


def differences(
    name: str, store: Store, known: Sequence[RunRecord] | None = None
) -> tuple[str, ...]:
    """Where a study in the folder of a store differs from its runs, a sentence for each trial.

    None where its journal is elsewhere, or cannot be read.

    Args:
        name: of the study.
        store: where its runs are.
        known: what was read of the store, if all runs of the study are among it.
    """
    address = StudyAddress(storage=str(store.dir / STUDIES / f"{name}{SUFFIX}"), name=name)
    with suppress(StoreError):
        study = SweepStudy.existing(address, checked=False)
        return Reading.of(study, store, known).differences if study else ()
    return ()


def _logged_plan(store: Store, study: SweepStudy) -> Mapping[str, Any] | None:
    """The plan in the run of the sweep; None where that was deleted, damaged or never made."""
    with suppress(StoreError, ValueError):
        stored = artifacts.read_json(store, store.get(study.parent_run_id or ""), PLAN_FILE)
        return stored if isinstance(stored, dict) else None
    return None


def _had_run(trial: FrozenTrial) -> bool:
    """Whether there was a run of a trial that has ended; one that failed may have had none."""
    return RUN_ID in trial.user_attrs or trial.state != TrialState.FAIL


def _run_ids(trials: Iterable[FrozenTrial]) -> Iterator[str]:
    return (trial.user_attrs.get(RUN_ID, "") for trial in trials)


def _went_back(run: RunRecord) -> bool:
    """Whether a run took the weights of an epoch before its last one."""
    best = run.metrics.get("best_epoch")
    return best is not None and best < run.metrics.get("epochs", best)


def _measured(run: RunRecord, curves: Mapping[str, Mapping[int, float]]) -> Mapping[str, float]:
    """The metrics of a run; where it went back to its best epoch, or took an average, of that."""
    average = WeightAverage.of_logged(run.metrics, int(run.metrics.get("epochs", 0)))
    if average is not None:
        return {**run.metrics, **average.metrics}
    if not _went_back(run):
        return run.metrics
    best = int(run.metrics["best_epoch"])
    return {**run.metrics, **{n: c[best] for n, c in curves.items() if best in c}}


def _without_runs(numbers: list[int]) -> Iterator[str]:
    if numbers:
        one = len(numbers) == 1
        which = (
            f"run of trial {_listed(numbers)} is"
            if one
            else f"runs of trials {_listed(numbers)} are"
        )
        yield f"The {which} not in MLflow any more; reports show what the study has."


def _listed(names: Sequence[object]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return f"{', '.join(map(str, names[:MOST]))}{more}"
