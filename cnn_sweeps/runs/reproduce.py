"""Reproduce a run: train it again from scratch, and compare it with its record.

The record is checked before anything runs. Then it is restored and trained, and what is logged
of that is compared with the record.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cnn_sweeps.config.schema import Config, Tracking
from cnn_sweeps.errors import ConfigError, RecordError
from cnn_sweeps.runs.composition import validate
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.recorded.record import Record, check_finished, verify
from cnn_sweeps.runs.recorded.verdict import FINAL_METRICS, Verdict, compare, remarks
from cnn_sweeps.runs.restore import (
    check_images_there,
    importable_source,
    not_recorded,
    recorded_flags,
    recorded_images,
    restored_config,
)
from cnn_sweeps.text.terminal import speaker
from cnn_sweeps.tracking import Store, descriptions
from cnn_sweeps.tracking.names import KIND, REPRODUCED_BY, REPRODUCES, REPRODUCTION_VERDICT, VERDICT
from cnn_sweeps.tracking.patience import patient
from cnn_sweeps.training import stopping
from cnn_sweeps.training.backend import quiet_stderr
from cnn_sweeps.training.progress import reading_bar


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A run that was done again.

    Attributes:
        recorded: the run as it was stored.
        now: the run that was trained to be compared with it.
        verdict: how they compare.
        used_recorded_source: whether the recorded files of `model.function` were used, which are
            not here.
        overridden: variables of the user's that were set otherwise, or not at all, as recorded.
        not_recorded: the user's modules that it imports and that were not stored with the run.
    """

    recorded: Record
    now: Record
    verdict: Verdict
    used_recorded_source: bool
    overridden: Mapping[str, str]
    not_recorded: tuple[str, ...] = ()

    @property
    def remarks(self) -> list[str]:
        """What a person may want to know beside the verdict, a line each."""
        return list(remarks(self.verdict, self.recorded, self.now, self.not_recorded))


def find_record(store: Store, name: str | None, run_id: str | None = None) -> tuple[Record, Store]:
    """The record of a hash or of a run id, and the store with new runs next to it.

    Raises:
        UnknownHashError: no run, or more than one experiment, has that name.
        RecordError: what is stored of the run is incomplete, or was changed.
        StoreError: a verdict could not be logged with the run.
    """
    run = lookup.find_run(store, name, run_id)
    record = lookup.record_of(store, run)
    store.check_loggable(run)
    return record, replace(store, experiment_id=run.experiment_id)


def reproduce(
    record: Record,
    tracking: Tracking,
    beside: Store | None = None,
    *,
    places: Sequence[str] = (),
    trust: bool = False,
    tolerance: float | None = None,
) -> Reproduction:
    """Train the experiment of a record again, and compare.

    Args:
        record: the run.
        tracking: where to log.
        beside: the store that the record is in; None for one that was exported.
        places: `data.root=FOLDER` and the like, where the images lie elsewhere.
        trust: whether the recorded code of `model.function` and `trainer.loss` may run.
        tolerance: how far any metric may be apart in another environment; the measured ones
            when None.

    Raises:
        RecordError: what is stored of the run was changed, or cannot be done again.
        ConfigError: an impossible tolerance, or its model or loss is the user's own and `trust`
            was not given.
        DataError: the images are missing, or are not those of the run.
        RunFailedError: the training failed this time.
        StoreError: the store refuses.
    """
    number = isinstance(tolerance, int | float)
    if tolerance is not None and not (number and 0 <= tolerance < math.inf):
        raise ConfigError(f"tolerance={tolerance} is invalid: it takes a number from 0.")
    check_finished(record)
    verify(record)
    _refuse_stopped(record)
    config = restored_config(record, tracking, list(places))
    with importable_source(record, trust=trust, to_train=True) as laid:
        check_images_there(config)
        validate.check(config)
        foreign = not_recorded(record)
        store = beside or Store.open(tracking)
        with recorded_flags(record.environment) as overridden:
            again = _trained(record, config, store)
    verdict = compare(record, again, tolerance=tolerance)
    with patient(config.tracking.patience, say=speaker()):  # the training is not lost now
        _tag(store, again.run_id, {VERDICT: str(verdict)})
        if beside:
            linked = {REPRODUCED_BY: again.run_id, REPRODUCTION_VERDICT: verdict.kind}
            _tag(store, record.run_id, linked)
    return Reproduction(
        recorded=record,
        now=again,
        verdict=verdict,
        used_recorded_source=laid,
        overridden=overridden,
        not_recorded=foreign,
    )


def _refuse_stopped(record: Record) -> None:
    """Refuse a run that a callback ended: without it the training would go on.

    Raises:
        RecordError: its config did not end it.
    """
    if stopping.is_stopped_early(record.config.trainer, record.epochs):
        raise RecordError(
            f"Run {record.run_id} ({record.name}) was stopped by a callback after epoch "
            f"{len(record.epochs)} of {record.config.trainer.epochs}: its config does not say so, "
            "so that it cannot be reproduced."
        )


def _trained(record: Record, config: Config, store: Store) -> Record:
    """Train the restored config and log it as a run that names the one that it reproduces.

    The test split is scored if it was then.

    Raises:
        DataError: the images are missing, or are not those of the run.
    """
    with quiet_stderr():
        from cnn_sweeps.runs.run import TrialContext, run  # noqa: PLC0415 -- TensorFlow

    with reading_bar(config.trainer.progress):
        recorded_images(record, config)
    scored = any(name in record.metrics for name in FINAL_METRICS)
    result = run(
        config,
        store,
        trial=None if scored else TrialContext(parent_run_id=None),
        started=lambda run_id, _: store.reopen(run_id).set_tags(
            {REPRODUCES: record.run_id, KIND: "reproduction"}
        ),
        recorded=record.config,
    )
    with patient(config.tracking.patience, say=speaker()):
        return lookup.record_of(store, store.get(result.run_id))


def _tag(store: Store, run_id: str, tags: Mapping[str, str]) -> None:
    """Tag a run with a verdict, and have its description say so."""
    run = store.reopen(run_id)
    run.set_tags(tags)
    descriptions.describe(run)
