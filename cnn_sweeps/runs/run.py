"""One run, from a checked config to a logged result: the story of the whole program."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.path import segments
from cnn_sweeps.config.schema import Config, own_network
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.errors import ConfigError, StoreError
from cnn_sweeps.figures.gallery import Gallery
from cnn_sweeps.models import custom
from cnn_sweeps.provenance import code
from cnn_sweeps.provenance.identity import Identity
from cnn_sweeps.runs import backbone, log, reuse, stored_model
from cnn_sweeps.runs.built_network import Network, build
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.text.format import first_line
from cnn_sweeps.text.terminal import speaker
from cnn_sweeps.tracking import RunRecord, Store, TrackedRun
from cnn_sweeps.tracking.address import local_folder
from cnn_sweeps.tracking.inspection import DIED, ActiveRun
from cnn_sweeps.tracking.names import CONFIG_HASH, KIND, NETWORK_SHA256
from cnn_sweeps.tracking.patience import patient
from cnn_sweeps.tracking.run import EpochLog
from cnn_sweeps.tracking.selection import Selection
from cnn_sweeps.tracking.system_metrics import logged_system_metrics
from cnn_sweeps.training import averaging, backend, freezing, loop, own_loss
from cnn_sweeps.training.clock import Clock
from cnn_sweeps.training.epoch import TrainingResult
from cnn_sweeps.training.progress import ProgressBar, reading_bar
from cnn_sweeps.training.steps import Evaluate
from cnn_sweeps.trajectories.resume import NOBODY, TrainingRequest, open_epoch_source
from cnn_sweeps.trajectories.retention import WantedEpochs

if TYPE_CHECKING:
    import keras

OnRunStart = Callable[[str, Identity], None]
"""Told the MLflow run id and the identity as soon as both exist."""


@dataclass(frozen=True, kw_only=True)
class TrialContext:
    """What a run is told when it is a trial of a sweep.

    Attributes:
        parent_run_id: the MLflow run of the sweep.
        tags: further tags of the trial's run.
        swept: keys that are swept, and logged whatever their value.
        timed: whether its seconds are compared with those of others: then a finished run answers
            it only if it was trained where, and with what settings, this one would be.
        wanted: what the other trials want of its epochs.
    """

    parent_run_id: str | None
    tags: Mapping[str, str] = field(default_factory=dict)
    swept: Sequence[str] = ()
    timed: bool = False
    wanted: WantedEpochs = NOBODY


def run(
    config: Config,
    store: Store,
    *,
    trial: TrialContext | None = None,
    callbacks: Sequence[loop.Callback] = (),
    started: OnRunStart | None = None,
    recorded: Config | None = None,
) -> RunResult:
    """Train one experiment and log all of it to MLflow.

    Args:
        config: what to train.
        store: where to log.
        trial: set for a trial of a sweep; its test split is not scored, a search must not see it.
        callbacks: see each epoch, after the log.
        started: is told the run and the identity before training begins.
        recorded: the config of a run that is done again or taken up, and can be, as it is.

    Raises:
        DataError: the images cannot be read; no run is logged.
        RunFailedError: training began and failed; the run is logged as failed.
        StoreError: the run cannot be logged.
    """
    clock, swept = Clock(), trial.swept if trial else ()
    experiment = _load(config, store, clock)
    with _start(experiment, store, trial, started) as tracked:
        # Reuse, or build
        model, experiment = _built_first(experiment, store, tracked, clock)
        known, experiment = _finished_before(experiment, store, trial)
        if known is not None:
            return reuse.answer(known, experiment, tracked, callbacks, swept)
        with clock("build"):
            wanted = trial.wanted if trial else None
            network = Network.of(experiment, store, built=model, wanted=wanted)
            _check_freeze(network, config, recorded)
        with tracked.together() as later:
            with (later if network.stored else tracked).together() as setup:
                log.log_setup(setup, experiment, network.model, network.asked.environment, swept)
            # Train, evaluate and log
            with clock("train"):
                evaluate, epochs, done = _train(network, experiment, later, callbacks)
            tests, scores = _test(evaluate, experiment) if trial is None else ({}, None)
            metrics = log.metrics_of(network.model, config, done) | tests
            metrics |= log.costs_of(clock.metrics, done, epochs)
            left, epoch = _model_left(network, experiment, done, tracked, trial)
            weights = log.log_results(later, config, metrics, done, network.model, epoch)
        left_out = _draw_and_store(network, experiment, done, tracked, scores, left=left)
    return RunResult(
        name=experiment.name,
        run_id=tracked.run_id,
        identity=experiment.identity,
        metrics=metrics,
        training=done,
        weights_sha256=weights,
        epochs_trained=len(done.epochs) - len(epochs.reused),
        shared=epochs.cost.shared,
        left_out=left_out,
        notices=(*experiment.dataset.notices, *epochs.remarks, *log.cut_texts(config)),
    )


def _load(config: Config, store: Store, clock: Clock) -> Experiment:
    """Read and identify what is trained, by the code as it is now."""
    code.import_all()
    with clock("data"), reading_bar(config.trainer.progress):
        return Experiment.load(config, store)


@contextmanager
def _start(
    experiment: Experiment,
    store: Store,
    trial: TrialContext | None,
    started: OnRunStart | None,
) -> Iterator[TrackedRun]:
    """The MLflow run, with the tags by which it is found; from now on it waits for the server."""
    tags = {KIND: "run", **log.tags_of(experiment), **(trial.tags if trial else {})}
    parent = trial.parent_run_id if trial else None
    with ExitStack() as stack:
        stack.enter_context(patient(experiment.config.tracking.patience, say=speaker()))
        if trial is None:
            _close_left(experiment, store)
        tracked = stack.enter_context(
            store.start_run(experiment.name, tags=tags, parent_run_id=parent)
        )
        if started is not None:
            started(tracked.run_id, experiment.identity)
        with logged_system_metrics(tracked, wanted=experiment.config.tracking.system_metrics):
            yield tracked


def _close_left(experiment: Experiment, store: Store) -> None:
    """Close single runs of the same experiment whose process has died: this one takes their place.

    Those of a sweep are left to it.
    """
    same = {KIND: "run", CONFIG_HASH: experiment.identity.config_hash}
    with suppress(StoreError):  # they are in nobody's way
        for run in store.select(Selection(tags=same, status="RUNNING"), [store.experiment_id]):
            if run.parent_id is None and ActiveRun.of(run).lives is False:
                store.close_run(run.run_id, "FAILED", DIED)


def _built_first(
    experiment: Experiment, store: Store, tracked: TrackedRun, clock: Clock
) -> "tuple[keras.Model | None, Experiment]":
    """A user's own network, which only building tells, with the digests of that and of a loss.

    One of ours is determined by its config, and is not built before it has to be trained.
    """
    own = own_network(experiment.config.model)
    if own is None:
        return None, _with_loss(experiment)
    with clock("build"):
        model = build(experiment, store)
        examined = custom.examine(own, model)
        if experiment.config.tracking.log_model:
            stored_model.check_storable(model, experiment.dataset)
    tracked.set_tags({NETWORK_SHA256: examined.sha256})
    identity = replace(experiment.identity, network_sha256=examined.sha256)
    return model, _with_loss(replace(experiment, identity=identity).noting(examined.remarks))


def _with_loss(experiment: Experiment) -> Experiment:
    """The same, with the digest of a user's own loss, which only calling it tells."""
    config = experiment.config
    if config.trainer.loss is None:
        return experiment
    if own_network(config.model) is None:  # else it was built, in TensorFlow as the config has it
        backend.configure_backend(config.trainer, config.seed)
    digest = own_loss.loss_sha256(config.trainer.loss, experiment.dataset.num_classes)
    return replace(experiment, loss_sha256=digest)


