"""What is done with the trained model of a run: loaded, scored on the test split, drawn.

A stored model is never believed. The network is built from the config of its run, as it was for
the training; of the stored files only the weights are read, and held against their digest. Of a run
without a model they are those of the epoch that it ended with, as far as that is stored. So it is
with trials that trained nothing, and with large ones, unless they win.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.path import segments
from cnn_sweeps.config.schema import Config, Resize, own_network
from cnn_sweeps.data import Dataset, load_cached
from cnn_sweeps.data.arrays import DEEPEST
from cnn_sweeps.data.readers.catalog import PUBLISHED
from cnn_sweeps.errors import NotStoredError, RecordError
from cnn_sweeps.figures.curves import learning_curves_png
from cnn_sweeps.figures.gallery import Gallery, save
from cnn_sweeps.models.build import build_model
from cnn_sweeps.models.network import Shape
from cnn_sweeps.models.probe import keep_random_state
from cnn_sweeps.provenance.identity import SHOWN, Identity
from cnn_sweeps.runs import restore
from cnn_sweeps.runs.experiment import Experiment
from cnn_sweeps.runs.recorded import lineage, lookup
from cnn_sweeps.runs.recorded.record import Record, stored_sources, verify
from cnn_sweeps.text.argument_names import option
from cnn_sweeps.tracking import (
    RunRecord,
    Store,
    TrackedRun,
    artifacts,
    descriptions,
    finished_runs,
    model_files,
    models,
)
from cnn_sweeps.tracking.images import WHITE
from cnn_sweeps.tracking.model_files import StoredModel
from cnn_sweeps.tracking.names import (
    CURVES_FILE,
    DATA_DIGEST,
    IMAGES_FILE,
    LEFT_OUT,
    MODEL_FROM,
    TRAJECTORY_HASH,
    WEIGHTS,
)
from cnn_sweeps.training import backend, loop, state
from cnn_sweeps.training.epoch import Epoch
from cnn_sweeps.training.steps import Evaluate
from cnn_sweeps.trajectories.retention import MB

if TYPE_CHECKING:
    import keras


def evaluate_test(
    evaluate: Evaluate, dataset: Dataset
) -> tuple[dict[str, float], NDArray[np.floating[Any]]]:
    """Score the test split: `test_loss` and `test_accuracy`, and each image, (n, classes)."""
    loss, accuracy, scores = evaluate.with_scores(dataset.x_test, dataset.y_test)
    return {"test_loss": loss, "test_accuracy": accuracy}, scores


def load(
    store: Store, run: RunRecord, config: Config, shape: Shape, num_classes: int
) -> "keras.Model":
    """The trained network of a run, uncompiled.

    Args:
        store: where it is.
        run: that stored its model, or took it over.
        config: of that run. The function of a custom network is called: ask for trust before.
        shape: of an image.
        num_classes: how many scores there are for one image.

    Raises:
        RecordError: what is stored is damaged, of another network, or was changed.
        StoreError: neither a model nor the weights of its epoch are stored, or the store refuses.
    """
    model = build_model(config.model, shape, num_classes)
    logged = model_files.find_model(store, run)
    if logged is None:
        _read_epoch(store, run, config, model)
        return model
    with model_files.files_of(store, run, logged) as folder:
        models.read_weights(folder, model)
        found, recorded = state.weights_sha256(model), run.tags.get(WEIGHTS, "none")
        if found != recorded:
            raise RecordError(
                f"its weights have the digest {found[:SHOWN]}, and the run recorded "
                f"{recorded[:SHOWN]}"
            )
    return model


def _read_epoch(store: Store, run: RunRecord, config: Config, model: "keras.Model") -> None:
    """Fill a network with the weights that are stored of the epoch with which a run ended.

    Whatever environment trained them: they are those of the run if they have its digest.

    Raises:
        NotStoredError: they are not stored.
    """
    number = int(run.metrics.get("best_epoch", run.metrics.get("epochs", 0)))
    identity = Identity(
        config_hash=run.config_hash or "",
        trajectory_hash=run.tags.get(TRAJECTORY_HASH, ""),
        data_digest=run.tags.get(DATA_DIGEST, ""),
    )
    sources = stored_sources(config, partial(artifacts.read_folder, store, run.run_id))
    hashes = lineage.hashes_of(config, identity, sources)
    for chain in lineage.stored(config, hashes, store.address.dir):
        for one in chain.history()[number - 1 : number]:
            weights = chain.weights(one)
            if weights is not None and state.fits_model(model, weights):
                state.restore_model(model, weights)
                if state.weights_sha256(model) == run.tags.get(WEIGHTS):
                    return
    raise NotStoredError(
        f"Run {run.run_id} ({run.name}) has no stored model, and the weights of its epoch "
        f"{number} are not stored either.\nType cnn-sweeps reproduce {identity.short or 'HASH'} "
        "tracking.log_model=true to train it again and store its model; "
        f"{option('run_id', 'ID')} chooses that run."
    )


def for_winners_only(config: Config, params: float, *, stored: bool) -> bool:
    """Whether a trial stores its model only if it wins: a large one, or one of stored epochs.

    Args:
        config: of the trial.
        params: of its network.
        stored: whether it trained nothing, and the epoch with its weights can be read.
    """
    limit = config.trajectory.epoch_mb
    itemsize = 8 if config.trainer.precision == "float64" else 4
    large = limit is not None and params * itemsize > limit * MB
    return config.tracking.log_model == "auto" and (stored or large)


def check(store: Store, run: RunRecord, logged: StoredModel, experiment: Experiment) -> None:
    """Hold the stored model of a run against what was recorded with it.

    An earlier version recorded the digest of the weights alone. They are read into a network of
    ours, for which TensorFlow is started.

    Args:
        store: where it is.
        run: of the experiment.
        logged: the model that it has stored.
        experiment: to build the network.

    Raises:
        RecordError: it is damaged or was changed, or nothing tells.
        StoreError: the store refuses.
    """
    config, dataset = experiment.config, experiment.dataset
    if logged.recorded:
        model_files.check(store, run, logged)
    elif own_network(config.model):
        raise RecordError(f"The stored model of run {run.run_id} ({run.name}) has no digests.")
    else:
        backend.configure_backend(config.trainer, config.seed)
        load(store, run, config, dataset.shape, dataset.num_classes)


def check_storable(model: "keras.Model", dataset: Dataset) -> None:
    """Make a user's own network once as it is made to be stored, before it is trained.

    Random numbers are left where they were: the training is the same without it.

    Raises:
        ModelError: Keras cannot make it again; what it lacks is named.
    """
    with keep_random_state():
        models.Portable.of(model, shape=dataset.shape, num_classes=dataset.num_classes)


def store_again(store: Store, run: RunRecord, *, trust: bool) -> None:
    """Store the model of a run that has none, or one without digests of its files.

    Earlier versions recorded none. Files and digests are made from its config and its weights,
    which have digests.

    Raises:
        RecordError: config, weights or the user's code were changed or damaged.
        ConfigError: the model is the user's own, and `trust` is false.
        StoreError: neither a model nor its weights are stored, or the store refuses.
    """
    record = lookup.record_of(store, run)
    verify(record)
    pictures = stored_pictures(store, record)
    with restore.importable_source(record, trust=trust):
        backend.configure_backend(record.config.trainer, record.config.seed)
        model = load(store, run, record.config, pictures.shape, len(pictures.class_names))
        _log_model(store.reopen(run.run_id), model, pictures)


def pictures_of(config: Config, dataset: Dataset) -> models.Pictures:
    """What the network of an experiment takes and gives."""
    resize: Resize = getattr(config.data, "resize", "stretch")
    return models.Pictures(
        class_names=dataset.class_names, shape=dataset.shape, resize=resize, white=dataset.white
    )


def stored_pictures(store: Store, record: Record) -> models.Pictures:
    """The same as it was stored with a run.

    Raises:
        RecordError: it was changed or damaged.
        StoreError: the store refuses.
    """
    resize: Resize = getattr(record.config.data, "resize", "stretch")
    run = store.get(record.run_id)
    try:
        stored = artifacts.read_json(store, run, IMAGES_FILE)
        if stored is None:  # an earlier version stored the layers only
            shape, count = lookup.sizes(store, run)
            known = PUBLISHED.get(record.config.data.name)
            names = known.class_names if known else tuple(map(str, range(count)))
            return models.Pictures(class_names=names, shape=shape, resize=resize)
        height, width, channels = map(int, stored["image_shape"])
        names = tuple(map(str, stored["class_names"]))
        white = int(stored.get(WHITE, DEEPEST))  # an earlier version did not store it
        if not 0 < white <= DEEPEST:
            raise ValueError(f"{white} is no white")
    except (ValueError, KeyError, TypeError) as error:
        raise lookup.damaged(IMAGES_FILE, run.run_id) from error
    shape = height, width, channels
    return models.Pictures(class_names=names, shape=shape, resize=resize, white=white)


def score_stored(
    store: Store,
    run: RunRecord,
    config: Config,
    *,
    best: bool,
    won: Callable[[], bool] = lambda: True,
) -> dict[str, float]:
    """Score the test split with the stored model of a run.

    Args:
        store: where it is.
        run: a trial.
        config: of that run.
        best: whether it has won: then its figures are drawn, and what it left to its epochs is
            stored with it.
        won: asked before the first thing is logged, when all is computed.

    Returns:
        The test metrics, which are not logged; none where it has not won.

    Raises:
        RecordError: see `load`.
        StoreError: neither a model nor its weights are stored, or the store refuses.
    """
    dataset = load_cached(config.data)
    model = load(store, run, config, dataset.shape, dataset.num_classes)
    loop.compile_model(model, segments(config)[-1].config.trainer, len(dataset.x_train))
    tests, scores = evaluate_test(Evaluate(model=model), dataset)
    files, left_out = dict[str, bytes](), list[str]()
    if drawn := best and config.tracking.figures:
        gallery = Gallery.of(
            config, model=model, dataset=dataset, about=run.name, test_scores=scores
        )
        left_out = save(gallery, lambda made, path: files.update({path: made})).left_out
    if not won():
        return {}
    if best:
        _complete(store, run, config, model)
    if drawn:
        tracked = store.reopen(run.run_id)
        for path, made in files.items():
            tracked.log_bytes(made, path)
        note_left_out(left_out, tracked)
    return tests


def _complete(store: Store, run: RunRecord, config: Config, model: "keras.Model") -> None:
    """Store curves and model of a run that has left them to its epochs."""
    tracked = store.reopen(run.run_id)
    if CURVES_FILE not in descriptions.pictures_of(store.client, run):
        with suppress(KeyError):  # metrics of it were deleted
            draw_curves(finished_runs.epochs_of(store, run), run.name, tracked)
    if config.tracking.log_model and not model_files.has_model(store, run):
        _log_model(tracked, model, pictures_of(config, load_cached(config.data)))


def _log_model(tracked: TrackedRun, model: "keras.Model", pictures: models.Pictures) -> None:
    tracked.log_model(model, pictures)
    tracked.remove_tags({MODEL_FROM})
    descriptions.describe(tracked)


def draw_curves(epochs: Sequence[Epoch], about: str, tracked: TrackedRun) -> None:
    """Draw the learning curves of a run."""
    tracked.log_bytes(learning_curves_png(epochs, about), CURVES_FILE)


def draw(gallery: Gallery, tracked: TrackedRun) -> tuple[str, ...]:
    """Draw the figures of a run; a sentence for each that had to be left out, also as a tag."""
    saved = save(gallery, tracked.log_bytes)
    note_left_out(saved.left_out, tracked)
    return tuple(saved.left_out)


def note_left_out(left_out: Sequence[str], tracked: TrackedRun) -> None:
    """Say in a run's tags which figures it has not, and why; nothing where it has all."""
    if left_out:
        tracked.set_tags({LEFT_OUT: "\n".join(left_out)})
    else:
        tracked.remove_tags({LEFT_OUT})
