"""A sweep, from its plan to its table: prepare everything once, let workers pull, conclude."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from optuna.exceptions import OptunaError
from optuna.trial import TrialState

from cnn_sweeps.data.cores import cores
from cnn_sweeps.errors import RunFailedError, StoreError
from cnn_sweeps.provenance import devices
from cnn_sweeps.sweeps.outcome import Display, Publisher, SweepOutcome
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.plan.images import refuse_unfit
from cnn_sweeps.sweeps.plan.plan import Plan
from cnn_sweeps.sweeps.request import SweepRequest
from cnn_sweeps.sweeps.results import exercise_answer, test_scores
from cnn_sweeps.sweeps.results.commands import best_again, join_command, save_command
from cnn_sweeps.sweeps.results.early_runs import EarlyRuns
from cnn_sweeps.sweeps.results.early_score import EarlyScore
from cnn_sweeps.sweeps.results.failures import only_failures
from cnn_sweeps.sweeps.results.page import ranking_view
from cnn_sweeps.sweeps.results.ranking import Ranking
from cnn_sweeps.sweeps.results.results import Trial
from cnn_sweeps.sweeps.results.runs import Reading
from cnn_sweeps.sweeps.study.attributes import (
    CONFIG_HASH,
    FAILURES_ALLOWED,
    OPEN,
    PARENT,
    PLAN,
    RETRIES_ALLOWED,
    SHARED,
)
from cnn_sweeps.sweeps.study.counts import NOT_AGAIN
from cnn_sweeps.sweeps.study.durations import epochs_spent
from cnn_sweeps.sweeps.study.events import TrialEnded
from cnn_sweeps.sweeps.study.log import Announce, logged_sweep
from cnn_sweeps.sweeps.study.opening import await_attribute
from cnn_sweeps.sweeps.study.recovery import (
    close_runs,
    close_superseded,
    recover,
    requeue_interrupted,
)
from cnn_sweeps.sweeps.study.slots import fill_queue, missing_slots
from cnn_sweeps.sweeps.study.storage import StudyAddress
from cnn_sweeps.sweeps.study.stored_studies import address_of, studies_of
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.study.time_limit import told_timeout
from cnn_sweeps.sweeps.supervisor import Interrupts, Supervisor, WorkerGroup, interruptible
from cnn_sweeps.sweeps.workers import forkserver
from cnn_sweeps.sweeps.workers.code import notes_of_code, store_code
from cnn_sweeps.sweeps.workers.elsewhere import Elsewhere
from cnn_sweeps.sweeps.workers.here import Here
from cnn_sweeps.sweeps.workers.launcher import Placement
from cnn_sweeps.sweeps.workers.pool import Pool
from cnn_sweeps.sweeps.workers.software import note_software
from cnn_sweeps.sweeps.workers.worker import Worker, execute_of
from cnn_sweeps.text.format import first_line
from cnn_sweeps.text.redact import without_passwords
from cnn_sweeps.tracking import Store, TrackedRun, artifacts, pages
from cnn_sweeps.tracking.inspection import ActiveRun
from cnn_sweeps.tracking.names import KIND, PLAN_FILE, RANKING_FILES, STUDY_NAME
from cnn_sweeps.tracking.patience import patient
from cnn_sweeps.trajectories.lock import hold_lock
from cnn_sweeps.trajectories.sharing import summary

BEST = "best."
"""Tags of a sweep that hold the params of its best trial begin so."""


def sweep(request: SweepRequest, display: Display, publisher: Publisher) -> SweepOutcome:
    """Carry out a checked sweep, or continue it to the same total, and log its table.

    Args:
        request: what is swept.
        display: is told what happens.
        publisher: writes the report.

    Raises:
        StoreError: the study or the tracking database cannot be used.
        RunFailedError: nothing but failures.
        KeyboardInterrupt: it was stopped; the same command continues it.
    """
    address = address_of(request.plan, request.budget, request.config.tracking)
    with address.refusing():
        outcome = _swept(request, address, display, publisher)
    display.ended(outcome)
    # After the table was shown: what goes wrong with the report does not take it away.
    patience = request.config.tracking.patience
    with patient(patience, say=display.notice), address.refusing():
        return _reported(outcome, display, publisher)


def _swept(
    request: SweepRequest, address: StudyAddress, display: Display, publisher: Publisher
) -> SweepOutcome:
    """What a sweep comes to: carried out, continued, or read where it is complete."""
    plan, budget, tracking = request.plan, request.budget, request.config.tracking
    logged = logged_sweep(address, budget, studies_of(tracking), display.warning)
    known = SweepStudy.existing(address)
    complete = _complete(known, plan, budget)
    here = request.place is None and not budget.elsewhere and complete is None
    with forkserver.warming_up() if here and budget.n_jobs else forkserver.not_needed():
        if complete is None:
            _look_at_images(plan, display)
    with interruptible(display.notice) as interrupts, logged as announce:
        parent = known.parent_run_id if known else None
        store = Store.open(tracking, beside=parent)
        interrupts.heed()
        outcome = _concluded(complete, plan, store, publisher) if complete else None
        if outcome is None:
            study = _prepare(address, plan, store, budget, announce)
            return _carry_on(study, request, store, display, publisher, interrupts)
        announce(outcome.study)
        _begin(outcome.study, request, display)
        _tell(outcome.read, display)
        return outcome


def _reported(outcome: SweepOutcome, display: Display, publisher: Publisher) -> SweepOutcome:
    """Write the report of a sweep, unless it is there, and say where it is.

    Raises:
        RunFailedError: nothing but failures.
    """
    study, store = outcome.study, outcome.store
    if failed := only_failures(study):
        with suppress(StoreError):  # the first error is the one to tell
            store.close_run(study.parent_run_id or "", "FAILED", first_line(failed))
            display.reported(publisher.publish(study, store))
        raise RunFailedError(f"{failed}\n  {NOT_AGAIN}.")
    report = outcome.report or publisher.publish(study, store, outcome.read)
    display.reported(report)
    return replace(outcome, report=report)


def _carry_on(
    study: SweepStudy,
    request: SweepRequest,
    store: Store,
    display: Display,
    publisher: Publisher,
    interrupts: Interrupts,
) -> SweepOutcome:
    """Let the trials of a prepared study be done that are not, and log what it came to."""
    budget, tracking = request.budget, request.config.tracking
    with (
        patient(tracking.patience, say=display.notice, heed=interrupts.heed),
        EarlyScore(study, store) as score,
    ):
        early = Early(score=score, runs=EarlyRuns(study, store))
        interrupts.heed()
        with store.resume_run(study.parent_run_id or "") as parent:
            _begin(study, request, display)
            if budget.elsewhere or study.address.shared:
                display.notice(f"  workers: {join_command(study, store)}")
            publisher.warm_up()  # while workers start, which takes longer
            try:
                _carry_out(study, store, request, display, interrupts, early)
            except (RunFailedError, KeyboardInterrupt) as error:
                _save_view(study, store, parent, Ranking.of(study, {}))
                if isinstance(error, RunFailedError):
                    _leave_failures(study, store, parent, display, publisher)
                raise
            interrupts.patient = False
            return conclude(study, store, parent, budget, display, early)


@dataclass(frozen=True, kw_only=True)
class Early:
    """What is done for the end of a sweep while trials still train.

    Attributes:
        score: of the leader on the test split.
        runs: of the trials that have ended.
    """

    score: EarlyScore
    runs: EarlyRuns


def _begin(study: SweepStudy, request: SweepRequest, display: Display) -> None:
    """Keep what was typed with the study, and show what it is."""
    save_command(study, request.typed)
    display.started(study)
    for note in (*request.notes, *notes_of_code(study)):
        display.notice(f"  {note}")


def _look_at_images(plan: Plan, display: Display) -> None:
    """Refuse what no trial could do with them; in an exercise that is part of the answer.

    Raises:
        ConfigError: a value is never possible with the images.
        DataError: they cannot be read.
    """
    if plan.exercise is None and (passed_over := refuse_unfit(plan)):
        display.notice(f"  {passed_over}")


def _prepare(
    address: StudyAddress, plan: Plan, store: Store, budget: Budget, announce: Announce
) -> SweepStudy:
    """The study with its queue, whatever an earlier call left of it.

    What a worker elsewhere goes by is there before the run of the sweep, which it waits for.
    """
    with hold_lock(address.lock):
        study = SweepStudy.create(address, plan)
    recover(study, store, retries=budget.retries, show=lambda _: None)
    with hold_lock(address.lock):
        study.optuna_study.set_user_attr(OPEN, True)
        study.optuna_study.set_user_attr(RETRIES_ALLOWED, budget.retries)
        study.optuna_study.set_user_attr(FAILURES_ALLOWED, budget.max_failures)
        fill_queue(study, budget)
        study.set_deadline(budget.timeout)
        note_software(study)
        announce(study)
        if plan.exercise is not None:
            CpuShare.of(study, budget)
        _prepare_parent(study, store)
    return study


def _complete(study: SweepStudy | None, plan: Plan, budget: Budget) -> SweepStudy | None:
    """The study of a sweep, if it is there and nothing is left to be trained in it."""
    if study is None or study.plan.difference(plan) is not None:
        return None
    counts = study.counts()
    done = counts.total == counts.finished and not missing_slots(study, budget)
    return replace(study, plan=plan) if done else None


def _concluded(
    study: SweepStudy, plan: Plan, store: Store, publisher: Publisher
) -> SweepOutcome | None:
    """What a sweep came to that was told already, down to its report; None where it was not.

    Nothing is written, and of a local database nothing is needed but to read it.
    """
    parent = artifacts.run_by_id(store, study.parent_run_id or "")
    there = parent is not None and parent.status == "FINISHED" and not parent.deleted
    if not there or study.attribute(PLAN) != plan.to_json() or only_failures(study):
        return None
    read = Reading.of(study, store)
    scores = read.runs.scores(read.study)
    report = publisher.published(read.study, store, read)
    if report is None or not all(scores.values()):
        return None
    return replace(_outcome(read, store, scores), report=report)


def _prepare_parent(study: SweepStudy, store: Store) -> None:
    """The MLflow run of the sweep, made when the study is new."""
    if not study.new:
        await_attribute(study.optuna_study, PARENT, study.address)
    name = study.optuna_study.study_name
    tags = {STUDY_NAME: name, KIND: "sweep"}
    known = study.parent_run_id
    tagged = store.tagged(tags)
    for run in tagged:
        # A controller that was killed between making its run and saying so left it behind. One that
        # lives, or is on another host, may have a study of this name in another storage.
        alone = run.status == "RUNNING" and run.parent_id is None and run.run_id != known
        if alone and ActiveRun.of(run).lives is False:
            store.close_run(run.run_id, "FAILED", "its sweep was killed")
    if known is not None:
        if known not in {run.run_id for run in tagged}:
            _check_there(known, study, store)
        parent = store.reopen(known)
        store_code(study, parent)
        _store_typed(study, parent)
        return
    with store.start_run(f"sweep {name}", tags=tags) as parent:
        store_code(study, parent)
        plan = study.plan
        parent.log_params({d.key: str(d).partition("=")[2] for d in plan.space.dimensions})
        parent.log_params({"sampler": plan.sampler, "objectives": plan.objectives})
        parent.log_params({"pruner": plan.pruner, "duplicates": plan.duplicates})
        parent.log_json(without_passwords(plan.to_json()), PLAN_FILE)
        # Last: by its parent a worker knows that a study is ready, and finds the files of a run.
        study.optuna_study.set_user_attr(PARENT, parent.run_id)


def _store_typed(study: SweepStudy, parent: TrackedRun) -> None:
    """Let workers take what was typed this time of settings that make no other experiments."""
    plain = study.plan.to_json()
    if study.attribute(PLAN) != plain:
        parent.log_json(without_passwords(plain), PLAN_FILE)
        study.optuna_study.set_user_attr(PLAN, plain)


def _check_there(run_id: str, study: SweepStudy, store: Store) -> None:
    """Refuse to go on with a study whose own run was deleted, or was logged elsewhere."""
    try:
        run = store.get(run_id)
    except StoreError:
        raise StoreError(
            f"the study {study.optuna_study.study_name} was logged to another tracking store: "
            f"{store.address} has no run {run_id}.\n"
            f"  Type the tracking.dir or tracking.uri that it was started with, or another "
            f"hydra.sweeper.study_name."
        ) from None
    store.check_loggable(run)


@dataclass(frozen=True, kw_only=True)
class CpuShare:
    """How the cores of this machine are divided among the workers of a sweep.

    Attributes:
        workers: how many there are.
        slots: into how many shares the cores are divided, of which a worker has one.
    """

    workers: int
    slots: int

    @classmethod
    def of(cls, study: SweepStudy, budget: Budget) -> "CpuShare":
        """As many workers as are asked for and have something to do; elsewhere others decide."""
        if budget.elsewhere:
            return cls(workers=1, slots=1)
        workers = max(1, min(budget.n_jobs, study.counts().waiting))
        slots = _cpu_slots(study, budget, workers)
        return cls(workers=min(workers, slots), slots=slots)

    @property
    def threads(self) -> int:
        """Cores of one worker."""
        return max(1, cores() // self.slots)


def _carry_out(
    study: SweepStudy,
    store: Store,
    request: SweepRequest,
    display: Display,
    interrupts: Interrupts,
    early: Early,
) -> None:
    """Let workers pull until nothing is left, and show what they do."""
    budget, counts, share = request.budget, study.counts(), CpuShare.of(study, request.budget)
    view = display.view(
        counts.total,
        counts.finished,
        None if request.place or budget.elsewhere else share.workers,
        study.plan.objectives,
        _ended_before(study),
    )
    supervisor = Supervisor(
        study=study,
        store=store,
        budget=budget,
        view=view,
        spare=early.score.look,
        meanwhile=early.runs.look,
    )
    with view, _open(study):
        supervisor.run(_workers(request, supervisor, share, interrupts), interrupts)
        if interrupts.asked():
            requeue_interrupted(study, store, show=view.show, reason=interrupts.reason)
    close_runs(study, store, "its process ended")
    close_superseded(study, store)
    if left_out := told_timeout(study, budget.timeout):
        display.notice(left_out)
    if interrupts.asked():
        display.interrupted(study, store)
        raise KeyboardInterrupt(interrupts.number)


def _workers(
    request: SweepRequest, supervisor: Supervisor, share: CpuShare, interrupts: Interrupts
) -> WorkerGroup:
    """Who pulls from the queue: a launcher's jobs, other machines, a pool, or this process."""
    study, budget = supervisor.study, request.budget
    if request.place is not None:
        launch = partial(request.place, study.address, share.workers, share.slots)
        return Placement(study=study, launch=launch)
    if budget.elsewhere:
        return Elsewhere()
    if budget.n_jobs:
        supervisor.seats = share.workers
        return Pool(
            study.address,
            workers=share.workers,
            threads=share.threads,
            seats=devices.seats(budget.workers_per_gpu),
            patience=study.plan.first.tracking.patience,
        )
    supervisor.steers = False
    worker = Worker(
        study=study,
        execute=execute_of(study, None),
        emit=supervisor.show,
        stop=interrupts.asked,
        job_ends=lambda: interrupts.of_a_scheduler,
        threads=share.threads if share.slots > 1 else 0,  # all, however TensorFlow counts them
    )
    return Here(worker)


