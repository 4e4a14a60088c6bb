"""Telling those who listen which artifact changes (`changes` is the other half). No state; any thread.

Whoever locks a collection is about to change its versions or aliases, so this is called where a collection is locked, and nothing
else has to think of it. PostgreSQL tells listeners when the transaction commits, and nobody when it does not. In SQLite listeners
look for themselves whether a count in the row has grown.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, literal, select, update

from artfs.errors import ArtfsError
from artfs.model.names import ArtifactName, check_artifact_name, check_entity, check_project
from artfs.registry.schema import collections, entities, projects

#: PostgreSQL keeps the channels of its databases apart.
CHANNEL = "artfs_changes"


def announce(connection: Connection, collection_id: int) -> None:
    """The artifact of that collection may be changed by this transaction."""
    if connection.dialect.name != "postgresql":
        here = collections.c.id == collection_id
        connection.execute(update(collections).where(here).values(changes=collections.c.changes + 1))
        return
    name = entities.c.name + literal("/") + projects.c.name + literal("/") + collections.c.name
    query = select(func.pg_notify(CHANNEL, name)).select_from(collections.join(projects).join(entities))
    connection.execute(query.where(collections.c.id == collection_id))


def parse_announcement(text: str) -> ArtifactName | None:
    """The artifact that was announced; None, which stands for all of them, when it cannot be told."""
    parts = text.split("/")
    if len(parts) != 3:
        return None
    try:
        return ArtifactName(check_entity(parts[0]), check_project(parts[1]), check_artifact_name(parts[2]))
    except ArtfsError:
        return None
