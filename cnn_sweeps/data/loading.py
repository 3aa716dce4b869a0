"""From the `data` config group to a `Dataset`."""

from dataclasses import replace
from functools import lru_cache

from cnn_sweeps.config.schema import Data
from cnn_sweeps.data.dataset import Dataset, digest
from cnn_sweeps.data.readers import reader_of
from cnn_sweeps.data.split import divide


def load(config: Data) -> Dataset:
    """Read, check and divide the images that a configuration names.

    Raises:
        DataError: a file is missing, broken or not what the configuration says, or the
            split leaves a class or a part empty.
    """
    content = reader_of(config).read(config)
    x_train, y_train, x_val, y_val = divide(content, config)
    return Dataset(
        name=content.name,
        source=content.source,
        x_train=x_train,
        y_train=y_train,
        x_val=x_val,
        y_val=y_val,
        x_test=content.x_test,
        y_test=content.y_test,
        class_names=content.class_names,
        digest=digest(content),
        rules=content.rules,
    )


@lru_cache(maxsize=2)
def load_cached(config: Data) -> Dataset:
    """The images of a config; the trials of a sweep in one process share them."""
    return load(config)


def as_read(config: Data, dataset: Dataset) -> Data:
    """The config with the rules number that made a difference for these images.

    An experiment is identified, logged and stored with it: where a newer number gives the same
    images, the hash is the same too.
    """
    return replace(config, rules=dataset.rules)
