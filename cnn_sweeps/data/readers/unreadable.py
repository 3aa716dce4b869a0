"""Many image files that cannot be read, told in two lines: kinds, how many, the first ten."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from cnn_sweeps.errors import UnreadableImageError

MOST_NAMED = 10
SKIP = "data.skip_unreadable=true"


def refusal(faults: Mapping[str, UnreadableImageError], folder: Path, total: int) -> str:
    """Why a folder is refused, and what to do.

    Args:
        faults: by file.
        folder: that the user named.
        total: files in it, these among them.
    """
    if len(faults) == 1:
        (fault,) = faults.values()
        return f"{str(fault).removesuffix('.')}, or type {SKIP} to leave it out."
    remedies = Counter(fault.remedy for fault in faults.values())
    remedy = next(iter(remedies)) if len(remedies) == 1 else "fix or remove them"
    return (
        f"{len(faults):,} of {total:,} files in {folder} cannot be read as images: "
        f"{_kinds(faults)}; {remedy.replace(' it', ' them', 1)}, or type {SKIP} to leave them "
        f"out.\n  {_first(faults, folder)}"
    )


def skipped_notice(faults: Mapping[str, UnreadableImageError], folder: Path, total: int) -> str:
    """A sentence for the record: what was left out."""
    return (
        f"{len(faults):,} of {total:,} files were left out, since they cannot be read as images: "
        f"{_kinds(faults)}: {_first(faults, folder)}."
    )


def _kinds(faults: Mapping[str, UnreadableImageError]) -> str:
    """What is wrong, the most frequent first; what follows a colon differs from file to file."""
    kinds = Counter(fault.kind.partition(":")[0] for fault in faults.values())
    return ", ".join(f"{kind} ({count:,})" for kind, count in kinds.most_common())


def _first(faults: Mapping[str, UnreadableImageError], folder: Path) -> str:
    names = [os.path.relpath(path, folder) for path in sorted(faults, key=Path)]
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
