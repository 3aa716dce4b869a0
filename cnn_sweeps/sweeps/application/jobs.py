"""One batch after the other: claim trials, launch them as jobs, record what they return."""

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.utils import get_method
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from optuna.trial import Trial

from cnn_sweeps.errors import ConfigError, RunFailedError, reason_of
from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.application.interruption import launch
from cnn_sweeps.sweeps.application.objectives import values_of
from cnn_sweeps.sweeps.application.request import ApplicationRequest
from cnn_sweeps.sweeps.application.study import FOLDER, JOB, ApplicationStudy
from cnn_sweeps.sweeps.plan.objectives import ObjectiveError
from cnn_sweeps.sweeps.space.value import text_of
from cnn_sweeps.sweeps.study import duplicates, repetition, requeue
from cnn_sweeps.sweeps.study.attributes import NO_VALUE
from cnn_sweeps.sweeps.study.duplicates import Verdict
from cnn_sweeps.sweeps.study.heartbeat import heartbeat
from cnn_sweeps.text.escape import printable
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.redact import hidden_in

logger = logging.getLogger(__name__)


LOOK = 1.0
"""Seconds between two looks at a trial of another process."""
DEATHS = ("BrokenExecutor", "UncompletedJobError")
"""What joblib and submitit raise for a job whose process was killed or ended itself."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A claimed trial on its way to the launcher.

    Attributes:
        trial: of the study.
        overrides: what the job is given.
    """

    trial: Trial
    overrides: list[str]


class ExtendedTrial(Trial):
    """A trial for a user's own function, which finds the fixed values among its attributes."""

    def __init__(self, trial: Trial, fixed: dict[str, str]) -> None:
        super().__init__(trial.study, trial._trial_id)
        self._fixed = fixed

    @property
    def user_attrs(self) -> dict[str, Any]:
        """The values that are the same in every job, by key."""
        return dict(self._fixed)


