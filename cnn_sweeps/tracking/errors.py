"""Errors of the database, the server and the disk, as one readable `StoreError`."""

import errno
import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cnn_sweeps.errors import CnnSweepsError, StoreError, denial, error_chain
from cnn_sweeps.text.redact import hidden_in

if TYPE_CHECKING:
    from mlflow.exceptions import MlflowException

ELSEWHERE: Final = "choose another folder with tracking.dir=FOLDER"

BROKEN: Final = f"is not a valid SQLite database. Move the file, or {ELSEWHERE}."
BUSY: Final = "has been locked by another program for too long. End that program and try again."
SILENT: Final = (
    "does not respond. Start the server, correct tracking.uri (or MLFLOW_TRACKING_URI), "
    "or leave it out for a local database."
)

LOGIN: Final = {
    401: "does not accept this login. Set",
    403: "does not allow this login to do that. Ask who runs it for the permission, or set another",
}
"""What an answer by HTTP means that is none of MLflow's, by its status."""
VARIABLES: Final = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
NO_SERVER: Final = (
    "does not know {} (HTTP {}): it is no MLflow server, or an older one, or its static prefix is "
    "left out. Correct tracking.uri (or MLFLOW_TRACKING_URI)."
)
"""The same for any other status."""
ANSWERED: Final = re.compile(r"API request to endpoint (?:(\S+) failed with error code (\d+))?")
"""How MLflow tells of an answer that it cannot read; of a page it names no endpoint."""
FAILING: Final = "answers with errors ({}). Look into its log, or that of the proxy before it."

UNNAMED: Final = (
    "does not accept the name that it was called by: start it with\n"
    "  mlflow server --host 0.0.0.0 --allowed-hosts HOST:PORT"
)

SQLITE: Final = {
    "SQLITE_FULL": denial(errno.ENOSPC, ELSEWHERE),
    "SQLITE_READONLY": denial(errno.EROFS, ELSEWHERE),
    "SQLITE_CANTOPEN": denial(errno.EROFS, ELSEWHERE),
    "SQLITE_PERM": denial(errno.EROFS, ELSEWHERE),
    "SQLITE_CORRUPT": BROKEN,
    "SQLITE_NOTADB": BROKEN,
    "SQLITE_BUSY": BUSY,
    "SQLITE_LOCKED": BUSY,
}
NO_FOLDER: Final = (errno.ENOTDIR, errno.EEXIST)
"""What the system says where a file stands in the place of a folder."""


MYSQL_REFUSALS: Final = (1044, 1045, 1049, 1698)
"""Error codes of MySQL: access denied to a database or for a user, unknown database."""
POSTGRES_REFUSALS: Final = (
    *("authentication failed", "no password supplied", "no pg_hba.conf entry"),
    *("does not exist", "permission denied"),
)
"""What PostgreSQL says of a connection that it refuses for good; a library that connects is told no
code. A server that says it in another language is waited for."""
STANDBY: Final = "25006"
"""What PostgreSQL says that takes no writes: while another server takes over from it, as a rule."""
DEADLOCKS: Final = (1205, 1213, "40001", "40P01")
"""What MySQL (numbers) and PostgreSQL say where they have undone a transaction, since it and others
waited for each other."""
GATEWAY: Final = (502, 503, 504)
"""What a proxy answers while the server behind it is away."""


@contextmanager
def as_store_error(place: object) -> Iterator[None]:
    """Turn every failure of the store inside the block into one `StoreError`.

    Args:
        place: what to name in the message, such as an `Address`.

    Raises:
        StoreError: with the cause behind it; anything that is no failure of the store
            (a mistake in our own code, Ctrl-C) passes unchanged.
    """
    try:
        yield
    except CnnSweepsError:
        raise
    except Exception as error:
        if not isinstance(error, _foreign()):
            raise
        for cause in error_chain(error, context=True):
            if isinstance(cause, KeyboardInterrupt):  # it broke a transaction off
                raise cause from None
        raise StoreError(f"The tracking store {place} {_plainly(error)}") from error


def is_away(error: BaseException) -> bool:
    """Whether an error means that a server cannot be reached at present; see `absence`."""
    return absence(error) is not None


def absence(error: BaseException) -> BaseException | None:
    """What an error says of a database's or a tracking server that cannot be reached at present.

    It was stopped, restarts, or the network is down; its name may be unknown as long as its
    container is not there. A file that cannot be used is none of these, nor is a server that
    refuses a user, a password or a database: None is returned.
    """
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RetryError
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    causes = list(error_chain(error, context=True))
    for (
        cause
    ) in causes:  # first: MLflow answers 503 for whatever its database says, a full disk too
        if isinstance(cause, DBAPIError):
            gone = isinstance(cause, OperationalError | InterfaceError) or is_standby(cause.orig)
            final = _is_broken_file(cause.orig) or _is_refusal(cause.orig)
            return None if final or not (gone or cause.connection_invalidated) else cause.orig
    silent = (*_silence(), RetryError)
    for cause in causes:
        if isinstance(cause, silent) or _is_locked(cause):
            return cause
        if isinstance(cause, MlflowException) and _status(cause) in GATEWAY:
            return cause
    return None


