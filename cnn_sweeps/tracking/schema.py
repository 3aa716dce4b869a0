"""Compare a database's schema with the installed library's; nothing is migrated unasked.

MLflow and Optuna write the version of their tables into a table of Alembic's. Both create what is
missing as soon as they connect, and MLflow migrates the rest with it; the version that made the
database cannot open it any more then. So the version is read before either of them connects.
"""

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from cnn_sweeps.errors import StoreError

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy import Connection

Misfit = Literal["older", "newer", "foreign"]
"""Tables of an earlier version, of a later one, or only those of another program."""
VERSIONS: Final = "alembic_version"
REVISION: Final = f"SELECT version_num FROM {VERSIONS}"  # noqa: S608 our own name


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The tables of an installed library.

    Attributes:
        library: its name for a person; in small letters that of its package.
        migrations: folder of its migrations within the package.
        table: one that all its databases have.
        upgrade: the command that migrates a database, without the address.
        elsewhere: what else to type.
    """

    library: str
    migrations: str
    table: str
    upgrade: str
    elsewhere: str

    def misfit(self, tables: Collection[str], revision: str | None) -> Misfit | None:
        """What is wrong with a database; None where its tables fit, or none are there yet.

        Args:
            tables: those that are there.
            revision: what Alembic's table says; None where it says nothing.
        """
        if revision is None or self.table not in tables:
            return "foreign" if tables else None
        newest = revisions(self.library.lower(), self.migrations).get(revision)
        if newest is None:
            return "newer"
        return None if newest else "older"

    def explain(self, misfit: Misfit, place: str, url: str) -> tuple[str, str]:
        """What is wrong with a database, and what to do about it.

        Args:
            misfit: see above.
            place: what to name in the message.
            url: its address without a password.
        """
        package = self.library.lower()
        if misfit == "foreign":
            return f"{place} is not an {self.library} database", "Check the address"
        said = f"{place} was written by {{}} {self.library} than the installed {version(package)}"
        if misfit == "newer":
            return said.format("a newer"), f"Type pip install --upgrade {package}"
        command = f"{self.upgrade} {shlex.quote(url)}"
        return (
            f"{said.format('an older')}, and is not migrated unasked",
            f"Copy it, since only the copy opens in the older one afterwards; then type {command}",
        )

    def check(self, tables: Collection[str], revision: str | None, *, place: str, url: str) -> None:
        """Refuse a database that does not fit. See `misfit` and `explain` for the arguments.

        Raises:
            StoreError: it does not fit.
        """
        misfit = self.misfit(tables, revision)
        if misfit is not None:
            what, remedy = self.explain(misfit, place, url)
            raise StoreError(f"The database {what}.\n{remedy}; or {self.elsewhere}.")


MLFLOW: Final = Schema(
    library="MLflow",
    migrations="store/db_migrations/versions",
    table="experiments",
    upgrade="mlflow db upgrade",
    elsewhere="choose another folder with tracking.dir=FOLDER",
)


@cache
def revisions(package: str, migrations: str) -> Mapping[str, bool]:
    """Every version of a package's tables, and whether it is the newest; it is not imported."""
    spec = find_spec(package)
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    ways = {}
    for file in (folder / migrations).glob("*.py"):
        told = dict(
            re.findall(
                r"^((?:down_)?revision)\s*=\s*[\"']?([\w.]+)", file.read_text("utf-8"), re.MULTILINE
            )
        )
        ways[told.get("revision", "")] = told.get("down_revision", "")
    return {each: each not in ways.values() for each in ways}


def of_file(connection: "sqlite3.Connection") -> tuple[set[str], str | None]:
    """The tables of an SQLite file, and what Alembic's says."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    tables = {name for (name,) in found}
    row = connection.execute(REVISION).fetchone() if VERSIONS in tables else None
    return tables, str(row[0]) if row else None


def of_database(connection: "Connection", schema: Schema) -> tuple[set[str], str | None]:
    """The same of any database, where tables of others alone are no reason to refuse it."""
    from sqlalchemy import inspect

    inspector = inspect(connection)
    tables = {name for name in (schema.table, VERSIONS) if inspector.has_table(name)}
    row = connection.exec_driver_sql(REVISION).first() if VERSIONS in tables else None
    return tables, str(row[0]) if row else None
