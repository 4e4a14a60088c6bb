"""Aliases by name. Any thread; every method is one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update

from artfs.errors import NotFound
from artfs.model.names import ArtifactName, check_alias, format_version_label
from artfs.model.records import VersionRecord
from artfs.registry.database import Database
from artfs.registry.dialects import now
from artfs.registry.schema import aliases, versions
from artfs.registry.scopes import lock_collection, require_collection_id
from artfs.registry.suggestions import missing_version
from artfs.registry.version_rows import get_version, place_aliases, require_live, select_versions


class Aliases:
    """The aliases of all artifact collections."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, artifact: ArtifactName, alias: str, number: int) -> VersionRecord:
        """Make the alias stand on version `number`, wherever it was before."""
        check_alias(alias)

        def work(connection: Connection) -> VersionRecord:
            collection_id = lock_collection(connection, artifact).id
            found = select_versions(connection, versions.c.collection_id == collection_id, versions.c.number == number)
            if not found:
                raise NotFound(missing_version(connection, artifact, collection_id, format_version_label(number)))
            place_aliases(connection, collection_id, require_live(found[0]).id, [alias])
            return get_version(connection, found[0].id)

        return self._database.write(work)

    def remove(self, artifact: ArtifactName, alias: str) -> None:
        """Remove the alias. Raises NotFound when the artifact does not have it."""

        def work(connection: Connection) -> None:
            collection_id = lock_collection(connection, artifact).id
            here = (aliases.c.collection_id == collection_id) & (aliases.c.name == alias)
            if not connection.execute(delete(aliases).where(here)).rowcount:
                raise NotFound(missing_version(connection, artifact, collection_id, alias))

        self._database.write(work)

    def rename(self, artifact: ArtifactName, old: str, new: str) -> None:
        """Give the alias another name, in place of an alias that has it: nobody sees both, or neither."""
        check_alias(new)

        def work(connection: Connection) -> None:
            collection_id = lock_collection(connection, artifact).id
            old_row = (aliases.c.collection_id == collection_id) & (aliases.c.name == old)
            if connection.execute(select(aliases.c.name).where(old_row)).scalar() is None:
                raise NotFound(missing_version(connection, artifact, collection_id, old))
            if old != new:
                connection.execute(delete(aliases).where(aliases.c.collection_id == collection_id, aliases.c.name == new))
                connection.execute(update(aliases).where(old_row).values(name=new, moved_at=now(connection)))

        self._database.write(work)

    def list(self, artifact: ArtifactName) -> dict[str, int]:
        """The number each alias stands on, by alias."""

        def work(connection: Connection) -> dict[str, int]:
            collection_id = require_collection_id(connection, artifact)
            query = select(aliases.c.name, versions.c.number).join(versions).where(aliases.c.collection_id == collection_id)
            return dict(sorted((name, number) for name, number in connection.execute(query)))

        return self._database.read(work)
