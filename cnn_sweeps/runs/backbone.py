"""Pretrained weights, put into the backbone of a network that was built.

The network of a run is loaded as for a prediction: built from its config, filled with arrays that
are held against their digest. Import this module late: it imports Keras.
"""

from dataclasses import replace

import keras

from cnn_sweeps.config.loading import plain_value
from cnn_sweeps.config.schema import Config, CustomModel, Head, PretrainedModel, own_network
from cnn_sweeps.data.folder_cache import cache_folder
from cnn_sweeps.errors import ConfigError, NotStoredError, RecordError
from cnn_sweeps.models import pretrained as models
from cnn_sweeps.models.names import title
from cnn_sweeps.models.pretrained import KEY
from cnn_sweeps.models.probe import keep_random_state
from cnn_sweeps.models.source import Source
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.provenance.identity import SHOWN, Identity
from cnn_sweeps.runs import restore, stored_model
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.runs.weights import packed_weights, pretrained
from cnn_sweeps.runs.weights.packed_weights import PackedWeights
from cnn_sweeps.runs.weights.pretrained import TrainedRun
from cnn_sweeps.tracking import Store
from cnn_sweeps.training.backend import configure_backend
from cnn_sweeps.training.feature_cache import FeatureCache
from cnn_sweeps.trajectories.fingerprint import fingerprint


def fill_backbone(network: keras.Model, config: Config, store: Store) -> None:
    """Put the pretrained weights of an identified config into its network.

    Raises:
        ConfigError: a file has the weights of another network.
        RecordError: what is stored of the run was changed, or is not stored any more.
    """
    model = pretrained.begun_with(config)
    if model is None:
        return
    with keep_random_state():
        if model.weights_from == "run":
            trained = pretrained.trained_run(model, store)
            made_of = trained.record.config.model
            part = models.backbone_of(load(trained, store), made_of, model.layer)
            models.fill_backbone(network, model, part)
            return
        file = pretrained.weights_file(model, network.input_shape[1:])
        if file.suffix == packed_weights.SUFFIX:
            models.set_backbone(network, model, packed_weights.backbone_weights(file))
        else:
            models.fill_backbone(network, model, file)


def feature_cache(
    config: Config, identity: Identity, environment: Environment
) -> FeatureCache | None:
    """Where the features of a backbone are kept, and what names them beside its weights.

    That is what the backbone is made of (of one of the user's own, its files), the images and
    their split, and the environment. The trials of a sweep that differ in their heads share them.
    """
    model, data = config.model, config.data
    if not isinstance(model, PretrainedModel):
        return None
    own = own_network(model)
    made_of = replace(model, weights=None, head=Head(pooling=model.head.pooling))
    return FeatureCache(
        folder=cache_folder(getattr(data, "cache", None)),
        own_code=own is not None,
        source=[
            plain_value(made_of),
            _files_of(own),
            config.trainer.precision,
            identity.data_digest,
            [data.validation_fraction, data.split_seed, data.limit, data.rules],
            fingerprint(environment, steps_per_execution=None),
        ],
        title=f"{title(model)} on {data.name}",
        max_gb=getattr(data, "cache_gb", FeatureCache.max_gb),
    )


def _files_of(own: CustomModel | None) -> list[str]:
    """Digests of the files of a user's own network; none for one of ours."""
    source = Source.find(own.function) if own else None
    return [each.sha256 for each in source.files] if source else []


def pack(record: Record, store: Store, *, trust: bool = False) -> PackedWeights:
    """The pretrained weights that a run began with, checked, as a file for another machine.

    Args:
        record: the run; its network began with some.
        store: where the run is whose weights they are, if they are those of a run.
        trust: whether the recorded code of that run may be executed, to build its network.

    Raises:
        ConfigError: it began with none; or that run's network is the user's own, and `trust` is
            false.
        DataError: the file is not to be had.
        UnknownHashError: there is no such run.
        RecordError: they are not those of the record.
    """
    config, model = record.config, pretrained.begun_with(record.config)
    if model is None:
        raise ConfigError(f"{record.name} began with no pretrained weights.")
    configure_backend(config.trainer, config.seed)
    if model.weights_from == "run":
        trained = pretrained.trained_run(model, store)
        with restore.importable_source(trained.record, trust=trust):
            network = load(trained, store)
            part = models.backbone_of(network, trained.record.config.model, model.layer)
        numbers = {id(weight): number for number, weight in enumerate(network.weights)}
        content = packed_weights.encode(
            [weight.numpy() for weight in network.weights],
            [numbers[id(weight)] for weight in part.weights],
        )
        name = f"{str(model.weights)[:SHOWN]}{packed_weights.SUFFIX}"
        return PackedWeights(name=name, content=content)
    shape, _ = lookup.sizes(store, store.get(record.run_id))
    pretrained.resolve_weights(config, shape, store)
    file = pretrained.weights_file(model, shape)
    return PackedWeights(name=file.name, content=file.read_bytes())


def load(trained: TrainedRun, store: Store) -> keras.Model:
    """The network of a run, filled and checked, in the precision that it was trained with.

    Raises:
        RecordError: what is stored of it was changed, or its weights are not stored any more: no
            fault of the store, so that a sweep goes on with its other trials.
    """
    here, config = keras.config.dtype_policy(), trained.record.config
    keras.config.set_dtype_policy(config.trainer.precision)
    try:
        return stored_model.load(store, trained.run, config, trained.shape, trained.classes)
    except NotStoredError as error:
        raise RecordError(f"{KEY}={trained.run.config_hash}: {error}") from error
    finally:
        keras.config.set_dtype_policy(here)
