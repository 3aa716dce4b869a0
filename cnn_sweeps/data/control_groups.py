"""The control groups of this process: what a container or a batch job is given of the machine.

psutil does not know them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

GROUPS = Path("/proc/self/cgroup")
"""The control groups of this process."""
TREE = Path("/sys/fs/cgroup")
"""Where the limits of the groups stand."""
SECOND: Final = ""
"""Stands for version 2, where all controllers have the same groups."""


def groups(controller: str) -> Iterator[tuple[str, Path]]:
    """The folders of the groups that limit this process, and of those around them.

    Args:
        controller: `memory` or `cpu`.

    Yields:
        The controller in version 1 or `SECOND`, and a folder.
    """
    for line in told(GROUPS).splitlines():
        _, controllers, path = line.split(":", 2)
        kind = next((each for each in (SECOND, controller) if each in controllers.split(",")), None)
        if kind is None:
            continue
        group = TREE / kind / path.strip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(TREE / kind):
                yield kind, folder


def told(file: Path) -> str:
    """What a file of the system says; empty where it is not there."""
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
