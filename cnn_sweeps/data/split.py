"""Which images are held out: class by class, and the same ones for ever.

`RandomState` draws the images because its stream is frozen (NEP 19); `Generator` may give
other numbers with the next release of NumPy, and every stored split would change.
"""

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import Split
from cnn_sweeps.data.arrays import Images, Labels
from cnn_sweeps.data.dataset import Content
from cnn_sweeps.errors import DataError

Halves = tuple[Images, Labels, Images, Labels]


def divide(content: Content, config: Split) -> Halves:
    """Training images and labels, then those held out for validation.

    `limit` is applied first: a small experiment is the same as one on a small data set.

    Raises:
        DataError: a class would have no training image, or validation no image.
    """
    x, y = content.x_train[: config.limit], content.y_train[: config.limit]
    _complete(content, y, config.limit)
    if config.validation_fraction == 0:
        return x, y, x[:0], y[:0]
    held = hold_out(
        y, config.validation_fraction, seed=config.split_seed, option="data.validation_fraction"
    )
    return x[~held], y[~held], x[held], y[held]


def _complete(content: Content, y: Labels, limit: int | None) -> None:
    """Refuse a limit that leaves out a class."""
    classes = len(content.class_names)
    absent = np.flatnonzero(np.bincount(y, minlength=classes) == 0)
    if len(absent):
        _, first = np.unique(content.y_train, return_index=True)
        raise DataError(
            f"data.limit={limit} leaves no training image of class "
            f"'{content.class_names[absent[0]]}'; use data.limit={first.max() + 1} or more."
        )


def hold_out(y: Labels, fraction: float, *, seed: int, option: str) -> NDArray[np.bool_]:
    """Mark the share of the images that is held out, in proportion to the classes.

    Args:
        y: labels from 0, every class present.
        fraction: share to hold out, over 0 and under 1.
        seed: which images; the same seed marks the same ones on every machine.
        option: name of the setting, for messages.

    Raises:
        DataError: no image would be held out, or a class would have none left.
    """
    counts = np.bincount(y)
    total = round(len(y) * fraction)
    if total == 0:
        raise DataError(
            f"{option}={fraction} of {len(y)} images is none; use {_up(1 / len(y))} or more."
        )
    most = len(y) - len(counts)
    if total > most:
        raise DataError(
            f"{option}={fraction} of {len(y)} images leaves a class without a training image; "
            f"{_at_most(most / len(y))}."
        )
    rng = np.random.RandomState(seed)
    held = np.zeros(len(y), dtype=np.bool_)
    for label, share in enumerate(_shares(counts, fraction, total)):
        held[rng.permutation(np.flatnonzero(y == label))[:share]] = True
    return held


def _shares(counts: NDArray[np.intp], fraction: float, total: int) -> NDArray[np.intp]:
    """How many of each class: the largest-remainder method, never a whole class."""
    quota = counts * fraction
    shares = np.minimum(quota.astype(np.intp), counts - 1)
    order = np.argsort(shares - quota, kind="stable")
    while missing := max(total - int(shares.sum()), 0):
        room = [label for label in order if shares[label] < counts[label] - 1]
        shares[room[:missing]] += 1
    return shares


def _up(share: float) -> float:
    """A share rounded up to three digits, so that it serves when typed."""
    return float(np.ceil(share * 1000) / 1000)


def _at_most(share: float) -> str:
    """The largest share that serves, or that no share does."""
    floor = float(np.floor(share * 1000) / 1000)
    return f"use {floor} or less" if floor > 0 else "every class needs two images or more"
