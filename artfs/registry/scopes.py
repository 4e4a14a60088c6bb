"""Entities, projects and collections: finding their rows, and making them when they are first named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from artfs.errors import NotFound, UserError
from artfs.model.names import ArtifactName
from artfs.registry.announcements import announce
from artfs.registry.dialects import clock, insert_missing
from artfs.registry.schema import collections, entities, projects
from artfs.registry.suggestions import missing_artifact


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A collection as its own transaction sees it."""

    id: int
    type: str
    next_number: int


def is_project(entity: str, project: str) -> ColumnElement[bool]:
    """The criterion for rows of that project, where entities and projects are joined."""
    return (entities.c.name == entity) & (projects.c.name == project)


def is_artifact(artifact: ArtifactName) -> ColumnElement[bool]:
    """The criterion for rows of that artifact, where entities, projects and collections are joined."""
    return is_project(artifact.entity, artifact.project) & (collections.c.name == artifact.name)


def ensure_entity(connection: Connection, entity: str) -> int:
    """The id of the entity, made when it is first named."""
    query = select(entities.c.id).where(entities.c.name == entity)
    found: int | None = connection.execute(query).scalar()
    if found is None:
        insert_missing(connection, entities, name=entity, created_at=clock(connection))
        found = connection.execute(query).scalar_one()
    return found


def ensure_project(connection: Connection, entity: str, project: str) -> int:
    """The id of the project, made with its entity when it is first named."""
    query = select(projects.c.id).join(entities).where(is_project(entity, project))
    found: int | None = connection.execute(query).scalar()
    if found is None:
        entity_id = ensure_entity(connection, entity)
        insert_missing(connection, projects, entity_id=entity_id, name=project, created_at=clock(connection))
        found = connection.execute(query).scalar_one()
    return found


def find_collection_id(connection: Connection, artifact: ArtifactName) -> int | None:
    """The id of the collection; None when there is no such artifact."""
    query = _joined(select(collections.c.id)).where(is_artifact(artifact))
    found: int | None = connection.execute(query).scalar()
    return found


def require_collection_id(connection: Connection, artifact: ArtifactName) -> int:
    """The id of the collection. Raises NotFound."""
    found = find_collection_id(connection, artifact)
    if found is None:
        raise NotFound(missing_artifact(connection, artifact))
    return found


def lock_collection(connection: Connection, artifact: ArtifactName) -> CollectionRow:
    """The collection, locked until the transaction ends. Raises NotFound."""
    row = _found(connection, artifact)
    if row is None:
        raise NotFound(missing_artifact(connection, artifact))
    return row


def lock_collection_of(connection: Connection, collection_id: int) -> None:
    """Lock a collection that is known to be there."""
    connection.execute(_locking(select(collections.c.id).where(collections.c.id == collection_id)))
    announce(connection, collection_id)


def ensure_collection(connection: Connection, artifact: ArtifactName, type_name: str | None) -> CollectionRow:
    """The collection, made when it is not there, and locked. None for the type means the one it has."""
    row = _found(connection, artifact)
    if row is None:
        if type_name is None:
            raise NotFound(f"{missing_artifact(connection, artifact)}; to make it, say which type it has")
        project_id = ensure_project(connection, artifact.entity, artifact.project)
        values = {"project_id": project_id, "name": artifact.name, "type": type_name, "next_number": 0}
        insert_missing(connection, collections, **values, created_at=clock(connection))
        row = lock_collection(connection, artifact)
    return _of_type(row, artifact, type_name)


def require_collection(connection: Connection, artifact: ArtifactName, type_name: str | None) -> CollectionRow:
    """As `ensure_collection`, but locked only when it has to be made: for who does not change its versions or aliases."""
    row = _found(connection, artifact, lock=False)
    return ensure_collection(connection, artifact, type_name) if row is None else _of_type(row, artifact, type_name)


def _of_type(row: CollectionRow, artifact: ArtifactName, type_name: str | None) -> CollectionRow:
    if type_name not in (None, row.type):
        raise UserError(f"{artifact} has the type {row.type!r}, not {type_name!r}: use that type or another name")
    return row


def _found(connection: Connection, artifact: ArtifactName, *, lock: bool = True) -> CollectionRow | None:
    query = _joined(select(collections.c.id, collections.c.type, collections.c.next_number)).where(is_artifact(artifact))
    row = connection.execute(_locking(query) if lock else query).one_or_none()
    if row is None:
        return None
    if lock:
        announce(connection, row.id)
    return CollectionRow(row.id, row.type, row.next_number)


def _joined(query: Select[Any]) -> Select[Any]:
    return query.join(projects, projects.c.id == collections.c.project_id).join(entities, entities.c.id == projects.c.entity_id)


def _locking(query: Select[Any]) -> Select[Any]:
    # key_share: rows that merely refer to the collection may be inserted meanwhile. SQLite has its one write lock instead.
    return query.with_for_update(of=collections, key_share=True)
