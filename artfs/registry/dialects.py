"""The few statements that SQLite and PostgreSQL spell differently. No state; any thread."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


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
