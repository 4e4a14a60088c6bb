"""Versions inside a transaction: reading them as records, and changing what may change of one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, select, update

from artfs.errors import NotFound
from artfs.model.chunk_list import decode_chunk_ref
from artfs.model.names import ArtifactName
from artfs.model.records import VersionRecord, VersionState
from artfs.registry.dialects import clock, insert
from artfs.registry.schema import aliases, collections, entities, projects, versions

IS_LIVE: ColumnElement[bool] = versions.c.state == VersionState.COMMITTED.value

_VERSIONS = (
    select(
        versions,
        collections.c.name.label("collection_name"),
        collections.c.type,
        projects.c.name.label("project_name"),
        entities.c.name.label("entity_name"),
    )
    .join(collections, collections.c.id == versions.c.collection_id)
    .join(projects, projects.c.id == collections.c.project_id)
    .join(entities, entities.c.id == projects.c.entity_id)
)


def select_versions(
    connection: Connection, *criteria: ColumnElement[bool], order_by: Any = None, limit: int | None = None
) -> list[VersionRecord]:
    """The versions that meet all criteria, with their aliases. One statement, as the server may be far away."""
    if limit is not None:
        criteria = (versions.c.id.in_(_VERSIONS.with_only_columns(versions.c.id).where(*criteria).order_by(order_by).limit(limit)),)
    query = _VERSIONS.add_columns(aliases.c.name.label("alias")).outerjoin(aliases, aliases.c.version_id == versions.c.id)
    found: dict[int, tuple[Row[Any], list[str]]] = {}
    for row in connection.execute(query.where(*criteria).order_by(order_by)):
        _, names = found.setdefault(row.id, (row, []))
        if row.alias is not None:
            names.append(row.alias)
    # Sorted here, as databases disagree on the order of text.
    return [_as_record(row, tuple(sorted(names))) for row, names in found.values()]


def get_version(connection: Connection, version_id: int) -> VersionRecord:
    """The version, deleted or not. Raises NotFound."""
    found = select_versions(connection, versions.c.id == version_id)
    if not found:
        raise NotFound(f"there is no version with the id {version_id} in the registry")
    return found[0]


def require_live(record: VersionRecord) -> VersionRecord:
    """The version, unless it was deleted: then NotFound."""
    if record.state is not VersionState.COMMITTED:
        raise NotFound(f"{record.qualified_name} has been deleted: its number is not given again")
    return record


def place_aliases(connection: Connection, collection_id: int, version_id: int, names: Iterable[str]) -> None:
    """Make the aliases stand on the version, wherever they were before. The collection must be locked."""
    for name in dict.fromkeys(names):
        statement = insert(connection, aliases).values(
            collection_id=collection_id, name=name, version_id=version_id, moved_at=clock(connection)
        )
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["collection_id", "name"],
                set_={"version_id": version_id, "moved_at": statement.excluded.moved_at},
                # One that stands there already has not moved.
                where=aliases.c.version_id != version_id,
            )
        )


def drop_aliases(connection: Connection, version_id: int, names: Iterable[str]) -> None:
    """Take the aliases off the version; one that stands elsewhere stays there."""
    for name in names:
        connection.execute(delete(aliases).where(aliases.c.version_id == version_id, aliases.c.name == name))


def change_version(connection: Connection, version_id: int, **values: Any) -> None:
    """Set columns of a version. Its collection must be locked."""
    connection.execute(update(versions).where(versions.c.id == version_id).values(**values))


def find_live(connection: Connection, collection_id: int, criterion: ColumnElement[bool]) -> VersionRecord | None:
    """The live version of the collection that meets the criterion, which at most one does."""
    found = select_versions(connection, versions.c.collection_id == collection_id, IS_LIVE, criterion)
    return found[0] if found else None


def _as_record(row: Row[Any], names: tuple[str, ...]) -> VersionRecord:
    return VersionRecord(
        id=row.id,
        collection_id=row.collection_id,
        artifact=ArtifactName(row.entity_name, row.project_name, row.collection_name),
        type=row.type,
        number=row.number,
        digest=row.digest,
        manifest=decode_chunk_ref(row.manifest),
        size=row.size,
        file_count=row.file_count,
        description=row.description,
        metadata=row.metadata,
        state=VersionState(row.state),
        created_at=row.created_at,
        aliases=names,
    )
