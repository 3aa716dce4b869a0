"""Features of a frozen backbone, computed once: what its head is trained on in place of images.

They are what the backbone gives when it predicts, in batches of a fixed size, so a training on them
is one of its own: it is reproduced bit for bit, and is not that on the images, whose steps have
other batches. They are kept in files that all processes read, named by all that may move
a bit of them: the weights of the backbone, what it is made of, the images and their split, and the
environment. Import this module late: it imports Keras.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnn_sweeps.data.arrays import Images
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.data.row_file import RowFile
from cnn_sweeps.models import probe
from cnn_sweeps.models.network import scores_dtype
from cnn_sweeps.text.json import sha256
from cnn_sweeps.training.feature_cache import FeatureCache
from cnn_sweeps.training.state import weights_sha256

BATCH: Final = 256
"""Images that go through the backbone at a time; fixed, because it moves the last bits."""
LAYER: Final = "features"
"""The layer whose output they are: the pooled maps of the backbone."""


def with_features(model: keras.Model, dataset: Dataset, cache: FeatureCache | None) -> Dataset:
    """The data with features of training and validation images in place of these.

    Args:
        model: the network, its backbone frozen.
        dataset: the images.
        cache: where they may be, or are kept; in memory only when None.
    """
    extractor = keras.Model(model.inputs[0], model.get_layer(LAYER).output, name="extractor")
    images = (dataset.x_train, dataset.x_val)
    found = None if cache is None else _cached(extractor, images, cache)
    if found is None:
        found = compute_features(extractor, images)
    return replace(dataset, x_train=found[0], x_val=found[1])


def head_of(model: keras.Model) -> keras.Model:
    """What of a compiled network stands behind its features, compiled with the same optimizer.

    Its layers, and so its weights, are those of the network.
    """
    names = [layer.name for layer in model.layers]
    at = names.index(LAYER)
    x = given = keras.Input(model.layers[at].output.shape[1:], dtype=scores_dtype())
    for layer in model.layers[at + 1 :]:
        x = layer(x)
    head = keras.Model(given, x)
    head.compile(
        optimizer=model.optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=False,
    )
    return head


def compute_features(extractor: keras.Model, images: Sequence[Images]) -> list[Any]:
    """What a backbone gives for images of each split when it predicts, (n, features).

    All splits go through one graph: making it takes longer than a small split does.
    """

    @tf.function(  # type: ignore[untyped-decorator]  # TensorFlow is untyped
        input_signature=[tf.TensorSpec((None, *images[0].shape[1:]), images[0].dtype)]
    )
    def run(batch: Any) -> Any:
        return tf.cast(extractor(batch, training=False), dtype)

    def compute(split: Images) -> NDArray[np.floating[Any]]:
        made = np.empty((len(split), *extractor.output_shape[1:]), dtype=dtype)
        for start in range(0, len(split), BATCH):
            made[start : start + BATCH] = run(split[start : start + BATCH]).numpy()
        return made

    dtype = scores_dtype()
    return [compute(split) for split in images]


def _cached(
    extractor: keras.Model, images: Sequence[Images], cache: FeatureCache
) -> Sequence[Any] | None:
    """The features in files of the cache, or computed for it; None where it has no folder."""
    named = _key(extractor, cache)
    shapes = [(len(each), *extractor.output_shape[1:]) for each in images]
    try:
        with cache.entry(named).locked():
            known = cache.read(named, shapes)
            if known is not None:
                return known
            found = compute_features(extractor, images)
            with suppress(OSError):  # a full disk costs those who come later
                cache.write(named, found, images=_cached_folder(images[0]))
            return found
    except OSError:
        return None


def _cached_folder(images: Images) -> Path | None:
    """The folder of the cache that has these images, if one has."""
    file = images.base
    return file.path.parent if isinstance(file, RowFile) else None


def _key(extractor: keras.Model, cache: FeatureCache) -> str:
    """What names the features: all that may move a bit of them.

    A backbone of ours is determined by its config. One of the user's own may do something else
    with the same weights, which only building it tells.
    """
    seen = [probe.network_sha256(extractor, probe.look_at(extractor))] if cache.own_code else []
    return sha256([BATCH, weights_sha256(extractor), cache.source, *seen])[:32]
