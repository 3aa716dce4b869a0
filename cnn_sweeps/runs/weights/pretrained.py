"""Where pretrained weights come from, and what names them.

`model.weights` says where they are, on this machine; `model.weights_sha256`, which is in the hash,
says which they are. So a config names its experiment wherever the weights lie, and what is found
has to be what is recorded.
"""

import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from cnn_sweeps.config.loading import plain_value
from cnn_sweeps.config.schema import (
    HUB,
    IMAGENET,
    Config,
    CustomModel,
    HubModel,
    Model,
    PretrainedModel,
    Tracking,
    own_network,
    spelt_out,
)
from cnn_sweeps.config.spelling import network_in_one_form
from cnn_sweeps.data.download import digest_of, fetch
from cnn_sweeps.data.files import absolute, expand_user, kind
from cnn_sweeps.errors import ConfigError, DataError, RecordError, UnknownHashError
from cnn_sweeps.models import custom, hub, pretrained
from cnn_sweeps.models.names import title
from cnn_sweeps.models.network import Shape
from cnn_sweeps.models.pretrained import KEY
from cnn_sweeps.provenance.identity import SHOWN
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.recorded.record import FINISHED, Record, verify
from cnn_sweeps.runs.weights import packed_weights
from cnn_sweeps.tracking import RunRecord, Store, model_files
from cnn_sweeps.tracking.names import WEIGHTS

