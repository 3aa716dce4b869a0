"""Pretrained weights, put into the backbone of a network that was built.

The network of a run is loaded as for a prediction: built from its config, filled with arrays that
are held against their digest. Import this module late: it imports Keras.
"""

import keras

from cnn_sweeps.config.schema import Config, PretrainedModel
from cnn_sweeps.models import pretrained as models
from cnn_sweeps.models.probe import keep_random_state
from cnn_sweeps.runs import pretrained, stored_model
from cnn_sweeps.runs.pretrained import TrainedRun
from cnn_sweeps.tracking import Store


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
            models.fill_backbone(network, model, _load(pretrained.trained_run(model, store), store))
        else:
            file = pretrained.weights_file(model, network.input_shape[1:])
            models.fill_backbone(network, model, file)


def _load(trained: TrainedRun, store: Store) -> keras.Model:
    """The network of a run, filled and checked, in the precision that it was trained with."""
    here, config = keras.config.dtype_policy(), trained.record.config
    keras.config.set_dtype_policy(config.trainer.precision)
    try:
        return stored_model.load(store, trained.run, config, trained.shape, trained.classes)
    finally:
        keras.config.set_dtype_policy(here)
