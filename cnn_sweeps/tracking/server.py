"""MLflow's server: its version, and a child process of our own that ends with this one."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cnn_sweeps.errors import RunFailedError, StoreError, error_chain
from cnn_sweeps.tracking.address import Address
from cnn_sweeps.tracking.database import ping
from cnn_sweeps.tracking.errors import as_store_error
from cnn_sweeps.tracking.imports import quiet_mlflow

# Why not exec into the server: it answers only 5 s after it has begun (70 s on a busy machine), so
# nobody would be left to name its page then, and MLflow 3.17 ends on Ctrl-C with 44 lines of
# tracebacks. As a child it starts, fails and ends with one line.

HOST = "127.0.0.1"
"""Loopback: the pages have no password, so nobody else is to reach them."""
PATIENCE = 600.0
"""Seconds until a server that runs and does not answer is given up: its imports take 5 s on an idle
machine and over 120 s on a crowded one, and whoever waits can end it with Ctrl-C."""
LOOK = 2.0
"""Seconds between two looks at a database; MLflow's server would try to reach it for minutes."""
GRACE = 5.0
"""Seconds that a server has to finish what it is sending."""
LINES = 12
"""Of what a server wrote before it died, how much is shown."""
QUIET = "--log-level warning --no-access-log --timeout-graceful-shutdown 2"
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Jobs judge the answers of language models; without them there are no further processes.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONWARNINGS": "ignore",
}
FOREIGN = (
    "MLFLOW_APP_NAME",
    "MLFLOW_ARTIFACTS_ONLY",
    "MLFLOW_EXPOSE_PROMETHEUS",
    "MLFLOW_GUNICORN_OPTS",
    "MLFLOW_READ_REPLICA_BACKEND_STORE_URI",
    "MLFLOW_STATIC_PREFIX",
)
"""Settings of some other server in the same shell."""


def version_of(uri: str, seconds: float) -> str:
    """The version that a server says it has, asked with the credentials of MLflow's client.

    Args:
        uri: of the server.
        seconds: to wait for its answer.

    Raises:
        OSError: it does not answer, or only with an error: a `requests.HTTPError`.
    """
    with quiet_mlflow():
        from mlflow.exceptions import MlflowException
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request
    credentials: Any = get_default_host_creds
    ask: Any = partial(http_request, credentials(uri), "/version", "GET")
    try:
        answer = ask(timeout=seconds, max_retries=0, raise_on_status=False)
    except MlflowException as error:
        *_, first = error_chain(error, context=True)
        raise OSError(str(first)) from error
    answer.raise_for_status()
    return str(answer.text).strip()


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that answers.

    Attributes:
        process: its first process, which leads a group of its own.
        port: on which it listens, on loopback.
        log: the file with what it wrote.
    """

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def address(self) -> str:
        """Of its first page."""
        return f"http://{HOST}:{self.port}"

    def wait(self) -> None:
        """Wait for as long as it runs.

        Raises:
            RunFailedError: it ended by itself.
        """
        self.process.wait()
        raise self._died()

    def wait_until_it_answers(self, check: Callable[[], None]) -> None:
        """Wait until its pages are there.

        Args:
            check: called now and then; raises where it will never answer.

        Raises:
            RunFailedError: it ended before, or takes too long.
        """
        looked = time.monotonic()
        end = looked + PATIENCE
        while not self._answers():
            if self.process.poll() is not None:
                raise self._died()
            if time.monotonic() > end:
                raise RunFailedError(f"MLflow's server does not respond.{self._wrote()}")
            if time.monotonic() - looked > LOOK:
                check()
                looked = time.monotonic()
            time.sleep(0.1)

    def stop(self) -> None:
        """End all of its processes; kill what does not end in time, or on a second Ctrl-C."""
        try:
            self._signal(signal.SIGTERM)
            self.process.wait(GRACE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            pass
        finally:
            # The first process may be gone and others still there: the group is what counts.
            self._signal(signal.SIGKILL)
            self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # the latter on macOS, for the dead
            os.killpg(self.process.pid, number)

    def _answers(self) -> bool:
        connection = HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200  # noqa: PLR2004 -- OK
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _died(self) -> RunFailedError:
        return RunFailedError(f"MLflow's server exited unexpectedly.{self._wrote()}")

    def _wrote(self) -> str:
        written = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "".join(f"\n  {line}" for line in written[-LINES:])


@contextmanager
def serving_store(address: Address, port: int) -> Iterator[Server]:
    """MLflow's server over a store, which answers within the block and is gone after it.

    Raises:
        StoreError: the server cannot be started, or its database does not answer.
        RunFailedError: it did not begin to answer; the text has what it wrote.
    """
    with TemporaryDirectory(prefix="cnn-sweeps-ui-") as folder:
        log = Path(folder) / "log.txt"
        with log.open("wb") as writing:
            server = Server(process=_start(address, port, writing.fileno()), port=port, log=log)
        try:
            server.wait_until_it_answers(partial(_check_there, address))
            yield server
        finally:
            server.stop()


def _check_there(address: Address) -> None:
    """See that a database server answers; a file is there.

    Raises:
        StoreError: it does not.
    """
    if address.database is None:
        with as_store_error(address):
            ping(address.uri)


def _start(address: Address, port: int, log: int) -> "subprocess.Popen[bytes]":
    """Begin the server, in a group (and a session) that no signal of the terminal reaches."""
    arguments = f"server --host {HOST} --port {port} --workers 1"
    line = [sys.executable, "-m", "mlflow", *shlex.split(arguments), "--uvicorn-opts", QUIET]
    # Artifacts are read from where the runs say that they are; nothing is to be uploaded.
    line += ["--no-serve-artifacts", "--default-artifact-root", str(address.artifacts)]
    try:
        return subprocess.Popen(  # noqa: S603 -- our own Python
            line,
            env=_environment(address),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    except OSError as error:
        raise StoreError(f"MLflow's server cannot be started: {error.strerror}.") from error


def _environment(address: Address) -> dict[str, str]:
    """What the server is told; addresses go this way since other users see command lines."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    places = ("MLFLOW_BACKEND_STORE_URI", "MLFLOW_REGISTRY_STORE_URI", "MLFLOW_TRACKING_URI")
    return {**kept, **SETTINGS, **dict.fromkeys(places, address.uri)}