URI = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A finished run whose network can be a backbone.

    Attributes:
        run: as the store has it.
        record: all that is stored of it, checked.
        shape: of the images that it was trained on.
        classes: how many it knows.
    """

    run: RunRecord
    record: Record
    shape: Shape
    classes: int


def begun_with(config: Config) -> PretrainedModel | None:
    """The network of an experiment that begins with pretrained weights; None for all others."""
    model = config.model
    return model if isinstance(model, PretrainedModel) and model.weights is not None else None


def resolve_backbone(config: Config) -> Model:
    """The network of a config, with the backbone that a run tells, before any images are read.

    Raises:
        ConfigError: the run is of another network than the config.
        UnknownHashError: there is no such run.
        RecordError: it has no model, or was changed.
        DataError: there is no such file.
    """
    model = config.model
    if not isinstance(model, PretrainedModel):
        return model
    model = _with_preset(model)
    if model.weights_from == "run":
        return _with_run(model, _known_run(model, config.tracking))
    if model.weights_from == "file":
        _own_file(model)
    _check_what_run_tells(model)
    return model


def _check_what_run_tells(model: PretrainedModel) -> None:
    """Refuse what a run tells of its own network where the backbone is another kind of network.

    Raises:
        ConfigError: naming the field, which would have no effect.
    """
    own = model.network
    acting = {
        "trained_on": own is not None and not isinstance(own, HubModel),
        "trained_classes": isinstance(own, CustomModel),
    }
    for field, acts in acting.items():
        if not acts and (given := getattr(model, field)) is not None:
            raise ConfigError(
                f"model.{field}={given} has no effect with {title(model)}.\n"
                f"Leave model.{field} out; it is filled in where {KEY} is the hash of a run."
            )


def resolve_weights(config: Config, shape: Shape, store: Store | None) -> Model:
    """The network with the digest of its pretrained weights, which are downloaded if need be.

    Args:
        config: what is asked for, or recorded.
        shape: of the images.
        store: where to look for a run; `config.tracking` when None.

    Raises:
        ConfigError: see `resolve_backbone`; or Keras has no such weights.
        DataError: the file cannot be had.
        UnknownHashError: there is no such run.
        RecordError: the weights are not those of the record.
    """
    if not isinstance(config.model, PretrainedModel):
        return config.model
    model = _with_preset(config.model)
    if model.weights is None:
        return model
    if model.weights_from == "run":
        return _with_run(model, trained_run(model, store or lookup.open_store(config.tracking)))
    if model.weights_from == "imagenet":  # Keras is asked for the file
        from cnn_sweeps.training.backend import configure_backend  # noqa: PLC0415 -- TensorFlow

        configure_backend(config.trainer, config.seed)
    file = weights_file(model, shape)
    digest = _digest_of(file, file.stat().st_mtime_ns)
    if model.weights_sha256 not in (None, digest):
        raise RecordError(
            f"{KEY}={model.weights}: {file} has the SHA-256 {digest[:SHOWN]}, but the weights of "
            f"this experiment have {str(model.weights_sha256)[:SHOWN]}.\n"
            f"Get that file, and type {KEY}=FILE for where it is."
        )
    return replace(model, weights_sha256=digest)


def _own_file(model: PretrainedModel) -> Path:
    path = expand_user(Path(str(model.weights)))
    if kind(path) == "file":
        return path
    raise DataError(
        f"{KEY}={model.weights}: there is no such file.\nType {IMAGENET}, the hash of a run "
        "(its first hex digits, 4 or more), the path of a file of weights, or null."
    )


def weights_file(model: PretrainedModel, shape: Shape) -> Path:
    """The file of weights, downloaded to where Keras keeps it if it is one of Keras'.

    Raises:
        ConfigError: Keras has no such weights.
        DataError: the file cannot be had.
    """
    if model.weights_from == "file":
        return _own_file(model)
    if model.weights_from == "hub":
        return hub.weights_file(str(model.weights))
    file = pretrained.published_file(model, shape)
    target = expand_user(Path(os.environ.get("KERAS_HOME") or "~/.keras")) / "models" / file.name
    remedy = f"get it there yourself and put it at {target}, or type {KEY}=FILE"
    fetch([file.url], target, digest=file.digest, remedy=remedy)
    return target


@lru_cache(maxsize=16)
def _digest_of(file: Path, _changed: int) -> str:
    """Of a file, until it changes; of the arrays where it was exported with a run."""
    packed = file.suffix == packed_weights.SUFFIX
    return packed_weights.weights_sha256(file) if packed else digest_of(file)


def _with_preset(model: PretrainedModel) -> PretrainedModel:
    """The network with the backbone that a preset of KerasHub tells, and with its weights."""
    asked = model.backbone if isinstance(model.backbone, str) else ""
    if not asked and model.backbone is None and model.weights_from == "hub":
        asked = str(model.weights)
    if not asked.startswith(HUB):
        return model
    weights = asked if model.weights == IMAGENET else model.weights
    if model.params:
        raise ConfigError(
            f"model.params are arguments of an application of Keras, and {asked} is none."
        )
    return replace(model, backbone=_described(asked), weights=weights)


@lru_cache(maxsize=16)
def _described(preset: str) -> dict[str, Any]:
    """What a preset says, read once for all trials of a sweep."""
    return spelt_out(plain_value(hub.read_preset(preset)))


def _known_run(model: PretrainedModel, tracking: Tracking) -> TrainedRun:
    """The same for each of many configs of a sweep, before anything starts."""
    where = (tracking.uri or os.environ.get(URI), str(absolute(tracking.dir)))
    return _look_up(*where, model.weights, model.weights_sha256)


@lru_cache(maxsize=16)
def _look_up(uri: str | None, folder: str, name: str, digest: str | None) -> TrainedRun:
    model = PretrainedModel(weights=name, weights_sha256=digest)
    store = lookup.open_store(Tracking(uri=uri, dir=Path(folder)), name)
    return trained_run(model, store)


def trained_run(model: PretrainedModel, store: Store) -> TrainedRun:
    """The run that `model.weights` names, with the weights that are recorded, if they are."""
    digest = model.weights_sha256
    try:
        runs = lookup.one_experiment(store, str(model.weights))
        whole = [r for r in runs if r.status == FINISHED and WEIGHTS in r.tags]
        whole = [r for r in whole if digest in (None, r.tags[WEIGHTS])]
        whole = [r for r in whole if r.is_whole] or whole
        whole = [r for r in whole if model_files.has_model(store, r)] or whole
        if not whole:
            raise RecordError(_no_model(store, digest))
        run = lookup.newest_run(whole)
        record = lookup.record_of(store, run)
        verify(record)
        shape, classes = lookup.sizes(store, run)
    except (UnknownHashError, RecordError) as error:
        raise type(error)(f"{KEY}={_short(model)}: {error}") from error
    return TrainedRun(run=run, record=record, shape=shape, classes=classes)


def _no_model(store: Store, digest: str | None) -> str:
    wanted = f" with the weights {digest[:SHOWN]}" if digest else ""
    return (
        f"no finished run of it{wanted} has a stored model in {store.address}.\n"
        "Train it with tracking.log_model=true, or log beside it (tracking.dir=FOLDER)."
    )


def _with_run(model: PretrainedModel, trained: TrainedRun) -> PretrainedModel:
    """The config of a network with the backbone and the digest that a run tells.

    Raises:
        ConfigError: the run is of another network.
        RecordError: it is of one of the user's own, whose files are not here as they were.
    """
    theirs, run = trained.record.config.model, trained.run
    _require_own_code(model, trained.record)
    backbone: Any
    if isinstance(theirs, PretrainedModel):
        backbone, params, layer = theirs.backbone, theirs.params, theirs.layer
        shape = theirs.trained_on or (trained.shape if theirs.network else None)
        classes = theirs.trained_classes
    else:
        backbone, params, layer = spelt_out(plain_value(theirs)), {}, None
        shape, classes = trained.shape, trained.classes if own_network(theirs) else None
    told = {
        **{"backbone": backbone, "params": params},
        **{"trained_on": shape, "trained_classes": classes},
    }
    mine, known = (network_in_one_form(each) for each in (model, replace(model, **told)))
    for key in told:
        if (given := getattr(mine, key)) not in (None, {}, getattr(known, key)):
            raise ConfigError(
                f"model.{key}={given} is not that of {KEY}={_short(model)}, which is "
                f"{title(theirs)}.\nLeave model.{key} out: the run tells it."
            )
    return replace(
        model,
        **told,
        layer=model.layer or layer,
        weights=run.config_hash,
        weights_sha256=run.tags[WEIGHTS],
    )


def origin(model: PretrainedModel) -> str:
    """Where pretrained weights are from, and how many bytes they are as far as they lie here."""
    told = f"{KEY}={model.weights} (SHA-256 {str(model.weights_sha256)[:SHOWN]})"
    file = expand_user(Path(str(model.weights)))
    return f"{told}, {file.stat().st_size / 1e6:,.1f} MB" if kind(file) == "file" else told


def runs_own_code(model: PretrainedModel) -> bool:
    """Whether the weights are those of a run whose network is the user's own."""
    return model.weights_from == "run" and own_network(model) is not None


def _require_own_code(model: PretrainedModel, record: Record) -> None:
    """Refuse to run other code than that with which the run was trained; recorded code never runs.

    Raises:
        RecordError: the files of the user's function are not here, or were changed.
    """
    own = own_network(record.config.model)
    if own is None or record.source is None:  # of the second, `verify` found the file here
        return
    custom.look_here()
    if not record.source.is_here(own.function):
        raise RecordError(
            f"{KEY}={_short(model)} is {title(record.config.model)}, and {own.function} is not "
            f"here as it was trained.\nRestore {record.source.path} in the current folder; "
            f"cnn-sweeps export {_short(model)} FOLDER writes it."
        )


def _short(model: PretrainedModel) -> str:
    return str(model.weights)[:SHOWN]
