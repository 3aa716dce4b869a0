"""Data sets that a process keeps in memory between calls, and hands over to other processes."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from cnn_sweeps.config.schema import Data, DigitsData
from cnn_sweeps.data import loading
from cnn_sweeps.data.arrays import Images, View
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.data.readers.catalog import PUBLISHED
from cnn_sweeps.data.row_file import RowFile

MOST_KEPT = 2
"""Data sets that a process keeps."""
FEW = 1 << 26
"""Bytes of images in memory that are handed over: reading and checking archives takes ten times as
long as a copy, and of more than that each process would have one too many."""
_kept: dict[Data, Dataset] = {}


def load_cached(config: Data) -> Dataset:
    """The images of a config; the trials of a sweep in one process share them."""
    dataset = _kept.get(config) or _kept_as_read(config) or loading.load(config)
    keep(config, dataset)
    return dataset


def _kept_as_read(config: Data) -> Dataset | None:
    """The images of a config that was stored with a run: with the rules number that counted."""
    same = (found for asked, found in _kept.items() if loading.as_read(asked, found) == config)
    return next(same, None)


def keep(config: Data, dataset: Dataset) -> None:
    """Let `load_cached` answer with these images; those that were asked for longest ago go."""
    _kept.pop(config, None)
    _kept[config] = dataset  # last, which is forgotten last
    for oldest in list(_kept)[:-MOST_KEPT]:
        _kept.pop(oldest, None)


def take_little(dataset: Dataset) -> bool:
    """Whether the images stay in a file of the cache, or are few, so that having them is cheap."""
    if isinstance(dataset.x_train, View) and isinstance(dataset.x_train.base, RowFile):
        return True
    parts = (dataset.x_train, dataset.x_val, dataset.x_test)
    return sum(len(part) * prod(part.shape[1:]) for part in parts) <= FEW


@dataclass(frozen=True)
class HandedOver:
    """Images for another process, which would read and check their files again.

    A copy that is made where decoded files are in the cache no more is empty: that process looks.

    Attributes:
        datasets: by their configs.
    """

    datasets: Mapping[Data, Dataset]

    @classmethod
    def kept(cls) -> "HandedOver":
        """What this process keeps, without names of files, which no trial tells."""
        return cls({each: _nameless(found) for each, found in _kept.items() if take_little(found)})

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
