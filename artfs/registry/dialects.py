"""The few statements that SQLite and PostgreSQL spell differently. No state; any thread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Table, func, literal, select
from sqlalchemy.dialects.sqlite import dml as sqlite_dml

from artfs.registry.columns import UtcTime

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import dml as postgresql_dml


def insert(connection: Connection, table: Table) -> sqlite_dml.Insert | postgresql_dml.Insert:
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if connection.dialect.name == "postgresql":
        # Only here: this dialect brings asyncio with it, a tenth of the time of a short command that does not need it.
        from sqlalchemy.dialects.postgresql import dml as postgresql_dml  # noqa: PLC0415

        return postgresql_dml.Insert(table)
    return sqlite_dml.Insert(table)


def insert_missing(connection: Connection, table: Table, **values: Any) -> None:
    """Insert a row unless one with the same key is there. A racing insert of the same key is waited for."""
    connection.execute(insert(connection, table).values(**values).on_conflict_do_nothing())


def now(connection: Connection) -> datetime:
    """The registry's time. One clock for all hosts: theirs differ, and a lease must mean the same to all of them."""
    if connection.dialect.name == "postgresql":
        # Not now(): that is when the transaction began, which may be long before it got a lock it waited for.
        time: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return time.astimezone(UTC)
    return datetime.now(UTC)


def clock(connection: Connection, *, after: timedelta = timedelta()) -> ColumnElement[datetime]:
    """What `now` gives, and `after` later, as a value in a statement: it costs no round trip of its own."""
    if connection.dialect.name == "postgresql":
        time: ColumnElement[datetime] = func.clock_timestamp(type_=UtcTime())
        return time + literal(after) if after else time
    return literal(datetime.now(UTC) + after, UtcTime())