def _finished_before(
    experiment: Experiment, store: Store, trial: TrialContext | None
) -> tuple[RunRecord | None, Experiment]:
    """See `reuse.find_finished`; a single run is always trained."""
    return (
        reuse.find_finished(experiment, store, timed=trial.timed) if trial else (None, experiment)
    )


def _check_freeze(network: Network, config: Config, recorded: Config | None) -> None:
    """Refuse to freeze what there is not; a config that was trained before did so without effect.

    Raises:
        ConfigError: it says so, and it was typed.
    """
    known = {each.config.trainer.freeze for each in segments(recorded)} if recorded else set()
    for freeze in {each.config.trainer.freeze for each in segments(config)}:
        try:
            if network.stored is None:
                freezing.check_layer(network.model, freeze)
        except ConfigError as error:
            if freeze not in known:
                raise
            speaker()(first_line(error))


def _model_left(
    network: Network,
    experiment: Experiment,
    trained: TrainingResult,
    tracked: TrackedRun,
    trial: TrialContext | None,
) -> tuple[bool, str | None]:
    """Whether a trial stores its model only if it wins; and the stored epoch that it is left to.

    Whoever finds the run must find the epoch: there is none where the epochs are on one host and
    the files of the run on a server, and an average of epochs is none of them. Without one, the
    winner of large models is trained again.
    """
    if trial is None:
        return False, None
    config, average = experiment.config, trained.average
    files = local_folder(tracked.artifact_uri)
    beside = files is not None and files.is_relative_to(tracked.address.dir)
    readable = config.trajectory.reuse and beside and not (average is not None and average.taken)
    left = stored_model.for_winners_only(
        config, network.model.count_params(), stored=network.stored is not None and readable
    )
    return left, log.stored_epoch(experiment, trained) if left and readable else None


