"""A sweep of an application, from its settings to its results.

The study is the queue, as in a sweep of our own experiments, so that the same command goes on with
it. What pulls from it is this process: it hands the launcher a batch of jobs at a time, since only
Hydra can run somebody's application.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from hydra.core.utils import JobReturn

from cnn_sweeps.sweeps.application import results
from cnn_sweeps.sweeps.application.interruption import Hearing
from cnn_sweeps.sweeps.application.jobs import JobRunner
from cnn_sweeps.sweeps.application.request import ApplicationRequest
from cnn_sweeps.sweeps.application.study import ApplicationStudy
from cnn_sweeps.sweeps.hydra_call import HydraCall
from cnn_sweeps.sweeps.plan.budget import Budget
from cnn_sweeps.sweeps.study.counts import NOT_AGAIN
from cnn_sweeps.sweeps.study.recovery import recover
from cnn_sweeps.sweeps.study.slots import fill_queue
from cnn_sweeps.sweeps.study.time_limit import told_timeout
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.tracking.patience import patient_sweep
from cnn_sweeps.trajectories.lock import hold_lock

logger = logging.getLogger(__name__)


def sweep(request: ApplicationRequest, call: HydraCall) -> tuple[ApplicationStudy, list[JobReturn]]:
    """Carry out a checked sweep, or continue it to the same total.

    Returns:
        The study, and what the jobs of this call returned.

    Raises:
        StoreError: the study cannot be used.
        ConfigError: a job returned no number for an objective.
        Exception: what a job raised, where more fail than `max_failure_rate` lets.
    """
    call.save_multirun()
    with request.address.refusing():
        study = _prepare(request)
    with outlasting(request):
        _tell_start(study, request)
        runner = JobRunner(
            study=study,
            launcher=replace(call, task_function=Hearing(call.task_function)).launcher(),
            request=request,
            config=call.config,
        )
        with _concluded(study, request):
            runner.run()
        if left_out := told_timeout(study, request.budget.timeout):
            logger.warning(left_out)
    return study, runner.returned


@contextmanager
def outlasting(request: ApplicationRequest) -> Iterator[None]:
    """Wait in the block where the study's database goes away; in the end refuse in one line."""
    waits = patient_sweep(request.patience, say=logger.warning, setting="hydra.sweeper.patience")
    with waits, request.address.refusing():
        yield


def dry_run(request: ApplicationRequest) -> list[tuple[str, str]]:
    """What the sweep would do, as names and what is known of each; nothing is created."""
    plan, budget = request.plan, request.budget
    study = ApplicationStudy.existing(request.address)
    counts = study.counts() if study is not None else None
    done, before = (counts.finished, counts.before) if counts else (0, "")
    every = plan.size if budget.enumerates(plan) else None
    total = min(every or budget.slots(plan), budget.slots(plan))
    return [
        *(("" if index else "space", str(d)) for index, d in enumerate(plan.space.dimensions)),
        ("fixed", " ".join(plan.space.fixed) or "nothing"),
        ("goal", str(plan.objectives)),
        ("chosen by", _chooser(plan_name=plan.sampler.name, enumerated=every is not None)),
        ("to do", f"{pluralize(max(total - done, 0), 'job')}, {before or '0 done before'}"),
        *([("", NOT_AGAIN)] if counts and counts.failed else []),
        ("at a time", pluralize(request.batch, "job")),
        ("study", f"{request.address.name} in {request.address}"),
    ]


def _chooser(*, plan_name: str, enumerated: bool) -> str:
    return f"enumeration (sampler {plan_name})" if enumerated else f"sampler {plan_name}"


def _prepare(request: ApplicationRequest) -> ApplicationStudy:
    """The study with its queue, whatever an earlier call left of it."""
    budget: Budget = request.budget
    if request.address.file is not None:
        request.address.file.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(request.address.lock):
        study = ApplicationStudy.create(request.address, request.plan)
    recover(study, None, retries=budget.retries, show=lambda _: None)
    with hold_lock(request.address.lock):
        fill_queue(study, replace(budget, n_jobs=request.batch))
        study.set_deadline(budget.timeout)
    return study


def _tell_start(study: ApplicationStudy, request: ApplicationRequest) -> None:
    counts, plan = study.counts(), study.plan
    logger.info("Study name: %s", study.address.name)
    logger.info("Storage: %s", study.address)
    logger.info("Sampler: %s", plan.sampler)
    logger.info("Objectives: %s", plan.objectives)
    logger.info("Trials: %d, %s", counts.total, counts.before or "0 done before")
    if counts.failed:
        logger.warning("%s", NOT_AGAIN)
    if plan.config != request.plan.config:
        logger.warning("The application's config has changed since this study began.")


@contextmanager
def _concluded(study: ApplicationStudy, request: ApplicationRequest) -> Iterator[None]:
    """Leave the results so far however the jobs end, and say how to go on."""
    try:
        yield
    except BaseException:
        counts = study.counts()
        done = f"{counts.finished} of {counts.total} trials done"
        logger.warning("Stopped with %s; %s", done, _again(request))
        raise
    finally:
        results.save(study, request.folder)
    _tell_best(study)


def _again(request: ApplicationRequest) -> str:
    """What to type to continue."""
    same = "run the same command to continue"
    return same if request.budget.storage else f"{same}, with hydra.sweep.dir={request.folder}"


def _tell_best(study: ApplicationStudy) -> None:
    best = results.best_of(study)
    if not best:
        logger.info("No trial returned a value.")
    elif len(study.plan.objectives.names) == 1:
        logger.info("Best parameters: %s", best[0].params)
        logger.info("Best value: %s", best[0].value)
    else:
        logger.info("Number of Pareto solutions: %d", len(best))
        for trial in best:
            logger.info("    Values: %s, Params: %s", trial.values, trial.params)
