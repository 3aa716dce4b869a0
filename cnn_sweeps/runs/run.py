"""One run, from a checked config to a logged result: the story of the whole program."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from cnn_sweeps import data, figures
from cnn_sweeps.config.loading import to_json
from cnn_sweeps.config.schema import Config, CustomModel, Data
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.figures.gallery import Gallery, save
from cnn_sweeps.models import build, custom, source
from cnn_sweeps.models.names import name_of, title
from cnn_sweeps.provenance import code
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.provenance.identity import SCHEMA_VERSION, Identity, identify
from cnn_sweeps.runs import reuse
from cnn_sweeps.runs.result import RunResult
from cnn_sweeps.tracking import Store, TrackedRun, artifacts, flatten
from cnn_sweeps.tracking.records import DATA, KIND, LEFT_OUT, NETWORK
from cnn_sweeps.tracking.run import EpochLog
from cnn_sweeps.training import backend, loop, state
from cnn_sweeps.training.clock import Clock
from cnn_sweeps.training.epoch import TrainingResult
from cnn_sweeps.training.progress import ProgressBar
from cnn_sweeps.training.steps import Evaluate
from cnn_sweeps.trajectories.resume import open_epoch_source

if TYPE_CHECKING:
    import keras

APART = ("tracking", "trajectory")
"""Parts of a config that say nothing of the experiment, and are not logged as its params."""
OnRunStart = Callable[[str, Identity], None]
"""Told the MLflow run id and the identity as soon as both exist."""


@dataclass(frozen=True, kw_only=True)
class TrialContext:
    """What a run is told when it is a trial of a sweep.

    Attributes:
        parent_run_id: the MLflow run of the sweep.
        tags: further tags of the trial's run.
        timed: whether its seconds are compared with those of others: then a finished run answers
            it only if it was trained with as many threads.
    """

    parent_run_id: str | None
    tags: Mapping[str, str] = field(default_factory=dict)
    timed: bool = False


def run(
    config: Config,
    store: Store,
    *,
    trial: TrialContext | None = None,
    callbacks: Sequence[loop.Callback] = (),
    started: OnRunStart | None = None,
) -> RunResult:
    """Train one experiment and log all of it to MLflow.

    Args:
        config: what to train.
        store: where to log.
        trial: set for a trial of a sweep; its test split is not scored, a search must not see it.
        callbacks: see each epoch, after the log.
        started: is told the run and the identity before training begins.

    Raises:
        DataError: the images cannot be read; no run is logged.
        RunFailedError: training began and failed; the run is logged as failed.
        StoreError: the run cannot be logged.
    """
    code.import_all()
    clock = Clock()
    with clock("data"):
        dataset = load_cached(config.data)
    config = replace(config, data=data.as_read(config.data, dataset))
    identity = identify(config, dataset.digest)
    known = reuse.finished(config, identity, store, timed=trial.timed) if trial else None
    name = f"{name_of(config)} · {identity.short}"
    with store.start_run(
        name,
        tags={KIND: "run", **_tags(config, identity), **(trial.tags if trial else {})},
        parent_run_id=trial.parent_run_id if trial else None,
    ) as tracked:
        if started is not None:
            started(tracked.run_id, identity)
        if known is not None:
            return reuse.answer(known, config, identity, dataset, tracked, callbacks)
        with clock("build"):
            backend.configure_backend(config.trainer, config.seed)
            with loop.memory_remedy(config.trainer):
                model = build.build(config.model, dataset.shape, dataset.num_classes)
        environment = Environment.capture(
            threads=config.trainer.threads, deterministic=config.trainer.deterministic
        )
        _log_setup(tracked, config, dataset, model, environment)
        with (
            clock("train"),
            _progress_bar(config, dataset) as bar,
            EpochLog(tracked) as log,
            custom.user_code_errors(config.model),
        ):
            trainer = loop.Trainer.compile(
                model,
                dataset,
                config.trainer,
                config.seed,
                on_step=bar.on_step if bar.shown else None,
            )
            with open_epoch_source(trainer, config, identity, environment, tracked) as epochs:
                trained = loop.train(epochs, config.trainer, callbacks=[bar, log, *callbacks])
        metrics = {**trained.metrics, "epochs": len(trained.epochs), **_sizes(model)}
        if config.trainer.early_stopping.patience is not None:
            metrics["best_epoch"] = trained.best
        if trial is None:
            metrics |= evaluate_test(trainer.evaluate, dataset)
        weights = state.weights_sha256(model)
        tracked.log_figure(figures.learning_curves(trained.epochs, name), "learning_curves.png")
        metrics |= _as_if_trained(clock.metrics, trained, epochs)
        metrics["peak_memory_mb"] = backend.peak_memory_mb()
        tracked.log_metrics(_final(metrics, trained))
        tracked.set_tags({"weights_sha256": weights, "stopped": trained.stopped})
        left_out: tuple[str, ...] = ()
        if trial is None and config.tracking.figures:
            left_out = draw(Gallery(model=model, dataset=dataset, about=name), tracked)
        if config.tracking.log_model:  # last, since a user's own layers may be none to store
            tracked.log_model(model, shape=dataset.shape, num_classes=dataset.num_classes)
    return RunResult(
        name=name,
        run_id=tracked.run_id,
        identity=identity,
        metrics=metrics,
        training=trained,
        weights_sha256=weights,
        epochs_trained=len(trained.epochs) - len(epochs.reused),
        left_out=left_out,
    )


@lru_cache(maxsize=2)
def load_cached(config: Data) -> Dataset:
    """The images of a config; the trials of a sweep in one process share them."""
    return data.load(config)


def evaluate_test(evaluate: Evaluate, dataset: Dataset) -> dict[str, float]:
    """Score the test split: `test_loss` and `test_accuracy`."""
    loss, accuracy = evaluate(dataset.x_test, dataset.y_test)
    return {"test_loss": loss, "test_accuracy": accuracy}


def draw(gallery: Gallery, tracked: TrackedRun) -> tuple[str, ...]:
    """Make the pictures of a run; a sentence for each that had to be left out, also as a tag."""
    _, left_out = save(gallery, partial(artifacts.write_bytes, tracked))
    note_left_out(left_out, tracked)
    return tuple(left_out)


def note_left_out(left_out: Sequence[str], tracked: TrackedRun) -> None:
    """Say in a run's tags which pictures it has not, and why; nothing where it has all."""
    if left_out:
        tracked.set_tags({LEFT_OUT: "\n".join(left_out)})
    else:
        tracked.remove_tags({LEFT_OUT})