def _silence() -> tuple[type[Exception], ...]:
    """What a server that does not answer raises, or one that stops in the middle of its answer."""
    from requests.exceptions import ChunkedEncodingError, Timeout
    from requests.exceptions import ConnectionError as NoConnection

    return NoConnection, Timeout, ChunkedEncodingError, ConnectionError, socket.gaierror


def is_deadlock(error: BaseException) -> bool:
    """Whether a database has undone what was asked, for the sake of others, and would do it now."""
    from sqlalchemy.exc import DBAPIError

    causes = error_chain(error, context=True)
    return any(isinstance(each, DBAPIError) and code_of(each.orig) in DEADLOCKS for each in causes)


def is_standby(error: BaseException | None) -> bool:
    """Whether a database says that it can be read, and not written at present."""
    return code_of(error) == STANDBY


def code_of(error: BaseException | None) -> object:
    """What a database's driver has as the code of an error: a text of PostgreSQL's, or a number."""
    arguments = () if error is None else error.args
    return getattr(error, "sqlstate", None) or next(iter(arguments), None)


def _is_broken_file(error: BaseException | None) -> bool:
    """Whether an SQLite file cannot be used; one that somebody has locked can be, later."""
    return isinstance(error, sqlite3.Error) and not _is_locked(error)


def _is_locked(error: BaseException) -> bool:
    name = getattr(error, "sqlite_errorname", "")
    return isinstance(error, sqlite3.Error) and name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _is_refusal(error: BaseException | None) -> bool:
    """Whether a database server has answered, and will say the same however long one waits."""
    code = code_of(error)
    if isinstance(code, int):
        return code in MYSQL_REFUSALS
    return any(told in str(error) for told in POSTGRES_REFUSALS)


def _status(error: "MlflowException") -> int:
    """The HTTP status that an error stands for."""
    code: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
    return code


def _foreign() -> tuple[type[Exception], ...]:
    """The exception types that mean that the store, and not our code, is at fault."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (
        MlflowException,
        SQLAlchemyError,
        CommandError,
        sqlite3.Error,
        OSError,
        ModuleNotFoundError,
    )


def _plainly(error: BaseException) -> str:
    """The first cause with a known meaning, in words; else the first line of the message.

    MLflow wraps the driver's error once or twice, so the whole chain is looked through.
    """
    causes = list(error_chain(error, context=True))
    if any("Invalid Host header" in str(cause) for cause in causes):  # against DNS rebinding
        return UNNAMED
    known = next(filter(None, map(_meaning, causes)), None)
    return known or f"refuses: {hidden_in(said_by(error))}"


def _meaning(cause: BaseException) -> str | None:
    """What one cause means, in words; None where that is not known."""
    from filelock import Timeout as LockTimeout

    if isinstance(cause, sqlite3.Error):
        return SQLITE.get("_".join(getattr(cause, "sqlite_errorname", "").split("_")[:2]))
    if isinstance(cause, LockTimeout):  # a TimeoutError, but not of a server
        return BUSY
    if isinstance(cause, (*_silence(), TimeoutError)):
        return SILENT
    if isinstance(cause, OSError) and cause.errno is not None:
        number = errno.EROFS if cause.errno in NO_FOLDER else cause.errno
        return denial(number, ELSEWHERE)
    if isinstance(cause, ModuleNotFoundError):
        return f"needs the Python package {cause.name!r}. Install it, or leave tracking.uri out."
    return _of_answer(cause)


def _of_answer(cause: BaseException) -> str | None:
    """What an answer by HTTP means that MLflow cannot read: a page of a proxy, or of a login.

    MLflow has no class for it; a refusal of its own server is a `RestException`.
    """
    from mlflow.exceptions import MlflowException, RestException
    from requests.exceptions import HTTPError, RetryError

    if isinstance(cause, RetryError):  # it has answered, each time with an error
        return FAILING.format(getattr(cause.args[0], "reason", None) or said_by(cause, 80))
    if isinstance(cause, HTTPError) and cause.response is not None:  # of a file
        return _of_status(cause.response.status_code, urlsplit(cause.response.url).path)
    own = isinstance(cause, RestException) or not isinstance(cause, MlflowException)
    found = None if own else ANSWERED.match(str(cause))
    return found and _of_status(int(found[2] or 200), found[1] or "what is asked")


def _of_status(status: int, endpoint: str) -> str:
    if status in LOGIN:
        return f"{LOGIN[status]} {VARIABLES} (HTTP {status})."
    return NO_SERVER.format(endpoint, status)


def said_by(error: BaseException, limit: int = 300) -> str:
    """The first line of an error's message, or the name of its type if it has none."""
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