@contextmanager
def _open(study: SweepStudy) -> Iterator[None]:
    """Tell workers elsewhere at the end of the block that nothing is added any more.

    A sweep that a store has ended is typed again once that can be used: they wait for it.
    """
    try:
        yield
    except StoreError:
        raise
    except BaseException:
        with suppress(OptunaError, StoreError):  # the first error is the one to tell
            study.optuna_study.set_user_attr(OPEN, False)
        raise
    study.optuna_study.set_user_attr(OPEN, False)


def _cpu_slots(study: SweepStudy, budget: Budget, workers: int) -> int:
    """Into how many shares the cores are divided, of which a worker has one.

    A trial that is resumed needs the threads that it began with, or its epochs are those of another
    environment: so the share does not grow when fewer trials than workers are left. An exercise
    compares seconds: it keeps the share that it was begun with whatever is typed, and no more
    workers than there are shares go on with it.
    """
    if study.plan.exercise is None:
        slots = len(study.look().taken) + len(study.planned())
        return max(workers, min(budget.n_jobs, slots))
    return study.kept_cpu_slots(max(workers, min(budget.n_jobs, study.counts().total)))


def _ended_before(study: SweepStudy) -> list[TrialEnded]:
    """What earlier calls found, so that the best of all is shown."""
    return [
        TrialEnded(
            worker=0,
            trial=trial.number,
            state="complete",
            values=tuple(trial.values),
            config_hash=trial.user_attrs.get(CONFIG_HASH),
        )
        for trial in study.trials(TrialState.COMPLETE)
    ]


