"""A worker: claim a trial, train it, report it, until the queue is empty."""

import dataclasses
import importlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from optuna.exceptions import OptunaError, StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from cnn_sweeps.config.schema import Config
from cnn_sweeps.errors import (
    CnnSweepsError,
    PrunedError,
    StoppedError,
    StoreError,
    reason_of,
)
from cnn_sweeps.models.names import title
from cnn_sweeps.provenance.code import commit_asked_once
from cnn_sweeps.provenance.identity import Identity
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.plan.branch_epochs import wanted_epochs
from cnn_sweeps.sweeps.plan.objectives import ObjectiveError
from cnn_sweeps.sweeps.plan.pruners import PruningCallback, epoch_metric
from cnn_sweeps.sweeps.study import attributes, duplicates, repetition, requeue
from cnn_sweeps.sweeps.study.broken_host import refuse_broken_host
from cnn_sweeps.sweeps.study.duplicates import Verdict
from cnn_sweeps.sweeps.study.events import EpochEnded, Event, TrialDropped, TrialEnded, TrialStarted
from cnn_sweeps.sweeps.study.heartbeat import heartbeat
from cnn_sweeps.sweeps.study.recovery import close_superseded
from cnn_sweeps.sweeps.study.retry import history
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.text.format import first_line
from cnn_sweeps.text.redact import hidden_in
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.names import KIND, RETRY_ATTEMPT, RETRY_OF, RETRY_REASON, STUDY_NAME, TRIAL
from cnn_sweeps.tracking.patience import Attempts
from cnn_sweeps.training.backend import quiet_stderr
from cnn_sweeps.training.epoch import Epoch

if TYPE_CHECKING:
    from cnn_sweeps.runs.result import RunResult
    from cnn_sweeps.training.loop import Callback

