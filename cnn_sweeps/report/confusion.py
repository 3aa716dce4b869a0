"""The confusion matrix of a page: a table, whose numbers can be read and copied."""

import math
from dataclasses import dataclass
from typing import Final

from cnn_sweeps.evaluation.evaluation import Evaluation

MOST_CELLS: Final = 20
"""Up to so many classes the matrix is a table; of more the most frequent mistakes and a picture."""
RIGHT: Final = "0 114 178"
WRONG: Final = "213 94 0"
"""Blue and orange, which colour-blind readers tell apart, as red, green and blue."""
STRONGEST: Final = 0.4
"""How far a colour covers the page, white or dark, so that its text is read on both."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Images of one class that were taken for a class.

    Attributes:
        count: how many; empty for none.
        share: of the true class.
        right: whether it is the true one.
        colour: behind the text, as CSS has it.
    """

    count: str
    share: str
    right: bool
    colour: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One true class.

    Attributes:
        name: of the class.
        cells: one for each predicted class.
    """

    name: str
    cells: tuple[Cell, ...]


def rows(found: Evaluation) -> list[Row]:
    """The rows of the table; none where there are too many classes for one."""
    if len(found.classes) > MOST_CELLS:
        return []
    shares = [[count / max(sum(row), 1) for count in row] for row in found.confusion]
    most = max(
        (share for r, row in enumerate(shares) for c, share in enumerate(row) if r != c), default=0
    )
    return [
        Row(
            name=each.name,
            cells=tuple(
                _cell(
                    found.confusion[r][c], shares[r][c], most, right=r == c, known=each.support > 0
                )
                for c in range(len(shares))
            ),
        )
        for r, each in enumerate(found.classes)
    ]


def _cell(count: int, share: float, most: float, *, right: bool, known: bool) -> Cell:
    # The root lifts what is small: one mistake in a hundred is still to be seen.
    strength = share if right else math.sqrt(share / (most or 1))
    return Cell(
        count=f"{count:,}" if count or (right and known) else "",
        share=f"{share:.1%}".replace("100.0%", "100%"),
        right=right,
        colour=f"rgb({RIGHT if right else WRONG} / {STRONGEST * strength:.2f})",
    )
