"""Where a benchmark runs, without which its seconds mean nothing."""

import os

import psutil

from cnn_sweeps.provenance.environment import Environment

MIB = 1024**2


def describe() -> str:
    """Cores, processor, Python and the packages that matter, in one line."""
    here = Environment.capture(threads=0, deterministic=True)
    versions = " ".join(f"{name} {number}" for name, number in here.packages.items())
    return f"{here.cpu_count} cores, {here.cpu}, Python {here.python}, {versions}"


def load() -> float:
    """Processes that wanted a core over the last minute, on average."""
    return os.getloadavg()[0]


def busy_seconds() -> float:
    """What all cores together have worked since the machine was started, whoever it was for."""
    times = psutil.cpu_times()
    return float(times.user + times.system)


def resident_mb() -> float:
    """Memory that this process holds now, in MiB."""
    return float(psutil.Process().memory_info().rss) / MIB
