"""The points that every contender trains."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

LIMIT = 10_000
"""Images of Fashion-MNIST that are used, the first ones of the training set."""
VALIDATION_FRACTION = 0.2
"""Share of them that is held out, class by class."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One network and how long it is trained.

    Attributes:
        filters: of each convolution.
        conv_blocks: blocks of convolution and pooling.
        epochs: passes over the training images.
    """

    filters: int
    conv_blocks: int
    epochs: int


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Every combination of these values.

    Attributes:
        filters: of each convolution.
        conv_blocks: blocks of convolution and pooling.
        epochs: passes over the training images.
    """

    filters: tuple[int, ...]
    conv_blocks: tuple[int, ...]
    epochs: tuple[int, ...]

    def __iter__(self) -> Iterator[Point]:
        for filters, conv_blocks, epochs in product(self.filters, self.conv_blocks, self.epochs):
            yield Point(filters=filters, conv_blocks=conv_blocks, epochs=epochs)

    def __len__(self) -> int:
        return len(self.filters) * len(self.conv_blocks) * len(self.epochs)

    def overrides(self, names: Mapping[str, str]) -> list[str]:
        """Hydra's overrides for the grid; a single value is set, not swept.

        Args:
            names: for each field of a point, what the application calls it.
        """
        values = {field: map(str, getattr(self, field)) for field in names}
        return [f"{name}={','.join(values[field])}" for field, name in names.items()]


GRIDS: Mapping[str, Grid] = {
    "all": Grid(filters=(16, 32, 64), conv_blocks=(1, 2, 3), epochs=(1, 2, 4)),
    "epochs": Grid(filters=(16, 32, 64), conv_blocks=(1, 2, 3), epochs=tuple(range(1, 11))),
    "small": Grid(filters=(16,), conv_blocks=(1, 2), epochs=(1,)),
}
"""What `--points` can be."""
