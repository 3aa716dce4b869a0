"""Servers that a test starts, stops and starts again: PostgreSQL, MariaDB and MLflow.

The benchmarks import it too, from the root of the checkout.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import pytest

from cnn_sweeps.tracking.server import SETTINGS
from tests.waiting import until

LOCAL = "127.0.0.1"
DEBIAN = "/usr/lib/postgresql"
SYSTEM = f"{os.environ.get('PATH', '')}:/usr/sbin"
"""Where programs are, those of the system's own services included."""
ACCOUNT = "postgres"


def free_port() -> int:
    """A port of this host that nobody listens on."""
    with socket.socket() as found:
        found.bind((LOCAL, 0))
        return int(found.getsockname()[1])


@dataclass
class Postgres:
    """A PostgreSQL server of its own on this host.

    Attributes:
        folder: of its data.
        port: that it listens on.
        programs: folder of `pg_ctl` and `initdb`.
        account: who runs it; None for this user. It refuses to run as root.
        host: address that it listens on.
    """

    folder: Path
    port: int
    programs: Path
    account: str | None
    host: str = LOCAL

    @property
    def url(self) -> str:
        """The address for SQLAlchemy."""
        return f"postgresql+psycopg://{ACCOUNT}@{self.host}:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        listen = f"-p {self.port} -k {self.folder.parent} -c listen_addresses={self.host}"
        log = str(self.folder / "server.log")
        self._run("pg_ctl", "-D", str(self.folder), "-o", listen, "-l", log, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it at once: its connections are cut; `immediate` leaves it to recover."""
        self._run("pg_ctl", "-D", str(self.folder), "-m", mode, "-w", "stop")

    def create(self) -> None:
        """Make its folder."""
        self._run("initdb", "-D", str(self.folder), "-U", ACCOUNT, "-A", "trust", "--no-sync")
        with (self.folder / "pg_hba.conf").open("a") as allowed:
            allowed.write("host all all samenet trust\n")

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [self.programs / program, *words],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self.account,
            cwd=self.folder.parent,
        )


@contextmanager
def postgres(host: str = LOCAL) -> Iterator[Postgres]:
    """A running PostgreSQL server, which is stopped at the end; the test is skipped without one.

    Its folder is not among those of pytest, which are private to the user who runs the tests.
    """
    found = _programs()
    if found is None or find_spec("psycopg") is None:
        pytest.skip("needs PostgreSQL (initdb, pg_ctl) and the Python package psycopg")
    account = ACCOUNT if os.getuid() == 0 else None
    with TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as place:
        if account:
            shutil.chown(place, account)
        server = Postgres(Path(place) / "data", free_port(), found, account, host)
        server.create()
        server.start()
        try:
            yield server
        finally:
            with suppress(subprocess.CalledProcessError):
                server.stop()


def _programs() -> Path | None:
    """The folder of PostgreSQL's programs; Debian has them outside of the path."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(Path(DEBIAN).glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


@contextmanager
def mariadb() -> Iterator[str]:
    """The address of a database on a MariaDB server; the test is skipped without one."""
    makes, serves = shutil.which("mariadb-install-db"), shutil.which("mariadbd", path=SYSTEM)
    if makes is None or serves is None or find_spec("pymysql") is None:
        pytest.skip("needs MariaDB (mariadbd, mariadb-install-db) and the Python package pymysql")
    import pymysql

    user = ["--user=mysql"] if os.getuid() == 0 else []
    with TemporaryDirectory(prefix="mariadb-", ignore_cleanup_errors=True) as place:
        if user:
            shutil.chown(place, "mysql")
        data, sock, port = f"--datadir={place}/data", f"{place}/socket", free_port()
        root = "--auth-root-authentication-method=normal"
        subprocess.run(
            [makes, "--no-defaults", data, root, *user], check=True, stdout=subprocess.DEVNULL
        )
        where = [f"--socket={sock}", f"--port={port}", f"--bind-address={LOCAL}"]
        command = [serves, "--no-defaults", data, *where, "--skip-name-resolve", *user]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            until(lambda: Path(sock).exists() or server.poll() is not None)
            with pymysql.connect(unix_socket=sock, user="root", autocommit=True) as connection:
                cursor = connection.cursor()
                for statement in (
                    "CREATE DATABASE lab",
                    "CREATE USER me",
                    "GRANT ALL ON lab.* TO me",
                ):
                    cursor.execute(statement)
            yield f"mysql+pymysql://me@{LOCAL}:{port}/lab"
        finally:
            server.terminate()
            server.wait()


@dataclass
class MlflowServer:
    """An MLflow server on this host.

    Attributes:
        folder: of its database and artifacts.
        port: that it listens on.
        host: address that it listens on.
        workers: processes that answer; MLflow's own default is 4.
    """

    folder: Path
    port: int
    host: str = LOCAL
    workers: int = 1
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        words = ["--host", self.host, "--port", str(self.port), "--workers", str(self.workers)]
        words += ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        words += ["--artifacts-destination", str(self.folder / "artifacts")]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *words],
                env={**os.environ, **SETTINGS},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self.answers, (self.folder / "log").read_text, pause=0.5)

    def answers(self) -> bool:
        """Whether it does; it must not have ended."""
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with suppress(OSError), urlopen(f"{self.url}/health", timeout=5):  # noqa: S310
            return True
        return False

    def stop(self) -> None:
        """Kill it with all of its processes."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, 9)
            self.process.wait()


@contextmanager
def mlflow_server(
    folder: Path, host: str = LOCAL, database: Path | None = None, workers: int = 1
) -> Iterator[MlflowServer]:
    """A running MLflow server with a copy of a database, or a new one; stopped at the end."""
    folder.mkdir()
    if database is not None:
        shutil.copy(database, folder / "mlflow.db")
    server = MlflowServer(folder, free_port(), host, workers)
    try:
        server.start()
        yield server
    finally:
        server.stop()
