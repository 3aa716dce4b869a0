"""Pretrained weights, put into the backbone of a network that was built.

The network of a run is loaded as for a prediction: built from its config, filled with arrays that
are held against their digest. Import this module late: it imports Keras.
"""

from dataclasses import replace

import keras

from cnn_sweeps.config.loading import plain_value
from cnn_sweeps.config.schema import Config, Head, PretrainedModel
from cnn_sweeps.data.decoded import cache_folder
from cnn_sweeps.models import pretrained as models
from cnn_sweeps.models.names import title
from cnn_sweeps.models.probe import keep_random_state
from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.provenance.identity import Identity
from cnn_sweeps.runs import pretrained, stored_model
from cnn_sweeps.runs.pretrained import TrainedRun
from cnn_sweeps.tracking import Store
from cnn_sweeps.training.feature_cache import FeatureCache
from cnn_sweeps.trajectories.fingerprint import fingerprint


def fill_backbone(network: keras.Model, config: Config, store: Store) -> None:
    """Put the pretrained weights of an identified config into its network.

    Raises:
        ConfigError: a file has the weights of another network.
        RecordError: what is stored of the run was changed.
    """
    model = config.model
    if not isinstance(model, PretrainedModel) or model.weights is None:
        return
    with keep_random_state():
        if model.weights_from == "run":
            trained = pretrained.trained_run(model, store)
            made_of = trained.record.config.model
            part = models.backbone_of(_load(trained, store), made_of, model.layer)
            models.fill_backbone(network, model, part)
        else:
            file = pretrained.weights_file(model, network.input_shape[1:])
            models.fill_backbone(network, model, file)


def feature_cache(
    config: Config, identity: Identity, environment: Environment
) -> FeatureCache | None:
    """Where the features of a backbone are kept, and what names them beside its weights.

    That is what the backbone is made of, the images and their split, and the environment. The
    trials of a sweep that differ in their heads share them.
    """
    model, data = config.model, config.data
    if not isinstance(model, PretrainedModel):
        return None
    made_of = replace(model, weights=None, head=Head(pooling=model.head.pooling))
    return FeatureCache(
        folder=cache_folder(getattr(data, "cache", None)),
        source=[
            plain_value(made_of),
            config.trainer.precision,
            identity.data_digest,
            [data.validation_fraction, data.split_seed, data.limit, data.rules],
            fingerprint(environment, steps_per_execution=None),
        ],
        title=f"{title(model)} on {data.name}",
        max_gb=getattr(data, "cache_gb", FeatureCache.max_gb),
    )


def _load(trained: TrainedRun, store: Store) -> keras.Model:
    """The network of a run, filled and checked, in the precision that it was trained with."""
    here, config = keras.config.dtype_policy(), trained.record.config
    keras.config.set_dtype_policy(config.trainer.precision)
    try:
        return stored_model.load(store, trained.run, config, trained.shape, trained.classes)
    finally:
        keras.config.set_dtype_policy(here)
