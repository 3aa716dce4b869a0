"""When a finished run would have stopped under another rule, from its stored epochs.

A field that only says when to stop (`trainer.epochs`, `trainer.stop_at...`,
`trainer.early_stopping`) changes nothing that is trained, so what a run would have been under
another one is known as far as its epochs are. Nothing is trained.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import Any

from cnn_sweeps.config.loading import load, to_json, with_values
from cnn_sweeps.config.metrics import KERAS, PREFIX, monitors
from cnn_sweeps.config.path import full_key, only_stops
from cnn_sweeps.config.schema import Config, EarlyStopping
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.evaluation.named import find_metric
from cnn_sweeps.runs.measured import Measurer
from cnn_sweeps.runs.record import FINISHED, Record, check_finished, verify
from cnn_sweeps.runs.stored_path import StoredPath, lineage
from cnn_sweeps.runs.validate import choices_of
from cnn_sweeps.text.csv import csv_text
from cnn_sweeps.text.format import rounded
from cnn_sweeps.text.table import Table
from cnn_sweeps.tracking import Store, queries
from cnn_sweeps.tracking.names import TRAJECTORY_HASH
from cnn_sweeps.training import stopping, validation_metrics
from cnn_sweeps.training.epoch import Epoch

Changes = Mapping[str, Any]
TEST = "test_"
EARLY = "trainer.early_stopping"
POSSIBLE = (
    "trainer.epochs, trainer.stop_at_loss, trainer.stop_at_accuracy, trainer.stop_at, "
    f"{EARLY}.patience, {EARLY}.monitor, {EARLY}.min_delta, {EARLY}.restore_best"
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run would have been under another rule.

    Attributes:
        changes: what is changed, by full keys; empty for the run as it was.
        epochs: after how many it would have stopped; None where that is not known.
        stopped: why it would have; why that is not known where it is not.
        best: the epoch whose weights it would have ended with.
        metrics: of that epoch, beside times.
        tests: metrics of the test images with those weights, where a run has them.
        seconds: of its epochs, as they were trained.
        epochs_saved: compared with the run as it was; negative for more.
        seconds_saved: likewise.
    """

    changes: Changes
    epochs: int | None = None
    stopped: str
    best: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    tests: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    epochs_saved: int = 0
    seconds_saved: float = 0.0

    @property
    def is_known(self) -> bool:
        """Whether the stored epochs reach as far as it would have gone."""
        return self.epochs is not None


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """A run under several rules.

    Attributes:
        name: the run, for a person.
        run_id: the MLflow run.
        config_hash: of its experiment.
        known: how many epochs of it are known.
        outcomes: the run as it was in front, then one for each set of changes.
    """

    name: str
    run_id: str
    config_hash: str
    known: int
    outcomes: tuple[Outcome, ...]

    def records(self) -> list[dict[str, Any]]:
        """A flat mapping for each rule, for a spreadsheet."""
        keys = [key for outcome in self.outcomes for key in outcome.changes]
        names = [n for o in self.outcomes for n in (*o.metrics, *o.tests)]
        return [
            {
                **{key: o.changes.get(key) for key in dict.fromkeys(keys)},
                "epochs": o.epochs,
                "best_epoch": o.best,
                **{name: {**o.metrics, **o.tests}.get(name) for name in dict.fromkeys(names)},
                "seconds": o.seconds if o.is_known else None,
                "epochs_saved": o.epochs_saved if o.is_known else None,
                "seconds_saved": o.seconds_saved if o.is_known else None,
                "stopped": o.stopped,
            }
            for o in self.outcomes
        ]

    def to_csv(self) -> str:
        """The rules for a spreadsheet."""
        records = self.records()
        return csv_text(list(records[0]), records)

    def table(self) -> Table:
        """A row for each rule."""
        shown = [n for o in self.outcomes for n in (*o.metrics, *o.tests) if _is_shown(n)]
        names = list(dict.fromkeys(shown))
        keys = list(dict.fromkeys(key for o in self.outcomes for key in o.changes))
        rows = []
        for o in self.outcomes:
            values = {**o.metrics, **o.tests}
            saved = ("-", "-", "-", "-")
            if o.epochs is not None:
                times = (str(o.epochs_saved), f"{o.seconds_saved:.1f}")
                saved = (str(o.epochs), str(o.best), *times)
            rows.append(
                (
                    *(plain_text_of(o.changes.get(key, "as it was")) for key in keys),
                    *saved[:2],
                    *("-" if n not in values else rounded(values[n]) for n in names),
                    *saved[2:],
                    o.stopped,
                )
            )
        heads = [key.removeprefix("trainer.") for key in keys]
        return Table(
            head=(
                *heads,
                "stops at",
                "best epoch",
                *names,
                "epochs saved",
                "seconds saved",
                "stopped",
            ),
            rows=tuple(rows),
            text=frozenset({*heads, "stopped"}),
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
        if not only_stops(config, key):
            raise ConfigError(
                f"{key} changes what is trained, which stored epochs cannot tell.\n"
                f"Only what says when to stop can be asked: {POSSIBLE}."
            )
    changed = load(with_values(to_json(config), changes))
    validation_metrics.check(changed.trainer, 1)
    return changed


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
    original = _as_it_was(record)
    outcomes = [
        _outcome(store, record, config, changes, original, places=places, trust=trust)
        for config, changes in zip(asked, questions, strict=True)
    ]
    return WhatIf(
        name=record.name,
        run_id=record.run_id,
        config_hash=record.identity.config_hash,
        known=len(StoredPath.find(record, store.address.dir).epochs),
        outcomes=(original, *outcomes),
    )


def _as_it_was(record: Record) -> Outcome:
    best = int(record.metrics.get("best_epoch", len(record.epochs)))
    return Outcome(
        changes={},
        epochs=len(record.epochs),
        stopped=record.stopped or "",
        best=best,
        metrics=record.epochs[best - 1].determined,
        tests=_tests_in(record.metrics),
        seconds=sum(epoch.seconds for epoch in record.epochs),
    )


def _outcome(  # noqa: PLR0913 -- a question, and where its answer is
    store: Store,
    record: Record,
    config: Config,
    changes: Changes,
    original: Outcome,
    *,
    places: Sequence[str],
    trust: bool,
) -> Outcome:
    path = StoredPath.find(record, store.address.dir, config)
    watched = monitors(config.trainer)
    seen: list[Epoch] = []
    reason: str | None = None
    for epoch in _measured(store, record, path, config, places=places, trust=trust):
        seen.append(epoch)
        missing = [name for name in watched if name not in epoch.metrics]
        if missing:
            return Outcome(
                changes=changes,
                stopped=f"not known: {missing[0]} was not measured in epoch {epoch.number}, whose "
                "weights are not stored any more",
            )
        reason = stopping.end_of(config.trainer, seen)
        if reason is not None:
            break
    if reason is None:
        return Outcome(changes=changes, stopped=_too_short(path, len(seen)))
    best = stopping.final_epoch(config.trainer, seen)
    seconds = sum(each.seconds for each in seen)
    return Outcome(
        changes=changes,
        epochs=len(seen),
        stopped=reason,
        best=best,
        metrics=seen[best - 1].determined,
        tests=_tests(store, record, config, best),
        seconds=seconds,
        epochs_saved=(original.epochs or 0) - len(seen),
        seconds_saved=original.seconds - seconds,
    )


def _measured(
    store: Store,
    record: Record,
    path: StoredPath,
    config: Config,
    *,
    places: Sequence[str],
    trust: bool,
) -> Iterator[Epoch]:
    """The epochs of a path with what stops a training; computed where that was not measured."""
    watched = [name.removeprefix(PREFIX) for name in monitors(config.trainer)]
    asked = [name for name in watched if find_metric(name) and name not in KERAS]
    measurer = Measurer(store, record, asked, places, trust)
    own = Measurer(store, record, config.trainer.metrics)
    for one in path.epochs:
        logged = record.epochs[: one.number][one.number - 1 :] if path.is_own else ()
        known = {**own.stored_values(path, one), **(logged[0].measured if logged else {})}
        if any(f"{PREFIX}{name}" not in known for name in asked):
            known |= measurer.values(path, one)
        yield replace(one.epoch, measured=known)


def _too_short(path: StoredPath, known: int) -> str:
    if not path.is_own and not known:
        return "not known: its learning rates would be others, and no epoch of that is stored"
    return f"not known: it would go on after epoch {known}, the last one that is stored"


def _tests(store: Store, record: Record, config: Config, best: int) -> Mapping[str, float]:
    """Metrics of the test images with the weights after an epoch, where any run has them."""
    (*_, trajectory) = lineage(record, config)
    for run in queries.matching_runs(store, f"tags.{TRAJECTORY_HASH} = '{trajectory}'"):
        ended_with = run.metrics.get("best_epoch", run.metrics.get("epochs"))
        if run.status == FINISHED and ended_with == best and (found := _tests_in(run.metrics)):
            return found
    return {}


def _tests_in(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name.startswith(TEST)}


def _is_shown(metric: str) -> bool:
    return metric.startswith((PREFIX, TEST))


def _full_key(typed: str) -> str:
    """A key as it is typed for a run: of early stopping, the name of the field will do."""
    name = typed.removeprefix("trainer.").removeprefix("early_stopping.")
    if name in {each.name for each in fields(EarlyStopping)}:
        return f"{EARLY}.{name}"
    return full_key(typed)


def plain_text_of(value: Any) -> str:
    """A value as it is typed."""
    return value if isinstance(value, str) else json.dumps(value)
