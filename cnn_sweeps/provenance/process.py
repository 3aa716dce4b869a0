"""The process that owns a running trial, and whether it is still alive."""

import hashlib
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import psutil

LEASE_SECONDS = 25.0
"""Seconds after which a process on another host that gave no sign of life counts as dead."""
BEAT = 5.0
"""Seconds between two heartbeats."""
FIRST_NUMBERING: Final = "pid:[4026531836]"
"""The process numbers outside of every container; Linux's `PROC_PID_INIT_INO`."""
ENDED: Final = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
GRACE = 20.0
"""Seconds that a claimed trial may be without an owner: its worker is about to say so."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process, named so that another one with the same number is not taken for it.

    Attributes:
        host: name of the host and of its current boot; in a container with process numbers of
            its own, these as well.
        pid: process number there.
        started: when the process started, as its host tells it.
        machine: the machine through all of its boots; empty where that is not known.
    """

    host: str
    pid: int
    started: str
    machine: str = ""

    @classmethod
    def here(cls) -> "Owner":
        """This process."""
        started = _start_of(os.getpid()) or ""
        return cls(host=this_host(), pid=os.getpid(), started=started, machine=this_machine())

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Owner":
        """The owner that was stored."""
        known = {name: plain[name] for name in ("host", "pid", "started")}
        return cls(**known, machine=plain.get("machine", ""))  # earlier versions have not said it

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be stored with a trial; without a machine as earlier versions did."""
        return {name: value for name, value in asdict(self).items() if value or name != "machine"}

    @property
    def is_here(self) -> bool:
        """Whether the process, dead or alive, is one that can be looked at from this one."""
        return self.host == this_host() and not _is_hidden(self.pid)

    @property
    def ended_with_a_boot(self) -> bool:
        """Whether its machine is this one, and was started again since.

        A copy of a machine may have its identity; its name as well would be an odd one.
        """
        then, now = self.host.split(":")[:2], this_host().split(":")[:2]
        same = self.machine == this_machine() and then[0] == now[0]
        return bool(self.machine) and same and then != now

    def lives(self, beat: float | None) -> bool:
        """Whether the process still runs, at a single look.

        Args:
            beat: its last heartbeat (seconds since 1970, by the clock of its host); counts where
                the process cannot be looked at. Who can wait compares heartbeats instead, so that
                clocks that differ do no harm: `sweeps.study.heartbeat.Watch`.
        """
        if self.is_here:
            return _start_of(self.pid) == self.started
        return beat is not None and time.time() - beat < LEASE_SECONDS


@cache
def this_host() -> str:
    """Host name and boot: after a restart, nothing that ran before can still run.

    Containers may share both and yet number their processes each for itself (pid_namespaces(7)).
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    named = f"{socket.gethostname()}:{boot.read_text()[:8] if boot.exists() else ''}"
    with suppress(OSError):  # there are none on this system
        numbering = str(Path("/proc/self/ns/pid").readlink())
        return named if numbering == FIRST_NUMBERING else f"{named}:{numbering}"
    return named


@cache
def this_machine() -> str:
    """What tells a machine apart through all of its boots; empty in most containers.

    Its identity itself is nobody's business: machine-id(5).
    """
    with suppress(OSError):
        if told := Path("/etc/machine-id").read_text().strip():
            return hashlib.sha256(f"cnn_sweeps {told}".encode()).hexdigest()[:12]
    return ""


def _is_hidden(pid: int) -> bool:
    """Whether a process is there of which nothing else is told.

    Where many work on one machine, those of other users often are: `hidepid` in proc(5).
    """
    if _start_of(pid) is not None:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _start_of(pid: int) -> str | None:
    """When a process of this host started; None when it has ended (a zombie has ended)."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            if process.status() in ENDED:
                return None
            created = process.create_time()
        if not psutil.LINUX:
            return time.ctime(created)  # as `ps -o lstart=` writes it, which was asked before
        # Clock ticks since boot, as the kernel has it (proc(5)) and as every version has stored
        # it. psutil adds the time of the boot, which moves whenever the clock is set: a worker
        # would look like another process.
        return str(round((created - psutil.boot_time()) * os.sysconf("SC_CLK_TCK")))
    except (psutil.Error, OSError):
        return None
