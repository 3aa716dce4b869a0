"""Rules numbers: which version of a behaviour an experiment was made with.

A behaviour that changed under unchanged fields would give an old hash another result. So it
stands in the config as a number. 1 is what the first version did, and is what every record
without a number means; new experiments get the newest. Old numbers stay runnable.

A number counts for the hash only where it makes a difference for the data at hand. Which kinds
of data it can make one for is told here, before anything is read; whether it did for just these
images is told by the reader (`Dataset.rules`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Rules:
    """One version of a behaviour.

    Attributes:
        number: from 1, without a gap.
        changed: what is done in another way than under the number before.
        kinds: options of the config group for which that can make a difference.
    """

    number: int
    changed: str
    kinds: frozenset[str]


DATA: Final = (
    Rules(
        number=1,
        changed="images are read, scaled and split as in the first version",
        kinds=frozenset(),
    ),
    Rules(
        number=2,
        changed="the user's own validation images are the validation split; every class is in "
        "each split, and its name in the digest; 16-bit images are scaled by their range, and "
        "black ones refused; image files are named by their own digests, not by their pixels",
        kinds=frozenset({"image_folder", "table", "idx", "npz"}),
    ),
)
"""`data.rules`: how images are read, scaled, split and counted into the digest."""

AUGMENT: Final = (
    Rules(
        number=1,
        changed="RandAugment draws from twelve operations",
        kinds=frozenset(),
    ),
    Rules(
        number=2,
        changed="RandAugment draws from the fourteen of its paper, equalize and sharpness too",
        kinds=frozenset({"randaugment"}),
    ),
)
"""`augment.rules`: what is done to images in training; hashed where RandAugment is on."""

SPELLING: Final = (
    Rules(
        number=1,
        changed="values are hashed as they were typed",
        kinds=frozenset(),
    ),
    Rules(
        number=2,
        changed="values that mean the same are written in one way, see `config.spelling`",
        kinds=frozenset(),
    ),
)
"""`rules`: how values are written that can be typed in several ways; never hashed itself."""


def newest_number(known: Sequence[Rules]) -> int:
    """The number that a new experiment gets."""
    return known[-1].number


def least_number(known: Sequence[Rules], number: int, kind: str) -> int:
    """The lowest number under which this kind behaves as it does under the given one.

    Args:
        known: all versions of the behaviour.
        number: the one that a config names.
        kind: the option of the config group, such as `digits`.
    """
    return max([1, *(r.number for r in known if r.number <= number and kind in r.kinds)])
