"""Clusters of one node that a test starts and stops: Slurm and Ray."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

import pytest
from services import free_port
from waiting import until

DAEMONS = ("munged", "slurmctld", "slurmd")
SYSTEM = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
"""Where daemons are looked for."""
SLURM_CONF = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=20
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0
KillWait=25
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2
"""
"""One node, without cgroups and without accounting; jobs of `urgent` preempt those of `all`.

A job that is put back begins after the lifetime of its credential (`cred_expire`).
"""


def variables() -> dict[str, str]:
    """The environment of a shell where `cnn-sweeps` can be typed, here and in a job."""
    programs = Path(sys.executable).parent
    return {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


@dataclass(frozen=True)
class Slurm:
    """A Slurm cluster whose only node is this host.

    Attributes:
        folder: of its settings, its state and its logs.
    """

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a shell on the cluster."""
        return {**variables(), "SLURM_CONF": str(self.folder / "slurm.conf")}

    def run(self, *words: str, cwd: Path | None = None) -> str:
        """What a command of Slurm says."""
        done = subprocess.run(
            words, cwd=cwd, env=self.variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def jobs(self) -> dict[str, str]:
        """The state of each job that waits or runs, by its number."""
        listed = self.run("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in listed)

    def answers(self) -> bool:
        """Whether the node takes jobs."""
        asked = ["sinfo", "--noheader", "--format=%T"]
        done = subprocess.run(
            asked, env=self.variables, capture_output=True, text=True, check=False
        )
        return "idle" in done.stdout.split()


@contextmanager
def slurm(cpus: int = 8) -> Iterator[Slurm]:
    """A running cluster, stopped with its jobs at the end; the test is skipped without Slurm.

    Args:
        cpus: that its node has, whatever this machine has.
    """
    if missing := [
        name for name in (*DAEMONS, "sbatch") if shutil.which(name, path=SYSTEM) is None
    ]:
        pytest.skip(f"needs Slurm and MUNGE: {', '.join(missing)} is not installed")
    if os.getuid() != 0:
        pytest.skip("needs root, to run jobs of Slurm")
    with (
        TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as place,
        ExitStack() as up,
    ):
        folder = Path(place)
        cluster = Slurm(folder)
        _configure(folder, cpus)
        key, socket_file = folder / "munge.key", folder / "munge.socket"
        files = [f"--{name}-file={folder}/munge.{name}" for name in ("pid", "log", "seed")]
        munge = ["munged", "--foreground", "--force", f"--socket={socket_file}", *files]
        up.enter_context(_daemon(*munge, f"--key-file={key}"))
        until(socket_file.exists)
        conf = str(folder / "slurm.conf")
        for daemon in DAEMONS[1:]:
            up.enter_context(_daemon(daemon, "-D", "-f", conf, variables=cluster.variables))
        until(cluster.answers)
        try:
            yield cluster
        finally:
            cluster.run("scancel", "--signal=KILL", "--full", f"--user={getpass.getuser()}")
            cluster.run("scancel", f"--user={getpass.getuser()}")
            until(lambda: not cluster.jobs())


RAY = Path(__file__).resolve().parents[1] / ".venv-ray" / "bin" / "ray"
"""Where `make ray` installs it, in an environment of its own."""
LIGHT = ("--no-monitor", "--include-log-monitor=false", "--disable-usage-stats")
"""Leaves out what a cluster of one node has no use for."""


@dataclass(frozen=True)
class Ray:
    """A Ray cluster on this host.

    Attributes:
        program: its command line.
        port: of its dashboard, which takes jobs.
    """

    program: Path
    port: int

    @property
    def address(self) -> str:
        """Where jobs are submitted to."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a shell where `ray` can be typed.

        Its dozen processes import the same: byte code, which CI has switched off, makes that quick.
        """
        path = f"{self.program.parent}{os.pathsep}{variables()['PATH']}"
        told = {"PATH": path, "RAY_API_SERVER_ADDRESS": self.address}
        return {**variables(), **told, "PYTHONDONTWRITEBYTECODE": ""}

    def run(self, command: str, **more: str) -> str:
        """What a shell command says on the cluster."""
        done = subprocess.run(
            ["bash", "-c", command],
            env={**self.variables, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def job(self, name: str) -> str:
        """What has become of a job: RUNNING, SUCCEEDED, ..."""
        return str(self._asked(name)["status"])

    def log(self, name: str) -> str:
        """What a job has said."""
        return str(self._asked(f"{name}/logs")["logs"])

    def _asked(self, what: str) -> Any:
        """An answer of the server; a command of Ray's costs seconds."""
        with urlopen(f"{self.address}/api/jobs/{what}", timeout=120) as answer:  # noqa: S310
            return json.load(answer)


@contextmanager
def ray(folder: Path) -> Iterator[Ray]:
    """A running cluster with a card, which this machine may lack; stopped at the end.

    A busy machine may need more than the 30 s that Ray gives its parts: then it is tried again.

    Args:
        folder: where its jobs begin.
    """
    found = RAY if RAY.exists() else shutil.which("ray")
    if found is None:
        pytest.skip("needs Ray: make ray")
    with ExitStack() as up:
        try:
            cluster = up.enter_context(_ray(Path(found), folder))
        except AssertionError:
            cluster = up.enter_context(_ray(Path(found), folder))
        yield cluster


@contextmanager
def _ray(program: Path, folder: Path) -> Iterator[Ray]:
    names = ("port", "dashboard-port", "ray-client-server-port", "dashboard-agent-listen-port")
    ports = {name: free_port() for name in names}
    cluster = Ray(program, ports["dashboard-port"])
    words = [f"--{name}={port}" for name, port in ports.items()]
    words += ["--min-worker-port=0", "--max-worker-port=0", "--num-cpus=2", "--num-gpus=1"]
    # Not in the folder of the test: the paths of sockets are short.
    with TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as place:
        said = Path(place) / "said.txt"
        words += [f"--temp-dir={place}", "--object-store-memory=80000000", *LIGHT]
        start = [str(program), "start", "--head", "--block", *words]
        with _daemon(*start, variables=cluster.variables, cwd=folder, said=said) as process:
            until(lambda: process.poll() is not None or "forever" in said.read_text())
            assert process.poll() is None, said.read_text()
            yield cluster


def _configure(folder: Path, cpus: int) -> None:
    """Write the settings, with ports of its own, and the secret that its parts share."""
    host = socket.gethostname().partition(".")[0]
    ports = {"controller": free_port(), "node": free_port()}
    text = SLURM_CONF.format(folder=folder, host=host, user=getpass.getuser(), cpus=cpus, **ports)
    (folder / "slurm.conf").write_text(text)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    for name in ("state", "spool"):
        (folder / name).mkdir()


@contextmanager
def _daemon(
    *words: str,
    variables: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    said: Path = Path(os.devnull),
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs until the end of the block, and says what it has to say in a file."""
    program = shutil.which(words[0], path=SYSTEM) or words[0]
    with (
        said.open("w") as output,
        subprocess.Popen(
            [program, *words[1:]],
            cwd=cwd,
            env=variables and dict(variables),
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait()
