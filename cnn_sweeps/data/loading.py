"""From the `data` config group to a `Dataset`."""

from dataclasses import replace

from cnn_sweeps.config.rules import DATA, least_number
from cnn_sweeps.config.schema import Data, Split
from cnn_sweeps.data import free_memory
from cnn_sweeps.data.dataset import Content, Dataset, digest
from cnn_sweeps.data.notices import notices_of
from cnn_sweeps.data.readers import reader_of
from cnn_sweeps.data.split import divide, refuse_unused
from cnn_sweeps.text.escape import printable

DIVIDES = ("limit", "validation_fraction", "split_seed")
"""Settings that divide images, and that no reader knows."""


def load(config: Data) -> Dataset:
    """Read, check and divide the images that a configuration names.

    Raises:
        DataError: a file is missing, broken or not what the configuration says, or the
            split leaves a class or a part empty.
        ConfigError: a setting has no effect on these images.
    """
    dataset = divide_content(read(config), config)
    free_memory.give_back()  # of columns of many files; every worker has read them
    return dataset


def read(config: Data) -> Content:
    """The images that a configuration names, complete; `undivided` says of which others too.

    Raises:
        DataError: a file is missing, broken or not what the configuration says.
    """
    return reader_of(config).read(config)


def undivided(config: Data) -> Data:
    """The same for all configurations that divide the same images, each in its way."""
    split = {name: Split.__dataclass_fields__[name].default for name in DIVIDES}
    return replace(config, **split)


def divide_content(content: Content, config: Data) -> Dataset:
    """Divide images that were read for a configuration.

    Raises:
        DataError: the split leaves a class or a part empty.
        ConfigError: a setting has no effect on these images.
    """
    rules = least_number(DATA, config.rules, config.name)
    if config.rules > 1 and (config.limit or 0) > len(content.x_train):
        count = f"{content.source} has {len(content.x_train):,} training images"
        refuse_unused(config, "limit", count)
    divided = divide(content, config, rules)
    dataset = Dataset(
        name=content.name,
        source=content.source,
        x_train=divided.x_train,
        y_train=divided.y_train,
        x_val=divided.x_val,
        y_val=divided.y_val,
        x_test=content.x_test,
        y_test=content.y_test,
        class_names=content.class_names,
        digest=digest(content),
        rules=max(content.rules, divided.rules),
        decoded=content.decoded,
        white=content.white,
        limited=config.limit is not None and config.limit < len(content.x_train),
    )
    # What was published is known; only a user's own images are looked at.
    own = tuple(notices_of(dataset)) if rules > 1 else ()
    return replace(dataset, notices=tuple(map(printable, (*content.notices, *own))))


def as_read(config: Data, dataset: Dataset) -> Data:
    """The config with the rules number that made a difference for these images.

    An experiment is identified, logged and stored with it: where a newer number gives the same
    images, the hash is the same too.
    """
    return replace(config, rules=dataset.rules)
