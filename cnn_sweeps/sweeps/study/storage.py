"""Where a study is stored, which is all that a worker must be told: a journal or a database."""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, RDBStorage, get_storage
from sqlalchemy import Connection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, ProgrammingError
from sqlalchemy.pool import NullPool

from cnn_sweeps.data.files import checked_home
from cnn_sweeps.errors import CnnSweepsError, StoreError, UnknownStudyError
from cnn_sweeps.sweeps.study.journal import ELSEWHERE, PRIVATE, Journal, JournalOfStudies
from cnn_sweeps.sweeps.study.patient_storage import PatientStorage
from cnn_sweeps.sweeps.study.runtime import lock_for
from cnn_sweeps.text.format import first_line
from cnn_sweeps.text.redact import hidden_in, without_password
from cnn_sweeps.tracking.address import check_path
from cnn_sweeps.tracking.errors import code_of
from cnn_sweeps.tracking.patience import ATTEMPT, STUDY, waiting
from cnn_sweeps.tracking.schema import Schema, of_database

MAKING: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
"""Seconds to wait, again and again, for tables of a database that somebody may be making."""
BUSY: Final = 60.0
"""Seconds that a process waits for another to end its transaction in an SQLite database."""
RECYCLE: Final = 120
"""Seconds after which a connection is replaced; firewalls cut silent ones after minutes."""
LIBPQ: Final = ("psycopg", "psycopg2")
SILENT: Final = {
    "connect_timeout": ATTEMPT,
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
"""After how many seconds (of the second one, milliseconds) these drivers of PostgreSQL give up a
server or a network that says nothing any more; by themselves they wait for minutes, or hours."""
DATABASES: Final = ("postgresql", "mysql", "sqlite")
DRIVERS: Final = {
    "postgresql": "the extra postgres and type postgresql+psycopg://...",
    "mysql": "the extra mysql and type mysql+pymysql://...",
}
"""What gives a database the driver that it lacks."""
NO_ADDRESS: Final = (
    "is no address of a database: it is DATABASE+DRIVER://USER@HOST:PORT/NAME, without a password, "
    "or with one whose :, /, @ and % are written %3A, %2F, %40 and %25"
)
PREPARED: Final = ("42P05", "26000")
"""What PostgreSQL says (that a statement is there, or is not) whose connections are exchanged."""
SQLITE: Final = "sqlite:///"
MYSQL: Final = "mysql"
TEXT: Final = 65_000
"""Bytes of an attribute in a MySQL database, which has room for 65,535."""
OPTUNA: Final = Schema(
    library="Optuna",
    migrations="storages/_rdb/alembic/versions",
    table="studies",
    upgrade="optuna storage upgrade --storage",
    elsewhere=ELSEWHERE,
)


class UnfinishedError(StoreError):
    """A database has tables and no version of them: somebody makes it, or it is no study's."""


@dataclass(frozen=True, kw_only=True)
class StudyAddress:
    """Where a study is.

    Attributes:
        storage: path of a journal file, or the URL of a database.
        name: the study's name.
        tracking: `uri` and `dir` by which this host reaches the runs of its trials, where it does
            so otherwise than the host that made the study.
    """

    storage: str
    name: str
    tracking: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Replace `~` in a path.

        Raises:
            ConfigError: nobody knows the home that is meant.
            StoreError: it is the URL of a file in a folder called `~`, or `file:`.
        """
        check_path("hydra.sweeper.storage", self.storage)
        if self.storage.startswith("~"):
            path = checked_home("hydra.sweeper.storage", Path(self.storage))
            object.__setattr__(self, "storage", str(path))

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
    def longest_attribute(self) -> int | None:
        """How many bytes an attribute of the study may have; None for any number."""
        return TEXT if self.storage.startswith(MYSQL) else None

    @property
    def begun(self) -> bool:
        """Whether there is something to look at, as far as can be told without making it."""
        return self.file is None or (self.file.exists() and self.file.stat().st_size > 0)

    @property
    def lock(self) -> Path:
        """The file whose lock one holds who makes a study or moves its places."""
        if self.file is not None:
            return self.file.with_name(f"{self.name}.lock")
        return lock_for(f"{self.storage} {self.name}")

    def restrict(self) -> None:
        """Let nobody but its owner read the file."""
        if self.file is not None and self.file.exists():
            with suppress(OSError):  # of another user, who has lent it
                self.file.chmod(PRIVATE)

    def open(self, *, make: bool = True) -> BaseStorage:
        """The storage, ready to use.

        Args:
            make: whether a database without Optuna's tables gets them; else it is refused, and to
                look at it connects anew each time: a server has few connections for all that look.

        Raises:
            StoreError: it cannot be read or written, or holds no study of Optuna's.
        """
        try:
            if not self.shared:
                return JournalOfStudies(Journal(self.storage))
            self._check_url()
            return waiting(lambda: self._database(make=make), STUDY)
        except CnnSweepsError:
            raise
        except Exception as error:  # a file of another kind can fail in any way
            raise self._refusal(error) from error

    @contextmanager
    def refusing(self, kind: type[OptunaError] = OptunaError) -> Iterator[None]:
        """Turn what a storage raises when it cannot be used into one clear refusal.

        Args:
            kind: of what it raises; the default takes all of Optuna's errors for that.
        """
        try:
            yield
        except kind as error:
            raise self._refusal(error) from error

    def _check_url(self) -> None:
        scheme = self.storage.partition(":")[0].partition("+")[0]
        if scheme not in DATABASES:
            raise StoreError(
                f"hydra.sweeper.storage={self} is invalid: a database is one of "
                f"{', '.join(f'{known}://' for known in DATABASES)}; or {ELSEWHERE}."
            )
        try:
            make_url(self.storage).get_dialect()
        except NoSuchModuleError:
            raise StoreError(
                f"hydra.sweeper.storage={self} names a driver that is not known here: "
                f"install {DRIVERS.get(scheme, 'it')}, or {ELSEWHERE}."
            ) from None
        except (ArgumentError, ValueError):
            raise StoreError(f"hydra.sweeper.storage={self} {NO_ADDRESS}.") from None
        if scheme == "sqlite" and self.storage.partition(":///")[2] in ("", ":memory:"):
            raise StoreError(
                f"hydra.sweeper.storage={self} names no file, so no worker could find the study; "
                f"type hydra.sweeper.storage=sqlite:////FOLDER/FILE.db, or leave it out."
            )

    def _database(self, *, make: bool) -> BaseStorage:
        if not self.storage.startswith("sqlite"):
            # It would tell each statement that was cut off, which is waited for here.
            logging.getLogger(RDBStorage.__module__).setLevel(logging.ERROR)
            options = {"connect_args": _given_up(self.storage)}
            tables = _made_at_once(partial(self._tables, make=make, **options))
            return PatientStorage(get_storage(tables), tables)
        storage = self._tables(make=make, connect_args={"timeout": BUSY})
        # Python's driver begins a transaction with its first write. Two workers that have read
        # before that a trial waits would both take it.
        event.listen(storage.engine, "connect", _without_own_transactions)
        event.listen(storage.engine, "begin", _begin_immediate)
        storage.engine.dispose()
        return storage

    def _tables(self, *, make: bool, **options: Any) -> RDBStorage:
        """The tables of a database; `options` are those of its engine.

        Raises:
            StoreError: they are not of the installed Optuna.
            UnknownStudyError: there are none, and none are to be made.
        """
        with create_engine(self.storage, poolclass=NullPool, **options).connect() as connection:
            tables, revision = of_database(connection, OPTUNA)
        try:
            OPTUNA.check(tables, revision, place=str(self), url=str(self))
        except StoreError as error:
            raise error if revision else UnfinishedError(str(error)) from None
        if not tables and not make:
            raise UnknownStudyError(f"there is no study in {self}.")
        # A firewall may cut a connection that is silent for the time of a training. To ask each
        # time whether it is there costs more than to make a new one now and then.
        # One is kept: with a heartbeat of its own now and then, each process would hold two.
        options |= {"pool_recycle": RECYCLE, "pool_size": 1} if make else {"poolclass": NullPool}
        if self.storage.startswith(MYSQL):
            # As PostgreSQL has it. MySQL else shows a transaction what was there when it began:
            # two that wait for each other to create a trial would give both of them one number.
            options["isolation_level"] = "READ COMMITTED"
        return RDBStorage(self.storage, engine_kwargs=options, skip_table_creation=not make)

    def _refusal(self, error: Exception) -> StoreError:
        cause = _first_cause(error)
        if isinstance(cause, ModuleNotFoundError):
            return StoreError(
                f"hydra.sweeper.storage={self} needs the Python package {cause.name}: "
                f"install {DRIVERS.get(self.storage.partition(':')[0].partition('+')[0], 'it')}, "
                f"or {ELSEWHERE}."
            )
        said = hidden_in(first_line(cause)) or type(cause).__name__
        if code_of(cause) in PREPARED:
            return StoreError(
                f"the study's storage {self} cannot be used: {said}.\n  A pooler before PostgreSQL "
                "has to keep a connection for as long as its client has it: set pool_mode=session "
                "in PgBouncer, or type the address of PostgreSQL itself."
            )
        return StoreError(
            f"the study's storage {self} cannot be used: {said}.\n"
            f"  Fix it or move it, then run the same command again, or {ELSEWHERE}."
        )


def _given_up(storage: str) -> dict[str, int]:
    """What a driver is told of servers that say nothing, unless the URL says it."""
    url = make_url(storage)
    told = SILENT if url.get_driver_name() in LIBPQ else {}
    return {name: value for name, value in told.items() if name not in url.query}


def _made_at_once(attempt: Callable[[], RDBStorage]) -> RDBStorage:
    """The tables of a server's database, which another host may make at this moment.

    To whoever looks meanwhile they are half there, and who makes them as well is refused.
    """
    for pause in MAKING:
        try:
            return attempt()
        except (UnfinishedError, ProgrammingError, IntegrityError, OptunaError):
            time.sleep(pause)
    return attempt()


def _without_own_transactions(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _first_cause(error: BaseException) -> BaseException:
    """What the others were raised from: Optuna and SQLAlchemy wrap the driver's own words."""
    while (cause := error.__cause__) is not None:
        error = cause
    return error
