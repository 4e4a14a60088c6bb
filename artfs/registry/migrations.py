"""Migrations: how an older registry becomes one of the newest schema.

Forward only. A new registry gets the newest tables at once; an older one goes through every step it has not seen, in order, all in
one transaction together with the number it then has. Of several processes that open a registry at once, one migrates and the others
wait for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from sqlalchemy import Connection, func, insert, inspect, select, text, update

from artfs.errors import ConfigNotValid
from artfs.registry.database import Database
from artfs.registry.dialects import now
from artfs.registry.schema import collected_packs, identity, metadata, schema_version

Step = Callable[[Connection], None]


def _count_contributions(connection: Connection) -> None:
    """Schema 2: contributions know their size and number of files. In schema 1 nothing wrote any."""
    for column in ("size", "file_count"):
        connection.execute(text(f"ALTER TABLE contributions ADD COLUMN {column} BIGINT NOT NULL DEFAULT 0"))


def _serve_many_hosts(connection: Connection) -> None:
    """Schema 3: a registry has an id of its own and knows its object store, and remembers packs that are gone."""
    identity.create(connection)
    connection.execute(text("ALTER TABLE collections ADD COLUMN changes BIGINT NOT NULL DEFAULT 0"))
    collected_packs.create(connection)
    _draw_identity(connection)


#: The number of the schema in `schema.py`.
NEWEST = 3
#: Step n makes schema n of schema n - 1. There is no step 1: schema 1 was the first.
STEPS: Mapping[int, Step] = {2: _count_contributions, 3: _serve_many_hosts}

#: Any number that no other program is likely to lock on the same server ("artfs" in hexadecimal).
_MIGRATION_LOCK = 0x6172746673


def migrate(database: Database, name: str, *, newest: int = NEWEST, steps: Mapping[int, Step] = STEPS) -> None:
    """Bring the registry to schema `newest`; `name` is for messages. Raises ConfigNotValid when it is newer than that."""
    # Reading first, so that opening an up-to-date registry takes no write lock.
    if _check(database.read(_found_version), name, newest) != newest:
        database.write(lambda connection: _migrate(connection, name, newest, steps))


def _migrate(connection: Connection, name: str, newest: int, steps: Mapping[int, Step]) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
    # Looked at again under the lock: another process may have done it meanwhile.
    found = _check(_found_version(connection), name, newest)
    if found is None:
        _refuse_foreign_tables(connection, name)
        metadata.create_all(connection, checkfirst=False)
        _draw_identity(connection)
        connection.execute(insert(schema_version).values(singleton=1, version=newest, applied_at=now(connection)))
        return
    for number in range(found + 1, newest + 1):
        steps[number](connection)
    if found != newest:
        connection.execute(update(schema_version).values(version=newest, applied_at=now(connection)))


def _found_version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(schema_version.name):
        return None
    return connection.execute(select(schema_version.c.version)).scalar_one_or_none()


def _draw_identity(connection: Connection) -> None:
    connection.execute(insert(identity).values(singleton=1, registry_id=secrets.token_hex(16)))


def _check(found: int | None, name: str, newest: int) -> int | None:
    if found is not None and found > newest:
        raise ConfigNotValid(
            f"the registry {name} was written by a newer artfs (schema {found}, this one knows up to {newest}): upgrade artfs"
        )
    return found


def _refuse_foreign_tables(connection: Connection, name: str) -> None:
    taken = sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))
    if taken:
        raise ConfigNotValid(f"the database {name} has a table {taken[0]!r} of another program: give artfs a database of its own")
