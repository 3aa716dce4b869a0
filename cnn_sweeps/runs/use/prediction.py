"""Predictions for new pictures: a probability for each class, the least certain first."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.errors import UnreadableFileError
from cnn_sweeps.text.csv import csv_text
from cnn_sweeps.text.format import pluralize
from cnn_sweeps.text.table import Table

if TYPE_CHECKING:
    from PIL import Image

Picture: TypeAlias = "str | Path | Image.Image | NDArray[Any]"
Pictures: TypeAlias = "Picture | Iterable[Picture]"
"""A picture file, a folder of them, a Pillow image, an array; or several of these."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Probabilities of every class for a number of pictures.

    Attributes:
        sources: the file of each picture, or which one it was.
        class_names: in the order of the probabilities.
        probabilities: (n, classes), float64, rows sum to 1.
        unreadable: files that cannot be read, and why; they have no row.
    """

    sources: tuple[str, ...]
    class_names: tuple[str, ...]
    probabilities: NDArray[Any]
    unreadable: tuple[UnreadableFileError, ...] = ()

    def __len__(self) -> int:
        """How many pictures have probabilities."""
        return len(self.sources)

    @property
    def labels(self) -> NDArray[np.intp]:
        """The most probable class of each picture, by its number."""
        labels: NDArray[np.intp] = self.probabilities.argmax(axis=1)
        return labels

    @property
    def classes(self) -> tuple[str, ...]:
        """The most probable class of each picture, by its name."""
        return tuple(self.class_names[label] for label in self.labels)

    @property
    def confidence(self) -> NDArray[Any]:
        """The probability of the most probable class of each picture."""
        highest: NDArray[Any] = self.probabilities.max(axis=1, initial=0)
        return highest

    @cached_property
    def unsure_first(self) -> NDArray[np.intp]:
        """Numbers of the pictures, the least probable prediction first."""
        return np.argsort(self.confidence, kind="stable")

    def top(self, number: int, count: int) -> list[tuple[str, float]]:
        """The most probable classes of one picture, each with its probability."""
        row = self.probabilities[number]
        best = np.argsort(-row, kind="stable")[:count]
        return [(self.class_names[label], float(row[label])) for label in best]

    def table(self, count: int) -> Table:
        """A row for each picture, the unsure ones first, with its most probable classes."""
        count = min(count, len(self.class_names))
        rows = []
        for number in self.unsure_first:
            cells = [self.sources[number]]
            for name, share in self.top(number, count):
                cells += [name, f"{share:.1%}"]
            rows.append(tuple(cells))
        return Table(head=_head(count), rows=tuple(rows), text=_text(count), folded=True)

    def records(self, count: int) -> list[dict[str, Any]]:
        """The same as plain values; files that cannot be read have an `error`."""
        made: list[dict[str, Any]] = []
        for number in self.unsure_first:
            best = self.top(number, count)
            made.append(
                {
                    "file": self.sources[number],
                    "class": best[0][0],
                    "probability": best[0][1],
                    "top": [{"class": name, "probability": share} for name, share in best],
                }
            )
        faults = [{"file": str(each.path), "error": str(each)} for each in self.unreadable]
        return [*made, *faults]

    def to_csv(self, count: int) -> str:
        """The same as RFC 4180 has it, probabilities as numbers from 0 to 1."""
        head = _head(min(count, len(self.class_names)))
        cells = (
            (self.sources[number], *chain.from_iterable(self.top(number, count)))
            for number in self.unsure_first
        )
        return csv_text(head, (dict(zip(head, row, strict=True)) for row in cells))

    def right(self) -> str | None:
        """How many are right, where every file lies in a folder that is named after a class.

        The folder is the one that was typed, also where it or the file is a link to elsewhere.
        """
        folders = [Path(os.path.abspath(source)).parent.name for source in self.sources]
        if not folders or not {*folders} <= {*self.class_names}:
            return None
        right = sum(map(str.__eq__, folders, self.classes))
        pictures = f"{pluralize(len(folders), 'picture')} ({right / len(folders):.1%})"
        return f"{right:,} of {pictures} match the class of their folder"


def _head(count: int) -> tuple[str, ...]:
    """The names of the columns for so many classes."""
    ranks = ["", *(f"_{rank}" for rank in range(2, count + 1))]
    return ("file", *(name + rank for rank in ranks for name in ("class", "probability")))


def _text(count: int) -> frozenset[str]:
    return frozenset(name for name in _head(count) if not name.startswith("probability"))
