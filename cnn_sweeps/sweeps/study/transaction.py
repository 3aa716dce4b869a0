"""Several writes of Optuna's to a database in one transaction.

Optuna ends its session with each write, and begins the next one by reading the same trial again: of
the statements of a trial that has a dozen attributes that is a quarter.
"""

import sys
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import Column, Connection, Executable, FrozenResult, Result, Select, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import BinaryExpression
from sqlalchemy.sql.operators import eq


@contextmanager
def transaction(database: RDBStorage) -> Iterator[None]:
    """A block in which what Optuna commits after each write is committed at the end, or not at all.

    It asks for a session of this thread each time, and gets the one of the transaction.
    """
    sessions, session = database.scoped_session, None
    sessions.remove()
    try:
        with database.engine.begin() as connection:
            session = _TransactionSession(connection)
            sessions.registry.set(session)
            yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error if session is None or session.broken_by is None else session.broken_by
        raise StorageInternalError("A transaction could not be carried out.") from cause
    finally:
        sessions.registry.clear()
        if session is not None:
            session.end()


class _TransactionSession(Session):
    """The one session of a transaction, whichever write of Optuna's asks for it.

    A row that it has looked up by its number it knows until the end, with what it changes there.
    What others change meanwhile it sees where that counts: Optuna locks a trial before it claims or
    ends it, and what is locked is read anew.

    Attributes:
        broken_by: what ended the transaction early: Optuna repeats some writes, which tell only
            that it has ended.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(bind=connection, join_transaction_mode="rollback_only")
        self.broken_by: BaseException | None = None
        self._rows: dict[Hashable, FrozenResult[Any]] = {}

    def execute(self, statement: Executable, *args: Any, **kwargs: Any) -> Result[Any]:
        """What a statement returns; a row that is known is asked for again only to lock it."""
        asked = _look_up(statement)
        if asked is None:
            return super().execute(statement, *args, **kwargs)
        if asked.locks or asked.row not in self._rows:
            # Else a row that is locked would keep the values by which it was known.
            options = {**kwargs.pop("execution_options", {}), "populate_existing": True}
            found = super().execute(statement, *args, execution_options=options, **kwargs)
            self._rows[asked.row] = found.freeze()
        return self._rows[asked.row]()

    def commit(self) -> None:
        """Let the database know what was written; the transaction goes on."""
        self.flush()

    def close(self) -> None:
        """Stay open for the next write."""

    def rollback(self) -> None:
        """End the transaction: none of its writes is made."""
        self.broken_by = self.broken_by or sys.exception()
        self._rows.clear()
        super().rollback()

    def end(self) -> None:
        """Close the session, whose transaction has ended."""
        super().close()


@dataclass(frozen=True, kw_only=True)
class _LookUp:
    """A statement that asks for a row by its number.

    Attributes:
        row: table and number.
        locks: whether others are to wait until the transaction has ended.
    """

    row: Hashable
    locks: bool


def _look_up(statement: Executable) -> _LookUp | None:
    """What a statement looks up by its number, and nothing else; None for other statements."""
    where = statement.whereclause if isinstance(statement, Select) else None
    if not isinstance(statement, Select) or not isinstance(where, BinaryExpression):
        return None
    column, number = where.left, getattr(where.right, "value", None)
    if where.operator is not eq or not isinstance(column, Column) or number is None:
        return None
    selected, *more = statement.column_descriptions
    if more or selected["expr"] is not selected["entity"]:
        return None
    table = inspect(selected["entity"]).local_table.name
    if not column.primary_key or column.table.name != table:
        return None
    return _LookUp(row=(table, number), locks=statement._for_update_arg is not None)
