"""What a finished run would have been under another rule, from its stored epochs.

A field that only says when to stop (`trainer.epochs`, `trainer.stop_at...`,
`trainer.early_stopping`), or which weights are taken then (`trainer.weight_averaging`), changes
nothing that is trained, so what a run would have been under another one is known as far as its
epochs are. Nothing is trained.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

from cnn_sweeps.config.loading import load, to_json, with_values
from cnn_sweeps.config.metrics import KERAS, PREFIX, OwnMetric, monitors, own_metrics
from cnn_sweeps.config.metrics import KEY as METRICS
from cnn_sweeps.config.path import full_key, only_stops
from cnn_sweeps.config.schema import Config, EarlyStopping
from cnn_sweeps.errors import ConfigError, StoreError
from cnn_sweeps.evaluation.named import find_metric
from cnn_sweeps.runs.composition.validate import choices_of
from cnn_sweeps.runs.epochs.measured import Measurer
from cnn_sweeps.runs.epochs.outcomes import TEST, Changes, Outcome, WhatIf
from cnn_sweeps.runs.epochs.stored_path import StoredPath, hashes_of
from cnn_sweeps.runs.recorded.record import FINISHED, Record, check_finished, verify
from cnn_sweeps.runs.recorded.verdict import same_bits
from cnn_sweeps.tracking import Store, queries
from cnn_sweeps.tracking.names import TRAJECTORY_HASH
from cnn_sweeps.training import stopping, validation_metrics
from cnn_sweeps.training.backend import quiet_stderr
from cnn_sweeps.training.epoch import (
    AVERAGE,
    AVERAGED,
    TIMES,
    Epoch,
    TrainingResult,
    WeightAverage,
    epoch_name,
)
from cnn_sweeps.training.validation_metrics import MONITOR

EARLY = "trainer.early_stopping"
TRAINED = ("loss", "accuracy")
"""Metrics that tell by their bits whether two runs have trained the same weights."""
POSSIBLE = (
    "trainer.epochs, trainer.stop_at_loss, trainer.stop_at_accuracy, trainer.stop_at, "
    f"{EARLY}.patience, .monitor, .min_delta, .restore_best, trainer.weight_averaging"
)


def parse_changes(typed: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """Every combination of the values that are typed, by full keys.

    Args:
        typed: `trainer.early_stopping.patience=1,3,5`; `trainer.` and `early_stopping.` may be
            left out.

    Raises:
        ConfigError: nothing is typed, or no `KEY=VALUE`.
    """
    if not typed:
        raise ConfigError(
            f"there is nothing to ask: type, for example, {EARLY}.patience=3\n"
            f"What can be changed: {POSSIBLE}."
        )
    choices = {_full_key(key): values for key, values in choices_of(typed).items()}
    return tuple(dict(zip(choices, chosen, strict=True)) for chosen in product(*choices.values()))


def changed_config(config: Config, changes: Changes) -> Config:
    """The config of a run with another rule.

    Raises:
        ConfigError: a key that changes what is trained, or that there is not; a wrong value.
    """
    for key in changes:
        if key != METRICS and not only_stops(config, key):
            raise ConfigError(
                f"{key} changes what is trained, which stored epochs cannot tell.\n"
                f"Only what says when to stop, and with which weights, can be asked: {POSSIBLE}."
            )
    changed = load(with_values(to_json(config), _with_own_monitor(config, changes)))
    # Those of the run need not be here: what they gave is stored.
    added = [each for each in changed.trainer.metrics if each not in config.trainer.metrics]
    validation_metrics.check_names(added)
    validation_metrics.check_rules(changed.trainer)
    return changed


def _with_own_monitor(config: Config, changes: Changes) -> Changes:
    """The same changes where a function of the user's own is typed as the monitor itself."""
    monitor = str(changes.get(MONITOR, ""))
    if ":" not in monitor:
        return changes
    name = OwnMetric.parse(monitor).name
    listed = changes.get(METRICS, config.trainer.metrics)
    others = [each for each in listed if OwnMetric.parse(each).name != name]
    return {**changes, METRICS: [*others, monitor], MONITOR: f"{PREFIX}{name}"}


def what_if(
    store: Store,
    record: Record,
    questions: Sequence[Changes],
    *,
    places: Sequence[str] = (),
    trust: bool = False,
) -> WhatIf:
    """What a finished run would have been under other rules; nothing is trained.

    Args:
        store: where the run is.
        record: the run.
        questions: what is changed in each, by full keys; see `parse_changes`.
        places: `data.root=FOLDER` and the like, where a metric has to be computed.
        trust: whether the recorded code of `model.function` may be executed for that.

    Raises:
        RecordError: the run did not finish, or what is stored of it was changed.
        ConfigError: what is asked changes more than when to stop, or cannot be.
        DataError: a metric has to be computed, and the images are missing.
        StoreError: the store refuses.
    """
    check_finished(record)
    verify(record)
    asked = [changed_config(record.config, changes) for changes in questions]
    run = _FinishedRun(store, record, places, trust)
    outcomes = [
        run.under(config, changes) for config, changes in zip(asked, questions, strict=True)
    ]
    return WhatIf(
        name=record.name,
        run_id=record.run_id,
        config_hash=record.identity.config_hash,
        known=len(StoredPath.find(record, store.address.dir).epochs),
        outcomes=(run.as_it_was, *outcomes),
    )