logger = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds between two looks for more trials."""
OnRunStart = Callable[[str, Identity], None]
Emit = Callable[[Event], None]


class Execute(Protocol):
    """How a worker trains one config."""

    def __call__(
        self, config: Config, *, trial: int, started: OnRunStart, callbacks: "Sequence[Callback]"
    ) -> "RunResult":
        """Train and log; call `started` with the run once it exists, and callbacks each epoch."""


@dataclass(kw_only=True)
class Worker:
    """One process that pulls trials from a study.

    Attributes:
        study: the queue.
        execute: trains one config.
        emit: is told what happens.
        stop: whether to end: no further trial, and the one in hand after its epoch.
        job_ends: whether it is a scheduler that has asked for that.
        number: number of the worker, from 0.
        threads: CPU threads for configs that leave them open (`trainer.threads: 0`).
        worn: whether this process has done enough, asked after each trial.
        patience: seconds to wait where no trial waits and the study is not marked as finished.
        owner: this process.
        begun: name and config hash of the run in hand, once it exists.
        claimed: when the trial in hand was claimed, by a clock that is never set.
    """

    study: SweepStudy
    execute: Execute
    emit: Emit = lambda _: None
    stop: Callable[[], bool] = lambda: False
    job_ends: Callable[[], bool] = lambda: False
    number: int = 0
    threads: int = 0
    worn: Callable[[], bool] = lambda: False
    patience: float = 0.0
    owner: Owner = field(default_factory=Owner.here)
    begun: tuple[str, str] | None = None
    claimed: float = 0.0

    @commit_asked_once()
    def work(self, most: int | None = None) -> int:
        """Carry out trials until none is left, the time is up, or `most` are done; how many were.

        Where none waits, and the controller may yet add some, it waits for so long as `patience`.

        Raises:
            StoreError: nothing can be recorded any more, or nothing succeeds on this host; the
                trial in hand has failed.
        """
        done, until = 0, time.monotonic() + self.patience
        while True:
            with self.study.address.refusing():
                if self.stop() or self.study.time_is_up or done == most:
                    return done
                trial = self.study.claim(self.owner)
                if trial is None and (time.monotonic() >= until or self.study.is_over):
                    return done
            if trial is None:
                time.sleep(LOOK)
                continue
            with self.study.address.refusing(), heartbeat(self.study.address, trial):
                self._carry_out(trial)
            done, until = done + 1, time.monotonic() + self.patience
            if self.worn():
                return done

    def _carry_out(self, trial: Trial) -> None:
        """Carry out a claimed trial, unless it turns out that another process has requeued it."""
        self.begun, self.claimed = None, time.monotonic()
        try:
            self._attempt(trial)
        except UpdateFinishedTrialError:
            # By another host, which had no sign of life from here for too long.
            logger.warning("trial %d was requeued by another process meanwhile", trial.number)
            # The sweep may be over, and nobody else would see that this run has ended after all.
            if (store := Store.open_existing(self.study.plan.first.tracking)) is not None:
                close_superseded(self.study, store)

    def _attempt(self, trial: Trial) -> None:
        """Train a claimed trial and record how it ended, whatever happens."""
        study = self.study
        try:
            with study.address.refusing(StorageInternalError):
                self._try(trial)
        except StoreError as error:
            # No fault of the trial: it is requeued until the store can be used again.
            with suppress(StoreError, OptunaError):
                study.note(trial, {attributes.REFUSED: True})
            requeue.after_interruption(study, study.frozen(trial), reason_of(error))
            raise
        except PrunedError as error:
            study.pruned(trial, error.reason)
            self._ended(trial, state="pruned", reason=error.reason, epochs=error.epoch)
        except (StoppedError, KeyboardInterrupt) as error:
            self._give_back(trial, error)
            if isinstance(error, KeyboardInterrupt):
                raise
        except UpdateFinishedTrialError:
            raise
        except Exception as error:  # noqa: BLE001 -- one trial's bug must not end the sweep
            study.failed(trial, error)
            self._ended(trial, error, state="failed", reason=hidden_in(reason_of(error)))
            refuse_broken_host(study, self.owner)

    def _named(self, trial: Trial, config: Config) -> str:
        """Which experiment a claimed trial is; it says so, unless that was known before."""
        known, plan = trial.user_attrs, self.study.plan
        if attributes.EXPERIMENT_KEY in known and attributes.TRAJECTORY_KEY in known:
            return str(known[attributes.EXPERIMENT_KEY])
        named, trajectory = plan.experiment_key(config), plan.trajectory_key(config)
        repetition.name(self.study, trial, experiment_key=named, trajectory_key=trajectory)
        return named

    def _give_back(self, trial: Trial, error: StoppedError | KeyboardInterrupt) -> None:
        """Requeue a trial that was interrupted."""
        reason = reason_of(error) if isinstance(error, StoppedError) else "interrupted"
        ended = requeue.after_interruption(
            self.study, self.study.frozen(trial), reason, job_ended=self.job_ends()
        )
        if ended is not None:
            self._ended(trial, state=ended.state, reason=ended.reason)

    def _try(self, trial: Trial) -> None:
        """Train a claimed trial, unless it repeats another one."""
        study = self.study
        values = study.values_of(trial)
        _log_claimed(trial, values)
        config = study.plan.config(values)
        experiment_key = self._named(trial, config)
        verdict = self._verdict(trial, experiment_key)
        if verdict.known is not None:
            self._repeat(trial, verdict, verdict.known)
        elif study.plan.duplicates == "replicate":
            number = repetition.number(study, trial, experiment_key)
            self._train(trial, duplicates.with_seed(config, number))
        else:
            self._train(trial, config)

    def _train(self, trial: Trial, config: Config) -> None:
        study, plan = self.study, self.study.plan
        threads = config.trainer.threads or self.threads
        config = dataclasses.replace(
            config, trainer=dataclasses.replace(config.trainer, threads=threads, progress="none")
        )
        metric, reported = plan.objectives.names[0], epoch_metric(plan.objectives)
        self.emit(
            TrialStarted(
                worker=self.number,
                trial=trial.number,
                title=title(config.model),
                epochs=config.trainer.epochs,
            )
        )

        def started(run_id: str, identity: Identity) -> None:
            logger.debug("trial %d is run %s, %s", trial.number, run_id, identity.config_hash)
            self.begun = (f"{title(config.model)} · {identity.short}", identity.config_hash)
            known = {attributes.RUN_ID: run_id, attributes.CONFIG_HASH: identity.config_hash}
            study.note(trial, known if reported else {**known, attributes.EPOCH: 0})
            study.refuse_other_images(config.data, identity.data_digest)

        progress = ProgressCallback(self, trial.number, metric)
        watching: list[Callback] = [EpochCallback(study, trial), progress]
        pruning = None
        if reported is not None:
            pruning = PruningCallback(trial, reported, plan.pruner, epochs=config.trainer.epochs)
            watching = [progress, pruning]
        result = self.execute(config, trial=trial.number, started=started, callbacks=watching)
        if pruning is not None:
            pruning.report()
        try:
            objectives = plan.objectives.values(result.metrics)
        except ObjectiveError:
            study.note(trial, _results_of(result))
            raise
        study.done(trial, objectives, _results_of(result))
        self._ended(
            trial,
            state="complete" if result.epochs_trained else "reused",
            values=tuple(objectives),
            name=result.name,
            config_hash=result.identity.config_hash,
            epochs=len(result.training.epochs),
            seconds=result.metrics.get("train_seconds", 0.0),
        )

    def _verdict(self, trial: Trial, experiment_key: str) -> Verdict:
        """What becomes of a trial, once the one that it waits for has ended.

        Raises:
            StoppedError: asked to stop meanwhile.
        """
        while (found := duplicates.verdict(self.study, trial, experiment_key)).action == "wait":
            number = found.known.number if found.known else None
            logger.debug("trial %d waits for trial %d", trial.number, number)
            if self.stop():
                raise StoppedError(f"interrupted while trial {number} trained the same")
            time.sleep(LOOK)
        return found

    def _repeat(self, trial: Trial, verdict: Verdict, known: FrozenTrial) -> None:
        """Deal with a trial whose experiment has been, or is being, tried."""
        logger.info("trial %d repeats trial %d", trial.number, known.number)
        if verdict.action == "take":
            duplicates.take(self.study, trial, known)
            reason = known.user_attrs.get(attributes.REASON)
            pruned = known.state == TrialState.PRUNED
            ended = {"state": "pruned", "reason": reason} if pruned else {"state": "reused"}
            self._ended(trial, **ended, values=tuple(verdict.values or ()))
        elif not requeue.resample(self.study, trial, verdict.values):
            reason = repetition.exhausted_reason(self.study)
            logger.info("trial %d dropped: %s", trial.number, reason)
            self.emit(TrialDropped(worker=self.number, trial=trial.number, reason=reason))

    def _ended(self, trial: Trial, error: Exception | None = None, /, **what: Any) -> None:
        name, config_hash = self.begun or ("", None)
        told = {"name": name, "config_hash": config_hash} | what
        ended = TrialEnded(worker=self.number, trial=trial.number, **told)
        _log_ended(ended, time.monotonic() - self.claimed, error)
        self.emit(ended)


def _results_of(result: "RunResult") -> dict[str, Any]:
    """What is stored with a finished trial beside its objectives."""
    shared = {attributes.SHARED: dict(result.shared)} if result.shared else {}
    return {
        **attributes.metric_attributes(result.metrics),
        attributes.EPOCHS_TRAINED: result.epochs_trained,
        **shared,
    }


def _log_claimed(trial: Trial, values: Mapping[str, Any]) -> None:
    """Log which trial a worker has, its params, and which attempt it is."""
    params = " ".join(f"{key}={value}" for key, value in values.items())
    retries = history(trial.user_attrs)
    again = f" (attempt {retries[-1].attempt})" if retries else ""
    logger.info("trial %d claimed%s: %s", trial.number, again, params)


def _log_ended(ended: TrialEnded, seconds: float, error: Exception | None) -> None:
    """Log how a trial ended, of a bug with its traceback."""
    state = "interrupted" if ended.state == "requeued" else ended.state
    said = " ".join(f"{value:.6g}" for value in ended.values) or ended.reason or "no value"
    level = logging.ERROR if ended.state == "failed" else logging.INFO
    bug = error if not isinstance(error, CnnSweepsError) else None
    logger.log(
        level, "trial %d %s after %.1f s: %s", ended.trial, state, seconds, said, exc_info=bug
    )


class ProgressCallback:
    """Tells each epoch, and ends the training when the worker is asked to stop."""

    def __init__(self, worker: Worker, trial: int, metric: str) -> None:
        self._worker, self._trial, self._metric = worker, trial, metric

    def on_epoch(self, epoch: Epoch) -> None:
        """Pass the epoch on.

        Raises:
            StoppedError: the sweep was asked to stop.
        """
        worker = self._worker
        value = epoch.metrics.get(self._metric)
        said = "unknown" if value is None else f"{value:.6g}"
        logger.debug("trial %d epoch %d: %s %s", self._trial, epoch.number, self._metric, said)
        worker.emit(
            EpochEnded(worker=worker.number, trial=self._trial, epoch=epoch.number, value=value)
        )
        if worker.stop():
            raise StoppedError(f"interrupted after epoch {epoch.number}")


class EpochCallback:
    """Notes how far a trial is whose objectives Optuna is not told epoch by epoch.

    By that is known whether the jobs of a scheduler are long enough for it.
    """

    def __init__(self, study: SweepStudy, trial: Trial) -> None:
        self._study, self._trial, self._attempts = study, trial, Attempts()

    def on_epoch(self, epoch: Epoch) -> None:
        """Note the epoch, if the study is there."""
        told = {attributes.EPOCH: epoch.number}
        self._attempts.make(lambda: self._study.note(self._trial, told))


class RunTrial:
    """Trains a trial's config and logs it as a child of the sweep's run; no test split."""

    def __init__(self, study: SweepStudy) -> None:
        """Open the store that the sweep logs to, for runs beside that of the sweep."""
        self._parent, self._study = study.parent_run_id, study
        self._timed = study.plan.exercise is not None or study.plan.objectives.are_timed
        self._store = Store.open(study.plan.first.tracking, beside=self._parent)
        if self._parent:
            self._store.get(self._parent)  # raises where another store is reached from this host

    def __call__(
        self,
        config: Config,
        *,
        trial: int,
        started: Callable[[str, Identity], None],
        callbacks: "Sequence[Callback]",
    ) -> "RunResult":
        """Train and log one trial."""
        with quiet_stderr():
            from cnn_sweeps.runs.run import TrialContext, run  # noqa: PLC0415 -- TensorFlow

        tags = tags_of(self._study, trial)
        context = TrialContext(
            parent_run_id=self._parent,
            tags=tags,
            swept=[dimension.key for dimension in self._study.plan.space.dimensions],
            timed=self._timed,
            wanted=wanted_epochs(self._study.plan, self._values(trial)),
        )
        return run(config, self._store, trial=context, started=started, callbacks=callbacks)

    def _values(self, trial: int) -> Mapping[str, Any]:
        study = self._study
        return study.carried_values(study.storage.get_trial(study.id_of(trial)))


def tags_of(study: SweepStudy, number: int) -> dict[str, str]:
    """The tags of a trial's run: what it belongs to and, where it is a retry, of what and why."""
    tags = {KIND: "trial", STUDY_NAME: study.optuna_study.study_name, TRIAL: str(number)}
    retries = history(study.storage.get_trial(study.id_of(number)).user_attrs)
    if retries:
        last = retries[-1]
        tags |= {
            RETRY_ATTEMPT: str(last.attempt),
            RETRY_REASON: first_line(hidden_in(last.reason)),
            RETRY_OF: str(last.trial),
        }
    return tags


def execute_of(study: SweepStudy, path: str | None) -> Execute:
    """How trials are carried out: trained, or by the `package.module:function` of a test."""
    if path is None:
        return RunTrial(study)
    module, _, name = path.partition(":")
    found: Execute = getattr(importlib.import_module(module), name)
    return found
