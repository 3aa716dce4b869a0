"""The test split, scored once the search is over: for the winners, or all of an exercise."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from cnn_sweeps import figures
from cnn_sweeps.config.schema import Config, Tracking
from cnn_sweeps.config.stored import load_stored
from cnn_sweeps.data.memory_cache import HandedOver
from cnn_sweeps.errors import InputError, RecordError, StoreError
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.recorded import ties
from cnn_sweeps.sweeps.study.attributes import METRICS, RUN_ID, metrics_of
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers import forkserver
from cnn_sweeps.text.untrusted import yaml_of
from cnn_sweeps.tracking import (
    RunRecord,
    Store,
    artifacts,
    descriptions,
    finished_runs,
    model_files,
)
from cnn_sweeps.tracking.names import CONFIG_FILE, CURVES_FILE, LEFT_OUT, MODEL_FROM, WEIGHTS
from cnn_sweeps.training import backend
from cnn_sweeps.training.backend import quiet_stderr

logger = logging.getLogger(__name__)
MANY = 5
"""Trials that are scored without a word."""

Scores = Mapping[int, dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class Unscored:
    """A trial on its way to the test split.

    Attributes:
        trial: its number in the study.
        run_id: its MLflow run.
        config: plain values, as it was run: with the seed of a repetition, with its threads.
        best: whether it is a winner: then its pictures are made as well, and its model is stored.
        known: its test metrics, if it was scored before it won.
    """

    trial: int
    run_id: str
    config: Mapping[str, Any]
    best: bool
    known: Mapping[str, float] = field(default_factory=dict)


def best_trials(study: SweepStudy) -> list[FrozenTrial]:
    """The best trial, or the Pareto front where there are several objectives."""
    objectives, complete = study.plan.objectives, study.trials(TrialState.COMPLETE)
    if len(objectives.names) == 1:
        return ranked_trials(study)[:1]
    front = objectives.pareto_front([values_of(trial) for trial in complete])
    return [complete[index] for index in front]


def ranked_trials(study: SweepStudy) -> list[FrozenTrial]:
    """The complete trials, best first; of equal ones the cheaper, then the earlier in the queue.

    Earlier versions went by the queue alone: what they have ranked and scored stays as it is.
    """
    complete, rank = study.trials(TrialState.COMPLETE), study.plan.objectives.rank
    if any(METRICS in trial.user_attrs for trial in complete):
        return rank(complete, values_of)
    return rank(complete, values_of, lambda trial: ties.cost(metrics_of(trial.user_attrs)))


def values_of(trial: FrozenTrial) -> list[float]:
    """The objectives of a finished trial."""
    return list(trial.values)


def to_be_scored(study: SweepStudy) -> list[FrozenTrial]:
    """The trials that are scored on the test split: the winners of a search.

    An exercise chooses nothing, so that each of its trials may be scored.
    """
    return best_trials(study) if study.plan.exercise is None else study.trials(TrialState.COMPLETE)


def nothing_early(_: Unscored) -> dict[str, float]:
    """What was scored before the search was over, where nothing was."""
    return {}


def score(
    study: SweepStudy,
    store: Store,
    *,
    workers: int,
    say: Callable[[str], None],
    early: Callable[[Unscored], dict[str, float]] = nothing_early,
) -> Scores:
    """Test metrics of each winner by trial number; logged to its run as well.

    Args:
        study: whose winners; of an exercise, every trial.
        store: where their runs are.
        workers: processes that score, each with TensorFlow at hand; 0 for this one alone, as far
            as TensorFlow was not started in it with other threads.
        say: is told when it will take a while.
        early: what was scored before the search was over, which is logged then.
    """
    known, asked = unscored(study, store)
    gone = {t.number for t in to_be_scored(study)} - {*known, *(each.trial for each in asked)}
    if gone:
        which = f"trial{'s' if len(gone) > 1 else ''} {', '.join(map(str, sorted(gone)))}"
        say(f"no test scores for {which}: the run, or {CONFIG_FILE} in it, was deleted.")
    known |= {each.trial: tests for each in asked if (tests := early(each))}
    asked = [each for each in asked if each.trial not in known]
    if len(asked) > MANY:
        say(f"scoring {len(asked)} trials on the test split")
    for alike in _by_start(asked):
        known |= _score(study.plan.first.tracking, alike, workers)
    for each in asked:
        if each.trial not in known:
            say(_without_scores(each, store))
    return known


def _without_scores(trial: Unscored, store: Store) -> str:
    """Why a trial that should have test scores has none."""
    config_hash = str(store.get(trial.run_id).config_hash)[:SHOWN]
    return (
        f"trial {trial.trial} has no test scores: neither its model nor its epochs are stored, and "
        "trained again here it has other weights. What was trained is a run of its own, with its "
        f"own scores: cnn-sweeps show {config_hash}"
    )


def unscored(study: SweepStudy, store: Store) -> tuple[dict[int, dict[str, float]], list[Unscored]]:
    """Of the trials that are to be scored: the test metrics that are known, and the others.

    A winner that was scored before it won is one of the others: it lacks what a winner has. One
    whose run was deleted, or the config in it deleted or damaged, is neither.
    """
    known, asked = {}, []
    best = {trial.number for trial in best_trials(study)}
    for trial in to_be_scored(study):
        run = artifacts.run_by_id(store, trial.user_attrs[RUN_ID])
        if run is None or run.deleted:
            continue
        logged, won = _tests(run.metrics), trial.number in best
        plain = _config_of(store, run) if won or not logged else None
        if logged and not (plain and _lacks(store, run, load_stored(plain).tracking)):
            known[trial.number] = logged
        elif plain:
            asked.append(
                Unscored(
                    trial=trial.number, run_id=run.run_id, config=plain, best=won, known=logged
                )
            )
    return known, asked


def _config_of(store: Store, run: RunRecord) -> Any:
    """The stored config of a run; None where it was deleted or damaged."""
    content = artifacts.read_file(store, run, CONFIG_FILE)
    with suppress(ValueError):
        return yaml_of(content.decode()) if content else None
    return None


def _lacks(store: Store, run: RunRecord, tracking: Tracking) -> bool:
    """Whether a run that was scored has no figures, or has left its model to its epochs.

    So it is with a trial of an exercise that was scored with all others and is the best only now.
    """
    if tracking.log_model and MODEL_FROM in run.tags:
        return True
    pictures = descriptions.pictures_of(store.client, run)
    drawn = LEFT_OUT in run.tags or any(path.startswith(figures.FOLDER) for path in pictures)
    return tracking.figures and not drawn


def _score(
    tracking: Tracking, alike: Sequence[Unscored], workers: int
) -> dict[int, dict[str, float]]:
    """Score trials of one start of TensorFlow, here or in processes of their own."""
    if not workers and backend.can_configure_backend(load_stored(alike[0].config).trainer):
        return score_all(tracking, alike)
    most = min(max(1, workers), len(alike))
    images = HandedOver.kept()
    calls = [(tracking, alike[number::most], images) for number in range(most)]
    scored: list[Scores] = forkserver.call_each(score_all, calls)
    return {trial: tests for part in scored for trial, tests in part.items()}


def _by_start(asked: Sequence[Unscored]) -> list[list[Unscored]]:
    """The trials by what TensorFlow was started with; a process can choose that only once.

    A sweep that was resumed with another number of workers has trials with other threads.
    """
    alike: dict[tuple[Any, Any], list[Unscored]] = {}
    for unscored in asked:
        trainer = unscored.config["trainer"]
        start = (trainer.get("threads"), trainer.get("deterministic"))
        alike.setdefault(start, []).append(unscored)
    return list(alike.values())


def score_all(
    tracking: Tracking, asked: Sequence[Unscored], images: HandedOver | None = None
) -> dict[int, dict[str, float]]:
    """Score models on the test split; make the pictures of the best, and store their models.

    A model that is not stored comes from the epoch that the trial ended with. Where that is not
    stored either, or was changed, the winner is trained again, which gives the same weights in the
    same environment. Where it gives others, the trial has no scores. One that was scored before it
    won is not trained for its figures and its model.

    Args:
        tracking: where their runs are.
        asked: the trials.
        images: those that another process has handed over.
    """
    if images is not None:
        images.keep()
    scores = {}
    for unscored in asked:
        store, config = _prepared(tracking, unscored)
        try:
            tests = _scored_as_stored(store, config, unscored)
        except (RecordError, StoreError) as error:
            tests = dict(unscored.known)
            if not tests:
                _tell_training(unscored, error)
                tests = _trained_again(store, config, unscored)
        if tests:
            scores[unscored.trial] = _logged(store, unscored, tests)
    return scores


def score_if_it_wins(
    tracking: Tracking, unscored: Unscored, images: HandedOver, gate: Connection
) -> dict[str, float]:
    """Score and draw a trial from what is stored of it, and log that once it has won.

    Args:
        tracking: where its run is.
        unscored: the trial.
        images: those that another process has handed over.
        gate: says that it has won; where it is closed instead, nothing is logged.

    Returns:
        Its test metrics; none where it has not won, or what is stored is not enough.
    """

    def won() -> bool:
        try:
            return bool(gate.recv())
        except EOFError:
            return False

    images.keep()
    store, config = _prepared(tracking, unscored)
    with suppress(RecordError, StoreError):  # whoever scores it when it has won tells that
        if tests := _scored_as_stored(store, config, unscored, won):
            return _logged(store, unscored, tests)
    return {}


def _prepared(tracking: Tracking, unscored: Unscored) -> tuple[Store, Config]:
    """The store and the config of a trial, for which TensorFlow is started."""
    config = load_stored(unscored.config)
    backend.configure_backend(config.trainer, config.seed)
    return Store.open(tracking, beside=unscored.run_id), config


def _logged(store: Store, unscored: Unscored, tests: dict[str, float]) -> dict[str, float]:
    """The test metrics of a trial, logged to its run; those that it had count."""
    tracked = store.reopen(unscored.run_id)
    if not unscored.known:
        tracked.log_metrics(tests)
    descriptions.describe(tracked)
    return dict(unscored.known) or tests


def _tell_training(unscored: Unscored, error: InputError) -> None:
    """Log why a trial is trained again: what is damaged is worth a warning, what is gone is not."""
    level = logging.WARNING if isinstance(error, RecordError) else logging.INFO
    logger.log(level, "%s\nTrial %d is trained again to score it.", error, unscored.trial)


def _scored_as_stored(
    store: Store, config: Config, unscored: Unscored, won: Callable[[], bool] = lambda: True
) -> dict[str, float]:
    """The test metrics of what is stored of a trial; see `stored_model.score_stored`."""
    with quiet_stderr():
        from cnn_sweeps.runs import stored_model  # noqa: PLC0415 -- TensorFlow
    trial = store.get(unscored.run_id)
    return stored_model.score_stored(store, trial, config, best=unscored.best, won=won)


def _trained_again(store: Store, config: Config, unscored: Unscored) -> dict[str, float]:
    """The test metrics of a trial that is trained again, with its figures and its model.

    There are none where its weights are not those that the trial had: nothing of them is said to be
    its own.
    """
    with quiet_stderr():
        from cnn_sweeps.runs.run import run  # noqa: PLC0415 -- TensorFlow
    tracking = replace(
        config.tracking,
        figures=config.tracking.figures and unscored.best,
        log_model=config.tracking.log_model if unscored.best else config.tracking.log_model is True,
    )
    again = run(replace(config, tracking=tracking), store, recorded=config)
    known = store.get(unscored.run_id)
    if again.weights_sha256 != known.tags.get(WEIGHTS, again.weights_sha256):
        logger.warning("trial %d: run %s has other weights", unscored.trial, again.run_id)
        return {}
    _take_over(store, again.run_id, known)
    return _tests(again.metrics)


def _take_over(store: Store, again: str, known: RunRecord) -> None:
    """Give a run what it lacks of the one that trained it again: figures, curves, the model."""
    tracked = store.reopen(known.run_id)
    artifacts.copy_folder(store, again, known.run_id, figures.FOLDER)
    if CURVES_FILE not in descriptions.pictures_of(store.client, known):
        curves = artifacts.read_file(store, store.get(again), CURVES_FILE)
        if curves is not None:
            tracked.log_bytes(curves, CURVES_FILE)
    if not model_files.has_model(store, known):
        finished_runs.share_model(again, tracked)
        if model_files.has_model(store, store.get(known.run_id)):
            tracked.remove_tags({MODEL_FROM})


def _tests(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name.startswith("test_")}
