"""How people call the parts of a data set: folders, arrays and files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

SplitName = Literal["train", "validation", "test"]

FOLDERS: Final[dict[SplitName, tuple[str, ...]]] = {
    "train": ("train", "training", "train_set", "training_set"),
    "validation": ("val", "valid", "validation", "val_set", "validation_set"),
    "test": ("test", "testing", "test_set", "testing_set"),
}
"""Names of folders, in small letters."""
VALIDATION_SUFFIXES: Final = ("val", "valid", "validation")
"""What stands behind `x_` and `y_`, or in front of `-images` and `-labels`."""


def split_of(folder_name: str) -> SplitName | None:
    """The part that a folder is called after, in any case; None for any other name."""
    known = folder_name.lower().replace("-", "_").replace(" ", "_")
    return next((split for split, names in FOLDERS.items() if known in names), None)


def not_read(where: Path, names: Sequence[str]) -> tuple[str, ...]:
    """A sentence that names what lies beside the parts of a data set; none where nothing does."""
    return (f"{where} also holds {', '.join(names)}: not read.",) if names else ()
