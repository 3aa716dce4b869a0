"""What a person should know of a data set, and would not see in its scores."""

from collections.abc import Iterator
from hashlib import blake2b

from cnn_sweeps.data.arrays import Images, View
from cnn_sweeps.data.dataset import Dataset

MOST_NAMED = 5
"""Classes that are told one by one."""


def notices_of(dataset: Dataset) -> Iterator[str]:
    """A sentence for each split without a class, and for each that shares images with another."""
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
    prints = {split: fingerprints(x) for split, x in images.items()}
    for split, other in (("validation", "training"), ("test", "training"), ("test", "validation")):
        known = set(prints[other])
        if copies := sum(each in known for each in prints[split]):
            yield (
                f"{copies:,} of {len(prints[split]):,} {split} images are exact copies of "
                f"{other} images."
            )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def fingerprints(images: Images) -> list[bytes]:
    """16 bytes for each image; equal images have equal ones."""
    if isinstance(images, View):
        return [each.tobytes() for each in images.prints[images.places]]
    return [blake2b(image.tobytes(), digest_size=16).digest() for image in images]
