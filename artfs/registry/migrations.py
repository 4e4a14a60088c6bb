"""Migrations: how a new registry gets its tables, and how an older one becomes one of the newest schema.

Forward only. Opening makes the newest tables in an empty database, and refuses another schema: only `artfs upgrade` migrates,
as every other host must then have this artfs too. An older registry goes through every step it has not seen, in order, all in one
transaction together with the number it then has. Of several processes that make or migrate a registry at once, one does it and the
others wait for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, inspect, select, text, update

from artfs.errors import ConfigNotValid, IntegrityError
from artfs.registry.database import Database
from artfs.registry.dialects import now
from artfs.registry.schema import collected_packs, identity, metadata, schema_version, transactions

Step = Callable[[Connection], None]


def _count_contributions(connection: Connection) -> None:
    """Schema 2: contributions know their size and number of files. In schema 1 nothing wrote any."""
    for column in ("size", "file_count"):
        connection.execute(text(f"ALTER TABLE contributions ADD COLUMN {column} BIGINT NOT NULL DEFAULT 0"))


def _serve_many_hosts(connection: Connection) -> None:
    """Schema 3: a registry has an id of its own and knows its object store, and remembers packs that are gone."""
    identity.create(connection)
    transactions.create(connection)
    connection.execute(text("ALTER TABLE collections ADD COLUMN changes BIGINT NOT NULL DEFAULT 0"))
    collected_packs.create(connection)
    _draw_identity(connection)


#: The number of the schema in `schema.py`.
NEWEST = 3
#: Step n makes schema n of schema n - 1. There is no step 1: schema 1 was the first.
STEPS: Mapping[int, Step] = {2: _count_contributions, 3: _serve_many_hosts}

#: Any number that no other program is likely to lock on the same server ("artfs" in hexadecimal).
_MIGRATION_LOCK = 0x6172746673


#: Told the number of a step that begins, and what it does.
OnStep = Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What became of a registry: its schema before (None: there was none) and after."""

    before: int | None
    after: int


def ensure_schema(database: Database, name: str, *, newest: int = NEWEST) -> None:
    """Make the tables where there are none; `name` is for messages. Raises ConfigNotValid when they are of another schema."""
    # Reading first, so that opening takes no write lock.
    if _check(database.read_schema(_found_version), name, newest) is None:
        database.change_schema(lambda connection: _check(_make_missing(connection, name, newest), name, newest))


def ensure_still_newest(connection: Connection, name: str) -> None:
    """Raise ConfigNotValid when the registry was brought to another schema since it was opened."""
    found = connection.execute(select(schema_version.c.version)).scalar_one_or_none()
    if _check(found, name, NEWEST) is None:
        raise IntegrityError(f"the registry {name} has lost the row that says its schema: restore it from a backup")


def migrate(
    database: Database,
    name: str,
    *,
    newest: int = NEWEST,
    steps: Mapping[int, Step] = STEPS,
    on_step: OnStep | None = None,
    dry_run: bool = False,
) -> Upgrade:
    """Bring the registry to schema `newest`, made when there is none. Raises ConfigNotValid when it is newer than that.

    With `dry_run` only say what would be done.
    """
    before = _refuse_newer(database.read_schema(_found_version), name, newest)
    if before == newest or dry_run:
        return Upgrade(before, newest)
    return database.change_schema(lambda connection: _migrate(connection, name, newest, steps, on_step))


def pending_steps(before: int | None, after: int = NEWEST, steps: Mapping[int, Step] = STEPS) -> list[tuple[int, str]]:
    """The number of each step from one schema to another, and what it does."""
    return [] if before is None else [(number, _what(steps[number])) for number in range(before + 1, after + 1)]


def _migrate(connection: Connection, name: str, newest: int, steps: Mapping[int, Step], on_step: OnStep | None) -> Upgrade:
    found = _refuse_newer(_make_missing(connection, name, newest), name, newest)
    if found is None:
        return Upgrade(None, newest)
    for number in range(found + 1, newest + 1):
        if on_step is not None:
            on_step(number, _what(steps[number]))
        steps[number](connection)
    if found != newest:
        connection.execute(update(schema_version).values(version=newest, applied_at=now(connection)))
    return Upgrade(found, newest)


def _make_missing(connection: Connection, name: str, newest: int) -> int | None:
    """The schema that is there. Where there is none, the newest is made, and None returned. Nobody else migrates meanwhile."""
    if connection.dialect.name == "postgresql":
        # Whoever migrates may take long: this one is worth waiting for.
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
    # Looked at again under the lock: another process may have done it meanwhile.
    found = _found_version(connection)
    if found is None:
        _refuse_foreign_tables(connection, name)
        metadata.create_all(connection, checkfirst=False)
        _draw_identity(connection)
        connection.execute(insert(schema_version).values(singleton=1, version=newest, applied_at=now(connection)))
    return found


def _what(step: Step) -> str:
    """`Schema 3: what it does.` without its head."""
    return (step.__doc__ or "").partition(": ")[2].strip().removesuffix(".")


def _found_version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(schema_version.name):
        return None
    return connection.execute(select(schema_version.c.version)).scalar_one_or_none()


def _draw_identity(connection: Connection) -> None:
    connection.execute(insert(identity).values(singleton=1, registry_id=secrets.token_hex(16)))


def _check(found: int | None, name: str, newest: int) -> int | None:
    if _refuse_newer(found, name, newest) not in (None, newest):
        raise ConfigNotValid(
            f"the registry {name} is of an older artfs (schema {found}, this one needs {newest}): run `artfs upgrade`,"
            " and let all who use it have this artfs"
        )
    return found


def _refuse_newer(found: int | None, name: str, newest: int) -> int | None:
    if found is not None and found > newest:
        raise ConfigNotValid(
            f"the registry {name} was written by a newer artfs (schema {found}, this one knows up to {newest}): upgrade artfs"
        )
    return found


def _refuse_foreign_tables(connection: Connection, name: str) -> None:
    taken = sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))
    if taken:
        raise ConfigNotValid(f"the database {name} has a table {taken[0]!r} of another program: give artfs a database of its own")
