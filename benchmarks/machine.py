"""Where a benchmark runs, without which its seconds mean nothing."""

import os
import resource
import sys
from pathlib import Path

from cnn_sweeps.provenance.environment import Environment

STATM = Path("/proc/self/statm")
MIB = 1024**2


def describe() -> str:
    """Cores, processor, Python and the packages that matter, in one line."""
    here = Environment.capture(threads=0, deterministic=True)
    versions = " ".join(f"{name} {number}" for name, number in here.packages.items())
    return f"{here.cpu_count} cores, {here.cpu}, Python {here.python}, {versions}"


def load() -> float:
    """Processes that wanted a core over the last minute, on average."""
    return os.getloadavg()[0]


def resident_mb() -> float:
    """Memory that this process holds now, in MiB; the most it has held where Linux is not."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MIB if sys.platform == "darwin" else 1024)
