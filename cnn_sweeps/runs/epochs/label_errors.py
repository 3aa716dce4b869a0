"""Which training images have a wrong label, by how a network came to learn them.

The margin of an image is how far the score of its label is above the highest other one. Averaged
over the epochs it is the area under the margin: what a network learns from the other images of a
class pulls a wrongly labelled one away from its label, until it is learnt by heart.

Source: Pleiss et al., "Identifying Mislabeled Data using the Area Under the Margin Ranking",
arXiv 2001.10528.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import Config
from cnn_sweeps.data import Dataset
from cnn_sweeps.data.overview import name_of
from cnn_sweeps.errors import StoreError
from cnn_sweeps.models.build import build_model
from cnn_sweeps.provenance.identity import SHOWN, Identity
from cnn_sweeps.runs.recorded import lineage
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.runs.restore import recorded_images
from cnn_sweeps.training import backend, state, steps
from cnn_sweeps.trajectories.chain import Chain
from cnn_sweeps.trajectories.history import EpochRecord

SMALLEST = 1e-30
"""A score below it counts as this one: its logarithm has to be finite."""


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A training image that may have a wrong label.

    Attributes:
        number: among the training images.
        name: its file, or its number.
        label: the class that it has.
        likely: the class that the network gives it after the last epoch.
        margin: the area under its margin; the lower, the more suspicious.
    """

    number: int
    name: str
    label: str
    likely: str
    margin: float


def find_suspects(record: Record, config: Config, folder: Path) -> tuple[list[Suspect], int]:
    """All training images of a run, the most suspicious first, and how many epochs were looked at.

    Args:
        record: a finished run.
        config: its own, as it is restored here.
        folder: `tracking.dir`, below which trajectories are stored.

    Raises:
        DataError: the images are missing, or are not those of the run.
        StoreError: the weights of its epochs are not stored any more.
    """
    dataset = recorded_images(record, config)
    stored, history = _stored(record, folder)
    backend.configure_backend(config.trainer, config.seed)
    model = build_model(config.model, dataset.shape, dataset.num_classes)
    scores = (_scored(model, dataset, stored, epoch) for epoch in history[: len(record.epochs)])
    margins, last, count = area_under_margin(scores, dataset.y_train)
    if not count:
        raise StoreError(_lost(record.identity))
    return [
        Suspect(
            number=int(number),
            name=name_of(dataset.x_train, "train", int(number)),
            label=dataset.class_names[dataset.y_train[number]],
            likely=dataset.class_names[last[number].argmax()],
            margin=float(margins[number]),
        )
        for number in np.argsort(margins, kind="stable")
    ], count


def area_under_margin(
    scores: Iterator[NDArray[np.floating[Any]] | None], y: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.floating[Any]], int]:
    """The mean margin of each image over epochs, the scores of the last one, and how many.

    The logarithm of a probability differs from the network's score before the softmax by a number
    that is the same for all classes, so their differences are those of the scores.

    Args:
        scores: a probability for each image and class, (n, classes), for each epoch; None for an
            epoch that is lost.
        y: the labels, (n,).
    """
    rows = np.arange(len(y))
    total, count = np.zeros(len(y)), 0
    last: NDArray[np.floating[Any]] = np.zeros((len(y), 0))
    for found in scores:
        if found is None:
            continue
        logs = np.log(np.maximum(found.astype(np.float64), SMALLEST))
        own = logs[rows, y]
        logs[rows, y] = -np.inf
        total, last, count = total + own - logs.max(axis=1), found, count + 1
    return total / max(count, 1), last, count


def _stored(record: Record, folder: Path) -> tuple[Chain, list[EpochRecord]]:
    """The epochs of a run where most are stored, wherever that was trained.

    Raises:
        StoreError: there are none.
    """
    hashes = lineage.hashes_of(record.config, record.identity, record.sources)
    found = lineage.stored(record.config, hashes, folder)
    known = [(chain, chain.history()) for chain in found]
    if not known:
        raise StoreError(_lost(record.identity))
    return max(known, key=lambda each: sum(one.weights is not None for one in each[1]))


def _lost(identity: Identity) -> str:
    return (
        f"the epochs of {identity.config_hash[:SHOWN]} are not stored any more, or never were.\n"
        "  Run its command again to store them; trajectory.max_gb is how much is kept, and\n"
        "  trajectory.epoch_mb=null keeps the weights of every epoch."
    )


def _scored(
    model: Any, dataset: Dataset, stored: Chain, epoch: EpochRecord
) -> NDArray[np.floating[Any]] | None:
    """What the network gives for the training images after an epoch; None where that is lost."""
    weights = stored.weights(epoch)
    if weights is None or not state.fits_model(model, weights):
        return None
    state.restore_model(model, weights)
    return steps.scores(model, dataset.x_train)
