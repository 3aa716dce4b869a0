"""What a run logs beside its epochs: tags, params, network, environment, final metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from cnn_sweeps.config.loading import to_json
from cnn_sweeps.config.metrics import own_metrics
from cnn_sweeps.config.schema import Config, own_network
from cnn_sweeps.config.stored import without_neutral
from cnn_sweeps.models.build import layer_table, summary_text
from cnn_sweeps.models.names import title
from cnn_sweeps.models.source import FOLDER, LOSS_FOLDER, Source, metric_folder
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.provenance.identity import SCHEMA_VERSION, SHOWN
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.runs.recorded import lineage
from cnn_sweeps.tracking import TrackedRun, flatten, names, params
from cnn_sweeps.tracking.names import (
    CONFIG_FILE,
    CONFIG_HASH,
    DATA,
    DATA_DIGEST,
    LAYERS_FILE,
    NETWORK,
    REMARKS,
    STOP_REASON,
    SUMMARY_FILE,
    TRAJECTORY_HASH,
    WEIGHTS,
)
from cnn_sweeps.training import backend, freezing, state, stopping
from cnn_sweeps.training.epoch import TIMES, TrainingResult

if TYPE_CHECKING:
    import keras

    from cnn_sweeps.training.loop import EpochSource

APART = ("tracking", "trajectory")
"""Parts of a config that say nothing of the experiment, and are not logged as its params."""


_summaries: "WeakKeyDictionary[keras.Model, str]" = WeakKeyDictionary()
"""The summary of each network; trials that follow each other may have one."""


def tags_of(experiment: Experiment) -> dict[str, object]:
    """The tags by which a run is found: the user's own, network, data and hashes."""
    config, identity = experiment.config, experiment.identity
    lines = lineage.lineage_lines(config, identity.data_digest)
    return {
        **config.tracking.tags,
        NETWORK: title(config.model),
        DATA: config.data.name,
        CONFIG_HASH: identity.config_hash,
        TRAJECTORY_HASH: identity.trajectory_hash,
        **({names.LINEAGE: "\n".join(lines)} if lines else {}),
        DATA_DIGEST: identity.data_digest,
        names.SCHEMA_VERSION: SCHEMA_VERSION,
    }


def log_setup(
    tracked: TrackedRun,
    experiment: Experiment,
    model: "keras.Model",
    environment: Environment,
    swept: Sequence[str] = (),
) -> None:
    """Log what is known before training: config, data, network, environment.

    Args:
        tracked: where to.
        experiment: what is trained.
        model: its network.
        environment: where it is trained.
        swept: keys that are logged whatever their value.
    """
    config = experiment.config
    tracked.log_params({**params_of(config), **neutral_params(config, swept)})
    tracked.log_config(to_json(config))
    network = own_network(config.model)
    metrics = [each.function for each in own_metrics(config.trainer.metrics)]
    own_functions = (
        *((FOLDER, network.function if network else None), (LOSS_FOLDER, config.trainer.loss)),
        *((metric_folder(function), function) for function in metrics),
    )
    for folder, function in own_functions:
        own = Source.find(function) if function is not None else None
        for file in own.files if own else ():
            tracked.log_bytes(file.content, f"{folder}/{file.path}")
    tracked.log_dataset(experiment.dataset)
    log_remarks(tracked, experiment)
    tracked.log_text(_summary(model), SUMMARY_FILE)
    tracked.log_table([asdict(row) for row in layer_table(model)], LAYERS_FILE)
    tracked.log_environment(environment)


def _summary(model: "keras.Model") -> str:
    """Keras' summary of a network as it was when it was new, whatever trials it has had since."""
    if model not in _summaries:
        _summaries[model] = summary_text(model)
    return _summaries[model]


def log_remarks(tracked: TrackedRun, experiment: Experiment) -> None:
    """Log what a person should know beside the images, where a sweep of many runs finds it."""
    if experiment.remarks:
        tracked.set_tags({REMARKS: "\n".join(experiment.remarks)})


def params_of(config: Config) -> dict[str, str]:
    """What is logged as params, without what is neutral: MLflow's page is quick below some 50."""
    left_out = APART if config.augment.is_on else (*APART, "augment")
    plain = without_neutral(config)
    return flatten({key: value for key, value in plain.items() if key not in left_out})