def conclude(
    study: SweepStudy,
    store: Store,
    parent: TrackedRun,
    budget: Budget,
    display: Display,
    early: Early,
) -> SweepOutcome:
    """Score what is to be scored on the test split, and log table and answer to the sweep's run."""
    read = early.runs.reading()
    _tell(read, display)
    study = read.study
    scores = test_scores.score(
        study, store, workers=budget.n_jobs, say=display.notice, early=early.score.of
    )
    outcome = _outcome(read, store, scores)
    ranking = outcome.ranking
    with parent.together() as told:
        _log_ranking(ranking, told)
        if outcome.answer is not None:
            exercise_answer.log(outcome.answer, told)
        if ranking.winners:
            _log_best(ranking.winners[0], scores, told, store.get(parent.run_id).tags)
    _save_view(study, store, parent, ranking)
    changed = (row.run_id for row in ranking.rows if row.number in scores and row.run_id)
    return replace(outcome, read=read.again(changed))


def _tell(read: Reading, display: Display) -> None:
    """Say what should be known of images, shared epochs, and runs that differ from the study."""
    for line in read.runs.notices():
        display.notice(line)
    shared = [t.user_attrs[SHARED] for t in read.study.trials() if SHARED in t.user_attrs]
    for line in summary(shared):
        display.notice(line)
    if read.differences:
        display.warning("\n".join(read.differences))


