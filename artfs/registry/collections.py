"""Artifact collections: all versions of one name. Any thread; every method is one transaction."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, select

from artfs.errors import NotFound
from artfs.model.names import ArtifactName
from artfs.model.records import CollectionRecord
from artfs.registry.database import Database
from artfs.registry.schema import collections, entities, projects, versions
from artfs.registry.scopes import ensure_collection, is_artifact, is_project
from artfs.registry.suggestions import missing_artifact
from artfs.registry.version_rows import IS_LIVE

_LIVE_COUNT = (
    select(func.count()).select_from(versions).where(versions.c.collection_id == collections.c.id, IS_LIVE).scalar_subquery()
)


class Collections:
    """The artifact collections of all entities and projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure(self, artifact: ArtifactName, type: str) -> CollectionRecord:  # noqa: A002 - the word of the field
        """The collection, made when it is not there. UserError when it is there with another type."""

        def work(connection: Connection) -> CollectionRecord:
            ensure_collection(connection, artifact, type)
            return _select(connection, is_artifact(artifact))[0]

        # Looked for first, so that a collection that is there costs no write lock.
        found = self.find(artifact)
        return found if found is not None and found.type == type else self._database.write(work)

    def find(self, artifact: ArtifactName) -> CollectionRecord | None:
        """The collection; None when there is no such artifact."""
        found = self._database.read_once(lambda connection: _select(connection, is_artifact(artifact)))
        return found[0] if found else None

    def get(self, artifact: ArtifactName) -> CollectionRecord:
        """The collection; NotFound says which names there are."""

        def work(connection: Connection) -> CollectionRecord:
            found = _select(connection, is_artifact(artifact))
            if not found:
                raise NotFound(missing_artifact(connection, artifact))
            return found[0]

        return self._database.read_once(work)

    def projects(self) -> list[tuple[str, str]]:
        """All (entity, project), sorted."""
        query = select(entities.c.name, projects.c.name).join(projects, projects.c.entity_id == entities.c.id)
        return sorted((entity, project) for entity, project in self._database.read_once(lambda c: c.execute(query).all()))

    def list(self, entity: str, project: str) -> list[CollectionRecord]:
        """The collections of a project by name; none when there is no such project."""
        found = self._database.read_once(lambda connection: _select(connection, is_project(entity, project)))
        return sorted(found, key=lambda record: record.artifact)


def _select(connection: Connection, criterion: ColumnElement[bool]) -> list[CollectionRecord]:
    query = (
        select(collections, projects.c.name.label("project_name"), entities.c.name.label("entity_name"), _LIVE_COUNT.label("live"))
        .join(projects, projects.c.id == collections.c.project_id)
        .join(entities, entities.c.id == projects.c.entity_id)
        .where(criterion)
    )
    return [
        CollectionRecord(
            id=row.id,
            artifact=ArtifactName(row.entity_name, row.project_name, row.name),
            type=row.type,
            created_at=row.created_at,
            version_count=row.live,
        )
        for row in connection.execute(query)
    ]