def neutral_params(config: Config, keys: Sequence[str]) -> dict[str, str]:
    """The params among these keys that `params_of` leaves out: a sweep's own stand in its table."""
    every, logged = flatten(to_json(config)), params_of(config)
    return {key: every[key] for key in keys if key in every and key not in logged}


def cut_texts(config: Config) -> tuple[str, ...]:
    """A sentence for each param or tag that MLflow cuts; the stored config has all."""
    texts = {key: (text, params.PARAM_LENGTH) for key, text in params_of(config).items()}
    for key, value in config.tracking.tags.items():
        texts[f"tracking.tags.{key}"] = (params.as_text(value), params.TAG_LENGTH)
    return tuple(
        f"{key} has {len(text):,} characters; MLflow keeps the first {most:,}, and "
        f"{CONFIG_FILE} of the run has all."
        for key, (text, most) in texts.items()
        if len(text) > most
    )


def log_results(
    tracked: TrackedRun,
    config: Config,
    metrics: Mapping[str, float],
    trained: TrainingResult,
    model: "keras.Model",
    model_from: str | None,
) -> str:
    """Log the final metrics, the digest of the weights, where these are, and why training ended.

    Returns:
        The digest of the weights.
    """
    tracked.log_steps(final_steps(trained, metrics))
    chosen = {names.CHOSEN: trained.chosen} if trained.average else {}
    weights = state.weights_sha256(model)
    left = {names.MODEL_FROM: model_from} if model_from else {}
    early = stopping.is_stopped_early(config.trainer, trained.epochs)
    stopped = {names.BY_CALLBACK: trained.stopped} if early else {}
    told = {WEIGHTS: weights, STOP_REASON: trained.stopped}
    tracked.set_tags({**told, **chosen, **left, **stopped})
    return weights


def final_steps(
    trained: TrainingResult, metrics: Mapping[str, float]
) -> dict[int, Mapping[str, float]]:
    """What is logged at the end, by step.

    The metrics of the last epoch are logged already. The others belong to step 0, where MLflow's
    pages show a number and no curve of one point. Where the weights are those of another epoch, or
    an average, their scores are one more step, as in MLflow's own logging of Keras: so the last
    value of a metric is that of the weights, for whoever ranks runs by it.

    Args:
        trained: the epochs, and which of them counts.
        metrics: of the run.
    """
    last = trained.epochs[-1]
    steps: dict[int, Mapping[str, float]] = {
        0: {key: value for key, value in metrics.items() if key not in last.metrics}
    }
    scores = {key: value for key, value in trained.metrics.items() if key not in TIMES}
    if moved := {key: value for key, value in scores.items() if last.metrics.get(key) != value}:
        steps[last.number + 1] = moved
    return steps


def stored_epoch(experiment: Experiment, trained: TrainingResult) -> str:
    """Which stored epoch has the weights that a training ended with, for a person."""
    return f"{trained.chosen} of trajectory {experiment.identity.trajectory_hash[:SHOWN]}"


def metrics_of(model: "keras.Model", config: Config, trained: TrainingResult) -> dict[str, float]:
    """What training gave: the scores of its last epoch, sizes of the network, its best epoch."""
    rows = layer_table(model)
    metrics = {
        **trained.metrics,
        "epochs": len(trained.epochs),
        "trainable_params": sum(row.trainable for row in rows),
        "total_params": sum(row.total for row in rows),
    }
    if frozen := freezing.frozen_params(model):
        metrics["frozen_params"] = frozen
    if config.trainer.early_stopping.patience is not None:
        metrics["best_epoch"] = trained.best
    if trained.average is not None:
        metrics |= trained.average.logged
    return metrics


def costs_of(
    clock: Mapping[str, float], trained: TrainingResult, epochs: "EpochSource"
) -> dict[str, float]:
    """The seconds of the run's parts, with the original ones of epochs from the cache; memory.

    So runs can be compared by them, whatever was cached; what was really spent on training is a
    tag of the run.
    """
    on_gpu = backend.peak_gpu_memory_mb()
    saved = sum(epoch.seconds for epoch in trained.epochs if epoch.number in epochs.reused)
    return {
        **clock,
        "train_seconds": sum(epoch.seconds for epoch in trained.epochs),
        "total_seconds": clock["total_seconds"] + saved,
        "peak_memory_mb": backend.peak_memory_mb(),
        **({} if on_gpu is None else {"peak_gpu_memory_mb": on_gpu}),
    }
