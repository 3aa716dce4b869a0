"""Which images are held out: class by class, and the same ones for ever.

`RandomState` draws the images because its stream is frozen (NEP 19); `Generator` may give
other numbers with the next release of NumPy, and every stored split would change.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.config.schema import Split
from cnn_sweeps.data.arrays import Images, Labels, pick
from cnn_sweeps.data.dataset import Content
from cnn_sweeps.errors import ConfigError, DataError

FEWEST = 2
"""Images of a class of which one can be held out."""
NONE_HELD = {"data.validation_fraction": ", or type data.validation_fraction=0"}
"""How nothing is held out, where that is possible."""


@dataclass(frozen=True, kw_only=True)
class Division:
    """Training images and labels, and those held out for validation.

    Attributes:
        x_train: uint8, (n, height, width, channels).
        y_train: int64, (n,).
        x_val: of the same form; n may be 0.
        y_val: their labels.
        rules: the lowest `data.rules` that divides in just this way.
    """

    x_train: Images
    y_train: Labels
    x_val: Images
    y_val: Labels
    rules: int = 1


def divide(content: Content, config: Split, rules: int = 1) -> Division:
    """Divide the training images, unless the user brings validation images.

    `limit` is applied first: a small experiment is the same as one on a small data set.

    Args:
        content: the images.
        config: how they are divided.
        rules: the `data.rules` to go by.

    Raises:
        DataError: a class would have no training image, or validation no image.
        ConfigError: a setting has no effect beside the user's own validation images.
    """
    limit = slice(config.limit)
    x, y = pick(content.x_train, limit), content.y_train[limit]
    _complete(content, y, config.limit)
    if content.x_val is not None and content.y_val is not None:
        for option in ("validation_fraction", "split_seed"):
            refuse_unused(config, option, f"{content.source} has its own validation images")
        return Division(x_train=x, y_train=y, x_val=content.x_val, y_val=content.y_val, rules=rules)
    if config.validation_fraction == 0:
        return Division(x_train=x, y_train=y, x_val=pick(x, slice(0)), y_val=y[:0])
    fraction, option = config.validation_fraction, "data.validation_fraction"
    groups = None if content.groups is None else content.groups[limit]
    seed = config.split_seed
    held = hold_out(y, fraction, seed=seed, option=option, rules=rules, groups=groups)
    first = hold_out(y, fraction, seed=config.split_seed, option=option)
    return Division(
        x_train=pick(x, ~held),
        y_train=y[~held],
        x_val=pick(x, held),
        y_val=y[held],
        rules=rules if (held != first).any() else 1,
    )


def refuse_unused(config: Split, option: str, reason: str) -> None:
    """Refuse a setting that would have no effect, where it is not at its default.

    Raises:
        ConfigError: with the reason.
    """
    value = getattr(config, option)
    (default,) = (field.default for field in fields(config) if field.name == option)
    if value != default:
        raise ConfigError(f"data.{option}={value} has no effect: {reason}. Leave it out.")


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


def hold_out(
    y: Labels,
    fraction: float,
    *,
    seed: int,
    option: str,
    rules: int = 1,
    groups: NDArray[np.str_] | None = None,
) -> NDArray[np.bool_]:
    """Mark the share of the images that is held out, in proportion to the classes.

    From the second rules on every class with two images or more has one that is held out, even if
    the share is exceeded by it.

    Args:
        y: labels from 0, every class present.
        fraction: share to hold out, over 0 and under 1.
        seed: which images; the same seed marks the same ones on every machine.
        option: name of the setting, for messages.
        rules: the `data.rules` to go by.
        groups: one for each image, none of which is divided; None where there are none.

    Raises:
        DataError: no image would be held out, or a class would have none left.
    """
    counts = np.bincount(y)
    total = round(len(y) * fraction)
    if counts.max() < FEWEST:
        raise DataError(
            f"{option}={fraction} of {len(y)} images: every class needs two images or more, one "
            f"of which is held out, and none has them; add images{NONE_HELD.get(option, '')}."
        )
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
    if groups is not None:
        return _whole_groups(y, groups, fraction, seed=seed, option=option)
    least = np.minimum(counts - 1, 1 if rules > 1 else 0)
    rng = np.random.RandomState(seed)
    held = np.zeros(len(y), dtype=np.bool_)
    for label, share in enumerate(_shares(counts, fraction, total, least)):
        held[rng.permutation(np.flatnonzero(y == label))[:share]] = True
    return held


def _whole_groups(
    y: Labels, groups: NDArray[np.str_], fraction: float, *, seed: int, option: str
) -> NDArray[np.bool_]:
    """Mark whole groups, so that each class is held out in proportion as nearly as they allow.

    The groups come in a random order, large ones first; one is held out where that brings the
    counts of the classes nearer to what is wanted, and no class loses its last training image.

    Raises:
        DataError: no group can be held out.
    """
    names, numbers = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), y.max() + 1))
    np.add.at(counts, (numbers, y), 1)
    order = np.random.RandomState(seed).permutation(len(names))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    wanted, left = counts.sum(axis=0) * fraction, counts.sum(axis=0)
    chosen = np.zeros(len(names), dtype=np.bool_)
    for group in order:
        own = counts[group]
        nearer = ((wanted - own) ** 2).sum() < (wanted**2).sum()
        if nearer and (left - own > 0).all():
            chosen[group], wanted, left = True, wanted - own, left - own
    if not chosen.any():
        raise DataError(
            f"{option}={fraction}: none of {len(names)} groups can be held out, since each is too "
            f"large a share of the images, or the last of a class; use a greater {option} or "
            "smaller groups."
        )
    return chosen[numbers]


def _shares(
    counts: NDArray[np.intp], fraction: float, total: int, least: NDArray[np.intp]
) -> NDArray[np.intp]:
    """How many of each class: the largest-remainder method, never a whole class."""
    quota = counts * fraction
    shares = np.clip(quota.astype(np.intp), least, counts - 1)
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