def draw_stored(model: "keras.Model", config: Config, name: str, tracked: TrackedRun) -> None:
    """Make the pictures of a stored model."""
    draw(Gallery(model=model, dataset=load_cached(config.data), about=name), tracked)


def score_stored(model: "keras.Model", config: Config) -> dict[str, float]:
    """Score the test split of a stored, uncompiled model."""
    dataset = load_cached(config.data)
    loop.compile_model(model, config.trainer, len(dataset.x_train))
    return evaluate_test(Evaluate(model=model), dataset)


def _tags(config: Config, identity: Identity) -> dict[str, object]:
    return {
        **config.tracking.tags,
        NETWORK: title(config.model),
        DATA: config.data.name,
        "config_hash": identity.config_hash,
        "trajectory_hash": identity.trajectory_hash,
        "data_digest": identity.data_digest,
        "schema_version": SCHEMA_VERSION,
    }


def _as_if_trained(
    clock: Mapping[str, float], trained: TrainingResult, epochs: loop.EpochSource
) -> dict[str, float]:
    """The seconds of the run's parts, with the original ones of epochs that were read.

    So runs can be compared by them, whatever was known before; what was really spent on
    training is a tag of the run.
    """
    saved = sum(epoch.seconds for epoch in trained.epochs if epoch.number in epochs.reused)
    return {
        **clock,
        "train_seconds": sum(epoch.seconds for epoch in trained.epochs),
        "total_seconds": clock["total_seconds"] + saved,
    }


def _log_setup(
    tracked: TrackedRun,
    config: Config,
    dataset: Dataset,
    model: "keras.Model",
    environment: Environment,
) -> None:
    """Log what is known before training: config, data, network, environment."""
    plain = to_json(config)
    logged = {key: value for key, value in plain.items() if key not in APART}
    tracked.log_params(flatten(logged))
    tracked.log_config(plain)
    if isinstance(config.model, CustomModel) and (own := source.Source.find(config.model.function)):
        artifacts.write_bytes(tracked, own.content, f"{source.FOLDER}/{own.path}")
    tracked.log_dataset(dataset)
    tracked.log_text(build.summary_text(model), "model_summary.txt")
    tracked.log_table([asdict(row) for row in build.layer_table(model)], "layers.json")
    tracked.log_environment(environment)


def _progress_bar(config: Config, dataset: Dataset) -> ProgressBar:
    steps = loop.steps_per_epoch(len(dataset.x_train), config.trainer.batch_size)
    return ProgressBar(config.trainer.progress, config.trainer.epochs, steps)


def _sizes(model: "keras.Model") -> dict[str, float]:
    rows = build.layer_table(model)
    return {
        "trainable_params": sum(row.trainable for row in rows),
        "total_params": sum(row.total for row in rows),
    }


def _final(metrics: Mapping[str, float], trained: TrainingResult) -> dict[str, float]:
    """The metrics that are not already logged with the epochs.

    They belong to step 0, where MLflow's pages show a number and no curve of one point.
    """
    seen = trained.epochs[-1].metrics.keys()
    return {key: value for key, value in metrics.items() if key not in seen}
