"""How much memory is free: of the machine, and of what a container or a batch job is given."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

GROUPS = Path("/proc/self/cgroup")
"""The control groups of this process."""
TREE = Path("/sys/fs/cgroup")
"""Where the limits of the groups stand; psutil does not know them."""
FILES = {
    "": ("memory.max", "memory.current", ("inactive_file", "active_file")),
    "memory": (
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        ("total_inactive_file", "total_active_file"),
    ),
}
"""Versions 2 and 1 of control groups: limit, what is used, and what of that is a cache of files."""


def free_bytes() -> float | None:
    """Bytes that this process may still take; None where the system does not tell."""
    import psutil  # noqa: PLC0415 -- most commands never ask

    left = list(_left())
    with suppress(OSError):  # a container without /proc
        left.append(psutil.virtual_memory().available)
    return float(max(min(left), 0)) if left else None


def _left() -> Iterator[int]:
    """What each control group leaves that has a limit."""
    for line in _read(GROUPS).splitlines():
        _, controllers, path = line.split(":", 2)
        kind = next((each for each in FILES if each in controllers.split(",")), None)
        if kind is None:
            continue
        most, used, cached = FILES[kind]
        group = TREE / kind / path.strip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(TREE / kind) and (limit := _read(folder / most)).isdecimal():
                taken = int(_read(folder / used) or 0) - _cache(folder, cached)
                yield int(limit) - taken


def _cache(folder: Path, names: tuple[str, ...]) -> int:
    """Bytes of files in memory, which the system gives back when they are needed."""
    stat: Mapping[str, str] = dict(
        line.split() for line in _read(folder / "memory.stat").splitlines()
    )
    return sum(int(stat.get(name, 0)) for name in names)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
