"""How many cores this process may use, which `taskset`, a container or a batch job may limit."""

import math
import os
from collections.abc import Iterator

from cnn_sweeps.data.control_groups import SECOND, groups, told


def cores() -> int:
    """Cores that this process may use; a share of one counts as one."""
    share = cpu_share()
    seen = visible_cores()
    return seen if share is None else max(1, min(seen, math.ceil(share)))


def visible_cores() -> int:
    """Cores that the system may choose among, however little of their time it gives."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_share() -> float | None:
    """Cores' worth of time that the control groups are given; None for no limit.

    So `docker --cpus` and the CPU limits of Kubernetes are set.
    """
    return min(_shares(), default=None)


def _shares() -> Iterator[float]:
    for kind, folder in groups("cpu"):
        if kind == SECOND:
            quota, _, period = told(folder / "cpu.max").partition(" ")
        else:
            quota = told(folder / "cpu.cfs_quota_us")
            period = told(folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal() and int(quota) and int(period):
            yield int(quota) / int(period)
