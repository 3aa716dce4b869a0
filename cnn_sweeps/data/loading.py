"""From the `data` config group to a `Dataset`."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cnn_sweeps.config.rules import DATA, least_number
from cnn_sweeps.config.schema import Data, DigitsData, Split
from cnn_sweeps.data import free_memory
from cnn_sweeps.data.arrays import Images, View
from cnn_sweeps.data.dataset import Content, Dataset, digest
from cnn_sweeps.data.notices import notices_of
from cnn_sweeps.data.readers import reader_of
from cnn_sweeps.data.readers.catalog import PUBLISHED
from cnn_sweeps.data.row_file import RowFile
from cnn_sweeps.data.split import divide, refuse_unused
from cnn_sweeps.text.escape import printable

DIVIDES = ("limit", "validation_fraction", "split_seed")
"""Settings that divide images, and that no reader knows."""
MOST_KEPT = 2
"""Data sets that a process keeps."""
_kept: dict[Data, Dataset] = {}


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
    )
    # What was published is known; only a user's own images are looked at.
    own = tuple(notices_of(dataset)) if rules > 1 else ()
    return replace(dataset, notices=tuple(map(printable, (*content.notices, *own))))


def load_cached(config: Data) -> Dataset:
    """The images of a config; the trials of a sweep in one process share them."""
    dataset = _kept.get(config) or load(config)
    keep(config, dataset)
    return dataset


def keep(config: Data, dataset: Dataset) -> None:
    """Let `load_cached` answer with these images; those that were asked for longest ago go."""
    _kept.pop(config, None)
    _kept[config] = dataset  # last, which is forgotten last
    for oldest in list(_kept)[:-MOST_KEPT]:
        _kept.pop(oldest, None)


def in_a_file(dataset: Dataset) -> bool:
    """Whether the images stay in a file of the cache, so that having them takes little."""
    return isinstance(dataset.x_train, View) and isinstance(dataset.x_train.base, RowFile)


@dataclass(frozen=True)
class HandedOver:
    """Decoded image files for another process, which would look at every file again.

    A copy that is made where they are in the cache no more is empty: that process looks.

    Attributes:
        datasets: by their configs.
    """

    datasets: Mapping[Data, Dataset]

    @classmethod
    def kept(cls) -> "HandedOver":
        """What this process keeps, without names of files, which no trial tells."""
        return cls({each: _nameless(found) for each, found in _kept.items() if in_a_file(found)})

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy opens the files itself."""
        return _opened, (pickle.dumps(dict(self.datasets)),)

    def keep(self) -> None:
        """Let `load_cached` answer with them."""
        for config, dataset in self.datasets.items():
            keep(config, dataset)


def _opened(pickled: bytes) -> HandedOver:
    try:
        return HandedOver(pickle.loads(pickled))  # noqa: S301 -- this program's, a moment ago
    except (OSError, ValueError):
        return HandedOver({})


def _nameless(dataset: Dataset) -> Dataset:
    def bare(images: Images) -> Images:
        return replace(images, names=()) if isinstance(images, View) else images

    x_train, x_val, x_test = map(bare, (dataset.x_train, dataset.x_val, dataset.x_test))
    return replace(dataset, x_train=x_train, x_val=x_val, x_test=x_test)


def look_again() -> None:
    """Forget the images of a user's own: their files may have changed since the last call.

    In a notebook one process trains, moves files to another class, and trains again. What was
    published is known by its digest, or comes with a package.
    """
    for config in list(_kept):
        if config.name not in PUBLISHED and not isinstance(config, DigitsData):
            _kept.pop(config, None)


def as_read(config: Data, dataset: Dataset) -> Data:
    """The config with the rules number that made a difference for these images.

    An experiment is identified, logged and stored with it: where a newer number gives the same
    images, the hash is the same too.
    """
    return replace(config, rules=dataset.rules)