def _outcome(read: Reading, store: Store, scores: test_scores.Scores) -> SweepOutcome:
    """What the trials of a study came to, as it was read, with the scores on the test split."""
    study = read.study
    ranking = Ranking.of(study, scores, read.differences)
    return SweepOutcome(
        study=study,
        store=store,
        read=read,
        ranking=ranking,
        answer=exercise_answer.answer_of(study, scores),
        epochs=epochs_spent(study.trials()),
        rerun_best=best_again(study, ranking.rows[0], store) if ranking.winners else "",
    )


def _save_view(study: SweepStudy, store: Store, parent: TrackedRun, ranking: Ranking) -> None:
    """Leave a view of the trials so far in MLflow, where one of them has a run."""
    with suppress(StoreError):  # the sweep has ended as it has
        first = next((row.run_id for row in ranking.rows if row.run_id), None)
        if first and (run := artifacts.run_by_id(store, first)):
            pages.save(store, parent.experiment_id, ranking_view(study, ranking, run))


def _log_ranking(ranking: Ranking, parent: TrackedRun) -> None:
    parent.log_table(ranking.records(), RANKING_FILES[0])
    parent.log_text(ranking.to_csv(), RANKING_FILES[1])
    parent.log_text(ranking.to_markdown(), RANKING_FILES[2])


def _log_best(
    best: Trial, scores: test_scores.Scores, parent: TrackedRun, before: Collection[str]
) -> None:
    """Say in the sweep's run which trial is the best, and what it is worth.

    Args:
        best: the trial.
        scores: test metrics by trial number.
        parent: the run.
        before: its tags so far: a best trial before this one may have had other keys.
    """
    params = {f"{BEST}{key}": str(value) for key, value in best.params.items()}
    if gone := [tag for tag in before if tag.startswith(BEST) and tag not in params]:
        parent.remove_tags(gone)
    parent.log_metrics({f"best_{name}": value for name, value in best.values.items()})
    parent.log_metrics(scores.get(best.number, {}))
    parent.set_tags({**params, "best_trial": str(best.number)})


def _leave_failures(
    study: SweepStudy, store: Store, parent: TrackedRun, display: Display, publisher: Publisher
) -> None:
    """Leave table and report of a sweep that is given up, where trials of it have failed."""
    if only_failures(study):
        with suppress(StoreError):  # the first error is the one to tell
            _log_ranking(Ranking.of(study, {}), parent)
            display.reported(publisher.publish(study, store))
