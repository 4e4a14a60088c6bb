"""Opening a registry by its URL, and what an open one is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from artfs.errors import ConfigNotValid
from artfs.model.secret_uris import shown_uri
from artfs.registry.aliases import Aliases
from artfs.registry.changes import Changes
from artfs.registry.collections import Collections
from artfs.registry.contributions import Contributions
from artfs.registry.database import PATIENCE_S, Database
from artfs.registry.dialects import now
from artfs.registry.identity import Identity
from artfs.registry.imports import Imports
from artfs.registry.leases import Leases
from artfs.registry.lineage import Lineage
from artfs.registry.migrations import OnStep, Upgrade, ensure_schema, migrate
from artfs.registry.packs import Packs
from artfs.registry.postgres import open_postgres
from artfs.registry.runs import Runs
from artfs.registry.sqlite import open_sqlite
from artfs.registry.versions import Versions

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")


@dataclass(frozen=True, slots=True)
class Registry:
    """All metadata. Every method of its parts is one transaction; any thread of any number of processes may call them.

    Errors: NotFound, Conflict and UserError as the methods say; RegistryUnavailable when the database cannot be reached or stays
    locked, StoreFull when it has no space, IntegrityError when it is damaged.
    """

    collections: Collections
    versions: Versions
    aliases: Aliases
    runs: Runs
    lineage: Lineage
    packs: Packs
    leases: Leases
    contributions: Contributions
    imports: Imports
    identity: Identity
    changes: Changes
    _database: Database = field(repr=False)

    def now(self) -> datetime:
        """The time on the registry's clock: the one that all hosts agree on."""
        return self._database.read(now)

    def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        self._database.close()


def open_registry(url: str, *, patience_s: float = PATIENCE_S, at_once: bool = True) -> Registry:
    """Open the registry `sqlite:///PATH` or `postgresql://USER@HOST/DATABASE`, and make it in an empty database.

    Raises ConfigNotValid when it is of another schema: `upgrade_registry` brings an older one to the newest.

    `patience_s` is how long a transaction waits for others that are in its way. Unless `at_once`, nothing is done yet, so that a
    registry may be opened that cannot be reached: each transaction tries to do first, and raises, what opening would have.
    """
    database, name = _open_database(url, patience_s)
    database.prepare_with(lambda: ensure_schema(database, name))
    if at_once:
        try:
            database.prepare()
        except BaseException:
            database.close()
            raise
    return Registry(
        collections=Collections(database),
        versions=Versions(database),
        aliases=Aliases(database),
        runs=Runs(database),
        lineage=Lineage(database),
        packs=Packs(database),
        leases=Leases(database),
        contributions=Contributions(database),
        imports=Imports(database),
        identity=Identity(database, name),
        changes=Changes(database),
        _database=database,
    )


def upgrade_registry(url: str, *, dry_run: bool = False, on_step: OnStep | None = None) -> tuple[str, Upgrade]:
    """Bring the registry to the newest schema, or with `dry_run` say what that would be; and its address as people may see it.

    Of several at once one does it, and the others wait and find nothing left to do. `on_step` is told of each step as it begins.
    """
    database, name = _open_database(url, PATIENCE_S)
    try:
        return name, migrate(database, name, on_step=on_step, dry_run=dry_run)
    finally:
        database.close()


def has_registry(url: str) -> bool:
    """False when none was made there yet, which this does not. Raises as opening does."""
    # Even to read, SQLite would make the file.
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).expanduser().exists():
        return False
    _, upgrade = upgrade_registry(url, dry_run=True)
    return upgrade.before is not None


def _open_database(url: str, patience_s: float) -> tuple[Database, str]:
    if url.startswith(_SQLITE):
        # Not parsed as a URL: a folder's name may hold any character.
        path = url.removeprefix(_SQLITE)
        if not path or path == ":memory:":
            raise ConfigNotValid(f"{url!r} names no file: write for example sqlite:////srv/artfs/registry.sqlite")
        return open_sqlite(Path(path), patience_s=patience_s), path
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigNotValid(
            f"the registry's address {shown_uri(url)!r} is no URL: expected sqlite:///PATH or postgresql://USER@HOST/DATABASE"
        ) from None
    if parsed.drivername not in _POSTGRES:
        raise ConfigNotValid(
            f"no registry can be kept in {parsed.drivername!r}: use sqlite:///PATH or postgresql://USER@HOST/DATABASE"
        )
    return open_postgres(parsed, patience_s=patience_s), parsed.render_as_string(hide_password=True)