def _train(
    network: Network,
    experiment: Experiment,
    tracked: TrackedRun,
    callbacks: Sequence[loop.Callback],
) -> tuple[Evaluate, loop.EpochSource, TrainingResult]:
    """Train a network as far as the config says, or read how it was trained; log each epoch."""
    config, dataset = experiment.config, experiment.dataset
    with (
        _progress_bar(config, dataset) as bar,
        EpochLog(tracked, live=network.stored is None) as epoch_log,
        custom.user_code_errors(config.model, config.trainer.loss),
    ):
        all_callbacks: list[loop.Callback] = [bar, epoch_log, *callbacks]
        if network.stored is not None:
            with _cost_logged(network.stored, tracked):
                trained = loop.train(network.stored, config.trainer, callbacks=all_callbacks)
            return Evaluate(model=network.model), network.stored, trained
        trainer = loop.Trainer.compile(
            network.model,
            dataset,
            config,
            on_step=bar.counts_steps,
            cache=backbone.feature_cache(config, experiment.identity, network.asked.environment),
        )
        with logged_epoch_source(trainer, network.asked, tracked) as epochs:
            trained = loop.train(epochs, config.trainer, callbacks=all_callbacks)
            trained = averaging.consider(trained, trainer, epochs)
    return trainer.evaluate, epochs, trained


def _progress_bar(config: Config, dataset: Dataset) -> ProgressBar:
    steps = loop.steps_per_epoch(len(dataset.x_train), config.trainer.batch_size)
    return ProgressBar(config.trainer.progress, config.trainer.epochs, steps)


@contextmanager
def logged_epoch_source(
    trainer: loop.Trainer, asked: TrainingRequest, tracked: TrackedRun
) -> Iterator[loop.EpochSource]:
    """Where the epochs come from; the run's tags say what they cost, whatever ended them."""
    source = open_epoch_source(trainer, asked, run_id=tracked.run_id)
    with source as epochs, _cost_logged(epochs, tracked):
        yield epochs


@contextmanager
def _cost_logged(epochs: loop.EpochSource, tracked: TrackedRun) -> Iterator[None]:
    """Say in the run's tags what its epochs have cost, whatever ends them."""
    try:
        yield
    finally:
        with suppress(StoreError):  # what went wrong in the training is reported instead
            tracked.log_cost(epochs.cost)


def _test(
    evaluate: Evaluate, experiment: Experiment
) -> tuple[dict[str, float], NDArray[np.floating[Any]] | None]:
    """The scores of the test split, and of each of its images."""
    return stored_model.evaluate_test(evaluate, experiment.dataset)


def _draw_and_store(
    network: Network,
    experiment: Experiment,
    trained: TrainingResult,
    tracked: TrackedRun,
    test_scores: NDArray[np.floating[Any]] | None,
    *,
    left: bool,
) -> tuple[str, ...]:
    """Log learning curves, further figures of a single run, and the model.

    Of a trial whose epochs are all stored the run that trained them has the curves. The model
    comes last, since a user's own layers may be none that can be stored.

    Args:
        network: trained.
        experiment: what was trained.
        trained: its epochs.
        tracked: the run.
        test_scores: of a single run, what the network gives for the test images; None of a trial.
        left: whether the model is stored only if it wins.

    Returns:
        A sentence for each figure that had to be left out.
    """
    config, dataset, model = experiment.config, experiment.dataset, network.model
    if network.stored is None:
        stored_model.draw_curves(trained.epochs, experiment.name, tracked)
    left_out: tuple[str, ...] = ()
    if test_scores is not None and config.tracking.figures:
        gallery = Gallery.of(
            config,
            model=model,
            dataset=dataset,
            about=experiment.name,
            test_scores=test_scores,
        )
        left_out = stored_model.draw(gallery, tracked)
    if config.tracking.log_model and not left:
        tracked.log_model(model, stored_model.pictures_of(config, dataset))
    return left_out
