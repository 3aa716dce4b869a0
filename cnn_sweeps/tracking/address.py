"""Where a store is: from the configuration to absolute addresses, without touching the disk."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from cnn_sweeps.config.schema import EXPERIMENT, Tracking
from cnn_sweeps.data.files import absolute, expand_user
from cnn_sweeps.errors import StoreError
from cnn_sweeps.text.escape import BYTES, NO_TEXT, printable
from cnn_sweeps.text.redact import without_password

SERVERS = ("http", "https", "databricks")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
PLAIN = re.compile(r"[\w./:@-]+", re.ASCII)
"""Text that Hydra takes as it is."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """A store's place, with nothing left that depends on the working directory.

    Attributes:
        uri: MLflow tracking URI; a SQLite path in it is absolute.
        dir: absolute folder of the local database, the artifacts and the studies.
        database: the SQLite file; None for a server of any kind.
        artifacts: `file://` URI of the artifacts; None where the server decides.
    """

    uri: str
    dir: Path
    database: Path | None
    artifacts: str | None

    def __str__(self) -> str:
        """The address for a message: the file, or the URI without its password."""
        return str(self.database) if self.database else without_password(self.uri)


def resolve(tracking: Tracking, environ: Mapping[str, str] = os.environ) -> Address:
    """Find the store: `tracking.uri`, else MLFLOW_TRACKING_URI, else SQLite in `tracking.dir`.

    MLflow's own default depends on what lies in the working directory (a stale
    `mlruns/<digits>/meta.yaml` turns it to the retired file store), so it is never used.

    Raises:
        StoreError: the URI has a scheme that cannot hold runs, or no usable file in it.
    """
    folder = absolute(tracking.dir)
    artifacts = (folder / "artifacts").as_uri()
    given = tracking.uri or environ.get("MLFLOW_TRACKING_URI")
    if not given:
        given = f"sqlite:///{_openable(folder / 'mlflow.db')}"
    scheme = given.partition(":")[0].partition("+")[0]
    if scheme == "sqlite":
        uri, database = _absolute(given)
        return Address(uri=uri, dir=folder, database=database, artifacts=artifacts)
    if scheme in DATABASES:
        return Address(uri=given, dir=folder, database=None, artifacts=artifacts)
    if scheme in SERVERS:
        return Address(uri=given, dir=folder, database=None, artifacts=None)
    raise StoreError(_unknown(given))


def overrides(address: Address, experiment: str, *, anywhere: bool = False) -> list[str]:
    """What has to be typed behind a command that is to look here; no more than is needed.

    Args:
        address: of the store.
        experiment: of the runs that are meant.
        anywhere: whether it is typed in any folder, and not in this one.
    """
    folder = override("tracking.dir", str(address.dir))
    relative = _is_relative(os.environ.get("MLFLOW_TRACKING_URI", ""))
    ways: dict[tuple[str, ...], Tracking] = {}
    if not (relative or anywhere):
        ways[()] = Tracking()
    if not relative:
        ways[(folder,)] = Tracking(dir=address.dir)
    uri = override("tracking.uri", without_password(address.uri))
    found = next((way for way, typed in ways.items() if resolve(typed) == address), (uri, folder))
    usual = Tracking().experiment
    named = {experiment, os.environ.get(EXPERIMENT, usual)} != {usual}
    return [*found, *([override("tracking.experiment", experiment)] if named else [])]


def override(key: str, value: str) -> str:
    """A setting as it is typed, in quotes where Hydra would read more than text in it."""
    if PLAIN.fullmatch(value):
        return f"{key}={value}"
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', value)  # Hydra doubles backslashes only there
    escaped = re.sub(r"(\\+)\Z", r"\1\1", escaped)
    return f'{key}="{escaped}"'


def _absolute(uri: str) -> tuple[str, Path]:
    """A SQLite URI with an absolute path, and that path."""
    prefix, slashes, rest = uri.partition(":///")
    name, mark, options = rest.partition("?")
    if not slashes or not name or ":memory:" in name:
        raise StoreError(
            f"The tracking URI {without_password(uri)!r} names no file, so nothing would be "
            "stored. Type tracking.uri=sqlite:///FILE.db, or leave it out."
        )
    check_path("tracking.uri", uri)
    path = _openable(absolute(Path(name)))
    return f"{prefix}:///{path}{mark}{options}", path


def check_path(key: str, uri: str) -> None:
    """Refuse a SQLite URI whose path would name a folder called `~` or `file:`.

    Args:
        key: the setting that has it.
        uri: what was typed.

    Raises:
        StoreError: it does.
    """
    name = uri.partition(":///")[2].partition("?")[0]
    if uri.startswith("sqlite") and name.startswith(("~", "file:")):
        whole = expand_user(Path(name.removeprefix("file:"))).absolute()
        raise StoreError(
            f"{key}={uri} names a folder called {name.partition('/')[0]} in the current one.\n"
            f"  Type {key}=sqlite:///{whole}"
        )


def _is_relative(uri: str) -> bool:
    """Whether a URI names another database from another folder."""
    scheme, slashes, name = uri.partition(":///")
    return scheme.startswith("sqlite") and bool(slashes) and not name.startswith("/")


def _openable(path: Path) -> Path:
    """The path of a database, if a URI can carry it to SQLAlchemy unchanged."""
    if BYTES.search(str(path)):
        raise StoreError(NO_TEXT.format(key=f"The path {printable(str(path))}"))
    if "%" in str(path) or "?" in str(path):
        # The first is decoded (since SQLAlchemy 2.1), the second begins the options.
        raise StoreError(
            f"MLflow cannot open a database whose path has % or ? in it: {path}. "
            "Choose another folder with tracking.dir=FOLDER."
        )
    return path


def _unknown(uri: str) -> str:
    """What to say about a URI that MLflow cannot use, a plain folder above all."""
    if uri.startswith("file:") or ":" not in uri:
        return (
            f"The tracking URI {without_password(uri)!r} is a folder; MLflow no longer stores runs "
            "in plain files. Type tracking.dir=FOLDER for a database in that folder, or tracking.uri=sqlite:///FILE.db."
        )
    known = ", ".join(f"{scheme}://" for scheme in (*DATABASES, "http", "https"))
    return (
        f"The tracking URI {without_password(uri)!r} has an unknown scheme; known are {known}. "
        "Leave tracking.uri (and MLFLOW_TRACKING_URI) out for a local database."
    )


def local_folder(uri: str) -> Path | None:
    """The folder of this machine that an address of artifacts means; None for any other place."""
    address = urlsplit(uri)
    if address.scheme == "" and uri.startswith("/"):  # of a server that was told a plain path
        return Path(uri)
    return Path(url2pathname(address.path)) if address.scheme == "file" else None
