"""Notices about a data set: absent classes, copies across splits, black images."""

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from cnn_sweeps.data.arrays import DARK, MOST_CHANNELS, Images, View, nearly_black
from cnn_sweeps.data.dataset import Dataset

COLOURS = (1, 3)
"""Channels of gray and of coloured images."""
MOST_NAMED = 5
"""Classes that are told one by one."""
PRINT = np.dtype("V16")
"""What stands for an image."""


def notices_of(dataset: Dataset) -> Iterator[str]:
    """A sentence for each split without a class, and for each that shares images with another.

    And for what may have been read in another way than it was meant: channels, black images.
    """
    height, width, channels = dataset.shape
    if channels > MOST_CHANNELS or (height in COLOURS and channels not in COLOURS):
        yield (
            f"The images are read as {height} x {width} pixels of {channels} channels; if channels "
            "come first, x = np.moveaxis(x, 1, -1)."
        )
    counts = dataset.images_per_class
    for split in ("validation", "test"):
        absent = [
            f"{name} ({total} for training)"
            for name, count, total in zip(
                dataset.class_names, counts[split], counts["train"], strict=True
            )
            if not count
        ]
        if absent and any(counts[split]):
            yield f"The {split} split has no image of {_listed(absent)}."
    images = {"training": dataset.x_train, "validation": dataset.x_val, "test": dataset.x_test}
    # Image files are looked at when they are decoded, not whenever they are mapped.
    arrays = [x for x in images.values() if not isinstance(x, View)]
    if dark := sum(int((x.max(axis=(1, 2, 3), initial=0) <= DARK).sum()) for x in arrays):
        yield nearly_black(dark, sum(map(len, images.values())))
    prints = {split: fingerprints(x) for split, x in images.items()}
    for split, other in (("validation", "training"), ("test", "training"), ("test", "validation")):
        if copies := int(np.isin(prints[split], prints[other]).sum()):
            yield (
                f"{copies:,} of {len(prints[split]):,} {split} images are exact copies of "
                f"{other} images."
            )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def fingerprints(images: Images) -> NDArray[np.void]:
    """16 bytes for each image, (n,); equal images have equal ones."""
    if isinstance(images, View):
        return images.prints[images.places].view(PRINT).ravel()
    found = [blake2b(image.tobytes(), digest_size=PRINT.itemsize).digest() for image in images]
    return np.array(found, dtype=PRINT)