@dataclass(frozen=True)
class _FinishedRun:
    """A run that is asked.

    Attributes:
        store: where it is.
        record: the run.
        places: where its images lie.
        trust: whether its code may be executed.
    """

    store: Store
    record: Record
    places: Sequence[str]
    trust: bool

    @property
    def as_it_was(self) -> Outcome:
        """Its own end."""
        epochs, metrics = self.record.epochs, self.record.metrics
        trained = TrainingResult(
            epochs=epochs,
            best=int(metrics.get("best_epoch", len(epochs))),
            stopped=self.record.stopped or "",
            average=WeightAverage.of_logged(metrics, len(epochs)),
        )
        average = {n: v for n, v in metrics.items() if n.startswith((AVERAGE, AVERAGED))}
        return replace(_outcome({}, trained, tests=_tests_in(metrics)), average=average)

    def under(self, config: Config, changes: Changes) -> Outcome:
        """What it would have been with another config, of the same training."""
        path = StoredPath.find(self.record, self.store.address.dir, config)
        watched, seen = monitors(config.trainer), list[Epoch]()
        reason: str | None = None
        for epoch in self._measured(path, config):
            seen.append(epoch)
            if missing := [name for name in watched if name not in epoch.metrics]:
                return Outcome(
                    changes=changes,
                    stopped=f"not known: {missing[0]} was not measured in epoch {epoch.number}, "
                    "whose weights are not stored any more",
                )
            reason = stopping.end_of(config.trainer, seen)
            if reason is not None:
                break
        if reason is None:
            return Outcome(changes=changes, stopped=_too_short(path, len(seen)))
        best = stopping.final_epoch(config.trainer, seen)
        trained = TrainingResult(epochs=tuple(seen), best=best, stopped=reason)
        try:
            trained = self._averaged(path, config, trained)
        except StoreError as error:
            return Outcome(changes=changes, stopped=f"not known: {error}")
        tests = self._tests(config, trained)
        return _outcome(changes, trained, tests=tests, was=self.as_it_was)

    def _measured(self, path: StoredPath, config: Config) -> Iterator[Epoch]:
        """The epochs of a path with what stops a training; computed where it was not measured."""
        own = {each.name: each.function for each in own_metrics(config.trainer.metrics)}
        names = [name.removeprefix(PREFIX) for name in monitors(config.trainer)]
        asked = [own.get(name, name) for name in names if name in own or find_metric(name)]
        asked = [name for name in asked if name not in KERAS]
        measurer = Measurer(self.store, self.record, asked, self.places, self.trust)
        stored = Measurer(self.store, self.record, config.trainer.metrics)
        for one in path.epochs:
            logged = self.record.epochs[: one.number][one.number - 1 :] if path.is_own else ()
            known = {**stored.stored_values(path, one), **(logged[0].measured if logged else {})}
            if any(f"{PREFIX}{name}" not in known for name in measurer.keys):
                known |= measurer.values(path, one)
            yield replace(one.epoch, measured=known)

    def _averaged(
        self, path: StoredPath, config: Config, trained: TrainingResult
    ) -> TrainingResult:
        """With the average of the last epochs as a candidate, where one is asked for."""
        if config.trainer.weight_averaging is None or len(trained.epochs) == 1:
            return trained
        with quiet_stderr():
            from cnn_sweeps.runs.epochs import stored_average  # noqa: PLC0415 -- TensorFlow
        return stored_average.consider(
            self.record, config, path, trained, places=self.places, trust=self.trust
        )

    def _tests(self, config: Config, trained: TrainingResult) -> Mapping[str, float]:
        """Metrics of the test images with those weights, where any run has them.

        A run of the same training on another machine has other bits, and so other weights.
        """
        (*_, trajectory) = hashes_of(self.record, config)
        for run in queries.matching_runs(self.store, f"tags.{TRAJECTORY_HASH} = '{trajectory}'"):
            same = run.status == FINISHED and _weights_of(run.metrics) == trained.chosen
            same &= all(same_bits(run.metrics.get(n), trained.metrics[n]) for n in TRAINED)
            if same and (found := _tests_in(run.metrics)):
                return found
        return {}


def _weights_of(metrics: Mapping[str, float]) -> str:
    """With which weights a run of these metrics ended, as `TrainingResult.chosen` has it."""
    epochs = int(metrics.get("epochs", 0))
    average = WeightAverage.of_logged(metrics, epochs)
    return average.name if average else epoch_name(int(metrics.get("best_epoch", epochs)))


def _outcome(
    changes: Changes,
    trained: TrainingResult,
    *,
    tests: Mapping[str, float],
    was: Outcome | None = None,
) -> Outcome:
    count, seconds = len(trained.epochs), sum(each.seconds for each in trained.epochs)
    return Outcome(
        changes=changes,
        epochs=count,
        stopped=trained.stopped,
        best=trained.best,
        weights=trained.chosen,
        metrics={name: v for name, v in trained.metrics.items() if name not in TIMES},
        average=trained.average.logged if trained.average else {},
        tests=tests,
        seconds=seconds,
        epochs_saved=(was.epochs or 0) - count if was else 0,
        seconds_saved=was.seconds - seconds if was else 0.0,
    )


def _too_short(path: StoredPath, known: int) -> str:
    if not path.is_own and not known:
        return "not known: its learning rates would be others, and no epoch of that is stored"
    return f"not known: it would go on after epoch {known}, the last one that is stored"


def _tests_in(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name.startswith(TEST)}


def _full_key(typed: str) -> str:
    """A key as it is typed for a run: of early stopping, the name of the field will do."""
    name = typed.removeprefix("trainer.").removeprefix("early_stopping.")
    if name in {each.name for each in fields(EarlyStopping)}:
        return f"{EARLY}.{name}"
    return full_key(typed)