@dataclass(kw_only=True)
class JobRunner:
    """Lets a launcher carry out the trials of a study.

    Attributes:
        study: the queue.
        launcher: Hydra's.
        request: how many at a time, and what may fail.
        config: the application's config, for its own search space.
        returned: what the jobs of this call returned.
        given_up: trials for which no new job was found.
        held: one that waits for the end of another, which may be in hand here.
    """

    study: ApplicationStudy
    launcher: Launcher
    request: ApplicationRequest
    config: DictConfig
    returned: list[JobReturn] = field(default_factory=list)
    given_up: int = 0
    held: Job | None = None

    def run(self) -> None:
        """Launch batches until no trial waits or the time is up.

        Raises:
            ConfigError: a job returned no number.
            Exception: what a job raised, where more fail than may.
        """
        try:
            self._run()
        finally:
            if self.held is not None:
                self._requeue([self.held.trial], "its sweep has ended")
        self._tell_given_up()

    def _run(self) -> None:
        ended: list[Exception | None] = []
        while (batch := self._claim()) or self._await_other():
            if not batch:
                continue
            outcomes = self._launch(batch)
            ended += [
                self._record(job, outcome) for job, outcome in zip(batch, outcomes, strict=True)
            ]
            self.returned += [outcome for outcome in outcomes if isinstance(outcome, JobReturn)]
            if len(ended) >= self.request.judged:
                self._judge(ended)
                ended.clear()
        self._judge(ended)

    def _judge(self, ended: Sequence[Exception | None]) -> None:
        """End the sweep with the first error, where more of some jobs have failed than may."""
        failed = [error for error in ended if error is not None]
        if failed and len(failed) / len(ended) > self.request.max_failure_rate:
            raise failed[0]

    def _claim(self) -> list[Job]:
        """Up to a batch of trials that are no repetition; less where one waits for another."""
        jobs: list[Job] = []
        owner = Owner.here()
        while len(jobs) < self.request.batch and not self.study.time_is_up:
            held, self.held = self.held, None
            trial = held.trial if held else self.study.claim(owner)
            if trial is None:
                break
            try:
                job = held or Job(trial=trial, overrides=self._overrides(trial))
                verdict = self._verdict(job)
                if verdict.action == "train":
                    jobs.append(job)
                elif verdict.action == "wait":
                    self.held = job
                    break
                else:
                    self._repeat(trial, verdict)
            except BaseException as error:  # of the user's own search space, or Ctrl-C
                self._requeue([*(job.trial for job in jobs), trial], error)
                raise
        return jobs

    def _await_other(self) -> bool:
        """Wait for the trial of another process that a claimed one repeats; False for none."""
        if (job := self.held) is None:
            return False
        with heartbeat(self.study.address, job.trial):
            while self._verdict(job).action == "wait" and not self.study.time_is_up:
                time.sleep(LOOK)
        return not self.study.time_is_up

    def _overrides(self, trial: Trial) -> list[str]:
        plan = self.study.plan
        cell = plan.space.suggest(trial)
        if plan.custom_search_space is None:
            return plan.overrides(cell)
        fixed = dict(text.partition("=")[::2] for text in plan.space.fixed)
        extended = ExtendedTrial(trial, fixed)
        get_method(plan.custom_search_space)(self.config, extended)
        added = {key: value for key, value in extended.params.items() if key not in cell}
        if both := sorted(added.keys() & fixed.keys()):
            raise ConfigError(
                f"{plan.custom_search_space} chooses {both[0]}, which is set to "
                f"{fixed[both[0]]}: leave one of them out."
            )
        return plan.overrides(cell, [f"{key}={text_of(value)}" for key, value in added.items()])

    def _verdict(self, job: Job) -> Verdict:
        """What becomes of a claimed trial with these overrides."""
        key = self.study.plan.experiment_key(job.overrides)
        repetition.name(self.study, job.trial, experiment_key=key, trajectory_key=key)
        return duplicates.verdict(self.study, job.trial, key)

    def _repeat(self, trial: Trial, verdict: Verdict) -> None:
        """Deal with a trial whose overrides were tried before."""
        if verdict.action == "take" and verdict.known is not None:
            duplicates.take(self.study, trial, verdict.known)
        else:
            self.given_up += not requeue.resample(self.study, trial, verdict.values)

    def _tell_given_up(self) -> None:
        """Say why there are fewer jobs than trials were asked for."""
        if self.given_up:
            logger.warning(
                "%s given up: %s",
                pluralize(self.given_up, "trial"),
                f"{custom} gives no other job than those that were tried"
                if (custom := self.study.plan.custom_search_space)
                else "every job that was proposed has been tried",
            )

    def _launch(self, batch: Sequence[Job]) -> Sequence[JobReturn | Exception]:
        """What the launcher makes of a batch; trials that it did not come to are requeued."""
        number = self._next_number()
        for index, job in enumerate(batch):
            job.trial.set_user_attr(JOB, number + index)
        try:
            with ExitStack() as alive:
                for job in (*batch, *([self.held] if self.held else [])):
                    alive.enter_context(heartbeat(self.study.address, job.trial))
                return launch(self.launcher, [job.overrides for job in batch], number)
        except SystemExit as error:
            ended = RunFailedError(f"the application ended the program (exit code {error.code})")
            return [ended] * len(batch)
        except BaseException as error:
            of_one = _error_of_a_job(error)
            if of_one is None:
                self._requeue([job.trial for job in batch], error)
                if isinstance(error, Exception):
                    raise RunFailedError(f"the launcher failed: {reason_of(error)}") from error
                raise
            if len(batch) == 1:
                return [of_one]
        return self._one_by_one(batch)

    def _one_by_one(self, batch: Sequence[Job]) -> Sequence[JobReturn | Exception]:
        """Launch each job of a batch alone, of which some cannot be composed, or have died."""
        return [outcome for job in batch for outcome in self._launch([job])]

    def _requeue(self, trials: Sequence[Trial], error: BaseException | str) -> None:
        reason = reason_of(error) if str(error) else "interrupted"
        for trial in trials:
            frozen = self.study.frozen(trial)
            if not frozen.state.is_finished():
                requeue.after_interruption(self.study, frozen, reason)

    def _next_number(self) -> int:
        """A job number that no job of the study has had, so that no folder is written twice."""
        trials = self.study.optuna_study.get_trials(deepcopy=False)
        return 1 + max((trial.user_attrs.get(JOB, -1) for trial in trials), default=-1)

    def _record(self, job: Job, outcome: JobReturn | Exception) -> Exception | None:
        """Record what became of a trial; its error, where it failed."""
        study, trial = self.study, job.trial
        try:
            values = self._values(trial, outcome)
        except Exception as error:  # noqa: BLE001 -- what a job raised, of any type
            study.failed(trial, error)
            logger.warning("Failed experiment: %s", printable(hidden_in(str(error))))
            return error
        if isinstance(values, str):
            trial.set_user_attr(NO_VALUE, True)
            study.failed(trial, values)
        else:
            study.done(trial, values)
        return None

    def _values(self, trial: Trial, outcome: JobReturn | Exception) -> list[float] | str:
        """The objectives of a job; why it has none, where nobody asked.

        Raises:
            Exception: what the job raised, or why what it returned is of no use.
        """
        if isinstance(outcome, Exception):
            raise outcome
        if outcome.hydra_cfg is not None:
            trial.set_user_attr(FOLDER, str(outcome.hydra_cfg.hydra.runtime.output_dir))
        if outcome.status != JobStatus.COMPLETED:
            raise outcome._return_value
        try:
            return values_of(outcome._return_value, self.study.plan.objectives)
        except ObjectiveError as error:
            if self.request.asked:
                raise
            return "returned nothing" if outcome._return_value is None else str(error)


def _error_of_a_job(error: BaseException) -> Exception | None:
    """What a launcher raises for one of its jobs; None where all of them have failed with it."""
    if isinstance(error, HydraException | OmegaConfBaseException):
        return error
    if any(kind.__name__ in DEATHS for kind in type(error).__mro__):
        return RunFailedError(f"the process of the job died: {reason_of(error)}")
    return None
