"""Where a study is stored; all that a worker must be told."""

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from sqlalchemy import event

from cnn_sweeps.errors import CnnSweepsError, StoreError
from cnn_sweeps.passwords import without_password
from cnn_sweeps.search.journal import SUFFIX, Journal
from cnn_sweeps.wording import first_line

BUSY: Final = 60.0
"""Seconds that a process waits for another to end its transaction in an SQLite database."""
DATABASES: Final = ("postgresql", "mysql", "sqlite")
SQLITE: Final = "sqlite:///"
ELSEWHERE: Final = f"type hydra.sweeper.storage=PATH{SUFFIX} for another place"


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a study is.

    Attributes:
        storage: path of a journal file, or the URL of a database.
        name: the study's name.
    """

    storage: str
    name: str

    def __str__(self) -> str:
        """The storage for a message: the path, or the URL without its password."""
        return without_password(self.storage)

    @property
    def shared(self) -> bool:
        """Whether workers on other hosts may use it: a database, not a file."""
        return "://" in self.storage

    @property
    def file(self) -> Path | None:
        """The file that holds the study; None for the database of a server."""
        if self.shared and not self.storage.startswith(SQLITE):
            return None
        return Path(self.storage.removeprefix(SQLITE))

    @property
    def absolute(self) -> str:
        """The storage as it is typed in any folder, without a password."""
        if self.file is None:
            return str(self)
        return f"{SQLITE if self.shared else ''}{self.file.absolute()}"

    @property
    def begun(self) -> bool:
        """Whether there is something to look at, as far as can be told without making it."""
        return self.file is None or (self.file.exists() and self.file.stat().st_size > 0)

    @property
    def lock(self) -> Path:
        """The file whose lock one holds who makes a study or moves its places."""
        if self.file is not None:
            return self.file.with_name(f"{self.name}.lock")
        digest = hashlib.sha256(f"{self.storage} {self.name}".encode()).hexdigest()
        return Path(tempfile.gettempdir()) / f"cnn_sweeps-{digest[:16]}.lock"

    def open(self, *, make: bool = True) -> BaseStorage:
        """The storage, ready to use.

        Args:
            make: whether a database without Optuna's tables gets them; else it is refused.

        Raises:
            StoreError: it cannot be read or written, or holds no study of Optuna's.
        """
        try:
            if not self.shared:
                return JournalStorage(Journal(self.storage))
            self._check_url()
            return _database(self.storage, make=make)
        except CnnSweepsError:
            raise
        except Exception as error:  # a file of another kind can fail in any way
            raise self._refusal(error) from error

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Turn what a storage raises when it cannot be used into one clear refusal."""
        try:
            yield
        except OptunaError as error:
            raise self._refusal(error) from error

    def _check_url(self) -> None:
        scheme = self.storage.partition(":")[0].partition("+")[0]
        if scheme not in DATABASES:
            raise StoreError(
                f"hydra.sweeper.storage={self} is not possible: a database is one of "
                f"{', '.join(f'{known}://' for known in DATABASES)}; or {ELSEWHERE}."
            )
        if scheme == "sqlite" and self.storage.partition(":///")[2] in ("", ":memory:"):
            raise StoreError(
                f"hydra.sweeper.storage={self} names no file, so no worker could find the study; "
                f"type hydra.sweeper.storage=sqlite:////FOLDER/FILE.db, or leave it out."
            )

    def _refusal(self, error: Exception) -> StoreError:
        cause = _first_cause(error)
        if isinstance(cause, ModuleNotFoundError):
            return StoreError(
                f"hydra.sweeper.storage={self} needs the Python package {cause.name}: "
                f"install it, or {ELSEWHERE}."
            )
        said = first_line(cause) or type(cause).__name__
        return StoreError(
            f"the study's storage {self} cannot be used: {said}.\n"
            f"  Mend it or move it away and type the same command again, or {ELSEWHERE}."
        )


def _database(url: str, *, make: bool) -> RDBStorage:
    # A firewall may cut a connection that is silent for the time of a training.
    options: dict[str, Any] = {"pool_pre_ping": True}
    if not url.startswith("sqlite"):
        return RDBStorage(url, engine_kwargs=options, skip_table_creation=not make)
    options["connect_args"] = {"timeout": BUSY}
    storage = RDBStorage(url, engine_kwargs=options, skip_table_creation=not make)
    # Python's driver begins a transaction with its first write. Two workers that have read
    # before that a trial waits would both take it.
    event.listen(storage.engine, "connect", _without_own_transactions)
    event.listen(
        storage.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE")
    )
    storage.engine.dispose()
    return storage


def _without_own_transactions(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None


def _first_cause(error: BaseException) -> BaseException:
    """What the others were raised from: Optuna and SQLAlchemy wrap the driver's own words."""
    while (cause := error.__cause__) is not None:
        error = cause
    return error
