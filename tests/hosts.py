"""Hosts of a test, on this machine: each with a network, a name and process numbers of its own."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL

import psutil
import pytest
from waiting import PATIENCE

PROGRAMS = ("unshare", "nsenter", "ip")


@dataclass(frozen=True)
class Network:
    """A bridge of this machine, with addresses that hosts on it can reach.

    Attributes:
        name: of the bridge.
        prefix: first three numbers of every address.
    """

    name: str
    prefix: str

    @property
    def address(self) -> str:
        """Of this machine."""
        return f"{self.prefix}.1"


@contextmanager
def network() -> Iterator[Network]:
    """A network for hosts; the test is skipped where none can be made."""
    if os.getuid() != 0 or not all(map(shutil.which, PROGRAMS)):
        pytest.skip(f"hosts need root and the programs {', '.join(PROGRAMS)}")
    number = random.SystemRandom().randrange(1, 255)
    made = Network(f"lab{number}", f"10.213.{number}")
    try:
        _run("ip", "link", "add", made.name, "type", "bridge")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no bridge can be made for hosts: {error.stderr.decode().strip()}")
    try:
        _run("ip", "address", "add", f"{made.address}/24", "dev", made.name)
        _run("ip", "link", "set", made.name, "up")
        yield made
    finally:
        _run("ip", "link", "delete", made.name)


@dataclass(kw_only=True)
class Host:
    """One host: whoever works there sees its name, its address and its processes alone.

    Attributes:
        name: of the host.
        network: that it is on.
        number: last number of its address.
        folder: its working directory, with its temporary files and locks below it.
        holder: the process that keeps its namespaces.
    """

    name: str
    network: Network
    number: int
    folder: Path
    holder: subprocess.Popen[str] | None = None

    def boot(self) -> None:
        """Start it, with no process but the first one."""
        for name in ("run", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        ready = f"hostname {self.name} && ip link set lo up && echo ready && exec sleep infinity"
        apart = ("--uts", "--net", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child")
        self.holder = subprocess.Popen(
            ["unshare", *apart, "sh", "-c", ready],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        told = self.holder.stdout.readline() if self.holder.stdout else ""
        assert told == "ready\n", "this host does not start"
        link = f"{self.network.name}-{self.number}"
        peer = ("peer", "name", "eth0", "netns", str(self.first))
        with suppress(subprocess.CalledProcessError):  # of its life before, unless it is gone
            _run("ip", "link", "delete", link)
        _run("ip", "link", "add", link, "type", "veth", *peer)
        _run("ip", "link", "set", link, "master", self.network.name, "up")
        address = f"{self.network.prefix}.{self.number}/24"
        self.run("ip", "address", "add", address, "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    @property
    def first(self) -> int:
        """Number of its first process, as this machine counts."""
        assert self.holder is not None
        (first,) = psutil.Process(self.holder.pid).children()
        return int(first.pid)

    def enter(self, *words: str) -> list[str]:
        """The command line that carries out another one on it, in its folder."""
        into = ("--target", str(self.first), "--uts", "--net", "--pid", "--mount")
        return ["nsenter", *into, "--", "env", f"--chdir={self.folder}", *words]

    def run(self, *words: str) -> None:
        """Carry out a program, to its end."""
        _run(*self.enter(*words))

    def power_off(self) -> None:
        """End it with all of its processes, as a cut of its power does."""
        if self.holder is not None and self.holder.poll() is None:
            with suppress(ProcessLookupError, ValueError):
                os.kill(self.first, SIGKILL)
            self.holder.kill()
            self.holder.wait()
            if self.holder.stdout:
                self.holder.stdout.close()

    @property
    def variables(self) -> dict[str, str]:
        """Where it keeps what a host has for itself: temporary files, and locks."""
        return {"TMPDIR": str(self.folder / "tmp"), "XDG_RUNTIME_DIR": str(self.folder / "run")}


@contextmanager
def hosts(made: Network, folder: Path, *names: str) -> Iterator[list[Host]]:
    """Running hosts, which are ended after the block."""
    with ExitStack() as ends:
        started = []
        for number, name in enumerate(names, start=2):
            host = Host(name=name, network=made, number=number, folder=folder / name)
            ends.callback(host.power_off)
            host.boot()
            started.append(host)
        yield started


@dataclass(kw_only=True)
class Command:
    """A command line of this program on a host, which is typed again when it has failed.

    Attributes:
        host: where.
        words: what is typed behind `cnn-sweeps`.
        variables: of the environment.
        process: the one that runs, or has ended.
        ends: how each of them ended.
    """

    host: Host
    words: tuple[str, ...]
    variables: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    ends: list[int] = field(default_factory=list)

    @property
    def file(self) -> Path:
        """What it has told, every time that it was typed."""
        return self.host.folder / "said.txt"

    @property
    def said(self) -> str:
        """The same as text."""
        return self.file.read_text() if self.file.exists() else ""

    def start(self) -> None:
        """Type it."""
        with self.file.open("ab") as said:
            self.process = subprocess.Popen(
                self.host.enter(sys.executable, "-m", "cnn_sweeps", *self.words),
                env={**os.environ, **self.host.variables, **self.variables},
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def processes(self) -> list[psutil.Process]:
        """Those of it that run, the command itself in front."""
        if self.process is None or self.process.poll() is not None:
            return []
        try:
            return list(psutil.Process(self.process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """End all of its processes at once."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def is_over(self) -> bool:
        """Whether it has ended as it should; it is typed again where it has not."""
        if self.process is None or self.process.poll() is None:
            return False
        if self.process.returncode == 0:
            return True
        self.ends.append(self.process.returncode)
        self.start()
        return False

    def wait(self) -> int:
        """How it ends, without typing it again."""
        assert self.process is not None
        return self.process.wait(timeout=PATIENCE)


@contextmanager
def command(host: Host, *words: str, variables: Mapping[str, str]) -> Iterator[Command]:
    """A command that runs on a host, and is killed after the block."""
    made = Command(host=host, words=words, variables=variables)
    made.start()
    try:
        yield made
    finally:
        made.kill()


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
