"""The tracking database, or the server in its place."""

import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPException
from importlib.metadata import version
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from cnn_sweeps.doctor.finding import Finding, Machine, fail, ok, warn
from cnn_sweeps.passwords import without_password
from cnn_sweeps.tracking import inspection
from cnn_sweeps.tracking.address import Address, resolve

MB = 10**6
LARGE = 2_000 * MB
"""Bytes above which a database is not read through; that would take longer than the rest."""
SECONDS = 3
"""For a server to answer."""
ASIDE = "Move the file away, put back a copy, or choose another folder with tracking.dir=FOLDER."


def database(machine: Machine) -> Iterator[Finding]:
    """Whether it opens, is sound and fits the installed MLflow."""
    address = resolve(machine.config.tracking, machine.environ)
    if address.artifacts is None:
        yield from _server(address)
    elif address.database is None:
        yield ok(f"{address} is looked at when it is used")
    elif not address.database.exists():
        yield ok(f"{address} is made by the first run")
    else:
        yield from _file(address.database)


def _file(path: Path) -> Iterator[Finding]:
    size = path.stat().st_size
    try:
        with inspection.reading(path) as connection:
            fault = inspection.fault(connection) if size <= LARGE else None
            revision = inspection.revision(connection)
    except sqlite3.Error as error:
        yield fail(f"{path} cannot be read: {error}", ASIDE)
        return
    if fault is not None:
        yield fail(f"{path} is damaged: {fault.splitlines()[-1]}", ASIDE)
        return
    schema = _schema(path, revision)
    yield schema or ok(f"{path} is sound, {size / MB:.1f} MB, and fits MLflow {version('mlflow')}")
    try:
        inspection.check_writable(path)
    except sqlite3.Error as error:
        locked = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
        yield (
            warn(
                f"{path} is locked by another program at the moment",
                f"If it stays so, end that program: fuser {path} names it.",
            )
            if locked
            else fail(f"{path} cannot be written: {error}", f"Make it writable. {ASIDE}")
        )


def _schema(path: Path, revision: str | None) -> Finding | None:
    """What is wrong with the tables; None where they are those of the installed MLflow."""
    known = inspection.known_revisions()
    if revision is None:
        return fail(f"{path} is no database of MLflow's", ASIDE)
    if revision not in known:
        return fail(
            f"{path} was written by a newer MLflow than the installed {version('mlflow')}",
            "Install the MLflow that wrote it: pip install --upgrade mlflow",
        )
    if not known[revision]:
        return fail(
            f"{path} was written by an older MLflow than the installed {version('mlflow')}",
            f"Copy the file, then: mlflow db upgrade sqlite:///{path}",
        )
    return None


def _server(address: Address) -> Iterator[Finding]:
    if not address.uri.startswith("http"):
        yield ok(f"{address} is looked at when it is used")
        return
    shown = without_password(address.uri)
    try:
        # The user's own server, over http or https as just checked.
        with urlopen(_version_of(address.uri), timeout=SECONDS) as answer:  # noqa: S310
            there = answer.read(100).decode(errors="replace").strip()
    except HTTPError as error:
        yield fail(
            f"{shown} answers with {error.code} {error.reason}", "Correct tracking.uri, or log in."
        )
    except (OSError, HTTPException, ValueError) as error:
        yield fail(
            f"{shown} does not answer: {getattr(error, 'reason', error)}",
            "Start the server, correct tracking.uri (or MLFLOW_TRACKING_URI), or leave it out.",
        )
    else:
        here = version("mlflow")
        if there.split(".")[:1] == here.split(".")[:1]:
            yield ok(f"{shown} answers: MLflow {there} (here {here})")
        else:
            yield warn(
                f"{shown} is MLflow {there}, and {here} is installed here",
                "Versions with one first number understand each other: pip install "
                f"'mlflow=={there}'",
            )


def _version_of(uri: str) -> Request:
    """The question which version a server has; Python's own client takes no password in a URI."""
    parts = urlsplit(uri)
    user, at, place = parts.netloc.rpartition("@")
    asked = Request(  # noqa: S310 -- see where it is opened
        urlunsplit((parts.scheme, place, f"{parts.path.rstrip('/')}/version", "", ""))
    )
    if at:
        coded = b64encode(unquote(user).encode()).decode()
        asked.add_header("Authorization", f"Basic {coded}")
    return asked
