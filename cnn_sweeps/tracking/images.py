"""The summary of a run's images: stored with the run, and shown as a table."""

from collections.abc import Mapping
from typing import Any, Final

from cnn_sweeps.data.arrays import DEEPEST
from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.text.table import Table

WHITE: Final = "white_16_bit"
"""The key of what is white in files of 16-bit gray, here and beside a stored model."""


def as_json(dataset: Dataset) -> dict[str, Any]:
    """What was read: images per class and split, and what a person should know of them."""
    return {
        "name": dataset.name,
        "source": dataset.source,
        "image_shape": list(dataset.shape),
        "class_names": list(dataset.class_names),
        "images_per_class": {k: list(v) for k, v in dataset.images_per_class.items()},
        "notices": list(dataset.notices),
        **white_of(dataset.white),
    }


def white_of(white: int) -> dict[str, int]:
    """What is white in files of 16-bit gray, as it is stored: nothing where that is 65535."""
    return {} if white == DEEPEST else {WHITE: white}


def table(stored: Mapping[str, Any]) -> Table:
    """Images per class and split, a row for each class and one for all of them.

    Args:
        stored: what `as_json` gave.
    """
    counts = stored.get("images_per_class", {})
    rows = [
        (str(name), *(f"{split[place]:,}" for split in counts.values()))
        for place, name in enumerate(stored.get("class_names", ()))
    ]
    rows.append(("all", *(f"{sum(split):,}" for split in counts.values())))
    return Table(
        head=("class", *counts),
        rows=tuple(rows),
        text=frozenset({"class"}),
        strong=frozenset({len(rows) - 1}),
    )
