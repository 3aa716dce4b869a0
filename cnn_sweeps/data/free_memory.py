"""How much memory is free: of the machine, and of what a container or a batch job is given.

And how often the system has ended a process for want of it.
"""

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from cnn_sweeps.data.control_groups import groups, told

FILES = {
    "": ("memory.max", "memory.current", ("inactive_file", "active_file")),
    "memory": (
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        ("total_inactive_file", "total_active_file"),
    ),
}
"""Versions 2 and 1 of control groups: limit, what is used, and what of that is a cache of files."""
KILLS = {"": "memory.events", "memory": "memory.oom_control"}
"""Where each version counts the processes that were killed because memory ran low."""
MACHINE_KILLS = Path("/proc/vmstat")
"""The same for the whole machine."""


def free_bytes() -> float | None:
    """Bytes that this process may still take; None where the system does not tell."""
    import psutil  # noqa: PLC0415 -- most commands never ask

    left = list(_left())
    with suppress(OSError):  # a container without /proc
        left.append(psutil.virtual_memory().available)
    return float(max(min(left), 0)) if left else None


def limit() -> int | None:
    """Bytes that this process's control groups are given in all; None where there is no limit."""
    limits = (told(folder / FILES[kind][0]) for kind, folder in groups("memory"))
    return min((int(each) for each in limits if each.isdecimal()), default=None)


def give_back() -> None:
    """Let the system have the memory of what this process has freed, where its C library can."""
    with suppress(OSError, AttributeError):  # of glibc alone
        ctypes.CDLL(None).malloc_trim(0)


def kills() -> int:
    """Processes that the system has killed because memory ran low, in this process's control group.

    On the whole machine where no group counts them.
    """
    counts = [_oom_kills(folder / KILLS[kind]) for kind, folder in groups("memory")]
    return next((count for count in (*counts, _oom_kills(MACHINE_KILLS)) if count is not None), 0)


def _oom_kills(file: Path) -> int | None:
    pairs = (line.partition(" ")[::2] for line in told(file).splitlines())
    return next((int(count) for name, count in pairs if name == "oom_kill"), None)


def _left() -> Iterator[int]:
    """What each control group leaves that has a limit."""
    for kind, folder in groups("memory"):
        most, used, cached = FILES[kind]
        if (given := told(folder / most)).isdecimal():
            yield int(given) - int(told(folder / used) or 0) + _cache(folder, cached)


def _cache(folder: Path, names: tuple[str, ...]) -> int:
    """Bytes of files in memory, which the system gives back when they are needed."""
    stat: Mapping[str, str] = dict(
        line.split() for line in told(folder / "memory.stat").splitlines()
    )
    return sum(int(stat.get(name, 0)) for name in names)
